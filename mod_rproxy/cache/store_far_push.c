/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The second store: what waits to be put into Redis, and the thread that does it.
 *
 * What waits is a key: what lies under it in the local store when its turn comes is what is put.  So nothing is held in
 * memory twice, and the newest is put even when a key waits more than once.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store_far.h"
#include "lane/lane.h"

/* How long a child that ends goes on with what waits. */
#define LAST_TIME apr_time_from_msec(500)

/* ------------------------------------------------------------------ the thread */

static int take(rp_far_queue_t *q, rp_far_item_t *item)
{
    int has;

    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->stop) {
        pthread_cond_wait(&q->more, &q->lock);
    }
    has = q->n > 0;
    if (has) {
        *item = q->items[q->first];
        q->first = (q->first + 1) % RP_FAR_QUEUE;
        q->n--;
    }
    pthread_mutex_unlock(&q->lock);
    return has;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    rp_far_hand_t *hand = data;
    rp_far_queue_t *q = &hand->far->queue;
    apr_time_t until = 0;
    rp_far_item_t item;

    (void)thread;
    while (take(q, &item)) {
        if (q->stop) {
            until = until ? until : rp_now() + LAST_TIME;
        }
        if (item.what == RP_FAR_THEN) {
            item.done(item.data, !until || rp_now() < until ? hand->p : NULL);
        }
        else if (!until || rp_now() < until) {
            rp_far_put(hand, &item);
        }
        free(item.value);
        apr_pool_clear(hand->p); /* and scratch with it */
        apr_pool_create(&hand->scratch, hand->p);
    }
    return NULL;
}

static apr_status_t stop(void *data)
{
    rp_far_t *far = data;
    rp_far_queue_t *q = &far->queue;
    apr_status_t rv;

    pthread_mutex_lock(&q->lock);
    q->stop = 1;
    pthread_cond_signal(&q->more);
    pthread_mutex_unlock(&q->lock);
    if (q->thread) {
        apr_thread_join(&rv, q->thread);
        q->thread = NULL;
    }
    return APR_SUCCESS;
}

apr_status_t rp_far_push_begin(rp_far_t *far, apr_pool_t *p)
{
    rp_far_queue_t *q = &far->queue;
    rp_far_hand_t *hand = apr_palloc(p, sizeof(*hand));
    apr_allocator_t *allocator;
    sigset_t all, before;
    apr_status_t rv;

    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->more, NULL);
    q->items = apr_palloc(p, RP_FAR_QUEUE * sizeof(*q->items));
    hand->far = far;
    hand->pieces = apr_palloc(p, (apr_size_t)RP_FAR_PIECES * RP_FAR_PIECE);
    rv = apr_allocator_create(&allocator);
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create_ex(&hand->p, p, NULL, allocator);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_allocator_owner_set(allocator, hand->p);
    apr_pool_create(&hand->scratch, hand->p);
    /* Signals are left to the server's own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = apr_thread_create(&q->thread, NULL, run, hand, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rv == APR_SUCCESS) {
        apr_pool_pre_cleanup_register(p, far, stop);
    }
    return rv;
}

/* ------------------------------------------------------------------ those who have something to put */

static rp_farm_value_t *copy(const rp_farm_value_t *value)
{
    size_t tags = (size_t)value->ntags * sizeof(*value->tags);
    char *block = malloc(sizeof(*value) + tags + value->record.len);
    rp_farm_value_t *own = (rp_farm_value_t *)block;

    if (!block) {
        return NULL;
    }
    *own = *value;
    block += sizeof(*own);
    if (tags) {
        memcpy(block, value->tags, tags);
    }
    own->tags = (rp_store_tag_t *)block;
    block += tags;
    memcpy(block, value->record.ptr, value->record.len);
    own->record.ptr = block;
    own->name.ptr = value->name.len ? block + (value->name.ptr - value->record.ptr) : block;
    own->body = (rp_str_t){ "", 0 };
    return own;
}

/* @return 0 when there is no room for it */
static int enqueue(rp_far_queue_t *q, const rp_far_item_t *item)
{
    int has_room;

    pthread_mutex_lock(&q->lock);
    has_room = q->n < RP_FAR_QUEUE && !q->stop;
    if (has_room) {
        q->items[(q->first + q->n++) % RP_FAR_QUEUE] = *item;
        pthread_cond_signal(&q->more);
    }
    pthread_mutex_unlock(&q->lock);
    return has_room;
}

int rp_far_push_then(rp_far_t *far, void (*done)(void *data, apr_pool_t *p), void *data)
{
    rp_far_item_t item = { .what = RP_FAR_THEN, .done = done, .data = data };

    return enqueue(&far->queue, &item);
}

void rp_far_push(rp_far_t *far, const unsigned char key[RP_KEY_LEN], rp_far_what_e what, apr_time_t expires,
                 const rp_farm_value_t *value)
{
    rp_far_item_t item = { .what = what, .expires = expires, .value = value ? copy(value) : NULL };

    memcpy(item.key, key, RP_KEY_LEN);
    if ((value && !item.value) || !enqueue(&far->queue, &item)) {
        free(item.value);
        rp_far_count(far, dropped, 1);
        rp_far_tell(far, RP_FAR_DROPPED, "the newest");
    }
}

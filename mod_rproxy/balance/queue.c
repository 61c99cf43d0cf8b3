/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Who waits, and who gets a place when there is one. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "balance/queue.h"

/* Of a member with a bound others may take the last place first; so often is another one looked for. */
#define MAX_RACES 16

apr_size_t rp_queue_size(unsigned length)
{
    return sizeof(rp_queue_t) + length * sizeof(rp_waiter_t);
}

int rp_queue_init(rp_queue_t *queue, unsigned length)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);

    queue->length = length;
    if (rc == 0) {
        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
        rc = pthread_mutex_init(&queue->lock, &attr);
        pthread_mutexattr_destroy(&attr);
    }
    return rc;
}

static rp_waiter_t *waiter(rp_queue_t *queue, unsigned entry)
{
    return &queue->waiters[entry - 1];
}

/* ------------------------------------------------------------------ the list */

static int is_choosy(const rp_wish_t *wish)
{
    return wish->wanted != RP_ANYBODY || wish->ntried > 0;
}

/* In the order of the tickets; who has waited before goes in front of those who came later. */
static void link_in(rp_queue_t *queue, unsigned entry)
{
    rp_waiter_t *w = waiter(queue, entry);
    unsigned prev = queue->last;

    while (prev && waiter(queue, prev)->wish.ticket > w->wish.ticket) {
        prev = waiter(queue, prev)->prev;
    }
    w->prev = prev;
    w->next = prev ? waiter(queue, prev)->next : queue->first;
    *(prev ? &waiter(queue, prev)->next : &queue->first) = entry;
    *(w->next ? &waiter(queue, w->next)->prev : &queue->last) = entry;
    queue->choosy += (unsigned)is_choosy(&w->wish);
}

/* Not among those who wait any more. */
static void take_out(rp_queue_t *queue, unsigned entry, rp_turn_e turn)
{
    rp_waiter_t *w = waiter(queue, entry);

    /* First: should this process die meanwhile, turns are what the list is mended by. */
    __atomic_store_n(&w->turn, turn, __ATOMIC_RELEASE);
    *(w->prev ? &waiter(queue, w->prev)->next : &queue->first) = w->next;
    *(w->next ? &waiter(queue, w->next)->prev : &queue->last) = w->prev;
    queue->choosy -= (unsigned)is_choosy(&w->wish);
    rp_add(queue->waiting, -1);
}

static void let_go(rp_queue_t *queue, unsigned entry)
{
    rp_waiter_t *w = waiter(queue, entry);

    rp_put(w->turn, RP_TURN_NONE);
    w->next = queue->spare;
    queue->spare = entry;
}

/* @return 0 when all are in use */
static unsigned find_entry(rp_queue_t *queue)
{
    unsigned entry = queue->spare;

    if (entry) {
        queue->spare = waiter(queue, entry)->next;
        return entry;
    }
    return queue->used < queue->length ? ++queue->used : 0;
}

static int by_ticket(const void *a, const void *b)
{
    const rp_waiter_t *const *x = a, *const *y = b;

    return (*x)->wish.ticket < (*y)->wish.ticket ? -1 : 1;
}

/* Whoever held the lock died with it: what is true of each entry stands in it, the lists are made anew. */
static void mend(rp_queue_t *queue)
{
    rp_waiter_t **order = malloc((queue->used + 1) * sizeof(*order));
    unsigned i, n = 0;

    queue->first = queue->last = queue->spare = queue->choosy = 0;
    for (i = 1; i <= queue->used; i++) {
        rp_waiter_t *w = waiter(queue, i);

        if (rp_get(w->turn) == RP_TURN_NONE) {
            let_go(queue, i);
        }
        else if (rp_get(w->turn) == RP_TURN_WAITS && order) {
            order[n++] = w;
        }
        else if (rp_get(w->turn) == RP_TURN_WAITS) {
            /* The long way. */
            link_in(queue, i);
        }
    }
    if (order) {
        qsort(order, n, sizeof(*order), by_ticket);
        for (i = 0; i < n; i++) {
            link_in(queue, (unsigned)(order[i] - queue->waiters) + 1);
        }
    }
    for (i = queue->first, n = 0; i; i = waiter(queue, i)->next) {
        n++;
    }
    rp_put(queue->waiting, n);
    free(order);
}

static void lock(rp_queue_t *queue)
{
    if (pthread_mutex_lock(&queue->lock) == EOWNERDEAD) {
        pthread_mutex_consistent(&queue->lock);
        mend(queue);
    }
}

static void unlock(rp_queue_t *queue)
{
    pthread_mutex_unlock(&queue->lock);
}

/* ------------------------------------------------------------------ places */

static int is_tried(const rp_wish_t *wish, unsigned i)
{
    unsigned n;

    for (n = 0; n < wish->ntried; n++) {
        if (wish->tried[n] == i) {
            return 1;
        }
    }
    return 0;
}

/* A certain member, for a session that it has: it may be draining. */
static int pick_wanted(rp_state_t *state, const rp_wish_t *wish, rp_pick_t *pick)
{
    pick->full = 0;
    pick->trial = 0;
    pick->session = 1;
    return !is_tried(wish, wish->wanted) && rp_slot_take(state, wish->wanted, pick) ? wish->wanted : -1;
}

static int pick_anybody(const rp_giver_t *giver, const rp_wish_t *wish, rp_pick_t *pick)
{
    unsigned char tried[giver->state->nslots];
    unsigned i;

    if (wish->ntried) {
        memset(tried, 0, giver->state->nslots);
        for (i = 0; i < wish->ntried; i++) {
            tried[wish->tried[i]] = 1;
        }
        pick->tried = tried;
    }
    return rp_state_pick(giver->state, giver->method, pick);
}

/* @return RP_TURN_GIVEN, the member being entered; RP_TURN_WAITS: there is no place; RP_TURN_NOBODY */
static rp_turn_e find_place(rp_giver_t *giver, const rp_wish_t *wish, unsigned *slot, int *trial)
{
    int races;

    for (races = 0; races < MAX_RACES; races++) {
        rp_pick_t pick = { .now = giver->now, .hash = wish->hash, .may_try = wish->may_try };
        int i;

        giver->random = giver->random * 0x5851f42d4c957f2du + 0x14057b7ef767814fu;
        pick.random = giver->random;
        i = wish->wanted != RP_ANYBODY ? pick_wanted(giver->state, wish, &pick) : pick_anybody(giver, wish, &pick);
        if (i < 0) {
            return pick.full ? RP_TURN_WAITS : RP_TURN_NOBODY;
        }
        if (rp_state_enter(giver->state, (unsigned)i)) {
            *slot = (unsigned)i;
            *trial = pick.trial;
            return RP_TURN_GIVEN;
        }
    }
    return RP_TURN_WAITS;
}

static void settle(rp_giver_t *giver, unsigned entry, rp_turn_e turn, unsigned slot, int trial)
{
    rp_queue_t *queue = giver->queue;
    rp_waiter_t *w = waiter(queue, entry);

    if (turn == RP_TURN_GIVEN) {
        apr_interval_time_t waited = giver->now - w->since;

        w->slot = slot;
        w->trial = (apr_uint32_t)trial;
        giver->count(giver->data, w->row, slot);
        queue->counts.time += waited > 0 ? (apr_uint64_t)waited : 0;
        queue->counts.longest = waited > queue->counts.longest ? waited : queue->counts.longest;
    }
    take_out(queue, entry, turn);
    giver->wake(giver->data, w->row);
}

/* From the first to the last, as long as somebody might get something. */
static void walk(rp_giver_t *giver)
{
    rp_queue_t *queue = giver->queue;
    int none_left[2] = { 0, 0 }; /* for those who take anybody, by may_try */
    unsigned entry, next;

    rp_put(queue->walked, giver->now);
    for (entry = queue->first; entry; entry = next) {
        rp_waiter_t *w = waiter(queue, entry);
        int *none = &none_left[w->wish.may_try != 0], trial = 0;
        unsigned slot = 0;
        rp_turn_e turn;

        next = w->next;
        if (*none && w->wish.wanted == RP_ANYBODY) {
            if (!queue->choosy && none_left[0] && none_left[1]) {
                break;
            }
            continue;
        }
        turn = find_place(giver, &w->wish, &slot, &trial);
        if (turn != RP_TURN_WAITS) {
            settle(giver, entry, turn, slot, trial);
        }
        else if (!is_choosy(&w->wish)) {
            /* Who must not try members that were out has even less to choose from. */
            none_left[0] = 1;
            *none = 1;
        }
    }
}

int rp_queue_is_waited(const rp_queue_t *queue)
{
    /* Who joins does these in the other order (rp_queue_join): one of both sees the other. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return rp_get(queue->waiting) > 0;
}

void rp_queue_give(rp_giver_t *giver)
{
    lock(giver->queue);
    walk(giver);
    unlock(giver->queue);
}

static rp_turn_e append(rp_giver_t *giver, rp_wish_t *wish, unsigned row, unsigned *entry)
{
    rp_queue_t *queue = giver->queue;
    rp_waiter_t *w;

    *entry = find_entry(queue);
    if (!*entry) {
        queue->counts.refused++;
        return RP_TURN_FULL;
    }
    w = waiter(queue, *entry);
    wish->ticket = wish->ticket ? wish->ticket : ++queue->tickets;
    w->since = giver->now;
    w->wish = *wish;
    w->row = row;
    __atomic_store_n(&w->turn, RP_TURN_WAITS, __ATOMIC_RELEASE);
    link_in(queue, *entry);
    rp_add(queue->waiting, 1);
    queue->counts.waited++;
    return RP_TURN_WAITS;
}

rp_turn_e rp_queue_join(rp_giver_t *giver, rp_wish_t *wish, int may_wait, unsigned row, unsigned *slot, int *trial,
                        unsigned *entry)
{
    rp_queue_t *queue = giver->queue;
    rp_turn_e turn;

    lock(queue);
    /* Whoever frees a place from now on comes here, and we see what was freed before. */
    rp_add(queue->waiting, 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    /* What those who wait could use is theirs. */
    walk(giver);
    turn = find_place(giver, wish, slot, trial);
    if (turn == RP_TURN_WAITS) {
        turn = may_wait ? append(giver, wish, row, entry) : RP_TURN_FULL;
    }
    rp_add(queue->waiting, -1);
    unlock(queue);
    return turn;
}

int rp_queue_is_due(const rp_queue_t *queue, unsigned entry)
{
    return __atomic_load_n(&queue->waiters[entry - 1].turn, __ATOMIC_ACQUIRE) != RP_TURN_WAITS;
}

rp_turn_e rp_queue_leave(rp_giver_t *giver, unsigned entry, int client_gone, unsigned *slot, int *trial)
{
    rp_queue_t *queue = giver->queue;
    rp_waiter_t *w = waiter(queue, entry);
    rp_turn_e turn;

    lock(queue);
    turn = (rp_turn_e)rp_get(w->turn);
    *slot = w->slot;
    *trial = (int)w->trial;
    if (turn == RP_TURN_WAITS) {
        ++*(client_gone ? &queue->counts.gone : &queue->counts.timed_out);
        take_out(queue, entry, RP_TURN_NONE);
    }
    let_go(queue, entry);
    unlock(queue);
    return turn;
}

void rp_queue_forget(rp_giver_t *giver, unsigned row)
{
    rp_queue_t *queue = giver->queue;
    unsigned entry;

    lock(queue);
    for (entry = 1; entry <= queue->used; entry++) {
        rp_waiter_t *w = waiter(queue, entry);

        if (rp_get(w->turn) == RP_TURN_NONE || w->row != row) {
            continue;
        }
        if (rp_get(w->turn) == RP_TURN_WAITS) {
            take_out(queue, entry, RP_TURN_NONE);
        }
        let_go(queue, entry);
    }
    walk(giver);
    unlock(queue);
}

apr_interval_time_t rp_queue_age(rp_queue_t *queue, apr_time_t now)
{
    apr_interval_time_t age;

    lock(queue);
    age = queue->first ? now - waiter(queue, queue->first)->since : 0;
    unlock(queue);
    return age > 0 ? age : 0;
}

rp_queue_counts_t rp_queue_count(rp_queue_t *queue, unsigned *waiting)
{
    rp_queue_counts_t counts;

    lock(queue);
    counts = queue->counts;
    *waiting = rp_get(queue->waiting);
    unlock(queue);
    return counts;
}

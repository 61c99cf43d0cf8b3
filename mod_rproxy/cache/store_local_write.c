/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The local store's writers.  A small body waits in memory for its commit.  A larger one is spilled in
 * batches of about 64 KiB, each in a write transaction of its own, under an object id that nothing refers to
 * yet but a row in `pending`.
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include "cache/store_local.h"

/* ---------------------------------------------- the writers of this process with chunks / */

static void enlist(rp_store_writer_t *w)
{
    rp_local_t *s = w->s;

    pthread_mutex_lock(&s->lock);
    w->next = s->writers;
    w->link = &s->writers;
    if (w->next) {
        w->next->link = &w->next;
    }
    s->writers = w;
    pthread_mutex_unlock(&s->lock);
}

static void delist(rp_store_writer_t *w)
{
    rp_local_t *s = w->s;

    pthread_mutex_lock(&s->lock);
    if (w->link) {
        *w->link = w->next;
        if (w->next) {
            w->next->link = w->link;
        }
        w->link = NULL;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ------------------------------------------------------------------ chunks */

/** Is the row in `pending` still there?  It is not when somebody took this writer for dead. */
static int check_pending(rp_local_txn_t *t, uint64_t object)
{
    MDB_val key = {sizeof(object), &object}, value;

    return mdb_get(t->txn, t->s->dbi[RP_DB_PENDING], &key, &value);
}

static int put_pending(rp_local_txn_t *t, uint64_t object)
{
    rp_local_owner_t owner = t->s->self;
    MDB_val key = {sizeof(object), &object}, value = {sizeof(owner), &owner};

    owner.begun = apr_time_now();
    return mdb_put(t->txn, t->s->dbi[RP_DB_PENDING], &key, &value, 0);
}

static int put_chunks(rp_local_txn_t *t, uint64_t object, uint64_t index, const char *data, size_t len)
{
    unsigned char k[12];
    MDB_val key = {sizeof(k), k}, value;
    int rc = 0;

    while (len && !rc) {
        value.mv_size = len < t->s->chunk ? len : t->s->chunk;
        value.mv_data = NULL;
        rp_local_chunk_key(k, object, (uint32_t)index++);
        rc = mdb_put(t->txn, t->s->dbi[RP_DB_CHUNKS], &key, &value, MDB_RESERVE);
        if (!rc) {
            memcpy(value.mv_data, data, value.mv_size);
            data += value.mv_size;
            len -= value.mv_size;
        }
    }
    return rc;
}

typedef struct spill_t {
    rp_store_writer_t *w;
    const char *data;
    size_t len;
    int first;
} spill_t;

static int work_spill(rp_local_txn_t *t, void *arg)
{
    spill_t *spill = arg;
    rp_store_writer_t *w = spill->w;
    int rc;

    if (spill->first) {
        /* Set before the row can be seen by anybody, so that rp_local_bury_writers finds it a living
         * writer's. */
        __atomic_store_n(&w->object, t->next++, __ATOMIC_RELEASE);
        rc = put_pending(t, w->object);
    }
    else {
        rc = check_pending(t, w->object);
    }
    return rc ? rc : put_chunks(t, w->object, w->index, spill->data, spill->len);
}

/** Write len bytes, a multiple of the chunk's size, as the next chunks. */
static apr_status_t spill(rp_store_writer_t *w, const char *data, size_t len)
{
    rp_local_t *s = w->s;
    spill_t work = {w, data, len, w->object == 0};
    apr_status_t rv;

    if (work.first) {
        enlist(w);
    }
    rv = rp_local_run(s, len / s->chunk + 4, work_spill, &work);
    if (rv == APR_SUCCESS) {
        w->index += len / s->chunk;
        w->shown = w->index * s->chunk;
    }
    else if (work.first) {
        delist(w);
        w->object = 0;
    }
    return rv;
}

/* ------------------------------------------------------------------ begin, write, abort */

static apr_status_t writer_cleanup(void *data)
{
    rp_local_writer_abort(data);
    return APR_SUCCESS;
}

static size_t batch_bytes(const rp_local_t *s)
{
    return s->batch * s->chunk;
}

apr_status_t rp_local_writer_begin(rp_store_t *store, const unsigned char key[RP_KEY_LEN], uint64_t expected,
                                   apr_pool_t *p, rp_store_writer_t **writer)
{
    rp_local_t *s = (rp_local_t *)store;
    rp_store_writer_t *w;

    if (expected != UINT64_MAX && expected > s->largest) {
        return APR_ENOSPC;
    }
    if (__atomic_load_n(&s->broken, __ATOMIC_RELAXED) || rp_local_is_stuck(s)) {
        return APR_EGENERAL;
    }
    w = apr_pcalloc(p, sizeof(*w));
    w->s = s;
    w->pool = p;
    w->expected = expected;
    memcpy(w->key, key, RP_KEY_LEN);
    if (expected <= RP_STORE_INLINE) {
        w->cap = expected ? (size_t)expected : 1;
    }
    else {
        w->cap = expected == UINT64_MAX ? RP_STORE_INLINE : batch_bytes(s);
    }
    w->buf = apr_palloc(p, w->cap);
    apr_pool_cleanup_register(p, w, writer_cleanup, apr_pool_cleanup_null);
    *writer = w;
    return APR_SUCCESS;
}

static apr_status_t writer_fail(rp_store_writer_t *w, apr_status_t rv)
{
    rp_local_writer_abort(w);
    w->rv = rv;
    return rv;
}

apr_status_t rp_local_writer_write(rp_store_writer_t *w, const char *data, apr_size_t len)
{
    size_t batch = batch_bytes(w->s);
    apr_status_t rv;

    if (w->rv) {
        return w->rv;
    }
    if (len > w->s->largest || w->written > w->s->largest - len) {
        return writer_fail(w, APR_ENOSPC);
    }
    if (len > w->expected - w->written) {
        return writer_fail(w, APR_EINVAL);
    }
    w->written += len;
    while (len) {
        size_t n;
        if (w->len == w->cap && w->cap < batch) {
            char *grown = apr_palloc(w->pool, batch);
            memcpy(grown, w->buf, w->len);
            w->buf = grown;
            w->cap = batch;
        }
        if (w->len == batch || (w->len == 0 && len > batch)) {
            /* Whole batches go straight from the caller's memory; the last bytes stay in ours
             * for the commit. */
            const char *from = w->len ? w->buf : data;
            rv = spill(w, from, batch);
            if (rv) {
                return writer_fail(w, rv);
            }
            if (w->len) {
                w->len = 0;
            }
            else {
                data += batch;
                len -= batch;
            }
            continue;
        }
        n = w->cap - w->len < len ? w->cap - w->len : len;
        memcpy(w->buf + w->len, data, n);
        w->len += n;
        data += n;
        len -= n;
    }
    return APR_SUCCESS;
}

static int work_abandon(rp_local_txn_t *t, void *arg)
{
    rp_store_writer_t *w = arg;
    MDB_val key = {sizeof(w->object), &w->object}, none = {0, ""};
    int rc = mdb_del(t->txn, t->s->dbi[RP_DB_PENDING], &key, NULL);

    return rc ? rc : mdb_put(t->txn, t->s->dbi[RP_DB_GARBAGE], &key, &none, 0);
}

void rp_local_writer_abort(rp_store_writer_t *w)
{
    if (w->rv) {
        return;
    }
    w->rv = APR_EGENERAL;
    apr_pool_cleanup_kill(w->pool, w, writer_cleanup);
    if (w->object) {
        /* When this fails the row stays, and being on no list any more it is found dead by the next that
         * looks. */
        rp_local_run(w->s, 2, work_abandon, w);
        delist(w);
    }
}

/* ------------------------------------------------------------------ publish */

/** What a published writer's row in `pending` begins with; the entry's value follows. */
#define BEFORE_VALUE (sizeof(rp_local_owner_t) + RP_KEY_LEN)

/** Does the row say the same as put? */
static int is_told(const rp_store_writer_t *w, const rp_put_t *put)
{
    rp_local_head_t head = rp_local_head_of(put);
    const char *told = w->told + BEFORE_VALUE;
    size_t tags = (size_t)put->ntags * RP_STORE_TAG_LEN;

    if (!w->told || w->told_len != BEFORE_VALUE + rp_local_value_len(put)) {
        return 0;
    }
    head.object = w->object;
    return !memcmp(told, &head, sizeof(head)) && (!tags || !memcmp(told + sizeof(head), put->tags, tags)) &&
           !memcmp(told + sizeof(head) + tags, put->record.ptr, put->record.len);
}

/** Make the row; its object is put in when it is known. */
static void tell(rp_store_writer_t *w, const rp_put_t *put)
{
    rp_local_owner_t owner = w->s->self;
    rp_local_head_t head = rp_local_head_of(put);

    w->told_len = BEFORE_VALUE + rp_local_value_len(put);
    w->told = apr_palloc(w->pool, w->told_len);
    owner.begun = apr_time_now();
    memcpy(w->told, &owner, sizeof(owner));
    memcpy(w->told + sizeof(owner), w->key, RP_KEY_LEN);
    rp_local_value_fill(w->told + BEFORE_VALUE, &head, put);
}

typedef struct publish_t {
    rp_store_writer_t *w;
    const rp_put_t *put;
    int first; /* the object has no id yet */
    int tell;
} publish_t;

static int work_publish(rp_local_txn_t *t, void *arg)
{
    publish_t *p = arg;
    rp_store_writer_t *w = p->w;
    rp_local_head_t head = rp_local_head_of(p->put);
    int rc = rp_local_admit(t, w->key, p->put, &head);

    if (rc) {
        return rc;
    }
    if (p->first) {
        __atomic_store_n(&w->object, t->next++, __ATOMIC_RELEASE); /* before the row, see work_spill */
    }
    else {
        rc = check_pending(t, w->object);
    }
    if (!rc && p->tell) {
        MDB_val key = {sizeof(w->object), &w->object}, value = {w->told_len, w->told};
        memcpy(w->told + BEFORE_VALUE + offsetof(rp_local_head_t, object), &w->object, sizeof(w->object));
        rc = mdb_put(t->txn, t->s->dbi[RP_DB_PENDING], &key, &value, 0);
    }
    return rc ? rc : put_chunks(t, w->object, w->index, w->buf, w->len);
}

apr_status_t rp_local_writer_publish(rp_store_writer_t *w, const rp_put_t *put)
{
    publish_t work = {w, put, w->object == 0, 0};
    size_t whole;
    apr_status_t rv;

    if (w->rv) {
        return w->rv;
    }
    rv = rp_local_put_check(put);
    if (rv) {
        return writer_fail(w, rv);
    }
    work.tell = !is_told(w, put);
    if (!work.tell && w->shown == w->written) {
        return APR_SUCCESS;
    }
    if (work.tell) {
        tell(w, put);
    }
    if (work.first) {
        enlist(w);
    }
    rv = rp_local_run(w->s, w->len / w->s->chunk + rp_local_put_pages(w->s, put), work_publish, &work);
    if (rv) {
        if (work.first) {
            delist(w);
            w->object = 0;
        }
        return writer_fail(w, rv);
    }
    w->published = 1;
    w->shown = w->written;
    whole = w->len / w->s->chunk;
    if (whole && w->written > RP_STORE_INLINE) { /* a small one is still needed as a whole, for its entry */
        w->index += whole;
        w->len -= whole * w->s->chunk;
        memmove(w->buf, w->buf + whole * w->s->chunk, w->len);
    }
    return APR_SUCCESS;
}

uint64_t rp_local_writer_object(const rp_store_writer_t *w)
{
    return w->published ? w->object : 0;
}

uint64_t rp_local_writer_published(const rp_store_writer_t *w)
{
    return w->published ? w->shown : 0;
}

/* ------------------------------------------------------------------ commit */

typedef struct commit_t {
    const unsigned char *key;
    const char *body; /* inline, or the last chunks */
    size_t body_here;
    rp_store_writer_t *w;
    const rp_put_t *put;
    rp_local_head_t head;
} commit_t;

static int drop_old(rp_local_txn_t *t, const unsigned char *key)
{
    MDB_val k = {RP_KEY_LEN, (void *)key}, value;
    int rc = mdb_get(t->txn, t->s->dbi[RP_DB_ENTRIES], &k, &value);

    if (rc == MDB_NOTFOUND) {
        return 0;
    }
    return rc ? rc : rp_local_drop_parts(t, &value);
}

static int work_commit(rp_local_txn_t *t, void *arg)
{
    commit_t *c = arg;
    rp_store_writer_t *w = c->w;
    int rc = rp_local_admit(t, c->key, c->put, &c->head);

    if (rc) {
        return rc;
    }
    c->head.object = w->object;
    if (w->object) {
        MDB_val key = {sizeof(w->object), &w->object};
        /* Not found: somebody took this writer for dead, see check_pending. */
        rc = mdb_del(t->txn, t->s->dbi[RP_DB_PENDING], &key, NULL);
    }
    else {
        c->head.object = t->next++;
    }
    if (!rc && c->head.body_len > RP_STORE_INLINE) {
        rc = put_chunks(t, c->head.object, w->index, c->body, c->body_here);
    }
    else if (!rc && w->object) {
        /* What was published of a small body is not needed any more: it goes into the entry. */
        MDB_val key = {sizeof(w->object), &w->object}, none = {0, ""};
        rc = mdb_put(t->txn, t->s->dbi[RP_DB_GARBAGE], &key, &none, 0);
    }
    if (!rc) {
        rc = drop_old(t, c->key);
    }
    if (!rc) {
        rc = rp_local_tags_add(t, c->put->tags, c->put->ntags, c->head.since);
    }
    if (!rc) {
        c->head.sequence = t->next++;
        rc = rp_local_put_entry(t, c->key, &c->head, c->put, c->body);
    }
    return rc ? rc : rp_local_queue_add(t, c->key, &c->head);
}

apr_status_t rp_local_writer_commit(rp_store_writer_t *w, const rp_put_t *put)
{
    commit_t c = {w->key, w->buf, w->len, w, put, rp_local_head_of(put)};
    apr_status_t rv;

    if (w->rv) {
        return w->rv;
    }
    rv = rp_local_put_check(put);
    if (rv) {
        return writer_fail(w, rv);
    }
    if (w->expected != UINT64_MAX && w->written != w->expected) {
        return writer_fail(w, APR_INCOMPLETE);
    }
    c.head.body_len = w->written;
    rv = rp_local_run(w->s, w->len / w->s->chunk + rp_local_put_pages(w->s, put), work_commit, &c);
    if (rv) {
        return writer_fail(w, rv);
    }
    rp_local_touch(w->s, rp_local_hash(w->key));
    w->rv = APR_EGENERAL;
    apr_pool_cleanup_kill(w->pool, w, writer_cleanup);
    if (w->object) {
        delist(w);
    }
    return APR_SUCCESS;
}

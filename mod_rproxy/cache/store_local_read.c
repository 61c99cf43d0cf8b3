/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The local store's reading side.  No lock is taken and nothing is written, but a count of what is
 * found. */

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "cache/store_local.h"

/** At most this much is copied in one read transaction: pages that it pins cannot be reused meanwhile. */
#define READ_MAX (256 * 1024)

/** Not one of LMDB's codes: the followed body was committed and ends here. */
#define SETTLED_END (-2)

/* ------------------------------------------------------------------ idle read transactions */

/* A renewed transaction costs a fraction of a new one, which must find a slot in lock.mdb under a mutex. With
 * MDB_NOTLS it may move between threads, so the idle ones are in an array: a thread begins to look where its
 * own thread-local memory hashes to, and takes and gives with one atomic exchange. */

static unsigned first_slot(void)
{
    static __thread char here;

    return (unsigned)((uintptr_t)&here >> 12) % RP_LOCAL_IDLE;
}

static void reader_close(rp_local_reader_t *r)
{
    if (r->chunks) {
        mdb_cursor_close(r->chunks);
    }
    mdb_txn_abort(r->txn);
    free(r);
}

static rp_local_reader_t *reader_new(rp_local_t *s, int *rc)
{
    rp_local_reader_t *r = calloc(1, sizeof(*r));
    int dead;

    if (!r) {
        *rc = MDB_READERS_FULL;
        return NULL;
    }
    *rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &r->txn);
    if (*rc == MDB_READERS_FULL && !mdb_reader_check(s->env, &dead) && dead) {
        *rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &r->txn);
    }
    if (*rc) {
        free(r);
        return NULL;
    }
    return r;
}

rp_local_reader_t *rp_local_reader_take(rp_local_t *s, int *rc)
{
    unsigned i, at = first_slot();

    if (__atomic_load_n(&s->broken, __ATOMIC_RELAXED)) {
        *rc = MDB_NOTFOUND;
        return NULL;
    }
    for (i = 0; i < RP_LOCAL_IDLE; i++, at = (at + 1) % RP_LOCAL_IDLE) {
        rp_local_reader_t *r;
        if (!__atomic_load_n(&s->idle[at].reader, __ATOMIC_RELAXED)) {
            continue;
        }
        r = __atomic_exchange_n(&s->idle[at].reader, NULL, __ATOMIC_ACQUIRE);
        if (!r) {
            continue;
        }
        *rc = mdb_txn_renew(r->txn);
        if (!*rc) {
            return r;
        }
        reader_close(r);
        return NULL;
    }
    return reader_new(s, rc);
}

void rp_local_reader_give(rp_local_t *s, rp_local_reader_t *r)
{
    unsigned i, at = first_slot();

    mdb_txn_reset(r->txn);
    for (i = 0; i < RP_LOCAL_IDLE; i++, at = (at + 1) % RP_LOCAL_IDLE) {
        rp_local_reader_t *none = NULL;
        if (__atomic_compare_exchange_n(&s->idle[at].reader, &none, r, 0, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
            return;
        }
    }
    reader_close(r);
}

void rp_local_readers_close(rp_local_t *s)
{
    int i;

    for (i = 0; i < RP_LOCAL_IDLE; i++) {
        rp_local_reader_t *r = __atomic_exchange_n(&s->idle[i].reader, NULL, __ATOMIC_ACQUIRE);
        if (r) {
            reader_close(r);
        }
    }
}

/* ------------------------------------------------------------------ entries */

int rp_local_head_read(const MDB_val *value, rp_local_head_t *head)
{
    size_t rest, tags;

    if (value->mv_size < sizeof(*head)) {
        return 0;
    }
    memcpy(head, value->mv_data, sizeof(*head));
    tags = (size_t)head->ntags * RP_STORE_TAG_LEN;
    rest = value->mv_size - sizeof(*head);
    if (head->magic != RP_LOCAL_HEAD_MAGIC || head->object == 0 || head->ntags > RP_STORE_TAGS || tags > rest ||
        head->record_len > rest - tags || head->name_at > head->record_len ||
        head->name_len > head->record_len - head->name_at) {
        return 0;
    }
    rest -= tags;
    if (head->body_len > RP_STORE_INLINE) {
        return head->record_len == rest && head->body_len <= INT64_MAX;
    }
    return head->body_len == rest - head->record_len;
}

/**
 * Copy what lies in the map, which is valid only as long as the read transaction.
 * @return 0, MDB_NOTFOUND when it was purged
 */
static int copy_entry(rp_local_t *s, MDB_txn *txn, const unsigned char *key, const MDB_val *value,
                      const rp_local_head_t *head, apr_pool_t *p, rp_entry_t *entry)
{
    const char *record = rp_local_record(value, head);
    size_t len = value->mv_size - (size_t)(record - (const char *)value->mv_data);
    rp_local_subject_t subject;
    rp_local_verdict_e verdict;
    char *copy;
    int rc;

    rp_local_subject(key, value, head, &subject);
    rc = rp_local_judge(s, txn, &subject, &verdict);
    if (rc || verdict == RP_PURGED_HARD) {
        return rc ? rc : MDB_NOTFOUND;
    }
    copy = apr_palloc(p, len + 1);
    memcpy(copy, record, len);
    memcpy(entry->key, key, RP_KEY_LEN);
    entry->reading = NULL;
    entry->store = &s->store;
    entry->soft = verdict == RP_PURGED_DOUBT ? RP_DOUBT
                : verdict == RP_PURGED_SOFT || (head->flags & RP_LOCAL_SOFT) ? RP_SOFT : 0;
    entry->object = head->object;
    entry->body_len = head->body_len;
    entry->record.ptr = copy;
    entry->record.len = head->record_len;
    if (head->body_len <= RP_STORE_INLINE) {
        entry->body.ptr = copy + head->record_len;
        entry->body.len = (size_t)head->body_len;
    }
    else {
        entry->body.ptr = NULL;
        entry->body.len = 0;
    }
    return 0;
}

apr_status_t rp_local_get(rp_store_t *store, const unsigned char key[RP_KEY_LEN], apr_pool_t *p,
                          rp_entry_t *entry)
{
    rp_local_t *s = (rp_local_t *)store;
    MDB_val k = {RP_KEY_LEN, (void *)key}, value;
    rp_local_reader_t *r;
    rp_local_head_t head;
    uint64_t hash = rp_local_hash(key);
    int rc, sound = 1;

    rp_local_foresee(s, hash);
    r = rp_local_reader_take(s, &rc);
    if (!r) {
        rp_local_status(s, RP_LOG_READ, rc, "cannot read");
        return APR_NOTFOUND;
    }
    rc = mdb_get(r->txn, s->dbi[RP_DB_ENTRIES], &k, &value);
    if (!rc) {
        rp_local_hint(s, hash, &value);
        sound = rp_local_head_read(&value, &head);
        rc = sound ? copy_entry(s, r->txn, key, &value, &head, p, entry) : 0;
    }
    rp_local_reader_give(s, r);
    if (rc) {
        rp_local_status(s, RP_LOG_READ, rc, "cannot read");
        return APR_NOTFOUND;
    }
    if (!sound) {
        rp_local_log(s, RP_LOG_UNSOUND, LOG_WARNING, 0, "an unsound entry was found and removed");
        rp_local_remove(store, key);
        return APR_NOTFOUND;
    }
    rp_local_touch(s, hash);
    return APR_SUCCESS;
}

apr_status_t rp_store_local_facts(rp_store_t *store, const unsigned char key[RP_KEY_LEN], apr_pool_t *p,
                                  rp_entry_t *entry, rp_put_t *put)
{
    rp_local_t *s = (rp_local_t *)store;
    MDB_val k = {RP_KEY_LEN, (void *)key}, value;
    rp_local_reader_t *r;
    rp_local_head_t head;
    int rc;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return APR_NOTFOUND;
    }
    rc = mdb_get(r->txn, s->dbi[RP_DB_ENTRIES], &k, &value);
    if (!rc) {
        rc = rp_local_head_read(&value, &head) ? copy_entry(s, r->txn, key, &value, &head, p, entry) : MDB_NOTFOUND;
    }
    if (!rc) {
        put->record = entry->record;
        put->name = (rp_str_t){entry->record.ptr + head.name_at, head.name_len};
        put->expires = head.expires;
        put->since = head.since;
        put->ntags = head.ntags;
        put->tags = apr_pmemdup(p, (const char *)value.mv_data + sizeof(head), head.ntags * sizeof(*put->tags));
    }
    rp_local_reader_give(s, r);
    return rc ? APR_NOTFOUND : APR_SUCCESS;
}

int rp_local_pending_read(const MDB_val *row, const unsigned char **key, MDB_val *value, rp_local_head_t *head)
{
    const size_t before = sizeof(rp_local_owner_t) + RP_KEY_LEN;

    if (row->mv_size <= before) {
        return 0;
    }
    *key = (const unsigned char *)row->mv_data + sizeof(rp_local_owner_t);
    value->mv_data = (char *)row->mv_data + before;
    value->mv_size = row->mv_size - before;
    return rp_local_head_read(value, head);
}

apr_status_t rp_local_follow(rp_store_t *store, uint64_t object, apr_pool_t *p, rp_entry_t *entry)
{
    rp_local_t *s = (rp_local_t *)store;
    MDB_val k = {sizeof(object), &object}, row, value;
    const unsigned char *key;
    rp_local_reader_t *r;
    rp_local_head_t head;
    int rc;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        rp_local_status(s, RP_LOG_READ, rc, "cannot read");
        return APR_NOTFOUND;
    }
    rc = mdb_get(r->txn, s->dbi[RP_DB_PENDING], &k, &row);
    if (!rc) {
        rc = rp_local_pending_read(&row, &key, &value, &head) && head.object == object
                 ? copy_entry(s, r->txn, key, &value, &head, p, entry)
                 : MDB_NOTFOUND;
    }
    rp_local_reader_give(s, r);
    if (rc) {
        rp_local_status(s, RP_LOG_READ, rc, "cannot read");
        return APR_NOTFOUND;
    }
    entry->body_len = UINT64_MAX;
    entry->body.ptr = NULL;
    entry->body.len = 0;
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ bodies */

/** Copy from consecutive chunks; *done is how much. */
static int copy_chunks(rp_local_t *s, MDB_cursor *cursor, const rp_entry_t *e, uint64_t offset, char *buf,
                       size_t len, size_t *done)
{
    unsigned char want[12];
    MDB_val key = {sizeof(want), want}, value;
    MDB_cursor_op op = MDB_SET_KEY;

    *done = 0;
    while (*done < len) {
        uint64_t index = offset / s->chunk;
        size_t in = (size_t)(offset % s->chunk), n;
        uint64_t left = e->body_len - index * s->chunk;
        size_t expect = left < s->chunk ? (size_t)left : s->chunk;
        int rc;

        rp_local_chunk_key(want, e->object, (uint32_t)index);
        rc = mdb_cursor_get(cursor, &key, &value, op);
        if (rc) {
            return rc;
        }
        if (key.mv_size != sizeof(want) || memcmp(key.mv_data, want, sizeof(want)) ||
            value.mv_size != expect) {
            return MDB_NOTFOUND;
        }
        n = expect - in < len - *done ? expect - in : len - *done;
        memcpy(buf + *done, (const char *)value.mv_data + in, n);
        *done += n;
        offset += n;
        op = MDB_NEXT;
    }
    return 0;
}

/** Copy what there is of a body that is, or was, being written: chunks as far as they go, the last one may be
 * anything but empty. */
static int copy_shown(rp_local_t *s, MDB_cursor *cursor, const rp_entry_t *e, uint64_t offset, char *buf, size_t len,
                      size_t *done)
{
    *done = 0;
    while (*done < len) {
        unsigned char want[12];
        MDB_val key = {sizeof(want), want}, value;
        uint64_t index = offset / s->chunk;
        size_t in = (size_t)(offset % s->chunk), n;
        int rc;

        rp_local_chunk_key(want, e->object, (uint32_t)index);
        rc = index > UINT32_MAX ? MDB_NOTFOUND : mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
        if (rc || value.mv_size > s->chunk || value.mv_size <= in) {
            return rc && rc != MDB_NOTFOUND ? rc : 0;
        }
        n = value.mv_size - in < len - *done ? value.mv_size - in : len - *done;
        memcpy(buf + *done, (const char *)value.mv_data + in, n);
        *done += n;
        offset += n;
    }
    return 0;
}

/** No chunk has a byte at offset: because there is none yet (0), because the body was committed and ends there
 * (SETTLED_END), because a small one lies in its entry by now (copied), or because it is gone (MDB_NOTFOUND). */
static int copy_settled(rp_local_t *s, MDB_txn *txn, const rp_entry_t *e, uint64_t offset, char *buf, size_t len,
                        size_t *done)
{
    uint64_t object = e->object;
    MDB_val k = {sizeof(object), &object}, value;
    rp_local_head_t head;
    int rc = mdb_get(txn, s->dbi[RP_DB_PENDING], &k, &value);

    if (rc != MDB_NOTFOUND) {
        return rc;
    }
    k.mv_size = RP_KEY_LEN;
    k.mv_data = (void *)e->key;
    rc = mdb_get(txn, s->dbi[RP_DB_ENTRIES], &k, &value);
    if (rc || !rp_local_head_read(&value, &head) || head.object != object) {
        return rc ? rc : MDB_NOTFOUND;
    }
    if (offset >= head.body_len) {
        return SETTLED_END;
    }
    if (head.body_len > RP_STORE_INLINE) {
        return MDB_NOTFOUND;
    }
    *done = head.body_len - offset < len ? (size_t)(head.body_len - offset) : len;
    memcpy(buf, rp_local_record(&value, &head) + head.record_len + offset, *done);
    return 0;
}

static int read_shown(rp_local_t *s, rp_local_reader_t *r, const rp_entry_t *e, uint64_t offset, char *buf, size_t len,
                      size_t *done)
{
    int rc = copy_shown(s, r->chunks, e, offset, buf, len, done);

    return rc || *done ? rc : copy_settled(s, r->txn, e, offset, buf, len, done);
}

apr_status_t rp_local_read(const rp_entry_t *e, uint64_t offset, char *buf, apr_size_t *len)
{
    rp_local_t *s = (rp_local_t *)e->store;
    size_t n = *len, done = 0;
    rp_local_reader_t *r;
    int rc;

    *len = 0;
    if (offset >= e->body_len || n == 0) {
        return APR_SUCCESS;
    }
    if (n > e->body_len - offset) {
        n = (size_t)(e->body_len - offset);
    }
    if (e->body.ptr) {
        memcpy(buf, e->body.ptr + offset, n);
        *len = n;
        return APR_SUCCESS;
    }
    r = rp_local_reader_take(s, &rc);
    if (!r) {
        rp_local_status(s, RP_LOG_READ, rc, "cannot read");
        return APR_NOTFOUND;
    }
    rc = r->chunks ? mdb_cursor_renew(r->txn, r->chunks)
                   : mdb_cursor_open(r->txn, s->dbi[RP_DB_CHUNKS], &r->chunks);
    n = n < READ_MAX ? n : READ_MAX;
    if (!rc) {
        rc = e->body_len == UINT64_MAX ? read_shown(s, r, e, offset, buf, n, &done)
                                       : copy_chunks(s, r->chunks, e, offset, buf, n, &done);
    }
    rp_local_reader_give(s, r);
    if (rc == SETTLED_END) {
        return APR_EOF;
    }
    if (rc) {
        rp_local_status(s, RP_LOG_READ, rc, "cannot read");
        return APR_NOTFOUND;
    }
    *len = done;
    return APR_SUCCESS;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Removing entries from the local store. */

#include <string.h>
#include "cache/store_local.h"

/** Entries removed in one write transaction. */
#define REMOVE_BATCH 64

int rp_local_drop_parts(rp_local_txn_t *t, const MDB_val *value)
{
    rp_local_t *s = t->s;
    rp_local_head_t head;
    int rc;

    if (!rp_local_head_read(value, &head)) {
        /* Nothing in it can be believed: its row is recognised as nobody's when its turn comes. */
        return 0;
    }
    rc = rp_local_queue_drop(t, &head);
    if (!rc && head.body_len > RP_STORE_INLINE) {
        MDB_val k, none = {0, ""};
        k.mv_size = sizeof(head.object);
        k.mv_data = &head.object;
        rc = mdb_put(t->txn, s->dbi[RP_DB_GARBAGE], &k, &none, 0);
    }
    return rc;
}

int rp_local_drop(rp_local_txn_t *t, const unsigned char key[RP_KEY_LEN], const MDB_val *value)
{
    MDB_val k = {RP_KEY_LEN, (void *)key};
    int rc = rp_local_drop_parts(t, value);

    return rc ? rc : mdb_del(t->txn, t->s->dbi[RP_DB_ENTRIES], &k, NULL);
}

static int work_remove(rp_local_txn_t *t, void *arg)
{
    MDB_val k = {RP_KEY_LEN, arg}, value;
    int rc = mdb_get(t->txn, t->s->dbi[RP_DB_ENTRIES], &k, &value);

    return rc ? rc : rp_local_drop(t, arg, &value);
}

/**
 * Is there an entry whose key begins with these len bytes?  Asked first because it costs a fraction of a
 * write transaction, and most removals (after a POST, say) find nothing.
 */
static int exists(rp_local_t *s, const unsigned char *prefix, size_t len)
{
    MDB_val k = {len, (void *)prefix}, v;
    MDB_cursor *cursor;
    rp_local_reader_t *r;
    int rc;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return 1;
    }
    rc = mdb_cursor_open(r->txn, s->dbi[RP_DB_ENTRIES], &cursor);
    if (!rc) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (!rc && (k.mv_size < len || memcmp(k.mv_data, prefix, len))) {
            rc = MDB_NOTFOUND;
        }
        mdb_cursor_close(cursor);
    }
    rp_local_reader_give(s, r);
    return rc != MDB_NOTFOUND;
}

apr_status_t rp_local_remove(rp_store_t *store, const unsigned char key[RP_KEY_LEN])
{
    rp_local_t *s = (rp_local_t *)store;
    apr_status_t rv;

    if (!exists(s, key, RP_KEY_LEN)) {
        return APR_SUCCESS;
    }
    rv = rp_local_run(s, 2, work_remove, (void *)key);
    return rv == APR_NOTFOUND ? APR_SUCCESS : rv;
}

typedef struct primary_t {
    const unsigned char *primary;
    unsigned removed;
} primary_t;

static int work_remove_primary(rp_local_txn_t *t, void *arg)
{
    primary_t *r = arg;
    unsigned char key[RP_KEY_LEN];
    MDB_val k, v;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(t->txn, t->s->dbi[RP_DB_ENTRIES], &cursor);

    if (rc) {
        return rc;
    }
    for (r->removed = 0; r->removed < REMOVE_BATCH; r->removed++) {
        k.mv_size = RP_KEY_HALF;
        k.mv_data = (void *)r->primary;
        rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (rc || k.mv_size != RP_KEY_LEN || memcmp(k.mv_data, r->primary, RP_KEY_HALF)) {
            break;
        }
        memcpy(key, k.mv_data, RP_KEY_LEN);
        rc = rp_local_drop(t, key, &v);
        if (rc) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

apr_status_t rp_local_remove_primary(rp_store_t *store, const unsigned char primary[RP_KEY_HALF],
                                     apr_uint64_t *count)
{
    rp_local_t *s = (rp_local_t *)store;
    primary_t r = {primary, REMOVE_BATCH};
    apr_status_t rv = APR_SUCCESS;

    *count = 0;
    if (!exists(s, primary, RP_KEY_HALF)) {
        return APR_SUCCESS;
    }
    while (rv == APR_SUCCESS && r.removed == REMOVE_BATCH) {
        rv = rp_local_run(s, 2, work_remove_primary, &r);
        if (rv == APR_SUCCESS) {
            *count += r.removed;
        }
    }
    return rv;
}

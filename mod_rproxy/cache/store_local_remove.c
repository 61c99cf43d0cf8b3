/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Removing entries from the local store. */

#include <string.h>
#include "cache/store_local.h"

int rp_local_drop_parts(rp_local_txn_t *t, const MDB_val *value)
{
    rp_local_t *s = t->s;
    rp_store_tag_t tags[RP_STORE_TAGS];
    rp_local_head_t head;
    int rc;

    if (!rp_local_head_read(value, &head)) {
        /* Nothing in it can be believed: its row is recognised as nobody's when its turn comes. */
        return 0;
    }
    /* What LMDB gave is good only until something is written. */
    memcpy(tags, (const char *)value->mv_data + sizeof(head), head.ntags * sizeof(tags[0]));
    rc = rp_local_queue_drop(t, &head);
    if (!rc && head.ntags) {
        rc = rp_local_tags_remove(t, tags, head.ntags, head.since);
    }
    if (!rc && head.body_len > RP_STORE_INLINE) {
        apr_time_t now = apr_time_now();
        MDB_val k = {sizeof(head.object), &head.object}, since = {sizeof(now), &now};
        rc = mdb_put(t->txn, s->dbi[RP_DB_GARBAGE], &k, &since, 0);
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

/** Is there such an entry?  Asked first because it costs a fraction of a write transaction. */
static int exists(rp_local_t *s, const unsigned char key[RP_KEY_LEN])
{
    MDB_val k = {RP_KEY_LEN, (void *)key}, v;
    rp_local_reader_t *r;
    int rc;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return 1;
    }
    rc = mdb_get(r->txn, s->dbi[RP_DB_ENTRIES], &k, &v);
    rp_local_reader_give(s, r);
    return rc != MDB_NOTFOUND;
}

apr_status_t rp_local_remove(rp_store_t *store, const unsigned char key[RP_KEY_LEN])
{
    rp_local_t *s = (rp_local_t *)store;
    apr_status_t rv;

    if (!exists(s, key)) {
        return APR_SUCCESS;
    }
    rv = rp_local_run(s, 2, work_remove, (void *)key);
    return rv == APR_NOTFOUND ? APR_SUCCESS : rv;
}

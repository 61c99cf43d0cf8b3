/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The local store's tags: how many entries carry each, and when it was purged last.
 *
 * Purging a tag writes its row and touches no entry: an entry is purged when it was fetched before a purge of one
 * of its tags, which is looked up when it is found.  The counts are kept by whoever adds or removes an entry, in the
 * same transaction, so they are right whatever process dies.  What a hard purge covers becomes old at once, as
 * `since` of each entry is below the purge's stamp; those that come later are live.  A purge of all does the same
 * to every tag: each row makes up for it when it is next looked at.
 */

#include <string.h>
#include "cache/store_local.h"

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

int rp_local_tag_read(rp_local_t *s, MDB_txn *txn, const rp_store_tag_t *tag, rp_local_tag_t *row)
{
    MDB_val k = {RP_STORE_TAG_LEN, (void *)tag->hash}, v;
    int rc = mdb_get(txn, s->dbi[RP_DB_TAGS], &k, &v);

    memset(row, 0, sizeof(*row));
    if (!rc && v.mv_size == sizeof(*row)) {
        memcpy(row, v.mv_data, sizeof(*row));
    }
    return rc;
}

static int put_row(rp_local_txn_t *t, const rp_store_tag_t *tag, rp_local_tag_t *row)
{
    MDB_val k = {RP_STORE_TAG_LEN, (void *)tag->hash}, v = {sizeof(*row), row};

    return mdb_put(t->txn, t->s->dbi[RP_DB_TAGS], &k, &v, 0);
}

/** Read a row, or make one, with its counts as the newest purges make them. */
static int take_row(rp_local_txn_t *t, const rp_store_tag_t *tag, rp_local_tag_t *row)
{
    int rc = rp_local_tag_read(t->s, t->txn, tag, row);
    const rp_local_purges_t *purges;
    uint64_t counted;

    if (rc && rc != MDB_NOTFOUND) {
        return rc;
    }
    purges = rp_local_purges(t, &rc);
    if (!purges) {
        return rc;
    }
    counted = max(row->hard, purges->all_hard);
    if (counted > row->counted) {
        row->old += row->live;
        row->live = 0;
        row->counted = counted;
    }
    return 0;
}

/** Write it back, or take it away when it says nothing any more. */
static int give_row(rp_local_txn_t *t, const rp_store_tag_t *tag, rp_local_tag_t *row)
{
    MDB_val k = {RP_STORE_TAG_LEN, (void *)tag->hash};
    int rc;

    if (row->live || row->old || row->past) {
        return put_row(t, tag, row);
    }
    /* A purge that is still remembered has a row for its time: this one's, if any, is forgotten. */
    rc = mdb_del(t->txn, t->s->dbi[RP_DB_TAGS], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/** Was this one among those before? */
static int is_repeated(const rp_store_tag_t *tags, int i)
{
    int j;

    for (j = 0; j < i; j++) {
        if (!memcmp(tags[j].hash, tags[i].hash, RP_STORE_TAG_LEN)) {
            return 1;
        }
    }
    return 0;
}

int rp_local_tags_add(rp_local_txn_t *t, const rp_store_tag_t *tags, int ntags, uint64_t since)
{
    int rc = 0, i;

    for (i = 0; i < ntags && !rc; i++) {
        rp_local_tag_t row;
        if (is_repeated(tags, i)) {
            continue;
        }
        rc = take_row(t, &tags[i], &row);
        if (!rc) {
            *(since < row.counted ? &row.old : &row.live) += 1;
            rc = give_row(t, &tags[i], &row);
        }
    }
    return rc;
}

int rp_local_tags_remove(rp_local_txn_t *t, const rp_store_tag_t *tags, int ntags, uint64_t since)
{
    int rc = 0, i;

    for (i = 0; i < ntags && !rc; i++) {
        rp_local_tag_t row;
        uint64_t *n;
        if (is_repeated(tags, i)) {
            continue;
        }
        rc = take_row(t, &tags[i], &row);
        if (!rc) {
            n = since < row.counted ? &row.old : &row.live;
            *n -= *n > 0;
            rc = give_row(t, &tags[i], &row);
        }
    }
    return rc;
}

int rp_local_tag_purge(rp_local_txn_t *t, const rp_store_tag_t *tag, uint64_t stamp, int soft, apr_uint64_t *count)
{
    rp_local_purges_t *purges;
    rp_local_tag_t row;
    int rc = take_row(t, tag, &row);

    if (rc) {
        return rc;
    }
    *count = row.live;
    rc = rp_local_past_remove(t, row.past);
    if (!rc) {
        rc = rp_local_past_add(t, 'G', tag->hash, stamp);
    }
    if (rc) {
        return rc;
    }
    row.past = stamp;
    if (soft) {
        row.soft = stamp;
        return put_row(t, tag, &row);
    }
    row.hard = row.counted = stamp;
    row.old += row.live;
    row.live = 0;
    rc = put_row(t, tag, &row);
    purges = rc ? NULL : rp_local_purges(t, &rc);
    if (purges && row.old) {
        purges->lazy = stamp;
        rc = rp_local_purges_put(t);
    }
    return rc;
}

int rp_local_tag_forget(rp_local_txn_t *t, const rp_store_tag_t *tag, uint64_t stamp)
{
    rp_local_tag_t row;
    int rc = rp_local_tag_read(t->s, t->txn, tag, &row);

    if (rc || row.past != stamp) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    row.past = 0;
    return give_row(t, tag, &row);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "cache/store_each.h"
#include "cache/store_local.h"

#define BATCH 64

/* The next keys behind *at, which moves along. @return how many, 0 at the end, -1 on an error */
static int next_keys(rp_local_t *s, unsigned char at[RP_KEY_LEN], int *began, unsigned char keys[BATCH][RP_KEY_LEN])
{
    MDB_val k = { RP_KEY_LEN, at }, v;
    MDB_cursor *cursor;
    rp_local_reader_t *r;
    int rc, n = 0;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return -1;
    }
    rc = mdb_cursor_open(r->txn, s->dbi[RP_DB_ENTRIES], &cursor);
    if (rc) {
        rp_local_reader_give(s, r);
        return -1;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!rc && n < BATCH) {
        /* The last one of the batch before is there again. */
        if (k.mv_size == RP_KEY_LEN && (!*began || memcmp(k.mv_data, at, RP_KEY_LEN))) {
            memcpy(keys[n++], k.mv_data, RP_KEY_LEN);
        }
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    rp_local_reader_give(s, r);
    if (n > 0) {
        memcpy(at, keys[n - 1], RP_KEY_LEN);
        *began = 1;
    }
    return rc && rc != MDB_NOTFOUND ? -1 : n;
}

apr_status_t rp_store_local_each(rp_store_t *store, apr_pool_t *p, rp_store_each_fn each, void *ctx)
{
    unsigned char at[RP_KEY_LEN] = { 0 }, keys[BATCH][RP_KEY_LEN];
    rp_entry_t entry;
    apr_pool_t *sub;
    int began = 0, goes_on = 1, n = 0, i;

    apr_pool_create(&sub, p);
    while (goes_on && (n = next_keys((rp_local_t *)store, at, &began, keys)) > 0) {
        for (i = 0; i < n && goes_on; i++) {
            if (store->ops->get(store, keys[i], sub, &entry) == APR_SUCCESS) {
                goes_on = each(ctx, &entry, sub);
            }
            apr_pool_clear(sub);
        }
    }
    apr_pool_destroy(sub);
    return n < 0 ? APR_EGENERAL : APR_SUCCESS;
}

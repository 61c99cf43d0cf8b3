/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Whether the counts of tags are what a look at every entry says. */
#ifndef STORE_LOCAL_TAGS_H
#define STORE_LOCAL_TAGS_H

#include "store_local_util.h"

typedef struct tag_count_t {
    rp_store_tag_t tag;
    uint64_t since; /* of the entry that carries it */
} tag_count_t;

static inline int compare_tags(const void *a, const void *b)
{
    return memcmp(((const tag_count_t *)a)->tag.hash, ((const tag_count_t *)b)->tag.hash, RP_STORE_TAG_LEN);
}

/** One item for each tag of each entry, in order. Owned by the caller. */
static inline tag_count_t *all_tags(rp_local_t *l, MDB_txn *txn, size_t *n)
{
    tag_count_t *all = NULL;
    MDB_cursor *cursor;
    MDB_val k, v;
    size_t room = 0;
    int rc, i, j;

    *n = 0;
    assert_int_equal(mdb_cursor_open(txn, l->dbi[RP_DB_ENTRIES], &cursor), 0);
    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        rp_local_subject_t subject;
        rp_local_head_t head;
        assert_true(rp_local_head_read(&v, &head));
        rp_local_subject(k.mv_data, &v, &head, &subject);
        for (i = 0; i < subject.ntags; i++) {
            for (j = 0; j < i && memcmp(&subject.tags[i], &subject.tags[j], sizeof(subject.tags[i])); j++) {
            }
            if (j < i) {
                continue;
            }
            if (*n == room) {
                room = room ? room * 2 : 64;
                all = realloc(all, room * sizeof(*all));
                assert_non_null(all);
            }
            all[*n].tag = subject.tags[i];
            all[(*n)++].since = head.since;
        }
    }
    assert_int_equal(rc, MDB_NOTFOUND);
    mdb_cursor_close(cursor);
    if (*n) {
        qsort(all, *n, sizeof(*all), compare_tags);
    }
    return all;
}

/** Every tag of an entry has a row, every row counts the entries that carry it, and none is there for nothing. */
static inline void check_tags(rp_store_t *s)
{
    rp_local_t *l = (rp_local_t *)s;
    size_t n, at = 0;
    tag_count_t *all;
    MDB_cursor *cursor;
    MDB_val k, v;
    MDB_txn *txn;
    int rc;

    assert_int_equal(mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn), 0);
    all = all_tags(l, txn, &n);
    assert_int_equal(mdb_cursor_open(txn, l->dbi[RP_DB_TAGS], &cursor), 0);
    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        uint64_t live = 0, old = 0;
        rp_local_tag_t row;
        assert_int_equal(v.mv_size, sizeof(row));
        memcpy(&row, v.mv_data, sizeof(row));
        for (; at < n && !memcmp(all[at].tag.hash, k.mv_data, RP_STORE_TAG_LEN); at++) {
            *(all[at].since < row.counted ? &old : &live) += 1;
        }
        assert_int_equal(row.live, live);
        assert_int_equal(row.old, old);
        assert_true(live || old || row.past);
    }
    assert_int_equal(rc, MDB_NOTFOUND);
    assert_int_equal(at, n);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    free(all);
}

#endif

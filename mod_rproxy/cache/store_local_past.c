/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Purges of keys in the local store, and for how long purges are remembered.
 *
 * A purge of a key removes, or marks, what is stored under it; its row stays to refuse what was being fetched
 * meanwhile.  Rows of keys and of tags that nothing carries would pile up: another row for each, in the order
 * of time, leads to those that are old enough to go, or have to because there are too many.  What goes is
 * remembered as one stamp: what was asked for before that one is not stored, as nobody can tell any more.
 */

#include <stdlib.h>
#include <string.h>
#include "cache/store_local.h"

/** Variants that a purge of a key looks at in one transaction. */
#define APPLY_BATCH 256

/** Rows for times, at most; in a small store fewer. */
#define MOST_ROWS 65536

/** Rows that are given up at once when there are too many. */
#define GIVE_UP 8

/** A row of a key: 'K' and the key. */
typedef struct key_row_t {
    uint64_t hard, soft;
    uint64_t past; /* stamp of its row for the time */
    unsigned char at[RP_KEY_LEN]; /* applied to what lies before */
    uint32_t done;
    uint32_t unused;
} key_row_t;

/** A row for a time: 'T' and the stamp. */
typedef struct past_t {
    int64_t when;
    unsigned char what[RP_KEY_HALF];
    uint64_t kind;
} past_t;

#define KEY_LEN (1 + RP_KEY_HALF)

static void row_key(unsigned char key[KEY_LEN], const unsigned char *primary)
{
    key[0] = 'K';
    memcpy(key + 1, primary, RP_KEY_HALF);
}

static int read_key(rp_local_t *s, MDB_txn *txn, const unsigned char *primary, key_row_t *row)
{
    unsigned char key[KEY_LEN];
    MDB_val k = {sizeof(key), key}, v;
    int rc;

    row_key(key, primary);
    rc = mdb_get(txn, s->dbi[RP_DB_PURGES], &k, &v);
    memset(row, 0, sizeof(*row));
    if (!rc && v.mv_size == sizeof(*row)) {
        memcpy(row, v.mv_data, sizeof(*row));
    }
    return rc;
}

static int put_key(rp_local_txn_t *t, const unsigned char *primary, key_row_t *row)
{
    unsigned char key[KEY_LEN];
    MDB_val k = {sizeof(key), key}, v = {sizeof(*row), row};

    row_key(key, primary);
    return mdb_put(t->txn, t->s->dbi[RP_DB_PURGES], &k, &v, 0);
}

/* ------------------------------------------------------------------ keys */

int rp_local_key_judge(rp_local_t *s, MDB_txn *txn, const rp_local_subject_t *subject, rp_local_verdict_e *verdict)
{
    key_row_t row;
    int rc = read_key(s, txn, subject->key, &row);

    if (!rc) {
        rp_local_verdict(row.hard, row.soft, subject->since, verdict);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int rp_local_key_purge(rp_local_txn_t *t, const unsigned char primary[RP_KEY_HALF], uint64_t stamp, int soft)
{
    key_row_t row;
    int rc = read_key(t->s, t->txn, primary, &row);

    if (rc && rc != MDB_NOTFOUND) {
        return rc;
    }
    rc = rp_local_past_remove(t, row.past);
    if (!rc) {
        rc = rp_local_past_add(t, 'K', primary, stamp);
    }
    if (rc) {
        return rc;
    }
    *(soft ? &row.soft : &row.hard) = stamp;
    row.past = stamp;
    row.done = 0;
    memset(row.at, 0, sizeof(row.at));
    memcpy(row.at, primary, RP_KEY_HALF);
    return put_key(t, primary, &row);
}

int rp_local_mark_soft(rp_local_txn_t *t, const unsigned char key[RP_KEY_LEN], const MDB_val *value)
{
    MDB_val k = {RP_KEY_LEN, (void *)key}, v = {value->mv_size, malloc(value->mv_size)};
    rp_local_head_t head;
    int rc;

    if (!v.mv_data) {
        return ENOMEM;
    }
    memcpy(v.mv_data, value->mv_data, v.mv_size);
    memcpy(&head, v.mv_data, sizeof(head));
    head.flags |= RP_LOCAL_SOFT;
    memcpy(v.mv_data, &head, sizeof(head));
    rc = mdb_put(t->txn, t->s->dbi[RP_DB_ENTRIES], &k, &v, 0);
    free(v.mv_data);
    return rc;
}

/** The next entry at or after row->at, of that primary key. */
static int next_variant(rp_local_txn_t *t, const unsigned char *primary, const key_row_t *row, unsigned char *key,
                        MDB_val *value)
{
    MDB_val k = {RP_KEY_LEN, (void *)row->at};
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(t->txn, t->s->dbi[RP_DB_ENTRIES], &cursor);

    if (rc) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, value, MDB_SET_RANGE);
    if (!rc && (k.mv_size != RP_KEY_LEN || memcmp(k.mv_data, primary, RP_KEY_HALF))) {
        rc = MDB_NOTFOUND;
    }
    if (!rc) {
        memcpy(key, k.mv_data, RP_KEY_LEN);
    }
    mdb_cursor_close(cursor);
    return rc;
}

/** Move to the key after this one. @return 0 when there is none of the same primary key */
static int step(unsigned char at[RP_KEY_LEN], const unsigned char *key)
{
    int i;

    memcpy(at, key, RP_KEY_LEN);
    for (i = RP_KEY_LEN - 1; i >= RP_KEY_HALF; i--) {
        if (++at[i]) {
            return 1;
        }
    }
    return 0;
}

static int apply_to(rp_local_txn_t *t, const unsigned char *key, const MDB_val *value, const key_row_t *row,
                    apr_uint64_t *applied)
{
    rp_local_head_t head;

    if (!rp_local_head_read(value, &head)) {
        return rp_local_drop(t, key, value);
    }
    /* What has no name leads to others and is none that anybody would count. */
    *applied += head.name_len && (head.since < row->hard || head.since < row->soft);
    if (head.since < row->hard) {
        return rp_local_drop(t, key, value);
    }
    return head.since < row->soft && !(head.flags & RP_LOCAL_SOFT) ? rp_local_mark_soft(t, key, value) : 0;
}

int rp_local_key_apply(rp_local_txn_t *t, const unsigned char primary[RP_KEY_HALF], apr_uint64_t *applied, int *done)
{
    key_row_t row;
    int rc = read_key(t->s, t->txn, primary, &row), looked;

    *applied = 0;
    *done = 1;
    if (rc || row.done) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    for (looked = 0; looked < APPLY_BATCH && !rc; looked++) {
        unsigned char key[RP_KEY_LEN];
        MDB_val value;
        rc = next_variant(t, primary, &row, key, &value);
        if (!rc) {
            rc = apply_to(t, key, &value, &row, applied);
        }
        if (!rc && !step(row.at, key)) {
            rc = MDB_NOTFOUND;
        }
    }
    if (rc && rc != MDB_NOTFOUND) {
        return rc;
    }
    *done = rc == MDB_NOTFOUND;
    row.done = (uint32_t)*done;
    return put_key(t, primary, &row);
}

/* ------------------------------------------------------------------ times */

int rp_local_past_add(rp_local_txn_t *t, char kind, const unsigned char what[RP_KEY_HALF], uint64_t stamp)
{
    uint64_t most = t->s->pages < MOST_ROWS ? t->s->pages : MOST_ROWS;
    past_t past = {.when = apr_time_now(), .kind = (unsigned char)kind};
    unsigned char key[RP_LOCAL_STAMP_KEY];
    MDB_val k = {sizeof(key), key}, v = {sizeof(past), &past};
    MDB_stat st;
    int rc = mdb_stat(t->txn, t->s->dbi[RP_DB_PURGES], &st);

    if (!rc && st.ms_entries > 2 * most) {
        rc = rp_local_forget(t, INT64_MAX, GIVE_UP);
        rc = rc == MDB_NOTFOUND ? 0 : rc;
    }
    if (rc) {
        return rc;
    }
    memcpy(past.what, what, RP_KEY_HALF);
    rp_local_stamp_key(key, 'T', stamp);
    return mdb_put(t->txn, t->s->dbi[RP_DB_PURGES], &k, &v, 0);
}

int rp_local_past_remove(rp_local_txn_t *t, uint64_t stamp)
{
    unsigned char key[RP_LOCAL_STAMP_KEY];
    MDB_val k = {sizeof(key), key};
    int rc;

    if (!stamp) {
        return 0;
    }
    rp_local_stamp_key(key, 'T', stamp);
    rc = mdb_del(t->txn, t->s->dbi[RP_DB_PURGES], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int oldest(rp_local_t *s, MDB_txn *txn, unsigned char key[RP_LOCAL_STAMP_KEY], past_t *past)
{
    MDB_val k = {RP_LOCAL_STAMP_KEY, key}, v;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, s->dbi[RP_DB_PURGES], &cursor);

    if (rc) {
        return rc;
    }
    rp_local_stamp_key(key, 'T', 0);
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (!rc && (k.mv_size != RP_LOCAL_STAMP_KEY || *(unsigned char *)k.mv_data != 'T')) {
        rc = MDB_NOTFOUND;
    }
    if (!rc) {
        memcpy(key, k.mv_data, RP_LOCAL_STAMP_KEY);
        memset(past, 0, sizeof(*past));
        if (v.mv_size == sizeof(*past)) {
            memcpy(past, v.mv_data, sizeof(*past));
        }
    }
    mdb_cursor_close(cursor);
    return rc;
}

int rp_local_is_forgettable(rp_local_t *s, MDB_txn *txn, apr_time_t before)
{
    unsigned char key[RP_LOCAL_STAMP_KEY];
    past_t past;

    return !oldest(s, txn, key, &past) && past.when < before;
}

/** Let go of a key's row, if it is of that purge. Its process may have died before all was applied: *done is 0 when
 * there is more to do. */
static int forget_key(rp_local_txn_t *t, const unsigned char *primary, uint64_t stamp, int *done)
{
    unsigned char key[KEY_LEN];
    MDB_val k = {sizeof(key), key};
    apr_uint64_t applied;
    key_row_t row;
    int rc = read_key(t->s, t->txn, primary, &row);

    *done = 1;
    if (rc || row.past != stamp) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    rc = rp_local_key_apply(t, primary, &applied, done);
    if (rc || !*done) {
        return rc;
    }
    row_key(key, primary);
    return mdb_del(t->txn, t->s->dbi[RP_DB_PURGES], &k, NULL);
}

int rp_local_forget(rp_local_txn_t *t, apr_time_t before, unsigned max)
{
    int rc = 0;

    while (!rc && max--) {
        unsigned char key[RP_LOCAL_STAMP_KEY];
        MDB_val k = {sizeof(key), key};
        rp_local_purges_t *purges;
        past_t past;
        int done = 1;
        rc = oldest(t->s, t->txn, key, &past);
        if (!rc && past.when >= before) {
            rc = MDB_NOTFOUND;
        }
        if (!rc && past.kind == 'K') {
            rc = forget_key(t, past.what, rp_local_stamp_of(key), &done);
        }
        else if (!rc) {
            rp_store_tag_t tag;
            memcpy(tag.hash, past.what, sizeof(tag.hash));
            rc = rp_local_tag_forget(t, &tag, rp_local_stamp_of(key));
        }
        if (rc || !done) {
            break;
        }
        rc = mdb_del(t->txn, t->s->dbi[RP_DB_PURGES], &k, NULL);
        purges = rc ? NULL : rp_local_purges(t, &rc);
        if (purges) {
            purges->forgotten = rp_local_stamp_of(key) > purges->forgotten ? rp_local_stamp_of(key) : purges->forgotten;
            rc = rp_local_purges_put(t);
        }
    }
    return rc;
}

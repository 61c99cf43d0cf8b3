/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The farm's log in the local store: what was read of it.
 *
 * Positions are the farm's, stamps are this store's.  A row stands for each order that was read, with the newest stamp
 * of before: it is written before the order is carried out, so that nobody takes a stamp that has the order behind it
 * for one of before.  Own orders are carried out long before they are read here; from then until they are, the oldest
 * of their rows says the same (store_local_log_own.c).
 *
 * Rows are thinned out when there are many: of two neighbours the later one stays, with the earlier one's stamp, which
 * errs on the safe side.
 */

#include <string.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "cache/store_local_log.h"

/* Rows of orders read, and how many go when there are more. */
#define MOST_SEEN 4096
#define THIN 1024
/* Rows that one answer looks at. */
#define MOST_LOOKS 1024

/* ------------------------------------------------------------------ rows */

void rp_log_seen_key(unsigned char key[RP_LOG_SEEN_KEY], rp_position_t at)
{
    unsigned char number[RP_LOCAL_STAMP_KEY];

    rp_local_stamp_key(key, 'R', at.ms);
    rp_local_stamp_key(number, 0, at.seq);
    memcpy(key + RP_LOCAL_STAMP_KEY, number + 1, 8);
}

rp_position_t rp_log_seen_at(const MDB_val *key)
{
    const unsigned char *bytes = key->mv_data;

    return (rp_position_t){ rp_local_stamp_of(bytes), rp_local_stamp_of(bytes + 8) };
}

int rp_log_row_read(rp_local_t *s, MDB_txn *txn, rp_log_row_t *row)
{
    MDB_val k = { 1, "S" }, v;
    int rc = mdb_get(txn, s->dbi[RP_DB_LOG], &k, &v);

    memset(row, 0, sizeof(*row));
    if (!rc && v.mv_size == sizeof(*row)) {
        memcpy(row, v.mv_data, sizeof(*row));
    }
    return rc;
}

int rp_log_row_put(rp_local_txn_t *t, rp_log_row_t *row)
{
    MDB_val k = { 1, "S" }, v = { sizeof(*row), row };

    return mdb_put(t->txn, t->s->dbi[RP_DB_LOG], &k, &v, 0);
}

static int is_seen_key(const MDB_val *key)
{
    return key->mv_size == RP_LOG_SEEN_KEY && *(const unsigned char *)key->mv_data == 'R';
}

static int read_seen(const MDB_val *v, rp_log_seen_t *seen)
{
    if (v->mv_size != sizeof(*seen)) {
        return MDB_CORRUPTED;
    }
    memcpy(seen, v->mv_data, sizeof(*seen));
    return 0;
}

static int put_seen(rp_local_txn_t *t, rp_position_t at, const rp_log_seen_t *seen)
{
    unsigned char key[RP_LOG_SEEN_KEY];
    MDB_val k = { sizeof(key), key }, v = { sizeof(*seen), (void *)seen };

    rp_log_seen_key(key, at);
    return mdb_put(t->txn, t->s->dbi[RP_DB_LOG], &k, &v, 0);
}

/* The row before *key, which need not be there itself. */
static int step_back(MDB_cursor *cursor, const unsigned char key[RP_LOG_SEEN_KEY], MDB_val *k, MDB_val *v)
{
    int rc;

    *k = (MDB_val){ RP_LOG_SEEN_KEY, (void *)key };
    rc = mdb_cursor_get(cursor, k, v, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, k, v, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    return rc || is_seen_key(k) ? rc : MDB_NOTFOUND;
}

/* Those before it cannot have had a larger newest stamp before them than it: own orders are read late. */
static int lower_before(rp_local_txn_t *t, rp_position_t at, uint64_t before)
{
    unsigned char key[RP_LOG_SEEN_KEY];
    rp_log_seen_t seen;
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = mdb_cursor_open(t->txn, t->s->dbi[RP_DB_LOG], &cursor);

    if (rc) {
        return rc;
    }
    rp_log_seen_key(key, at);
    rc = step_back(cursor, key, &k, &v);
    while (!rc) {
        rc = read_seen(&v, &seen);
        if (rc || seen.before <= before) {
            break;
        }
        seen.before = before;
        v = (MDB_val){ sizeof(seen), &seen };
        rc = mdb_cursor_put(cursor, &k, &v, MDB_CURRENT);
        rc = rc ? rc : mdb_cursor_get(cursor, &k, &v, MDB_PREV);
        rc = rc || is_seen_key(&k) ? rc : MDB_NOTFOUND;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Of the oldest rows every second one goes. */
static int thin_out(rp_local_txn_t *t, rp_log_row_t *log)
{
    MDB_val k = { 1, "R" }, v;
    rp_log_seen_t first, second;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(t->txn, t->s->dbi[RP_DB_LOG], &cursor), i;

    if (rc) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    for (i = 0; !rc && i < THIN && is_seen_key(&k); i++) {
        rc = read_seen(&v, &first);
        rc = rc ? rc : mdb_cursor_del(cursor, 0);
        /* The cursor is at what followed. */
        rc = rc ? rc : mdb_cursor_get(cursor, &k, &v, MDB_GET_CURRENT);
        rc = rc ? rc : read_seen(&v, &second);
        if (rc) {
            break;
        }
        log->seen--;
        second.before = first.before;
        v = (MDB_val){ sizeof(second), &second };
        rc = mdb_cursor_put(cursor, &k, &v, MDB_CURRENT);
        rc = rc ? rc : mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int forget_seen(rp_local_txn_t *t, rp_log_row_t *log)
{
    MDB_cursor *cursor;
    MDB_val k = { 1, "R" }, v;
    int rc = mdb_cursor_open(t->txn, t->s->dbi[RP_DB_LOG], &cursor);

    if (rc) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!rc && is_seen_key(&k)) {
        rc = mdb_cursor_del(cursor, 0);
        rc = rc ? rc : mdb_cursor_get(cursor, &k, &v, MDB_GET_CURRENT);
    }
    mdb_cursor_close(cursor);
    log->seen = 0;
    return rc == MDB_NOTFOUND || rc == EINVAL ? 0 : rc;
}

/* ------------------------------------------------------------------ beginning, losing */

typedef struct opening_t {
    unsigned char log[EVP_MAX_MD_SIZE];
    rp_log_state_t *state;
    int was_other;
} opening_t;

static int work_open(rp_local_txn_t *t, void *arg)
{
    opening_t *o = arg;
    rp_log_row_t row;
    int rc = rp_log_row_read(t->s, t->txn, &row);

    if (rc && rc != MDB_NOTFOUND) {
        return rc;
    }
    o->was_other = !rc && row.begun && memcmp(row.log, o->log, RP_KEY_HALF);
    if (rc || memcmp(row.log, o->log, RP_KEY_HALF)) {
        memcpy(row.log, o->log, RP_KEY_HALF);
        row.begun = 0;
        row.position = row.base = (rp_position_t){ 0, 0 };
        rc = forget_seen(t, &row);
        if (!rc && !row.origin && RAND_bytes((unsigned char *)&row.origin, sizeof(row.origin)) != 1) {
            rc = EIO;
        }
        /* 0 is to say that nothing is known. */
        rc = rc ? rc : rp_local_stamp_use(t);
        rc = rc ? rc : rp_log_row_put(t, &row);
    }
    o->state->position = row.position;
    o->state->is_new = !row.begun;
    return rc;
}

static apr_status_t doubt_all(rp_store_t *local)
{
    rp_purge_t all = { .kind = RP_PURGE_DOUBT };

    return rp_local_purge(local, &all, NULL);
}

apr_status_t rp_log_open(rp_store_t *local, const char *log, rp_log_state_t *state)
{
    opening_t o = { .state = state };
    apr_status_t rv;

    if (EVP_Digest(log, strlen(log), o.log, NULL, EVP_sha256(), NULL) != 1) {
        return APR_EGENERAL;
    }
    rv = rp_local_run((rp_local_t *)local, 4, work_open, &o);
    return rv == APR_SUCCESS && o.was_other ? doubt_all(local) : rv;
}

typedef struct move_t {
    rp_position_t from, base;
    int is_lost;
} move_t;

static int work_move(rp_local_txn_t *t, void *arg)
{
    const move_t *move = arg;
    rp_log_row_t row;
    int rc = rp_log_row_read(t->s, t->txn, &row);

    if (!rc && move->is_lost) {
        rc = rp_log_own_again(t, &row);
    }
    if (!rc) {
        rc = forget_seen(t, &row);
    }
    if (!rc) {
        row.begun = 1;
        row.position = move->from;
        row.base = move->base;
        row.base_after = rp_local_newest(t->s);
        rc = rp_log_row_put(t, &row);
    }
    return rc;
}

apr_status_t rp_log_state(rp_store_t *local, rp_log_state_t *state)
{
    rp_local_t *s = (rp_local_t *)local;
    rp_log_row_t row;
    int rc;
    rp_local_reader_t *r = rp_local_reader_take(s, &rc);

    if (!r) {
        return APR_EGENERAL;
    }
    rc = rp_log_row_read(s, r->txn, &row);
    rp_local_reader_give(s, r);
    state->position = row.position;
    state->is_new = !row.begun;
    return rc ? APR_NOTFOUND : APR_SUCCESS;
}

apr_status_t rp_log_begin(rp_store_t *local, rp_position_t from, rp_position_t base)
{
    move_t move = { from, base, 0 };

    return rp_local_run((rp_local_t *)local, 4, work_move, &move);
}

apr_status_t rp_log_lost(rp_store_t *local, rp_position_t from, rp_position_t base)
{
    move_t move = { from, base, 1 };
    apr_status_t rv = doubt_all(local);

    return rv == APR_SUCCESS ? rp_local_run((rp_local_t *)local, 4, work_move, &move) : rv;
}

int rp_log_last(rp_store_t *local, rp_position_t *positions, int max)
{
    rp_local_t *s = (rp_local_t *)local;
    unsigned char end[RP_LOG_SEEN_KEY];
    int rc, n = 0;
    rp_local_reader_t *r = rp_local_reader_take(s, &rc);
    MDB_cursor *cursor;
    MDB_val k, v;

    if (!r) {
        return 0;
    }
    rp_log_seen_key(end, (rp_position_t){ UINT64_MAX, UINT64_MAX });
    rc = mdb_cursor_open(r->txn, s->dbi[RP_DB_LOG], &cursor);
    if (!rc) {
        rc = step_back(cursor, end, &k, &v);
        while (!rc && n < max && is_seen_key(&k)) {
            positions[n++] = rp_log_seen_at(&k);
            rc = mdb_cursor_get(cursor, &k, &v, MDB_PREV);
        }
        mdb_cursor_close(cursor);
    }
    rp_local_reader_give(s, r);
    return n;
}

/* ------------------------------------------------------------------ reading on */

typedef struct batch_t {
    rp_log_order_t *orders;
    int n;
    rp_position_t last;
} batch_t;

/* It may have been read before, by a process that was killed then. */
static int expect_at(rp_local_txn_t *t, rp_log_row_t *log, rp_position_t at, uint64_t before)
{
    unsigned char key[RP_LOG_SEEN_KEY];
    MDB_val k = { sizeof(key), key }, v;
    rp_log_seen_t seen = { before, UINT64_MAX }, was;
    int rc;

    rp_log_seen_key(key, at);
    rc = mdb_get(t->txn, t->s->dbi[RP_DB_LOG], &k, &v);
    if (!rc) {
        rc = read_seen(&v, &was);
        seen.before = was.before < before ? was.before : before;
    }
    else if (rc == MDB_NOTFOUND) {
        log->seen++;
        rc = 0;
    }
    rc = rc ? rc : put_seen(t, at, &seen);
    return rc ? rc : lower_before(t, at, seen.before);
}

static int work_expect(rp_local_txn_t *t, void *arg)
{
    batch_t *b = arg;
    uint64_t newest = rp_local_newest(t->s);
    rp_log_row_t log;
    int rc = rp_log_row_read(t->s, t->txn, &log), i;

    for (i = 0; !rc && i < b->n; i++) {
        rp_log_order_t *order = &b->orders[i];
        uint64_t before = UINT64_MAX;

        order->is_own = 0;
        if (order->bytes.len == 0) {
            continue;
        }
        rc = rp_log_own_seen(t, &log, order, &order->is_own, &before);
        if (rc || (order->is_own && before == UINT64_MAX)) {
            continue; /* it stands in the log a second time */
        }
        rc = expect_at(t, &log, order->at, before < newest ? before : newest);
    }
    if (!rc && log.seen > MOST_SEEN) {
        rc = thin_out(t, &log);
    }
    return rc ? rc : rp_log_row_put(t, &log);
}

apr_status_t rp_log_expect(rp_store_t *local, rp_log_order_t *orders, int n)
{
    batch_t batch = { .orders = orders, .n = n };

    return rp_local_run((rp_local_t *)local, 16, work_expect, &batch);
}

/* All up to the batch's last are carried out. */
static int work_applied(rp_local_txn_t *t, void *arg)
{
    const batch_t *b = arg;
    rp_log_seen_t seen = { 0, rp_local_newest(t->s) };
    unsigned char key[RP_LOG_SEEN_KEY];
    rp_position_t behind = b->last;
    rp_log_row_t log;
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = rp_log_row_read(t->s, t->txn, &log);

    rc = rc ? rc : mdb_cursor_open(t->txn, t->s->dbi[RP_DB_LOG], &cursor);
    if (rc) {
        return rc;
    }
    behind.seq++;
    rp_log_seen_key(key, behind);
    rc = step_back(cursor, key, &k, &v);
    while (!rc && !read_seen(&v, &seen) && seen.after == UINT64_MAX) {
        seen.after = rp_local_newest(t->s);
        v = (MDB_val){ sizeof(seen), &seen };
        rc = mdb_cursor_put(cursor, &k, &v, MDB_CURRENT);
        rc = rc ? rc : mdb_cursor_get(cursor, &k, &v, MDB_PREV);
        rc = rc || is_seen_key(&k) ? rc : MDB_NOTFOUND;
    }
    mdb_cursor_close(cursor);
    if (rc && rc != MDB_NOTFOUND) {
        return rc;
    }
    if (rp_position_compare(b->last, log.position) > 0) {
        log.position = b->last;
    }
    return rp_log_row_put(t, &log);
}

apr_status_t rp_log_applied(rp_store_t *local, rp_position_t last)
{
    batch_t batch = { .last = last };

    return rp_local_run((rp_local_t *)local, 16, work_applied, &batch);
}

/* ------------------------------------------------------------------ positions and stamps */

/* The newest order that has no stamp above that one, nor have those before it. */
static rp_position_t position_of(rp_local_t *s, MDB_txn *txn, const rp_log_row_t *log, uint64_t stamp)
{
    rp_position_t behind = log->position, none = { 0, 0 };
    unsigned char key[RP_LOG_SEEN_KEY];
    rp_log_seen_t seen;
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, s->dbi[RP_DB_LOG], &cursor), looks = 0;

    if (rc) {
        return none;
    }
    behind.seq++;
    rp_log_seen_key(key, behind);
    rc = step_back(cursor, key, &k, &v);
    while (!rc && !(rc = read_seen(&v, &seen)) && seen.after > stamp && ++looks < MOST_LOOKS) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_PREV);
        rc = rc || is_seen_key(&k) ? rc : MDB_NOTFOUND;
    }
    if (!rc && seen.after <= stamp) {
        /* What was read and is no order lies behind the last one. */
        none = looks == 0 ? log->position : rp_log_seen_at(&k);
    }
    else if (rc == MDB_NOTFOUND && log->base_after <= stamp) {
        none = looks == 0 ? log->position : log->base;
    }
    mdb_cursor_close(cursor);
    return none;
}

rp_position_t rp_log_position_of(rp_store_t *local, uint64_t stamp)
{
    rp_local_t *s = (rp_local_t *)local;
    rp_position_t position = { 0, 0 };
    rp_log_row_t log;
    int rc;
    rp_local_reader_t *r = rp_local_reader_take(s, &rc);

    if (!r) {
        return position;
    }
    if (!rp_log_row_read(s, r->txn, &log) && log.begun) {
        position = position_of(s, r->txn, &log, stamp);
    }
    rp_local_reader_give(s, r);
    return position;
}

/* The first order behind the position. @return its stamp of before; UINT64_MAX: there is none */
static int first_behind(rp_local_t *s, MDB_txn *txn, rp_position_t position, uint64_t *before)
{
    unsigned char key[RP_LOG_SEEN_KEY];
    MDB_val k = { sizeof(key), key }, v;
    rp_log_seen_t seen;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, s->dbi[RP_DB_LOG], &cursor);

    *before = UINT64_MAX;
    if (rc) {
        return rc;
    }
    if (position.seq < UINT64_MAX) {
        position.seq++;
    }
    rp_log_seen_key(key, position);
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (!rc && is_seen_key(&k)) {
        rc = read_seen(&v, &seen);
        *before = rc ? 0 : seen.before;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static uint64_t stamp_of(rp_local_t *s, MDB_txn *txn, rp_position_t position, uint64_t newest)
{
    uint64_t before, own;
    rp_log_row_t log;

    if (rp_log_row_read(s, txn, &log) || !log.begun || rp_position_compare(position, log.base) < 0
        || first_behind(s, txn, position, &before) || rp_log_own_before(s, txn, &own)) {
        return 0;
    }
    before = before < own ? before : own;
    return before < newest ? before : newest;
}

uint64_t rp_log_stamp_of(rp_store_t *local, rp_position_t position)
{
    rp_local_t *s = (rp_local_t *)local;
    /* Before the rows: whoever has made it newer since has written his row before that. */
    uint64_t newest = rp_local_stamp(local), stamp = 0;
    int rc;
    rp_local_reader_t *r = rp_local_reader_take(s, &rc);

    if (r) {
        stamp = stamp_of(s, r->txn, position, newest);
        rp_local_reader_give(s, r);
    }
    return stamp;
}

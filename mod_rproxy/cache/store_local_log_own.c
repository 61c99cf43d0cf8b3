/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The farm's log in the local store: this host's own orders.
 *
 * An order is noted here before it is carried out, and stays until it has been seen in the log; then for a while
 * longer, should the log lose its end.  So no order that was taken on is lost to the farm, whatever is killed and when, as long
 * as the machine stays up.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "cache/store_local_log.h"

/* Orders that wait, at most. */
#define MOST_WAITING 4096
/* When to send again what was sent and not seen, or what somebody was killed over. */
#define SEEN_WITHIN apr_time_from_sec(2)
#define SENT_WITHIN apr_time_from_sec(10)
/* Orders that are forgotten together. */
#define FORGET 256

static int letter_of(const MDB_val *key)
{
    return key->mv_size == RP_LOG_OWN_KEY ? *(const unsigned char *)key->mv_data : 0;
}

int rp_log_own_row(const MDB_val *v, rp_log_own_row_t *row, rp_str_t *order)
{
    if (v->mv_size < sizeof(*row)) {
        return MDB_CORRUPTED;
    }
    memcpy(row, v->mv_data, sizeof(*row));
    *order = (rp_str_t){ (const char *)v->mv_data + sizeof(*row), v->mv_size - sizeof(*row) };
    return 0;
}

static int read_own(rp_local_txn_t *t, char letter, uint64_t number, rp_log_own_row_t *row, rp_str_t *order)
{
    unsigned char key[RP_LOG_OWN_KEY];
    MDB_val k = { sizeof(key), key }, v;
    int rc;

    rp_local_stamp_key(key, letter, number);
    rc = mdb_get(t->txn, t->s->dbi[RP_DB_LOG], &k, &v);
    return rc ? rc : rp_log_own_row(&v, row, order);
}

/* order must not point into the database. */
static int put_own(rp_local_txn_t *t, char letter, uint64_t number, const rp_log_own_row_t *row, rp_str_t order)
{
    unsigned char key[RP_LOG_OWN_KEY];
    MDB_val k = { sizeof(key), key }, v = { sizeof(*row) + order.len, NULL };
    int rc;

    rp_local_stamp_key(key, letter, number);
    rc = mdb_put(t->txn, t->s->dbi[RP_DB_LOG], &k, &v, MDB_RESERVE);
    if (!rc) {
        memcpy(v.mv_data, row, sizeof(*row));
        memcpy((char *)v.mv_data + sizeof(*row), order.ptr, order.len);
    }
    return rc;
}

static int del_own(rp_local_txn_t *t, char letter, uint64_t number)
{
    unsigned char key[RP_LOG_OWN_KEY];
    MDB_val k = { sizeof(key), key };

    rp_local_stamp_key(key, letter, number);
    return mdb_del(t->txn, t->s->dbi[RP_DB_LOG], &k, NULL);
}

/* ------------------------------------------------------------------ adding */

typedef struct adding_t {
    apr_pool_t *p;
    const rp_purge_order_t *order;
    rp_log_own_t *own;
} adding_t;

/* In place of all that wait: everything is in doubt. @param before  becomes what it was before the first of them */
static int fold(rp_local_txn_t *t, rp_log_row_t *log, rp_purge_order_t *order, uint64_t *before)
{
    rp_purge_t doubt = { .kind = RP_PURGE_DOUBT };
    MDB_val k = { 1, "N" }, v;
    MDB_cursor *cursor;
    int rc = rp_log_own_before(t->s, t->txn, before);

    rc = rc ? rc : mdb_cursor_open(t->txn, t->s->dbi[RP_DB_LOG], &cursor);
    if (rc) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!rc && letter_of(&k) == 'N') {
        rc = mdb_cursor_del(cursor, 0);
        rc = rc ? rc : mdb_cursor_get(cursor, &k, &v, MDB_GET_CURRENT);
    }
    mdb_cursor_close(cursor);
    log->waiting = 0;
    APR_ARRAY_PUSH(order->steps, rp_purge_t) = doubt;
    return rc == MDB_NOTFOUND || rc == EINVAL ? 0 : rc;
}

static int work_add(rp_local_txn_t *t, void *arg)
{
    adding_t *a = arg;
    rp_log_own_row_t row = { .before = rp_local_newest(t->s), .when = apr_time_now(), .state = RP_OWN_NEW };
    rp_purge_order_t order = { a->order->soft, apr_array_copy(a->p, a->order->steps) };
    rp_order_id_t id;
    rp_log_row_t log;
    int rc = rp_log_row_read(t->s, t->txn, &log);

    if (!rc && log.waiting >= MOST_WAITING) {
        rc = fold(t, &log, &order, &row.before);
    }
    if (rc) {
        return rc;
    }
    id = (rp_order_id_t){ log.origin, ++log.number };
    a->own->number = id.number;
    a->own->bytes = rp_order_encode(a->p, &id, &order);
    if (a->own->bytes.len == 0) {
        return EINVAL;
    }
    log.waiting++;
    rc = put_own(t, 'N', id.number, &row, a->own->bytes);
    return rc ? rc : rp_log_row_put(t, &log);
}

apr_status_t rp_log_own_add(rp_store_t *local, apr_pool_t *p, const rp_purge_order_t *order, rp_log_own_t *own)
{
    adding_t a = { p, order, own };

    return rp_local_run((rp_local_t *)local, 8, work_add, &a);
}

/* ------------------------------------------------------------------ on the way */

/* Rewrite a row, under another letter perhaps; LMDB wants no bytes of its own handed to it. */
static int move_own(rp_local_txn_t *t, const char letters[2], uint64_t number, const rp_log_own_row_t *row,
                    rp_str_t order)
{
    char *copy = malloc(order.len + 1);
    int rc = 0;

    if (!copy) {
        return ENOMEM;
    }
    memcpy(copy, order.ptr, order.len);
    if (letters[0] != letters[1]) {
        rc = del_own(t, letters[0], number);
    }
    rc = rc ? rc : put_own(t, letters[1], number, row, (rp_str_t){ copy, order.len });
    free(copy);
    return rc;
}

typedef struct change_t {
    uint64_t number;
    uint32_t state;
} change_t;

/* That it was seen in the log meanwhile is more than could be said here. */
static int work_change(rp_local_txn_t *t, void *arg)
{
    const change_t *c = arg;
    rp_log_own_row_t row;
    rp_str_t order;
    int rc = read_own(t, 'N', c->number, &row, &order);

    if (rc) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    row.state = c->state;
    row.when = apr_time_now();
    return move_own(t, "NN", c->number, &row, order);
}

apr_status_t rp_log_own_sent(rp_store_t *local, uint64_t number)
{
    change_t change = { number, RP_OWN_SENT };

    return rp_local_run((rp_local_t *)local, 4, work_change, &change);
}

apr_status_t rp_log_own_kept(rp_store_t *local, uint64_t number)
{
    change_t change = { number, RP_OWN_KEPT };

    return rp_local_run((rp_local_t *)local, 4, work_change, &change);
}

static int is_waiting(const rp_log_own_row_t *row, apr_time_t now)
{
    return row->state == RP_OWN_KEPT || (row->state == RP_OWN_SENT && row->when < now - SEEN_WITHIN)
           || (row->state == RP_OWN_NEW && row->when < now - SENT_WITHIN) || row->when > now + SENT_WITHIN;
}

static int gather(rp_local_t *s, MDB_txn *txn, apr_pool_t *p, apr_time_t now, rp_log_own_t *own, int max)
{
    MDB_val k = { 1, "N" }, v;
    rp_log_own_row_t row;
    MDB_cursor *cursor;
    rp_str_t order;
    int rc = mdb_cursor_open(txn, s->dbi[RP_DB_LOG], &cursor), n = 0;

    if (rc) {
        return 0;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!rc && n < max && letter_of(&k) == 'N' && !rp_log_own_row(&v, &row, &order)) {
        if (is_waiting(&row, now)) {
            own[n].number = rp_local_stamp_of(k.mv_data);
            own[n++].bytes = (rp_str_t){ apr_pmemdup(p, order.ptr, order.len), order.len };
        }
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return n;
}

int rp_log_own_waiting(rp_store_t *local, apr_pool_t *p, apr_time_t now, rp_log_own_t *own, int max)
{
    rp_local_t *s = (rp_local_t *)local;
    int rc, n = 0;
    rp_local_reader_t *r = rp_local_reader_take(s, &rc);

    if (r) {
        n = gather(s, r->txn, p, now, own, max);
        rp_local_reader_give(s, r);
    }
    return n;
}

/* ------------------------------------------------------------------ seen in the log */

static int is_same(rp_str_t a, rp_str_t b)
{
    return a.len == b.len && !memcmp(a.ptr, b.ptr, a.len);
}

int rp_log_own_seen(rp_local_txn_t *t, rp_log_row_t *log, const rp_log_order_t *order, int *is_own, uint64_t *before)
{
    rp_log_own_row_t row;
    rp_str_t bytes;
    int rc;

    *is_own = 0;
    if (order->id.origin != log->origin) {
        return 0;
    }
    rc = read_own(t, 'N', order->id.number, &row, &bytes);
    if (!rc && is_same(bytes, order->bytes)) {
        *before = row.before;
        /* Who noted it was killed before it was carried out, or is about to; then twice is better than not at all. */
        *is_own = row.state != RP_OWN_NEW;
        row.when = apr_time_now();
        log->waiting -= log->waiting > 0;
        return move_own(t, "NO", order->id.number, &row, bytes);
    }
    if (rc && rc != MDB_NOTFOUND) {
        return rc;
    }
    rc = read_own(t, 'O', order->id.number, &row, &bytes);
    *is_own = !rc && is_same(bytes, order->bytes);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Collect numbers under a letter: rows must not move under the cursor. */
static int numbers_of(rp_local_txn_t *t, char letter, apr_time_t before, uint64_t *numbers, int max, int *n)
{
    MDB_val k = { 1, &letter }, v;
    rp_log_own_row_t row;
    MDB_cursor *cursor;
    rp_str_t order;
    int rc = mdb_cursor_open(t->txn, t->s->dbi[RP_DB_LOG], &cursor);

    *n = 0;
    if (rc) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!rc && *n < max && letter_of(&k) == letter && !(rc = rp_log_own_row(&v, &row, &order))) {
        if (row.when < before) {
            numbers[(*n)++] = rp_local_stamp_of(k.mv_data);
        }
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int rp_log_own_again(rp_local_txn_t *t, rp_log_row_t *log)
{
    uint64_t numbers[FORGET];
    int rc, n, i;

    do {
        rc = numbers_of(t, 'O', INT64_MAX, numbers, FORGET, &n);
        for (i = 0; !rc && i < n; i++) {
            rp_log_own_row_t row;
            rp_str_t order;

            rc = read_own(t, 'O', numbers[i], &row, &order);
            row.state = RP_OWN_KEPT;
            rc = rc ? rc : move_own(t, "ON", numbers[i], &row, order);
            log->waiting += !rc;
        }
    } while (!rc && n == FORGET);
    return rc;
}

static int work_forget(rp_local_txn_t *t, void *arg)
{
    const apr_time_t *now = arg;
    uint64_t numbers[FORGET];
    int n, i, rc = numbers_of(t, 'O', *now - RP_LOG_KEEP, numbers, FORGET, &n);

    for (i = 0; !rc && i < n; i++) {
        rc = del_own(t, 'O', numbers[i]);
    }
    return rc;
}

apr_status_t rp_log_own_forget(rp_store_t *local, apr_time_t now)
{
    return rp_local_run((rp_local_t *)local, 4, work_forget, &now);
}

int rp_log_own_before(rp_local_t *s, MDB_txn *txn, uint64_t *before)
{
    MDB_val k = { 1, "N" }, v;
    rp_log_own_row_t row;
    MDB_cursor *cursor;
    rp_str_t order;
    int rc = mdb_cursor_open(txn, s->dbi[RP_DB_LOG], &cursor);

    *before = UINT64_MAX;
    if (rc) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (!rc && letter_of(&k) == 'N') {
        rc = rp_log_own_row(&v, &row, &order);
        *before = rc ? 0 : row.before;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What purging leaves to a walk along all entries of the local store: applying a purge of a prefix, and removing what
 * was purged by a tag or by a purge of all.
 *
 * A walk looks at some entries in a read transaction and then, in a write transaction, does what is to be done to
 * those it found, if they still are what they were, and notes how far it came.  So it holds up nobody, and somebody
 * else can go on with it when its process dies.
 */

#include <string.h>
#include "cache/store_local.h"

/** Entries that a walk looks at, and acts on, before it writes. */
#define LOOK  4096
#define BATCH 64

/** Purges of prefixes that are remembered. */
#define MOST_PREFIXES 64

/** A walk that found nothing says at times that it is alive; one that did not for so long is taken over. */
#define SAY_EVERY apr_time_from_msec(500)
#define SILENCE   apr_time_from_sec(3)

/** For how long a sweep goes on with walks. */
#define SWEEP_TIME apr_time_from_msec(10)

/** Rows that a sweep forgets in one transaction. */
#define FORGET_BATCH 64

/** A purge of a prefix: 'P' and the stamp; the prefix follows. */
typedef struct prefix_row_t {
    int64_t when;
    int64_t progress;             /* when the walk wrote last */
    unsigned char at[RP_KEY_LEN]; /* where it is */
    uint32_t soft;
    uint32_t done;
} prefix_row_t;

typedef struct walk_t {
    rp_local_t *s;
    uint64_t stamp; /* of the prefix's purge; 0: whatever is purged */
    int soft;
    char text[RP_STORE_PREFIX_MAX];
    rp_str_t prefix;
    unsigned char at[RP_KEY_LEN];
    unsigned char keys[BATCH][RP_KEY_LEN];
    int n, ended;
    apr_uint64_t applied;
    apr_time_t wrote;
} walk_t;

/* ------------------------------------------------------------------ rows of prefixes */

/** Read a row of a prefix. @return 0 when it is none */
static int read_row(const MDB_val *v, prefix_row_t *row, rp_str_t *prefix)
{
    if (v->mv_size < sizeof(*row)) {
        return 0;
    }
    memcpy(row, v->mv_data, sizeof(*row));
    prefix->ptr = (const char *)v->mv_data + sizeof(*row);
    prefix->len = v->mv_size - sizeof(*row);
    return 1;
}

/** The first such row from a stamp on, which becomes its own. @return MDB_NOTFOUND when there is none */
static int next_row(rp_local_t *s, MDB_txn *txn, uint64_t *stamp, prefix_row_t *row, rp_str_t *prefix)
{
    unsigned char key[RP_LOCAL_STAMP_KEY];
    MDB_val k = {sizeof(key), key}, v;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, s->dbi[RP_DB_PURGES], &cursor);

    if (rc) {
        return rc;
    }
    rp_local_stamp_key(key, 'P', *stamp);
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (!rc && (k.mv_size != sizeof(key) || *(unsigned char *)k.mv_data != 'P' || !read_row(&v, row, prefix))) {
        rc = MDB_NOTFOUND;
    }
    if (!rc) {
        *stamp = rp_local_stamp_of(k.mv_data);
    }
    mdb_cursor_close(cursor);
    return rc;
}

static int starts_with(rp_str_t text, rp_str_t prefix)
{
    return text.len >= prefix.len && !memcmp(text.ptr, prefix.ptr, prefix.len);
}

int rp_local_prefix_judge(rp_local_t *s, MDB_txn *txn, const rp_local_subject_t *subject, rp_local_verdict_e *verdict)
{
    uint64_t stamp = subject->since + 1;
    rp_str_t prefix;
    prefix_row_t row;
    int rc = 0, i;

    for (i = 0; i < MOST_PREFIXES && subject->name.len && *verdict != RP_PURGED_HARD; i++, stamp++) {
        rc = next_row(s, txn, &stamp, &row, &prefix);
        if (rc) {
            break;
        }
        if (starts_with(subject->name, prefix)) {
            rp_local_verdict(row.soft ? 0 : stamp, row.soft ? stamp : 0, subject->since, verdict);
        }
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/** Take a finished one out, remembering only that there was one. */
static int forget_prefix(rp_local_txn_t *t, uint64_t stamp)
{
    unsigned char key[RP_LOCAL_STAMP_KEY];
    MDB_val k = {sizeof(key), key};
    rp_local_purges_t *purges;
    int rc;

    rp_local_stamp_key(key, 'P', stamp);
    rc = mdb_del(t->txn, t->s->dbi[RP_DB_PURGES], &k, NULL);
    if (rc) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    purges = rp_local_purges(t, &rc);
    if (purges && purges->forgotten < stamp) {
        purges->forgotten = stamp;
        rc = rp_local_purges_put(t);
    }
    return rc;
}

/** When there are as many as there may be, take the oldest out of those that are finished. */
static int make_place(rp_local_txn_t *t, uint64_t *oldest)
{
    uint64_t stamp = 0, finished = 0;
    rp_str_t prefix;
    prefix_row_t row;
    int rc = 0, n;

    *oldest = 0;
    for (n = 0; n < MOST_PREFIXES; n++, stamp++) {
        rc = next_row(t->s, t->txn, &stamp, &row, &prefix);
        if (rc) {
            return rc == MDB_NOTFOUND ? 0 : rc;
        }
        *oldest = *oldest ? *oldest : stamp;
        finished = finished || !row.done ? finished : stamp;
    }
    return finished ? forget_prefix(t, finished) : MDB_KEYEXIST;
}

int rp_local_prefix_add(rp_local_txn_t *t, rp_str_t prefix, int soft, uint64_t stamp, uint64_t *oldest)
{
    prefix_row_t row = {.when = apr_time_now(), .progress = apr_time_now(), .soft = soft != 0};
    unsigned char key[RP_LOCAL_STAMP_KEY];
    MDB_val k = {sizeof(key), key}, v = {sizeof(row) + prefix.len, NULL};
    int rc = make_place(t, oldest);

    if (rc) {
        return rc;
    }
    rp_local_stamp_key(key, 'P', stamp);
    rc = mdb_put(t->txn, t->s->dbi[RP_DB_PURGES], &k, &v, MDB_RESERVE);
    if (!rc) {
        memcpy(v.mv_data, &row, sizeof(row));
        if (prefix.len) {
            memcpy((char *)v.mv_data + sizeof(row), prefix.ptr, prefix.len);
        }
    }
    return rc;
}

/* ------------------------------------------------------------------ walks */

static int is_wanted(walk_t *w, MDB_txn *txn, const unsigned char *key, const MDB_val *value, int *wanted)
{
    rp_local_subject_t subject;
    rp_local_verdict_e verdict;
    rp_local_head_t head;
    int rc;

    *wanted = 0;
    if (!rp_local_head_read(value, &head)) {
        return 0;
    }
    rp_local_subject(key, value, &head, &subject);
    if (w->stamp) {
        *wanted = head.since < w->stamp && subject.name.len && starts_with(subject.name, w->prefix);
        return 0;
    }
    rc = rp_local_judge(w->s, txn, &subject, &verdict);
    *wanted = !rc && verdict == RP_PURGED_HARD;
    return rc;
}

/** Behind this key. @return 0 when it is the last that there can be */
static int step(unsigned char at[RP_KEY_LEN], const unsigned char *key)
{
    int i;

    memcpy(at, key, RP_KEY_LEN);
    for (i = RP_KEY_LEN - 1; i >= 0; i--) {
        if (++at[i]) {
            return 1;
        }
    }
    return 0;
}

/** Look along the entries, and note those that something is to be done to. */
static int look(walk_t *w, MDB_txn *txn)
{
    MDB_val k = {RP_KEY_LEN, w->at}, v;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, w->s->dbi[RP_DB_ENTRIES], &cursor), looked, wanted;

    if (rc) {
        return rc;
    }
    w->n = w->ended = 0;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    for (looked = 0; !rc && looked < LOOK && w->n < BATCH; looked++) {
        rc = k.mv_size == RP_KEY_LEN ? is_wanted(w, txn, k.mv_data, &v, &wanted) : MDB_CORRUPTED;
        if (rc) {
            break;
        }
        if (wanted) {
            memcpy(w->keys[w->n++], k.mv_data, RP_KEY_LEN);
        }
        rc = step(w->at, k.mv_data) ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : MDB_NOTFOUND;
    }
    mdb_cursor_close(cursor);
    w->ended = rc == MDB_NOTFOUND;
    return w->ended ? 0 : rc;
}

static int act_on(rp_local_txn_t *t, walk_t *w, const unsigned char *key)
{
    MDB_val k = {RP_KEY_LEN, (void *)key}, v;
    rp_local_head_t head;
    int rc = mdb_get(t->txn, t->s->dbi[RP_DB_ENTRIES], &k, &v), wanted;

    if (!rc) {
        rc = is_wanted(w, t->txn, key, &v, &wanted);
    }
    if (rc || !wanted) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    w->applied++;
    if (!w->soft) {
        return rp_local_drop(t, key, &v);
    }
    memcpy(&head, v.mv_data, sizeof(head));
    return head.flags & RP_LOCAL_SOFT ? 0 : rp_local_mark_soft(t, key, &v);
}

/** Write down how far a prefix's walk has come. */
static int note_prefix(rp_local_txn_t *t, walk_t *w)
{
    unsigned char key[RP_LOCAL_STAMP_KEY];
    char copy[sizeof(prefix_row_t) + RP_STORE_PREFIX_MAX];
    MDB_val k = {sizeof(key), key}, v;
    rp_str_t prefix;
    prefix_row_t row;
    int rc;

    rp_local_stamp_key(key, 'P', w->stamp);
    rc = mdb_get(t->txn, t->s->dbi[RP_DB_PURGES], &k, &v);
    if (rc || !read_row(&v, &row, &prefix) || v.mv_size > sizeof(copy)) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    row.progress = apr_time_now();
    row.done |= (uint32_t)w->ended;
    if (memcmp(row.at, w->at, RP_KEY_LEN) < 0) {
        memcpy(row.at, w->at, RP_KEY_LEN);
    }
    memcpy(copy, v.mv_data, v.mv_size);
    memcpy(copy, &row, sizeof(row));
    v.mv_data = copy;
    return mdb_put(t->txn, t->s->dbi[RP_DB_PURGES], &k, &v, 0);
}

static int note_reclaim(rp_local_txn_t *t, walk_t *w)
{
    rp_local_purges_t *purges;
    int rc;

    purges = rp_local_purges(t, &rc);
    if (!purges) {
        return rc;
    }
    memcpy(purges->at, w->at, RP_KEY_LEN);
    if (w->ended) {
        purges->reclaimed = purges->reclaims;
        memset(purges->at, 0, RP_KEY_LEN);
    }
    return rp_local_purges_put(t);
}

static int work_act(rp_local_txn_t *t, void *arg)
{
    walk_t *w = arg;
    int rc = 0, i;

    w->applied = 0;
    for (i = 0; i < w->n && !rc; i++) {
        rc = act_on(t, w, w->keys[i]);
    }
    if (rc) {
        return rc;
    }
    return w->stamp ? note_prefix(t, w) : note_reclaim(t, w);
}

/** Walk on until it ends or it is time. @return APR_TIMEUP for the latter */
static apr_status_t walk_on(walk_t *w, apr_time_t until, apr_uint64_t *count)
{
    apr_status_t rv = APR_SUCCESS;

    w->wrote = apr_time_now();
    while (rv == APR_SUCCESS && !w->ended) {
        apr_time_t now = apr_time_now();
        int rc, late = now >= until || until - now > apr_time_from_sec(3600);
        rp_local_reader_t *r = rp_local_reader_take(w->s, &rc);
        if (r) {
            rc = look(w, r->txn);
            rp_local_reader_give(w->s, r);
        }
        if (rc) {
            return rp_local_status(w->s, RP_LOG_READ, rc, "cannot read");
        }
        if (w->n || w->ended || late || now - w->wrote >= SAY_EVERY) {
            rv = rp_local_run(w->s, 2, work_act, w);
            *count += rv ? 0 : w->applied;
            w->wrote = now;
        }
        if (rv == APR_SUCCESS && late && !w->ended) {
            return APR_TIMEUP;
        }
    }
    return rv;
}

apr_status_t rp_local_scan_prefix(rp_local_t *s, uint64_t stamp, apr_time_t until, apr_uint64_t *count)
{
    walk_t w = {.s = s, .stamp = stamp};
    rp_local_reader_t *r;
    uint64_t found = stamp;
    rp_str_t prefix;
    prefix_row_t row;
    int rc;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return rp_local_status(s, RP_LOG_READ, rc, "cannot read");
    }
    rc = next_row(s, r->txn, &found, &row, &prefix);
    if (!rc && (found != stamp || row.done || prefix.len > sizeof(w.text))) {
        rc = MDB_NOTFOUND;
    }
    if (!rc) {
        memcpy(w.text, prefix.ptr, prefix.len);
        w.prefix = (rp_str_t){w.text, prefix.len};
        w.soft = row.soft != 0;
        memcpy(w.at, row.at, RP_KEY_LEN);
    }
    rp_local_reader_give(s, r);
    if (rc) {
        return rc == MDB_NOTFOUND ? APR_SUCCESS : rp_local_status(s, RP_LOG_READ, rc, "cannot read");
    }
    return walk_on(&w, until, count);
}

/* ------------------------------------------------------------------ housekeeping */

static int work_start_reclaim(rp_local_txn_t *t, void *arg)
{
    rp_local_purges_t *purges;
    int rc;

    purges = rp_local_purges(t, &rc);
    if (!purges) {
        return rc;
    }
    if (purges->reclaims <= purges->reclaimed && purges->lazy > purges->reclaimed) {
        purges->reclaims = purges->lazy;
        memset(purges->at, 0, RP_KEY_LEN);
        rc = rp_local_purges_put(t);
    }
    memcpy(arg, purges->at, RP_KEY_LEN);
    return rc;
}

static void reclaim(rp_local_t *s, const rp_local_purges_t *purges, apr_time_t until)
{
    walk_t w = {.s = s};
    apr_uint64_t count = 0;

    if (purges->lazy > purges->reclaimed && rp_local_run(s, 1, work_start_reclaim, w.at) == APR_SUCCESS) {
        walk_on(&w, until, &count);
    }
}

static int work_forget(rp_local_txn_t *t, void *arg)
{
    int rc = rp_local_forget(t, *(const apr_time_t *)arg, FORGET_BATCH);

    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int work_forget_prefix(rp_local_txn_t *t, void *arg)
{
    return forget_prefix(t, *(const uint64_t *)arg);
}

/** Look after the purges of prefixes: forget them when it is time, go on where nobody does. */
static void tend_prefixes(rp_local_t *s, apr_time_t before, apr_time_t until)
{
    apr_uint64_t count = 0;
    uint64_t stamp;
    int n;

    for (n = 0, stamp = 0; n < MOST_PREFIXES; n++, stamp++) {
        prefix_row_t row;
        rp_str_t prefix;
        apr_time_t now = apr_time_now();
        int rc;
        rp_local_reader_t *r = rp_local_reader_take(s, &rc);
        if (!r) {
            return;
        }
        rc = next_row(s, r->txn, &stamp, &row, &prefix);
        rp_local_reader_give(s, r);
        if (rc) {
            return;
        }
        if (row.done && row.when < before) {
            rp_local_run(s, 1, work_forget_prefix, &stamp);
        }
        else if (!row.done && (now - row.progress > SILENCE || now < row.progress)) {
            rp_local_scan_prefix(s, stamp, until, &count);
        }
    }
}

void rp_local_purge_sweep(rp_local_t *s, apr_time_t now)
{
    apr_time_t before = now - RP_LOCAL_REMEMBER, until = apr_time_now() + SWEEP_TIME;
    rp_local_purges_t purges;
    rp_local_reader_t *r;
    int rc, due;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return;
    }
    rc = rp_local_purges_read(s, r->txn, &purges);
    due = !rc && rp_local_is_forgettable(s, r->txn, before);
    rp_local_reader_give(s, r);
    if (rc || !purges.newest) {
        return;
    }
    while (due && rp_local_run(s, 1, work_forget, &before) == APR_SUCCESS && apr_time_now() < until) {
        r = rp_local_reader_take(s, &rc);
        due = r && rp_local_is_forgettable(s, r->txn, before);
        if (r) {
            rp_local_reader_give(s, r);
        }
    }
    tend_prefixes(s, before, until);
    reclaim(s, &purges, until);
}

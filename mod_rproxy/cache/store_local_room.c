/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** How the local store makes room: what nobody needs any more is freed first, then entries are evicted. */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <apr_time.h>
#include "cache/store_local.h"

/** How often one process looks for dead writers when room is short. */
#define LOOK_EVERY apr_time_from_sec(1)

/** For how long nothing is written after not even deleting worked or the disk was full, and after how long that is taken for
 * lasting. */
#define STUCK_PAUSE apr_time_from_sec(1)
#define STUCK_LONG  apr_time_from_sec(60)

/** Rows of a queue that a sweep looks at in one read transaction, and expired ones that it then removes at
 * once. */
#define SWEEP_LOOK  1024
#define SWEEP_BATCH 32

/** A sweep begins nothing new after this long. */
#define SWEEP_TIME apr_time_from_msec(3)

uint64_t rp_local_used(rp_local_t *s, MDB_txn *txn)
{
    uint64_t used = 2; /* the meta pages */
    MDB_stat st;
    MDB_dbi i;

    /* 0 and 1 are LMDB's own: the list of free pages and the table of named databases. */
    for (i = 0; i < 2 + RP_NDBS; i++) {
        if (!mdb_stat(txn, i < 2 ? i : s->dbi[i - 2], &st)) {
            used += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
        }
    }
    return used;
}

/* ------------------------------------------------------------------ garbage */

/** Delete up to max chunks of an object; *freed is how many. @return MDB_NOTFOUND when there are no more */
static int free_chunks(rp_local_txn_t *t, uint64_t object, unsigned max, unsigned *freed)
{
    unsigned char want[12];
    MDB_val k, v;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(t->txn, t->s->dbi[RP_DB_CHUNKS], &cursor);

    if (rc) {
        return rc;
    }
    rp_local_chunk_key(want, object, 0);
    for (*freed = 0; *freed < max; ++*freed) {
        k.mv_size = sizeof(want);
        k.mv_data = want;
        rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (!rc && (k.mv_size != sizeof(want) || memcmp(k.mv_data, want, 8))) {
            rc = MDB_NOTFOUND;
        }
        if (!rc) {
            rc = mdb_cursor_del(cursor, 0);
        }
        if (rc) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return rc;
}

/** The next garbage that is old enough. @return 0, MDB_NOTFOUND when there is none within the look */
static int find_garbage(rp_local_txn_t *t, unsigned *look, apr_time_t until, uint64_t *object)
{
    rp_local_t *s = t->s;
    MDB_val k = {sizeof(s->garbage_at), &s->garbage_at}, v;
    MDB_cursor *cursor;
    int found = 0, again = s->garbage_at > 0;
    int rc = mdb_cursor_open(t->txn, s->dbi[RP_DB_GARBAGE], &cursor);

    if (rc) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (*look > 0 && !found) {
        apr_time_t since = 0;

        --*look;
        if (rc == MDB_NOTFOUND && again) {
            again = 0;
            rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
        }
        if (rc) {
            s->garbage_at = 0;
            break;
        }
        memcpy(object, k.mv_data, sizeof(*object));
        /* Nobody reads what was never an entry's, which has no time. */
        if (v.mv_size == sizeof(since)) {
            memcpy(&since, v.mv_data, sizeof(since));
        }
        found = since <= until;
        if (!found) {
            s->garbage_at = *object + 1;
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return found ? 0 : rc ? rc : MDB_NOTFOUND;
}

int rp_local_free_garbage(rp_local_txn_t *t, unsigned max, unsigned look, apr_time_t until, unsigned *freed)
{
    int rc = 0;

    *freed = 0;
    while (!rc && *freed < max) {
        uint64_t object;
        unsigned n = 0;

        rc = find_garbage(t, &look, until, &object);
        if (!rc) {
            rc = free_chunks(t, object, max - *freed, &n);
            *freed += n;
        }
        else if (rc == MDB_NOTFOUND) {
            return 0;
        }
        if (rc == MDB_NOTFOUND) {
            MDB_val gone = {sizeof(object), &object};
            rc = mdb_del(t->txn, t->s->dbi[RP_DB_GARBAGE], &gone, NULL);
        }
    }
    return rc;
}

/* ------------------------------------------------------------------ dead writers */

/** Is object written to by this very process? */
static int is_ours(rp_local_t *s, uint64_t object)
{
    rp_store_writer_t *w;

    pthread_mutex_lock(&s->lock);
    for (w = s->writers; w && __atomic_load_n(&w->object, __ATOMIC_ACQUIRE) != object; w = w->next) {
    }
    pthread_mutex_unlock(&s->lock);
    return w != NULL;
}

static int is_alive(rp_local_t *s, uint64_t object, const rp_local_owner_t *owner)
{
    if (owner->pid <= 0) {
        return 0;
    }
    if (owner->pid == s->self.pid && owner->start == s->self.start) {
        return is_ours(s, object);
    }
    if (s->self.start) {
        return owner->start && rp_local_start_time(owner->pid) == owner->start;
    }
    return kill(owner->pid, 0) == 0 || errno == EPERM;
}

int rp_local_bury_writers(rp_local_txn_t *t, unsigned *found)
{
    rp_local_t *s = t->s;
    MDB_val k, v, none = {0, ""};
    MDB_cursor *cursor;
    int rc;

    *found = 0;
    rc = mdb_cursor_open(t->txn, s->dbi[RP_DB_PENDING], &cursor);
    if (rc) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (!rc) {
        rp_local_owner_t owner = {0};
        uint64_t object;

        memcpy(&object, k.mv_data, sizeof(object));
        if (v.mv_size >= sizeof(owner)) {
            memcpy(&owner, v.mv_data, sizeof(owner));
        }
        if (!is_alive(s, object, &owner)) {
            MDB_val gone = {sizeof(object), &object};
            rc = mdb_cursor_del(cursor, 0);
            if (!rc) {
                rc = mdb_put(t->txn, s->dbi[RP_DB_GARBAGE], &gone, &none, 0);
            }
            ++*found;
        }
        if (!rc) {
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/** Nonzero, once in LOOK_EVERY, for one thread. */
static int time_to_look(rp_local_t *s)
{
    apr_time_t now = apr_time_now();
    int yes;

    pthread_mutex_lock(&s->lock);
    yes = now - s->looked >= LOOK_EVERY || now < s->looked;
    if (yes) {
        s->looked = now;
    }
    pthread_mutex_unlock(&s->lock);
    return yes;
}

/* ------------------------------------------------------------------ eviction */

int rp_local_make_room(rp_local_txn_t *t, size_t need)
{
    rp_local_t *s = t->s;
    rp_local_hand_t hand = {.left = s->evict_max, .promotions = s->evict_max * 4};
    unsigned chunks = s->free_max, freed, found;
    uint64_t used = rp_local_used(s, t->txn);
    int rc = 0;

    if (used + need <= s->high) {
        return 0;
    }
    hand.now = apr_time_now();
    rp_local_queue_age(t);
    if (time_to_look(s)) {
        rc = rp_local_bury_writers(t, &found);
    }
    while (!rc && used + need > s->high) {
        unsigned over = used + need - s->high < chunks ? (unsigned)(used + need - s->high) : chunks;
        rc = chunks ? rp_local_free_garbage(t, over, UINT_MAX, APR_INT64_MAX, &freed) : 0;
        chunks -= chunks ? freed : 0;
        if (!rc && (chunks == 0 || freed == 0)) {
            if (hand.left == 0 || chunks == 0) {
                break;
            }
            rc = rp_local_queue_step(t, &hand);
        }
        used = rp_local_used(s, t->txn);
    }
    if (rc && rc != MDB_NOTFOUND) {
        return rc;
    }
    return used + need > s->hard ? RP_LOCAL_SHORT : 0;
}

/** Evict so many entries, promoting none, in a transaction of its own. */
static int evict_now(rp_local_t *s, unsigned entries)
{
    rp_local_hand_t hand = {.left = entries, .must = 1, .now = apr_time_now()};
    rp_local_txn_t t;
    unsigned freed, found;
    int rc = rp_local_begin(s, &t);

    if (rc) {
        return rc;
    }
    rc = rp_local_bury_writers(&t, &found);
    if (!rc && rp_local_used(s, t.txn) < s->pages / 2) {
        /* Half of the map is free, but a reader that neither goes on nor dies pins it: evicting gains
         * nothing. */
        rp_local_abort(&t);
        return RP_LOCAL_SHORT;
    }
    while (!rc && hand.left) {
        rc = rp_local_queue_step(&t, &hand);
    }
    if (!rc || rc == MDB_NOTFOUND) {
        rc = rp_local_free_garbage(&t, entries * 4, UINT_MAX, APR_INT64_MAX, &freed);
    }
    if (rc) {
        rp_local_abort(&t);
        return rc;
    }
    return rp_local_commit(&t);
}

/**
 * Not even deleting works: a reader that hangs pins every page that was freed since it began.  Try again in a
 * second; if that goes on for a minute, the next restart begins anew.
 */
static void get_stuck(rp_local_t *s)
{
    apr_time_t now = apr_time_now();
    apr_time_t since = __atomic_load_n(&s->stuck_since, __ATOMIC_RELAXED);

    __atomic_store_n(&s->stuck_until, now + STUCK_PAUSE, __ATOMIC_RELAXED);
    if (!since) {
        __atomic_store_n(&s->stuck_since, now, __ATOMIC_RELAXED);
    }
    else if (now - since > STUCK_LONG) {
        rp_local_mark_damaged(s);
        rp_local_log(s, RP_LOG_DAMAGED, LOG_ERR, MDB_MAP_FULL,
                     "not even deleting works, since a minute; it is made anew at the next restart");
    }
}

void rp_local_pause(rp_local_t *s)
{
    __atomic_store_n(&s->stuck_until, apr_time_now() + STUCK_PAUSE, __ATOMIC_RELAXED);
}

int rp_local_is_stuck(rp_local_t *s)
{
    apr_time_t until = __atomic_load_n(&s->stuck_until, __ATOMIC_RELAXED), now;

    if (!until) {
        return 0;
    }
    now = apr_time_now();
    if (now < until && until - now <= STUCK_PAUSE) {
        return 1;
    }
    __atomic_store_n(&s->stuck_until, 0, __ATOMIC_RELAXED);
    return 0;
}

int rp_local_relieve(rp_local_t *s)
{
    int rc, dead = 0;

    if (mdb_reader_check(s->env, &dead) == 0 && dead) {
        return 0;
    }
    rc = evict_now(s, s->evict_max);
    if (rc == MDB_MAP_FULL) {
        rc = evict_now(s, 1);
    }
    if (rc == MDB_MAP_FULL) {
        get_stuck(s);
    }
    return rc;
}

/* ------------------------------------------------------------------ sweep */

typedef struct expired_t {
    int db;
    uint64_t sequences[SWEEP_BATCH];
    int n;
    apr_time_t now;
} expired_t;

/** Remove what a row stands for if it has expired; put the row right if it says so wrongly. */
static int expire_row(rp_local_txn_t *t, int db, uint64_t sequence, apr_time_t now)
{
    rp_local_t *s = t->s;
    MDB_val k = {sizeof(sequence), &sequence}, ek, v;
    rp_local_row_t row;
    rp_local_head_t head;
    int rc = mdb_get(t->txn, s->dbi[db], &k, &v);

    if (rc || v.mv_size != sizeof(row)) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    memcpy(&row, v.mv_data, sizeof(row));
    ek.mv_size = RP_KEY_LEN;
    ek.mv_data = row.key;
    rc = mdb_get(t->txn, s->dbi[RP_DB_ENTRIES], &ek, &v);
    if (!rc && rp_local_head_read(&v, &head) && head.object == row.object) {
        if (head.expires > now) {
            MDB_val right = {sizeof(row), &row};
            row.expires = head.expires;
            return mdb_put(t->txn, s->dbi[db], &k, &right, 0);
        }
        return rp_local_drop(t, row.key, &v); /* the row too */
    }
    return rc && rc != MDB_NOTFOUND ? rc : rp_local_queue_remove(t, db, sequence, &row);
}

static int work_expire(rp_local_txn_t *t, void *arg)
{
    expired_t *e = arg;
    int rc = 0, i;

    for (i = 0; i < e->n && !rc; i++) {
        rc = expire_row(t, e->db, e->sequences[i], e->now);
    }
    return rc;
}

/** Look along a queue from where the last sweep ended. @return 0, MDB_NOTFOUND at the end */
static int find_expired(rp_local_t *s, uint64_t *from, expired_t *e)
{
    uint64_t sequence = *from;
    MDB_val k = {sizeof(sequence), &sequence}, v;
    rp_local_reader_t *r;
    MDB_cursor *cursor;
    int rc, looked;

    e->n = 0;
    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return rc;
    }
    rc = mdb_cursor_open(r->txn, s->dbi[e->db], &cursor);
    if (!rc) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        for (looked = 0; !rc && looked < SWEEP_LOOK && e->n < SWEEP_BATCH; looked++) {
            rp_local_row_t row;
            memcpy(&sequence, k.mv_data, sizeof(sequence));
            *from = sequence + 1;
            if (v.mv_size == sizeof(row)) {
                memcpy(&row, v.mv_data, sizeof(row));
                if (row.expires <= e->now) {
                    e->sequences[e->n++] = sequence;
                }
            }
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
        mdb_cursor_close(cursor);
    }
    rp_local_reader_give(s, r);
    return rc;
}

static uint64_t count(rp_local_t *s, int db)
{
    rp_local_reader_t *r;
    MDB_stat st;
    int rc;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return 0;
    }
    rc = mdb_stat(r->txn, s->dbi[db], &st);
    rp_local_reader_give(s, r);
    return rc ? 0 : st.ms_entries;
}

static int work_bury(rp_local_txn_t *t, void *arg)
{
    return rp_local_bury_writers(t, arg);
}

static int work_free(rp_local_txn_t *t, void *arg)
{
    return rp_local_free_garbage(t, t->s->free_max, SWEEP_LOOK, RP_LOCAL_OLD_ENOUGH(t->s), arg);
}

void rp_store_local_sweep(rp_store_t *store, apr_time_t now)
{
    rp_local_t *s = (rp_local_t *)store;
    apr_time_t begun = apr_time_now();
    expired_t e = {.now = now};
    unsigned n;
    uint64_t from;
    int rc = 0, dead;

    if (__atomic_load_n(&s->broken, __ATOMIC_RELAXED)) {
        return;
    }
    mdb_reader_check(s->env, &dead);
    if (count(s, RP_DB_PENDING) && rp_local_run(s, 0, work_bury, &n)) {
        return;
    }
    n = 1;
    while (n && count(s, RP_DB_GARBAGE) && apr_time_now() - begun < SWEEP_TIME) {
        if (rp_local_run(s, 0, work_free, &n)) {
            return;
        }
    }
    rp_local_purge_sweep(s, now);
    begun = apr_time_now();
    pthread_mutex_lock(&s->lock);
    from = s->swept_to;
    e.db = s->swept_main ? RP_DB_MAIN : RP_DB_ORDER;
    pthread_mutex_unlock(&s->lock);
    while (!rc && apr_time_now() - begun < SWEEP_TIME) {
        rc = find_expired(s, &from, &e);
        if (e.n && rp_local_run(s, 0, work_expire, &e)) {
            break;
        }
        if (rc == MDB_NOTFOUND) {
            from = 0;
            e.db = e.db == RP_DB_MAIN ? RP_DB_ORDER : RP_DB_MAIN;
            rc = e.db == RP_DB_MAIN ? 0 : rc; /* once around is enough */
        }
    }
    pthread_mutex_lock(&s->lock);
    s->swept_to = from;
    s->swept_main = e.db == RP_DB_MAIN;
    pthread_mutex_unlock(&s->lock);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Whom the local store evicts.
 *
 * A new entry is on trial: it stands in `order`, a tenth of all bytes, and goes out at the end of it unless
 * it is used more often than what would have to go for it from `main`, where the rest is.  From `main` goes,
 * of a few, the one that is used least.  How often a key is used, the sketch in `touched` knows,
 * also of keys that are not stored any more; old uses count less and less (W-TinyLFU, by Einziger, Friedman
 * and Manes).  So what is asked for once never pushes out what is asked for again and
 * again, and a hit writes no more than a few bytes of shared memory.
 */

#include <string.h>
#include "cache/store_local.h"

/** `order` has this part of all bytes. */
#define TRIAL_PART 10

/** Rows of `main` that are looked at in one place, and the places besides the hand's. */
#define LOOK_AT        2
#define LOOK_ELSEWHERE 3

/** The sketch is halved when it has counted so many uses for every entry. */
#define USES_PER_ENTRY 12

/** A thread adds its uses to the shared sum when it has so many. */
#define USES_AT_ONCE 16

/* ------------------------------------------------------------------ frequency */

static uint64_t mix(uint64_t x)
{
    x *= UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return x ^ x >> 29;
}

uint64_t rp_local_hash(const unsigned char key[RP_KEY_LEN])
{
    uint64_t h, variant;

    memcpy(&h, key, sizeof(h));
    memcpy(&variant, key + RP_KEY_HALF, sizeof(variant));
    return mix(h ^ variant * UINT64_C(0xC2B2AE3D27D4EB4F));
}

void rp_local_touch(rp_local_t *s, uint64_t hash)
{
    static __thread unsigned uses;

    if (rp_frequency_add(&s->frequency, hash) && ++uses == USES_AT_ONCE) {
        uses = 0;
        __atomic_fetch_add(&s->shared->used, USES_AT_ONCE, __ATOMIC_RELAXED);
    }
}

void rp_local_queue_age(rp_local_txn_t *t)
{
    rp_local_t *s = t->s;
    uint64_t used = __atomic_load_n(&s->shared->used, __ATOMIC_RELAXED);
    MDB_stat st;

    if (used >= 64 * USES_PER_ENTRY && !mdb_stat(t->txn, s->dbi[RP_DB_ENTRIES], &st) &&
        used >= st.ms_entries * USES_PER_ENTRY) {
        rp_frequency_halve(&s->frequency);
        __atomic_store_n(&s->shared->used, used / 2, __ATOMIC_RELAXED);
    }
}

/* ------------------------------------------------------------------ rows */

static void charge(rp_local_txn_t *t, int db, uint64_t bytes)
{
    *(db == RP_DB_MAIN ? &t->main : &t->trial) += bytes;
}

static void discharge(rp_local_txn_t *t, int db, uint64_t bytes)
{
    uint64_t *sum = db == RP_DB_MAIN ? &t->main : &t->trial;

    *sum -= bytes < *sum ? bytes : *sum;
}

/** What an entry takes: a value that is longer than half a page has pages of its own. */
static uint64_t bytes_of(const rp_local_t *s, const rp_local_head_t *head)
{
    uint64_t bytes = sizeof(*head) + RP_KEY_LEN + (uint64_t)head->ntags * RP_STORE_TAG_LEN + head->record_len;

    if (head->body_len > RP_STORE_INLINE) {
        return bytes + (head->body_len + s->chunk - 1) / s->chunk * s->page;
    }
    bytes += head->body_len;
    return bytes > s->page / 2 ? (bytes + s->page - 1) / s->page * s->page : bytes;
}

static int put_row(rp_local_txn_t *t, int db, uint64_t id, rp_local_row_t *row)
{
    MDB_val k = {sizeof(id), &id}, v = {sizeof(*row), row};
    int rc = mdb_put(t->txn, t->s->dbi[db], &k, &v, MDB_APPEND);

    if (rc == MDB_KEYEXIST) { /* only: not the last one */
        rc = mdb_put(t->txn, t->s->dbi[db], &k, &v, 0);
    }
    return rc;
}

static void read_row(const MDB_val *v, rp_local_row_t *row)
{
    memset(row, 0, sizeof(*row));
    if (v->mv_size == sizeof(*row)) {
        memcpy(row, v->mv_data, sizeof(*row));
    }
}

/** Where an entry's row is. @return MDB_NOTFOUND when nowhere */
static int find_row(rp_local_txn_t *t, const rp_local_head_t *head, int *db, uint64_t *id,
                    rp_local_row_t *row)
{
    int rc = MDB_NOTFOUND, i;

    for (i = 0; i < 2; i++) {
        MDB_val k = {sizeof(*id), id}, v;
        *db = i ? RP_DB_MAIN : RP_DB_ORDER;
        *id = i ? head->object : head->sequence;
        rc = mdb_get(t->txn, t->s->dbi[*db], &k, &v);
        if (!rc) {
            read_row(&v, row);
            if (row->object == head->object) {
                return 0;
            }
            rc = MDB_NOTFOUND;
        }
        if (rc != MDB_NOTFOUND) {
            return rc;
        }
    }
    return rc;
}

int rp_local_queue_remove(rp_local_txn_t *t, int db, uint64_t id, const rp_local_row_t *row)
{
    MDB_val k = {sizeof(id), &id};
    int rc = mdb_del(t->txn, t->s->dbi[db], &k, NULL);

    if (!rc) {
        discharge(t, db, row->bytes);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int rp_local_queue_add(rp_local_txn_t *t, const unsigned char key[RP_KEY_LEN], const rp_local_head_t *head)
{
    rp_local_row_t row = {.object = head->object, .expires = head->expires, .bytes = bytes_of(t->s, head)};

    memcpy(row.key, key, RP_KEY_LEN);
    charge(t, RP_DB_ORDER, row.bytes);
    return put_row(t, RP_DB_ORDER, head->sequence, &row);
}

int rp_local_queue_renew(rp_local_txn_t *t, const rp_local_head_t *head)
{
    rp_local_row_t row;
    uint64_t id;
    int db, rc = find_row(t, head, &db, &id, &row);

    if (rc) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    discharge(t, db, row.bytes);
    row.expires = head->expires;
    row.bytes = bytes_of(t->s, head);
    charge(t, db, row.bytes);
    return put_row(t, db, id, &row);
}

int rp_local_queue_drop(rp_local_txn_t *t, const rp_local_head_t *head)
{
    rp_local_row_t row;
    uint64_t id;
    int db, rc = find_row(t, head, &db, &id, &row);

    if (rc) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    return rp_local_queue_remove(t, db, id, &row);
}

/* ------------------------------------------------------------------ evicting */

/** Nothing refers to object any more: if it had chunks, they are to go too. */
static int orphan(rp_local_txn_t *t, uint64_t object)
{
    MDB_val k = {sizeof(object), &object}, none = {0, ""};

    return object ? mdb_put(t->txn, t->s->dbi[RP_DB_GARBAGE], &k, &none, 0) : 0;
}

/** Remove the entry that a row stands for, and the row. */
static int evict(rp_local_txn_t *t, int db, uint64_t id, const rp_local_row_t *row)
{
    MDB_val k = {RP_KEY_LEN, (void *)row->key}, v;
    rp_local_head_t head;
    int rc = rp_local_queue_remove(t, db, id, row);

    if (rc || !row->object) {
        return rc;
    }
    rc = mdb_get(t->txn, t->s->dbi[RP_DB_ENTRIES], &k, &v);
    if (rc) {
        return rc == MDB_NOTFOUND ? orphan(t, row->object) : rc;
    }
    if (!rp_local_head_read(&v, &head)) {
        rc = rp_local_drop(t, row->key, &v);
    }
    else if (head.object == row->object) {
        t->evicted++;
        return rp_local_drop(t, row->key, &v);
    }
    return rc ? rc : orphan(t, row->object);
}

typedef struct candidate_t {
    uint64_t id;
    rp_local_row_t row;
    int frequency; /* -1: of no use any more */
} candidate_t;

static void judge(rp_local_txn_t *t, candidate_t *c, apr_time_t now)
{
    c->frequency =
        c->row.expires <= now ? -1 : (int)rp_frequency_of(&t->s->frequency, rp_local_hash(c->row.key));
}

/** The oldest on trial. */
static int oldest(rp_local_txn_t *t, MDB_cursor *cursor, apr_time_t now, candidate_t *c)
{
    MDB_val k, v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);

    if (!rc) {
        memcpy(&c->id, k.mv_data, sizeof(c->id));
        read_row(&v, &c->row);
        judge(t, c, now);
    }
    return rc;
}

/** A place in `main` by chance, between the ends that the cursor finds. */
static int chance(MDB_cursor *cursor, uint64_t seed, uint64_t *id)
{
    uint64_t first, last;
    MDB_val k, v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);

    if (rc) {
        return rc;
    }
    memcpy(&first, k.mv_data, sizeof(first));
    rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);
    if (rc) {
        return rc;
    }
    memcpy(&last, k.mv_data, sizeof(last));
    *id = first + mix(seed) % (last - first + 1);
    return 0;
}

/** Look at a few rows of `main` from *from on, which moves; c becomes the least used of them and itself. */
static int look(rp_local_txn_t *t, MDB_cursor *cursor, apr_time_t now, uint64_t *from, candidate_t *c)
{
    MDB_val k = {sizeof(*from), from}, v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE), i;

    for (i = 0; i < LOOK_AT; i++) {
        candidate_t next;
        if (rc == MDB_NOTFOUND) {
            rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
        }
        if (rc) {
            return rc;
        }
        memcpy(&next.id, k.mv_data, sizeof(next.id));
        read_row(&v, &next.row);
        judge(t, &next, now);
        if (next.frequency < c->frequency) {
            *c = next;
        }
        *from = next.id + 1;
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    return 0;
}

/**
 * The least used of some in `main`: of those that the hand comes to, so that each has its turn, and of some
 * others, since neighbours are of one age and may all be worth keeping.
 */
static int weakest(rp_local_txn_t *t, MDB_cursor *cursor, apr_time_t now, candidate_t *c)
{
    rp_local_shared_t *shared = t->s->shared;
    uint64_t hand = __atomic_load_n(&shared->hand, __ATOMIC_RELAXED), from;
    int rc, i;

    c->frequency = RP_FREQUENCY_MAX + 1;
    rc = look(t, cursor, now, &hand, c);
    for (i = 0; i < LOOK_ELSEWHERE && !rc; i++) {
        rc = chance(cursor, hand + (uint64_t)i, &from);
        if (!rc) {
            rc = look(t, cursor, now, &from, c);
        }
    }
    if (!rc) {
        __atomic_store_n(&shared->hand, hand, __ATOMIC_RELAXED);
    }
    return rc;
}

/** The one on trial becomes one of many. */
static int promote(rp_local_txn_t *t, candidate_t *c)
{
    int rc = rp_local_queue_remove(t, RP_DB_ORDER, c->id, &c->row);

    if (!rc) {
        charge(t, RP_DB_MAIN, c->row.bytes);
        rc = put_row(t, RP_DB_MAIN, c->row.object, &c->row);
    }
    return rc;
}

typedef int (*find_fn)(rp_local_txn_t *t, MDB_cursor *cursor, apr_time_t now, candidate_t *c);

static int find(rp_local_txn_t *t, int db, find_fn fn, apr_time_t now, candidate_t *c)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(t->txn, t->s->dbi[db], &cursor);

    if (!rc) {
        rc = fn(t, cursor, now, c);
        mdb_cursor_close(cursor);
    }
    return rc;
}

/** What those on trial may have, in bytes. */
static uint64_t share(const rp_local_txn_t *t)
{
    return (t->trial + t->main) / TRIAL_PART;
}

/** Is `main` far from its share?  Then it is enough to be used a second time. */
static int is_growing(const rp_local_txn_t *t)
{
    return t->trial > 2 * share(t);
}

int rp_local_queue_step(rp_local_txn_t *t, rp_local_hand_t *hand)
{
    candidate_t young, old;
    int no_young, no_old;

    no_young = find(t, RP_DB_ORDER, oldest, hand->now, &young);
    if (no_young && no_young != MDB_NOTFOUND) {
        return no_young;
    }
    if (!no_young && young.frequency < 0) {
        hand->left--;
        return evict(t, RP_DB_ORDER, young.id, &young.row);
    }
    no_old = find(t, RP_DB_MAIN, weakest, hand->now, &old);
    if (no_old && no_old != MDB_NOTFOUND) {
        return no_old;
    }
    if (no_old || is_growing(t)) {
        old.frequency = 1;
    }
    if (!no_young && (no_old || t->trial > share(t))) {
        if (young.frequency <= old.frequency || (no_old && hand->must)) {
            hand->left--;
            return evict(t, RP_DB_ORDER, young.id, &young.row);
        }
        if (hand->promotions) {
            hand->promotions--;
            return promote(t, &young);
        }
        if (!hand->must) {
            /* Evicting from `main` now would throw out what it has just been given. */
            hand->left = 0;
            return 0;
        }
    }
    if (no_old) {
        return MDB_NOTFOUND;
    }
    hand->left--;
    return evict(t, RP_DB_MAIN, old.id, &old.row);
}

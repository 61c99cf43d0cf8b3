/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Purging in the local store.
 *
 * Each purge takes a stamp, a number that only grows.  Whoever asks a backend notes the newest stamp before
 * (`since`), and the entry that comes of it keeps it.  An entry is purged when a purge that covers it has a stamp
 * above the entry's `since`; so it makes no difference whether a purge comes after the entry, or while it is still
 * being fetched.  What can be said of many entries in one row (a tag, all) is only said there, and entries are
 * removed by and by.
 *
 *   purges   'S'                 rp_local_purges_t
 *            'K', primary key    a purge of that key            (store_local_past.c)
 *            'T', stamp          when a key or tag was purged   (store_local_past.c)
 *            'P', stamp          a purge of a prefix            (store_local_scan.c)
 *   tags     tag                 rp_local_tag_t                 (store_local_tags.c)
 *
 * The shared page says what the newest stamps are, so that without a purge that is newer than the entry nothing has
 * to be looked up.  It is written before the transaction is committed: a stamp that is there and not in the
 * database is looked for in vain, the other way round a purge would be missed.
 */

#include <string.h>
#include "cache/store_local.h"

/* ------------------------------------------------------------------ stamps */

static uint64_t load(const uint64_t *place)
{
    return __atomic_load_n(place, __ATOMIC_ACQUIRE);
}

static void raise_to(uint64_t *place, uint64_t stamp)
{
    uint64_t was = load(place);

    while (was < stamp && !__atomic_compare_exchange_n(place, &was, stamp, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}

static unsigned slot_of(const unsigned char *hash)
{
    return ((unsigned)hash[0] << 8 | hash[1]) % RP_LOCAL_STAMPS;
}

/** May there be a purge of this kind after since? */
static int is_newer(const rp_local_t *s, const uint64_t *place, uint64_t since)
{
    return !s->shared_mapped || load(place) > since;
}

uint64_t rp_local_stamp(rp_store_t *store)
{
    rp_local_t *s = (rp_local_t *)store;
    rp_local_purges_t purges = {0};
    rp_local_reader_t *r;
    int rc;

    if (s->shared_mapped) {
        return load(&s->shared->purge_newest);
    }
    r = rp_local_reader_take(s, &rc);
    if (r) {
        rp_local_purges_read(s, r->txn, &purges);
        rp_local_reader_give(s, r);
    }
    return purges.newest;
}

/** A stamp that was never given out, not even by a transaction that came to nothing. */
static uint64_t take_stamp(rp_local_txn_t *t)
{
    uint64_t stamp = load(&t->s->shared->purge_newest) + 1;

    stamp = stamp < t->next ? t->next : stamp;
    t->next = stamp + 1;
    return stamp;
}

uint64_t rp_local_newest(const rp_local_t *s)
{
    return load(&s->shared->purge_newest);
}

int rp_local_stamp_use(rp_local_txn_t *t)
{
    uint64_t stamp = take_stamp(t);
    int rc;
    rp_local_purges_t *purges = rp_local_purges(t, &rc);

    if (!purges) {
        return rc;
    }
    purges->newest = stamp;
    rc = rp_local_purges_put(t);
    if (!rc) {
        raise_to(&t->s->shared->purge_newest, stamp);
    }
    return rc;
}

int rp_local_purges_read(rp_local_t *s, MDB_txn *txn, rp_local_purges_t *purges)
{
    MDB_val k = {1, "S"}, v;
    int rc = mdb_get(txn, s->dbi[RP_DB_PURGES], &k, &v);

    memset(purges, 0, sizeof(*purges));
    if (!rc && v.mv_size == sizeof(*purges)) {
        memcpy(purges, v.mv_data, sizeof(*purges));
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

rp_local_purges_t *rp_local_purges(rp_local_txn_t *t, int *rc)
{
    *rc = 0;
    if (!t->purges_known) {
        *rc = rp_local_purges_read(t->s, t->txn, &t->purges);
        t->purges_known = !*rc;
    }
    return t->purges_known ? &t->purges : NULL;
}

int rp_local_purges_put(rp_local_txn_t *t)
{
    MDB_val k = {1, "S"}, v = {sizeof(t->purges), &t->purges};

    return mdb_put(t->txn, t->s->dbi[RP_DB_PURGES], &k, &v, 0);
}

int rp_local_purge_open(rp_local_t *s)
{
    rp_local_shared_t *shared = s->shared;
    rp_local_purges_t purges;
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn), i;

    if (rc) {
        return rc;
    }
    rc = rp_local_purges_read(s, txn, &purges);
    mdb_txn_abort(txn);
    if (rc || load(&shared->purge_newest) >= purges.newest) {
        return rc;
    }
    /* The page is new: which of them is the newest of each kind is not known, so each may be. */
    for (i = 0; i < RP_LOCAL_STAMPS; i++) {
        raise_to(&shared->purge_keys[i], purges.newest);
        raise_to(&shared->purge_tags[i], purges.newest);
    }
    raise_to(&shared->purge_all, purges.newest);
    raise_to(&shared->purge_prefix, purges.newest);
    raise_to(&shared->purge_newest, purges.newest);
    return 0;
}

/* ------------------------------------------------------------------ verdicts */

void rp_local_subject(const unsigned char *key, const MDB_val *value, const rp_local_head_t *head,
                      rp_local_subject_t *subject)
{
    subject->key = key;
    subject->name.ptr = rp_local_record(value, head) + head->name_at;
    subject->name.len = head->name_len;
    subject->tags = (const rp_store_tag_t *)((const char *)value->mv_data + sizeof(*head));
    subject->ntags = head->ntags;
    subject->since = head->since;
}

static int judge_all(rp_local_t *s, MDB_txn *txn, const rp_local_subject_t *subject, rp_local_verdict_e *verdict)
{
    rp_local_purges_t purges;
    int rc = rp_local_purges_read(s, txn, &purges);

    if (!rc) {
        rp_local_verdict(purges.all_hard, purges.all_soft, subject->since, verdict);
        if (purges.all_doubt > subject->since && *verdict != RP_PURGED_HARD) {
            *verdict = RP_PURGED_DOUBT;
        }
    }
    return rc;
}

static int judge_tags(rp_local_t *s, MDB_txn *txn, const rp_local_subject_t *subject, rp_local_verdict_e *verdict)
{
    int rc = 0, i;

    for (i = 0; i < subject->ntags && !rc && *verdict != RP_PURGED_HARD; i++) {
        rp_local_tag_t row;
        if (!is_newer(s, &s->shared->purge_tags[slot_of(subject->tags[i].hash)], subject->since)) {
            continue;
        }
        rc = rp_local_tag_read(s, txn, &subject->tags[i], &row);
        if (!rc) {
            rp_local_verdict(row.hard, row.soft, subject->since, verdict);
        }
        rc = rc == MDB_NOTFOUND ? 0 : rc;
    }
    return rc;
}

int rp_local_judge(rp_local_t *s, MDB_txn *txn, const rp_local_subject_t *subject, rp_local_verdict_e *verdict)
{
    const rp_local_shared_t *shared = s->shared;
    uint64_t since = subject->since;
    int rc = 0;

    *verdict = RP_PURGED_NOT;
    if (!is_newer(s, &shared->purge_newest, since)) {
        return 0;
    }
    if (is_newer(s, &shared->purge_all, since)) {
        rc = judge_all(s, txn, subject, verdict);
    }
    if (!rc && *verdict != RP_PURGED_HARD && is_newer(s, &shared->purge_keys[slot_of(subject->key)], since)) {
        rc = rp_local_key_judge(s, txn, subject, verdict);
    }
    if (!rc && *verdict != RP_PURGED_HARD) {
        rc = judge_tags(s, txn, subject, verdict);
    }
    if (!rc && *verdict != RP_PURGED_HARD && is_newer(s, &shared->purge_prefix, since)) {
        rc = rp_local_prefix_judge(s, txn, subject, verdict);
    }
    return rc;
}

int rp_local_admit(rp_local_txn_t *t, const unsigned char *key, const rp_put_t *put, rp_local_head_t *head)
{
    rp_local_t *s = t->s;
    uint64_t newest = s->shared_mapped ? load(&s->shared->purge_newest) : UINT64_MAX;
    rp_local_subject_t subject = {key, put->name, put->tags, put->ntags, put->since};
    rp_local_verdict_e verdict;
    rp_local_purges_t *purges;
    int rc;

    head->flags = 0;
    head->since = put->since < newest ? put->since : newest;
    if (put->since >= newest) {
        /* Of a purge that came to nothing, perhaps: no later one, of another process after a restart, may get the
         * same. */
        t->next = t->next <= newest ? newest + 1 : t->next;
        return 0;
    }
    purges = rp_local_purges(t, &rc);
    if (!purges) {
        return rc;
    }
    if (!s->shared_mapped) {
        head->since = put->since < purges->newest ? put->since : purges->newest;
    }
    t->next = t->next <= head->since ? head->since + 1 : t->next;
    if (head->since < purges->forgotten) {
        return MDB_NOTFOUND;
    }
    subject.since = head->since;
    rc = rp_local_judge(s, t->txn, &subject, &verdict);
    if (rc || verdict == RP_PURGED_HARD) {
        return rc ? rc : MDB_NOTFOUND;
    }
    head->flags = verdict == RP_PURGED_SOFT ? RP_LOCAL_SOFT : 0;
    return 0;
}

apr_status_t rp_store_local_judge(rp_store_t *store, const unsigned char key[RP_KEY_LEN], const rp_put_t *put, int *soft)
{
    rp_local_t *s = (rp_local_t *)store;
    rp_local_subject_t subject = {key, put->name, put->tags, put->ntags, put->since};
    rp_local_verdict_e verdict = RP_PURGED_NOT;
    rp_local_purges_t purges;
    rp_local_reader_t *r;
    int rc;

    *soft = 0;
    if (!is_newer(s, &s->shared->purge_newest, put->since)) {
        return APR_SUCCESS;
    }
    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return APR_NOTFOUND;
    }
    rc = rp_local_purges_read(s, r->txn, &purges);
    if (!rc) {
        rc = put->since < purges.forgotten ? MDB_NOTFOUND : rp_local_judge(s, r->txn, &subject, &verdict);
    }
    rp_local_reader_give(s, r);
    *soft = verdict == RP_PURGED_DOUBT ? RP_DOUBT : verdict == RP_PURGED_SOFT ? RP_SOFT : 0;
    return rc || verdict == RP_PURGED_HARD ? APR_NOTFOUND : APR_SUCCESS;
}

/* ------------------------------------------------------------------ purging */

typedef struct purging_t {
    const rp_purge_t *what;
    uint64_t stamp;
    apr_uint64_t count;
    int done;
    uint64_t oldest; /* purge of a prefix that has to be finished before there can be another one */
    int crowded;
} purging_t;

static uint64_t *place_of(rp_local_t *s, const rp_purge_t *what)
{
    switch (what->kind) {
    case RP_PURGE_KEY: return &s->shared->purge_keys[slot_of(what->key)];
    case RP_PURGE_TAG: return &s->shared->purge_tags[slot_of(what->tag.hash)];
    case RP_PURGE_PREFIX: return &s->shared->purge_prefix;
    default: return &s->shared->purge_all;
    }
}

static int purge_all(rp_local_txn_t *t, rp_local_purges_t *purges, purging_t *p)
{
    MDB_stat st;
    int rc = mdb_stat(t->txn, t->s->dbi[RP_DB_ENTRIES], &st);

    p->count = st.ms_entries;
    if (p->what->kind == RP_PURGE_DOUBT) {
        purges->all_doubt = p->stamp;
    }
    else if (p->what->soft) {
        purges->all_soft = p->stamp;
    }
    else {
        purges->all_hard = purges->lazy = p->stamp;
    }
    return rc;
}

static int work_purge(rp_local_txn_t *t, void *arg)
{
    purging_t *p = arg;
    const rp_purge_t *what = p->what;
    rp_local_purges_t *purges;
    int rc;

    p->count = 0;
    p->done = 1;
    p->crowded = 0;
    p->stamp = take_stamp(t);
    purges = rp_local_purges(t, &rc);
    if (!purges) {
        return rc;
    }
    purges->newest = p->stamp;
    switch (what->kind) {
    case RP_PURGE_KEY:
        rc = rp_local_key_purge(t, what->key, p->stamp, what->soft);
        rc = rc ? rc : rp_local_key_apply(t, what->key, &p->count, &p->done);
        break;
    case RP_PURGE_TAG: rc = rp_local_tag_purge(t, &what->tag, p->stamp, what->soft, &p->count); break;
    case RP_PURGE_PREFIX:
        rc = rp_local_prefix_add(t, what->prefix, what->soft, p->stamp, &p->oldest);
        if (rc == MDB_KEYEXIST) {
            p->crowded = 1;
            return 0; /* nothing was changed but a stamp used up */
        }
        p->done = 0;
        break;
    default: rc = purge_all(t, purges, p);
    }
    if (!rc) {
        rc = rp_local_purges_put(t);
    }
    if (!rc) {
        raise_to(place_of(t->s, what), p->stamp);
        raise_to(&t->s->shared->purge_newest, p->stamp);
    }
    return rc;
}

static int work_apply(rp_local_txn_t *t, void *arg)
{
    purging_t *p = arg;

    return rp_local_key_apply(t, p->what->key, &p->count, &p->done);
}

/** How long a purge of a prefix may take to make room in the list, and then for its own walk. */
#define PREFIX_TIME apr_time_from_sec(60)

static apr_status_t purge_prefix(rp_local_t *s, purging_t *p, apr_uint64_t *count)
{
    apr_time_t until = apr_time_now() + PREFIX_TIME;
    apr_status_t rv = APR_SUCCESS;

    if (p->what->prefix.len > RP_STORE_PREFIX_MAX) {
        return APR_EINVAL;
    }
    do {
        if (p->crowded) {
            apr_uint64_t others;
            rv = rp_local_scan_prefix(s, p->oldest, until, &others);
        }
        if (rv == APR_SUCCESS) {
            rv = rp_local_run(s, 4, work_purge, p);
        }
    } while (rv == APR_SUCCESS && p->crowded);
    if (rv == APR_SUCCESS && count) {
        rv = rp_local_scan_prefix(s, p->stamp, until, count);
        rv = rv == APR_TIMEUP ? APR_SUCCESS : rv; /* in effect; the sweep goes on with it */
    }
    return rv;
}

apr_status_t rp_local_purge(rp_store_t *store, const rp_purge_t *what, apr_uint64_t *count)
{
    rp_local_t *s = (rp_local_t *)store;
    purging_t p = {.what = what};
    apr_uint64_t unwanted;
    apr_status_t rv;

    if (what->kind == RP_PURGE_PREFIX) {
        if (count) {
            *count = 0;
        }
        rv = purge_prefix(s, &p, count);
    }
    else {
        count = count ? count : &unwanted;
        rv = rp_local_run(s, 4, work_purge, &p);
        *count = rv ? 0 : p.count;
        while (rv == APR_SUCCESS && !p.done) {
            rv = rp_local_run(s, 2, work_apply, &p);
            *count += rv ? 0 : p.count;
        }
    }
    if (rv == APR_SUCCESS && !s->shared_mapped) {
        rv = APR_INCOMPLETE; /* other processes do not look, as they are not told to */
    }
    if (rv) {
        rp_local_log(s, RP_LOG_WRITE, LOG_ERR, 0, "a purge failed");
    }
    return rv;
}

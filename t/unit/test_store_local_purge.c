/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Purging what is in the local store, and what is on its way into it. */

#include "store_local_util.h"
#include "store_local_tags.h"
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define HOUR apr_time_from_sec(3601)

static box_t *box_of(apr_uint64_t size)
{
    box_t *b = box_make(size);

    box_prepare(b);
    box_open(b);
    return b;
}

static int setup(void **state)
{
    *state = box_of(16 * MIB);
    return 0;
}

static int teardown(void **state)
{
    box_t *b = *state;

    assert_string_equal(b->log, "");
    box_remove(b);
    return 0;
}

static rp_store_tag_t tag_of(unsigned n)
{
    rp_store_tag_t tag = {{0}};
    uint64_t x = (n + 1) * UINT64_C(0x9E3779B97F4A7C15);

    memcpy(tag.hash, &x, sizeof(x));
    memcpy(tag.hash + 8, &n, sizeof(n));
    return tag;
}

/** Store entry number n, named /DIR/N, with a body of so many bytes and two tags: n modulo 10, and 1000. */
static apr_status_t store(rp_store_t *s, unsigned n, size_t len, uint64_t since)
{
    rp_store_tag_t tags[3] = {tag_of(n % 10), tag_of(1000), tag_of(n % 10)};
    rp_put_t put = {.expires = FAR, .tags = tags, .ntags = 3, .since = since};
    unsigned char key[RP_KEY_LEN];
    rp_store_writer_t *w;
    apr_status_t rv;
    apr_pool_t *p;
    char *data;
    int at;

    apr_pool_create(&p, NULL);
    data = apr_palloc(p, len + 1);
    fill(data, len, n, 0);
    key_of(key, n, 0);
    put.record.ptr = apr_psprintf(p, "%u %lu /%c/%u%n rest", n, (unsigned long)len, 'a' + n % 3, n, &at);
    put.record.len = strlen(put.record.ptr);
    put.name.ptr = strchr(put.record.ptr, '/');
    put.name.len = (size_t)(put.record.ptr + at - put.name.ptr);
    rv = s->ops->begin(s, key, len, p, &w);
    rv = rv ? rv : s->ops->write(w, data, len);
    rv = rv ? rv : s->ops->commit(w, &put);
    apr_pool_destroy(p);
    return rv;
}

static void store_many(rp_store_t *s, unsigned n, size_t len)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        assert_int_equal(store(s, i, len, s->ops->stamp(s)), APR_SUCCESS);
    }
}

/** @return 0 when it is not found, 1 when it is, 2 when it is soft */
static int found(rp_store_t *s, unsigned n)
{
    unsigned char key[RP_KEY_LEN];
    apr_pool_t *p;
    rp_entry_t e;
    int result = 0;

    apr_pool_create(&p, NULL);
    key_of(key, n, 0);
    if (s->ops->get(s, key, p, &e) == APR_SUCCESS) {
        result = e.soft ? 2 : 1;
        assert_int_equal(look(s, key), n);
    }
    apr_pool_destroy(p);
    return result;
}

/** A purge that covers entry 0, of each kind, and whom it covers. */
static rp_purge_t purge_of(rp_purge_kind_e kind, int soft)
{
    rp_purge_t what = {.kind = kind, .soft = soft, .tag = tag_of(0), .prefix = RP_STR("/a/")};
    unsigned char key[RP_KEY_LEN];

    key_of(key, 0, 0);
    memcpy(what.key, key, RP_KEY_HALF);
    return what;
}

static int is_covered(rp_purge_kind_e kind, unsigned n)
{
    switch (kind) {
    case RP_PURGE_KEY: return n == 0;
    case RP_PURGE_TAG: return n % 10 == 0;
    case RP_PURGE_PREFIX: return n % 3 == 0;
    default: return 1;
    }
}

static apr_uint64_t purge(rp_store_t *s, rp_purge_kind_e kind, int soft)
{
    rp_purge_t what = purge_of(kind, soft);
    apr_uint64_t count;

    assert_int_equal(s->ops->purge(s, &what, &count), APR_SUCCESS);
    return count;
}

#define N 300

static unsigned covered(rp_purge_kind_e kind)
{
    unsigned i, n = 0;

    for (i = 0; i < N; i++) {
        n += is_covered(kind, i);
    }
    return n;
}

static void check(rp_store_t *s, rp_purge_kind_e kind, int soft)
{
    unsigned i;

    for (i = 0; i < N; i++) {
        assert_int_equal(found(s, i), !is_covered(kind, i) ? 1 : soft ? 2 : 0);
    }
}

/** When all is over nothing is left of purges but their stamps. */
static void check_nothing_left(box_t *b, size_t entries)
{
    int i;

    for (i = 0; i < 100; i++) {
        rp_store_local_sweep(b->s, apr_time_now() + HOUR - apr_time_from_sec(3600));
    }
    check_tags(b->s);
    for (i = 0; i < 100; i++) {
        rp_local_purge_sweep((rp_local_t *)b->s, apr_time_now() + HOUR);
    }
    assert_int_equal(rows(b->s, RP_DB_ENTRIES), entries);
    assert_int_equal(rows(b->s, RP_DB_ORDER) + rows(b->s, RP_DB_MAIN), entries);
    assert_int_equal(rows(b->s, RP_DB_PURGES), 1);
    assert_int_equal(rows(b->s, RP_DB_GARBAGE), 0);
    check_tags(b->s);
}

/* ------------------------------------------------------------------ what a purge covers */

static void a_hard_purge_takes_what_it_covers_and_nothing_else(void **state)
{
    rp_purge_kind_e kind;

    (void)state;
    for (kind = RP_PURGE_KEY; kind <= RP_PURGE_ALL; kind++) {
        box_t *b = box_of(16 * MIB);
        store_many(b->s, N, kind == RP_PURGE_TAG ? 9000 : 500);
        assert_int_equal(purge(b->s, kind, 0), covered(kind));
        check(b->s, kind, 0);
        check_nothing_left(b, N - covered(kind));
        assert_int_equal(rows(b->s, RP_DB_TAGS), kind == RP_PURGE_ALL ? 0 : kind == RP_PURGE_TAG ? 10 : 11);
        check(b->s, kind, 0);
        assert_int_equal(purge(b->s, kind, 0), 0);
        assert_string_equal(b->log, "");
        box_remove(b);
    }
}

static void a_soft_purge_marks_what_it_covers_until_it_is_fetched_or_confirmed_anew(void **state)
{
    rp_purge_kind_e kind;

    (void)state;
    for (kind = RP_PURGE_KEY; kind <= RP_PURGE_ALL; kind++) {
        box_t *b = box_of(16 * MIB);
        unsigned char key[RP_KEY_LEN];
        rp_put_t put = {.record = RP_STR("30 500"), .expires = FAR};
        rp_entry_t e;
        store_many(b->s, N, 500);
        assert_int_equal(purge(b->s, kind, 1), covered(kind));
        check(b->s, kind, 1);
        assert_int_equal(purge(b->s, kind, 1), covered(kind));
        check_nothing_left(b, N);
        check(b->s, kind, 1);
        box_close(b);
        box_prepare(b);
        box_open(b);
        check(b->s, kind, 1);
        assert_int_equal(store(b->s, 0, 500, b->s->ops->stamp(b->s)), APR_SUCCESS);
        assert_int_equal(found(b->s, 0), 1);
        key_of(key, 30, 0);
        put.since = b->s->ops->stamp(b->s);
        assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
        assert_int_equal(b->s->ops->update(&e, &put), APR_SUCCESS);
        assert_int_equal(found(b->s, 30), 1);
        check_tags(b->s);
        assert_int_equal(purge(b->s, kind, 0), covered(kind) - (kind == RP_PURGE_TAG || kind == RP_PURGE_PREFIX));
        assert_string_equal(b->log, "");
        box_remove(b);
    }
}

static void all_variants_of_a_key_go_however_many_there_are(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    rp_purge_t what = purge_of(RP_PURGE_KEY, 1);
    apr_uint64_t count;
    unsigned i;
    rp_entry_t e;

    for (i = 0; i < 1000; i++) {
        key_of(key, 0, i);
        assert_int_equal(put(b->s, key, i, 10, 10, 10, FAR), APR_SUCCESS);
    }
    assert_int_equal(b->s->ops->purge(b->s, &what, &count), APR_SUCCESS);
    assert_int_equal(count, 1000);
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
    assert_true(e.soft);
    what.soft = 0;
    assert_int_equal(b->s->ops->purge(b->s, &what, &count), APR_SUCCESS);
    assert_int_equal(count, 1000);
    assert_int_equal(rows(b->s, RP_DB_ENTRIES), 0);
    check_nothing_left(b, 0);
}

/* ------------------------------------------------------------------ what is being fetched meanwhile */

static void what_was_asked_for_before_a_purge_is_not_stored_after_it(void **state)
{
    rp_purge_kind_e kind;
    int soft;

    (void)state;
    for (kind = RP_PURGE_KEY; kind <= RP_PURGE_ALL; kind++) {
        for (soft = 0; soft < 2; soft++) {
            box_t *b = box_of(16 * MIB);
            uint64_t since = b->s->ops->stamp(b->s);
            purge(b->s, kind, soft);
            assert_int_equal(store(b->s, 0, 100, since), soft ? APR_SUCCESS : APR_NOTFOUND);
            assert_int_equal(found(b->s, 0), soft ? 2 : 0);
            assert_int_equal(store(b->s, 0, 20000, since), soft ? APR_SUCCESS : APR_NOTFOUND);
            assert_int_equal(found(b->s, 0), soft ? 2 : 0);
            assert_int_equal(store(b->s, 1, 100, since), soft || kind != RP_PURGE_ALL ? APR_SUCCESS : APR_NOTFOUND);
            assert_int_equal(store(b->s, 0, 100, b->s->ops->stamp(b->s)), APR_SUCCESS);
            assert_int_equal(found(b->s, 0), 1);
            /* Much later nobody knows any more what was purged, so nothing of before is stored at all. */
            rp_store_local_sweep(b->s, apr_time_now() + HOUR);
            assert_int_equal(store(b->s, 0, 100, since),
                             kind == RP_PURGE_ALL && soft ? APR_SUCCESS : APR_NOTFOUND);
            assert_int_equal(store(b->s, 2, 100, b->s->ops->stamp(b->s)), APR_SUCCESS);
            box_remove(b);
        }
    }
}

static void a_purge_reaches_what_is_published_and_not_committed(void **state)
{
    rp_purge_kind_e kind;
    int soft;

    (void)state;
    for (kind = RP_PURGE_KEY; kind <= RP_PURGE_ALL; kind++) {
        for (soft = 0; soft < 2; soft++) {
            box_t *b = box_of(16 * MIB);
            rp_store_tag_t tag = tag_of(0);
            rp_put_t put = {.record = RP_STR("0 5 /a/0"), .expires = FAR, .tags = &tag, .ntags = 1};
            unsigned char key[RP_KEY_LEN];
            rp_store_writer_t *w;
            rp_entry_t e;
            put.name = (rp_str_t){put.record.ptr + 4, 4};
            key_of(key, 0, 0);
            assert_int_equal(b->s->ops->begin(b->s, key, 5, b->pool, &w), APR_SUCCESS);
            assert_int_equal(b->s->ops->write(w, "abc", 3), APR_SUCCESS);
            assert_int_equal(b->s->ops->publish(w, &put), APR_SUCCESS);
            purge(b->s, kind, soft);
            assert_int_equal(b->s->ops->follow(b->s, b->s->ops->object(w), b->pool, &e),
                             soft ? APR_SUCCESS : APR_NOTFOUND);
            assert_true(!soft || e.soft);
            assert_int_equal(b->s->ops->write(w, "de", 2), APR_SUCCESS);
            assert_int_equal(b->s->ops->publish(w, &put), soft ? APR_SUCCESS : APR_NOTFOUND);
            assert_int_equal(b->s->ops->commit(w, &put) == APR_SUCCESS, soft);
            check_nothing_left(b, soft ? 1 : 0);
            assert_int_equal(rows(b->s, RP_DB_CHUNKS), 0);
            assert_int_equal(rows(b->s, RP_DB_PENDING), 0);
            box_remove(b);
        }
    }
}

static void an_update_from_before_a_purge_does_not_bring_back_what_was_purged(void **state)
{
    rp_purge_kind_e kind;

    (void)state;
    for (kind = RP_PURGE_KEY; kind <= RP_PURGE_ALL; kind++) {
        box_t *b = box_of(16 * MIB);
        rp_put_t put = {.record = RP_STR("0 100"), .expires = FAR};
        unsigned char key[RP_KEY_LEN];
        rp_entry_t e;
        key_of(key, 0, 0);
        put.since = b->s->ops->stamp(b->s);
        assert_int_equal(store(b->s, 0, 100, put.since), APR_SUCCESS);
        assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
        purge(b->s, kind, 1);
        put.name = (rp_str_t){put.record.ptr, 1};
        assert_int_equal(b->s->ops->update(&e, &put), APR_SUCCESS);
        /* It has neither that tag nor that name any more. */
        assert_int_equal(found(b->s, 0), kind == RP_PURGE_TAG || kind == RP_PURGE_PREFIX ? 1 : 2);
        assert_int_equal(store(b->s, 0, 100, put.since), APR_SUCCESS);
        assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
        purge(b->s, kind, 0);
        assert_int_equal(b->s->ops->update(&e, &put), APR_NOTFOUND);
        put.since = b->s->ops->stamp(b->s);
        assert_int_equal(b->s->ops->update(&e, &put), APR_NOTFOUND);
        assert_int_equal(found(b->s, 0), 0);
        check_nothing_left(b, 0);
        box_remove(b);
    }
}

/* ------------------------------------------------------------------ counts */

static void counts_of_tags_follow_what_comes_and_goes(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    rp_purge_t every = {.kind = RP_PURGE_TAG, .tag = tag_of(1000)};
    apr_uint64_t count;
    unsigned i;

    store_many(b->s, N, 100);
    store_many(b->s, N, 100); /* in place of the first */
    for (i = 0; i < 50; i++) {
        key_of(key, i, 0);
        assert_int_equal(b->s->ops->remove(b->s, key), APR_SUCCESS);
    }
    check_tags(b->s);
    assert_int_equal(purge(b->s, RP_PURGE_TAG, 0), 25);
    assert_int_equal(purge(b->s, RP_PURGE_TAG, 0), 0);
    store_many(b->s, 20, 100);
    assert_int_equal(purge(b->s, RP_PURGE_TAG, 0), 2);
    purge(b->s, RP_PURGE_ALL, 0);
    store_many(b->s, 30, 100);
    check_tags(b->s);
    assert_int_equal(b->s->ops->purge(b->s, &every, &count), APR_SUCCESS);
    assert_int_equal(count, 30); /* those of before were purged with all */
    check_nothing_left(b, 0);
    assert_int_equal(rows(b->s, RP_DB_TAGS), 0);
}

static void evicted_entries_are_not_counted(void **state)
{
    box_t *b = box_of(RP_STORE_LOCAL_MIN);
    rp_purge_t every = {.kind = RP_PURGE_TAG, .tag = tag_of(1000)};
    apr_uint64_t count;

    (void)state;
    store_many(b->s, 4000, 3000);
    check_tags(b->s);
    assert_true(rows(b->s, RP_DB_ENTRIES) < 2000);
    assert_int_equal(b->s->ops->purge(b->s, &every, &count), APR_SUCCESS);
    assert_int_equal(count, rows(b->s, RP_DB_ENTRIES));
    check_nothing_left(b, 0);
    assert_true(bytes(b->s) < MIB / 2);
    box_remove(b);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/** The best of some purges of a tag that n entries carry each time. */
static double time_of_purge(box_t *b, unsigned tag, unsigned n)
{
    rp_store_tag_t hash = tag_of(tag);
    rp_purge_t what = {.kind = RP_PURGE_TAG, .tag = hash, .soft = 1};
    rp_put_t put = {.record = RP_STR("record"), .expires = FAR, .tags = &hash, .ntags = 1};
    double best = 1e9, begun, spent;
    apr_uint64_t count;
    unsigned i;

    for (i = 0; i < n; i++) {
        unsigned char key[RP_KEY_LEN];
        rp_store_writer_t *w;
        apr_pool_t *p;
        apr_pool_create(&p, NULL);
        key_of(key, tag * 1000000 + i, 0);
        assert_int_equal(b->s->ops->begin(b->s, key, 0, p, &w), APR_SUCCESS);
        assert_int_equal(b->s->ops->commit(w, &put), APR_SUCCESS);
        apr_pool_destroy(p);
    }
    for (i = 0; i < 20; i++) {
        what.soft = i < 19;
        begun = seconds();
        assert_int_equal(b->s->ops->purge(b->s, &what, &count), APR_SUCCESS);
        spent = seconds() - begun;
        best = spent < best ? spent : best;
        assert_int_equal(count, n);
    }
    assert_int_equal(b->s->ops->purge(b->s, &what, &count), APR_SUCCESS);
    assert_int_equal(count, 0);
    return best;
}

static void purging_a_tag_takes_as_long_for_100000_entries_as_for_10(void **state)
{
    box_t *b = box_of(128 * MIB);
    unsigned char key[RP_KEY_LEN];
    double few = time_of_purge(b, 1, 10), many = time_of_purge(b, 2, 100000);

    (void)state;
    print_message("10: %.0f us, 100000: %.0f us\n", few * 1e6, many * 1e6);
    assert_true(many < few * 20);
    key_of(key, 2000000 + 77777, 0);
    assert_int_equal(look(b->s, key), -1);
    box_remove(b);
}

static void a_great_many_purges_of_keys_and_prefixes_take_bounded_room(void **state)
{
    box_t *b = box_of(RP_STORE_LOCAL_MIN);
    rp_purge_t what = {.kind = RP_PURGE_KEY};
    apr_uint64_t count;
    uint64_t since;
    unsigned i;

    (void)state;
    store_many(b->s, 50, 100);
    since = b->s->ops->stamp(b->s);
    for (i = 0; i < 5000; i++) {
        unsigned char key[RP_KEY_LEN];
        key_of(key, 5000 + i, 0);
        memcpy(what.key, key, RP_KEY_HALF);
        what.tag = tag_of(5000 + i);
        what.kind = i % 2 ? RP_PURGE_KEY : RP_PURGE_TAG;
        assert_int_equal(b->s->ops->purge(b->s, &what, &count), APR_SUCCESS);
    }
    assert_true(rows(b->s, RP_DB_PURGES) < 3000);
    assert_true(rows(b->s, RP_DB_TAGS) < 3000);
    assert_int_equal(store(b->s, 60, 100, since), APR_NOTFOUND); /* it was too long ago to tell */
    what.kind = RP_PURGE_PREFIX;
    for (i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof(text), "/x/%u", i);
        what.prefix = (rp_str_t){text, strlen(text)};
        assert_int_equal(b->s->ops->purge(b->s, &what, &count), APR_SUCCESS);
    }
    assert_true(rows(b->s, RP_DB_PURGES) < 3100);
    for (i = 0; i < 50; i++) {
        assert_int_equal(found(b->s, i), 1);
    }
    check_nothing_left(b, 50);
    assert_int_equal(rows(b->s, RP_DB_TAGS), 11);
    box_remove(b);
}

/* ------------------------------------------------------------------ restarts, other processes */

static void a_purge_outlasts_restarts_even_without_the_shared_page(void **state)
{
    static const char *const names[] = {"none", "touched"};
    rp_purge_kind_e kind;
    unsigned i;

    (void)state;
    for (kind = RP_PURGE_KEY; kind <= RP_PURGE_ALL; kind++) {
        for (i = 0; i < 2; i++) {
            box_t *b = box_of(16 * MIB);
            uint64_t since = b->s->ops->stamp(b->s), stamp;
            store_many(b->s, N, 500);
            purge(b->s, kind, 0);
            stamp = b->s->ops->stamp(b->s);
            assert_true(stamp > since);
            box_close(b);
            unlink(apr_pstrcat(b->pool, b->dir, "/", names[i], NULL));
            box_prepare(b);
            box_open(b);
            assert_int_equal(b->s->ops->stamp(b->s), stamp);
            check(b->s, kind, 0);
            assert_int_equal(store(b->s, 0, 100, since), APR_NOTFOUND);
            assert_int_equal(store(b->s, 0, 100, stamp), APR_SUCCESS);
            assert_int_equal(found(b->s, 0), 1);
            assert_int_equal(store(b->s, 1, 100, since), kind == RP_PURGE_ALL ? APR_NOTFOUND : APR_SUCCESS);
            box_remove(b);
        }
    }
}

/** In another process. */
static void elsewhere(box_t *b, void (*fn)(box_t *))
{
    pid_t pid;
    int status;

    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn(b);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static rp_purge_kind_e elsewhere_kind;

static void purge_there(box_t *b)
{
    rp_purge_t what = purge_of(elsewhere_kind, 0);
    apr_uint64_t count;

    box_open(b);
    if (b->s->ops->purge(b->s, &what, &count) || count != covered(elsewhere_kind)) {
        _exit(1);
    }
    box_close(b);
}

static void a_purge_by_another_process_is_in_effect_when_it_returns(void **state)
{
    (void)state;
    for (elsewhere_kind = RP_PURGE_KEY; elsewhere_kind <= RP_PURGE_ALL; elsewhere_kind++) {
        box_t *b = box_make(16 * MIB), other;
        uint64_t since;
        int ready[2], go[2], status;
        pid_t pid;
        char c;
        assert_int_equal(pipe(ready), 0);
        assert_int_equal(pipe(go), 0);
        box_prepare(b);
        other = *b;
        pid = fork();
        if (pid == 0) { /* has it open all the time */
            box_open(&other);
            since = other.s->ops->stamp(other.s);
            store_many(other.s, N, 500);
            if (found(other.s, 0) != 1 || write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1) {
                _exit(1);
            }
            check(other.s, elsewhere_kind, 0);
            _exit(store(other.s, 0, 100, since) != APR_NOTFOUND);
        }
        assert_int_equal(read(ready[0], &c, 1), 1);
        elsewhere(b, purge_there);
        assert_int_equal(write(go[1], "x", 1), 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(ready[0]);
        close(ready[1]);
        close(go[0]);
        close(go[1]);
        box_remove(b);
    }
}

static void begin_prefix_and_die(box_t *b)
{
    rp_local_t *l;
    rp_local_txn_t t;
    rp_local_purges_t *purges;
    uint64_t oldest;
    int rc;

    box_open(b);
    l = (rp_local_t *)b->s;
    if (rp_local_begin(l, &t)) {
        _exit(1);
    }
    purges = rp_local_purges(&t, &rc);
    purges->newest = ++t.next;
    if (rp_local_prefix_add(&t, RP_STR("/a/"), 0, purges->newest, &oldest) || rp_local_purges_put(&t)) {
        _exit(2);
    }
    l->shared->purge_prefix = l->shared->purge_newest = purges->newest;
    if (rp_local_commit(&t)) {
        _exit(3);
    }
    kill(getpid(), SIGKILL);
}

static void a_purge_of_a_prefix_goes_on_when_its_process_dies(void **state)
{
    box_t *b = *state;
    apr_time_t end = apr_time_now() + apr_time_from_sec(20);
    int status;
    pid_t pid;

    store_many(b->s, N, 500);
    box_close(b);
    pid = fork();
    if (pid == 0) {
        begin_prefix_and_die(b);
        _exit(4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    box_open(b);
    check(b->s, RP_PURGE_PREFIX, 0); /* at once */
    assert_int_equal(rows(b->s, RP_DB_ENTRIES), N);
    while (rows(b->s, RP_DB_ENTRIES) > N - covered(RP_PURGE_PREFIX) && apr_time_now() < end) {
        rp_store_local_sweep(b->s, apr_time_now());
        usleep(50000);
    }
    check_nothing_left(b, N - covered(RP_PURGE_PREFIX));
    check(b->s, RP_PURGE_PREFIX, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hard_purge_takes_what_it_covers_and_nothing_else),
        cmocka_unit_test(a_soft_purge_marks_what_it_covers_until_it_is_fetched_or_confirmed_anew),
        T(all_variants_of_a_key_go_however_many_there_are),
        cmocka_unit_test(what_was_asked_for_before_a_purge_is_not_stored_after_it),
        cmocka_unit_test(a_purge_reaches_what_is_published_and_not_committed),
        cmocka_unit_test(an_update_from_before_a_purge_does_not_bring_back_what_was_purged),
        T(counts_of_tags_follow_what_comes_and_goes),
        cmocka_unit_test(evicted_entries_are_not_counted),
        cmocka_unit_test(purging_a_tag_takes_as_long_for_100000_entries_as_for_10),
        cmocka_unit_test(a_great_many_purges_of_keys_and_prefixes_take_bounded_room),
        cmocka_unit_test(a_purge_outlasts_restarts_even_without_the_shared_page),
        cmocka_unit_test(a_purge_by_another_process_is_in_effect_when_it_returns),
        T(a_purge_of_a_prefix_goes_on_when_its_process_dies),
    };
    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

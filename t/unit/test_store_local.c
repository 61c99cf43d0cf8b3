/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The local store as one process sees it. */

#include "store_local_util.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int setup(void **state)
{
    box_t *b = box_make(16 * MIB);

    b->conf.largest = 8 * MIB;
    box_prepare(b);
    box_open(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    box_remove(*state);
    return 0;
}

/* ------------------------------------------------------------------ what goes in comes out */

static void an_entry_of_any_length_comes_back_as_it_was(void **state)
{
    static const size_t lengths[] = {
        0, 1, 1000, 4080, RP_STORE_INLINE - 1, RP_STORE_INLINE, RP_STORE_INLINE + 1,
        3 * 4080 - 1, 3 * 4080, 3 * 4080 + 1, 65279, 65280, 65281, 130560, 130561, 1000000,
    };
    static const size_t pieces[] = {1000000, 65280, 777, 8000};
    box_t *b = *state;
    unsigned i, j;

    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (j = 0; j < 4; j++) {
            unsigned char key[RP_KEY_LEN];
            uint64_t seed = i * 10 + j;
            key_of(key, i, j);
            assert_int_equal(
                put(b->s, key, seed, lengths[i], pieces[j], j & 1 ? UINT64_MAX : lengths[i], FAR), 0);
            assert_int_equal(look(b->s, key), seed);
        }
    }
    assert_int_equal(rows(b->s, RP_DB_PENDING), 0);
    assert_string_equal(b->log, "");
}

static void a_small_body_comes_with_its_entry_and_a_large_one_does_not(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    rp_entry_t e;

    assert_int_equal(put1(b->s, 1, 7, RP_STORE_INLINE), 0);
    assert_int_equal(put1(b->s, 2, 8, RP_STORE_INLINE + 1), 0);
    key_of(key, 1, 0);
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
    assert_non_null(e.body.ptr);
    assert_int_equal(e.body.len, RP_STORE_INLINE);
    assert_true(e.store == b->s && !memcmp(e.key, key, RP_KEY_LEN));
    key_of(key, 2, 0);
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
    assert_null(e.body.ptr);
}

static void any_part_of_a_body_can_be_read(void **state)
{
    static const size_t lengths[] = {5000, 300000};
    box_t *b = *state;
    unsigned i, k;

    for (i = 0; i < 2; i++) {
        unsigned char key[RP_KEY_LEN];
        char buf[70000];
        rp_entry_t e;
        assert_int_equal(put1(b->s, i, i, lengths[i]), 0);
        key_of(key, i, 0);
        assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
        for (k = 0; k < 2000; k++) {
            uint64_t offset = (uint64_t)rand() % (lengths[i] + 10);
            apr_size_t want = (apr_size_t)rand() % sizeof(buf), n = want;
            assert_int_equal(b->s->ops->read(&e, offset, buf, &n), APR_SUCCESS);
            assert_true(n <= want && (n > 0 || want == 0 || offset >= lengths[i]));
            assert_true(offset >= lengths[i] || offset + n <= lengths[i]);
            assert_true(is_filled(buf, n, i, offset));
        }
    }
}

static void what_was_never_stored_is_not_found(void **state)
{
    box_t *b = *state;

    assert_int_equal(look1(b->s, 1), -1);
    assert_int_equal(put1(b->s, 1, 1, 10), 0);
    assert_int_equal(look1(b->s, 2), -1);
}

static void an_entry_is_not_seen_before_its_commit_and_replaces_the_older_one(void **state)
{
    static const size_t lengths[] = {100, 200000};
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    char *data = apr_palloc(b->pool, 200000);
    unsigned i;

    key_of(key, 5, 0);
    for (i = 0; i < 2; i++) {
        rp_store_writer_t *w;
        char text[32];
        assert_int_equal(put1(b->s, 5, 50, 20000), 0);
        snprintf(text, sizeof(text), "51 %lu", (unsigned long)lengths[i]);
        fill(data, lengths[i], 51, 0);
        assert_int_equal(b->s->ops->begin(b->s, key, UINT64_MAX, b->pool, &w), 0);
        assert_int_equal(b->s->ops->write(w, data, lengths[i]), 0);
        assert_int_equal(look(b->s, key), 50);
        assert_int_equal(b->s->ops->commit(w, PUT(FAR, (rp_str_t){text, strlen(text)})), 0);
        assert_int_equal(look(b->s, key), 51);
        assert_int_equal(rows(b->s, RP_DB_ENTRIES), 1);
        assert_int_equal(rows(b->s, RP_DB_ORDER), 1);
    }
}

static void reading_a_replaced_body_never_gives_the_new_ones_bytes(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    rp_entry_t e;
    char buf[1000];
    apr_size_t n;
    int i;

    key_of(key, 1, 0);
    assert_int_equal(put1(b->s, 1, 1, 100000), 0);
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
    assert_int_equal(put1(b->s, 1, 2, 100000), 0);
    for (i = 0; i < 20; i++) {
        apr_status_t rv;
        n = sizeof(buf);
        rv = b->s->ops->read(&e, 90000, buf, &n);
        assert_true(rv == APR_NOTFOUND || (rv == APR_SUCCESS && is_filled(buf, n, 1, 90000)));
        rp_store_local_sweep(b->s, apr_time_now());
    }
    n = sizeof(buf);
    assert_int_equal(b->s->ops->read(&e, 90000, buf, &n), APR_NOTFOUND);
}

static void a_replaced_body_stays_for_its_readers_as_long_as_there_is_room(void **state)
{
    box_t *b = *state;
    rp_local_t *s = (rp_local_t *)b->s;
    unsigned char key[RP_KEY_LEN];
    rp_entry_t e;
    char buf[1000];
    apr_size_t n = sizeof(buf);
    int i;

    s->grace = apr_time_from_sec(60);
    key_of(key, 1, 0);
    assert_int_equal(put1(b->s, 1, 1, 100000), 0);
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
    for (i = 2; i < 40; i++) {
        assert_int_equal(put1(b->s, 1, i, 20000), 0);
        rp_store_local_sweep(b->s, apr_time_now());
    }
    assert_int_equal(b->s->ops->read(&e, 90000, buf, &n), APR_SUCCESS);
    assert_true(is_filled(buf, n, 1, 90000));
    s->grace = 0;
    sweep_all(b->s);
    assert_int_equal(b->s->ops->read(&e, 90000, buf, &n), APR_NOTFOUND);
    assert_int_equal(rows(b->s, RP_DB_GARBAGE), 0);
    s->grace = apr_time_from_sec(60);
    for (i = 1; i < 1000; i++) {
        assert_int_equal(put1(b->s, 1, i, 100000), 0);
    }
    assert_true(look1(b->s, 1) > 0);
}

/* ------------------------------------------------------------------ writers that do not commit */

static void an_aborted_writer_leaves_nothing(void **state)
{
    box_t *b = *state;
    apr_uint64_t before;
    int how;

    assert_int_equal(put1(b->s, 99, 1, 100), 0);
    before = bytes(b->s);
    for (how = 0; how < 2; how++) {
        unsigned char key[RP_KEY_LEN];
        rp_store_writer_t *w;
        apr_pool_t *p;
        char *data;
        apr_pool_create(&p, NULL);
        data = apr_pcalloc(p, MIB);
        key_of(key, 1, 0);
        assert_int_equal(b->s->ops->begin(b->s, key, UINT64_MAX, p, &w), 0);
        assert_int_equal(b->s->ops->write(w, data, MIB), 0);
        assert_int_equal(rows(b->s, RP_DB_PENDING), 1);
        if (how) {
            b->s->ops->abort(w);
            assert_int_not_equal(b->s->ops->write(w, data, 1), APR_SUCCESS);
            assert_int_not_equal(b->s->ops->commit(w, PUT(FAR, RP_STR("x"))), APR_SUCCESS);
        }
        apr_pool_destroy(p);
        assert_int_equal(rows(b->s, RP_DB_PENDING), 0);
        assert_int_equal(look1(b->s, 1), -1);
        sweep_all(b->s);
        assert_int_equal(rows(b->s, RP_DB_CHUNKS), 0);
        assert_int_equal(rows(b->s, RP_DB_GARBAGE), 0);
        assert_true(bytes(b->s) <= before + 8 * 4096);
    }
}

static void a_body_of_another_length_than_announced_is_not_stored(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];

    key_of(key, 1, 0);
    assert_int_not_equal(put(b->s, key, 1, 100, 10, 101, FAR), APR_SUCCESS);
    assert_int_not_equal(put(b->s, key, 1, 100, 10, 99, FAR), APR_SUCCESS);
    assert_int_not_equal(put(b->s, key, 1, 100000, 1000, 100001, FAR), APR_SUCCESS);
    assert_int_equal(look(b->s, key), -1);
    sweep_all(b->s);
    assert_int_equal(rows(b->s, RP_DB_CHUNKS), 0);
}

static void a_body_larger_than_the_largest_is_refused(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];

    key_of(key, 1, 0);
    assert_int_equal(put(b->s, key, 1, 8 * MIB + 1, 65536, 8 * MIB + 1, FAR), APR_ENOSPC);
    assert_int_equal(put(b->s, key, 1, 8 * MIB + 1, 65536, UINT64_MAX, FAR), APR_ENOSPC);
    assert_int_equal(put(b->s, key, 1, 8 * MIB, 65536, UINT64_MAX, FAR), APR_SUCCESS);
    assert_int_equal(look(b->s, key), 1);
}

/* ------------------------------------------------------------------ update, remove */

static void update_changes_the_record_and_keeps_the_body(void **state)
{
    static const size_t lengths[] = {0, 3000, 50000};
    box_t *b = *state;
    unsigned i;

    for (i = 0; i < 3; i++) {
        unsigned char key[RP_KEY_LEN];
        char text[3000];
        rp_entry_t e;
        memset(text, ' ', sizeof(text));
        text[snprintf(text, sizeof(text), "%u %lu", i, (unsigned long)lengths[i])] = ' ';
        assert_int_equal(put1(b->s, i, i, lengths[i]), 0);
        key_of(key, i, 0);
        assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
        assert_int_equal(b->s->ops->update(&e, PUT(FAR, (rp_str_t){text, sizeof(text)})), APR_SUCCESS);
        assert_int_equal(look(b->s, key), i);
        assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
        assert_int_equal(e.record.len, sizeof(text));
    }
}

static void update_of_a_replaced_or_removed_entry_does_nothing(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    rp_entry_t e;

    key_of(key, 1, 0);
    assert_int_equal(put1(b->s, 1, 1, 100), 0);
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
    assert_int_equal(put1(b->s, 1, 2, 100), 0);
    assert_int_equal(b->s->ops->update(&e, PUT(FAR, RP_STR("1 100"))), APR_NOTFOUND);
    assert_int_equal(look(b->s, key), 2);
    assert_int_equal(b->s->ops->remove(b->s, key), APR_SUCCESS);
    assert_int_equal(b->s->ops->update(&e, PUT(FAR, RP_STR("1 100"))), APR_NOTFOUND);
    assert_int_equal(look(b->s, key), -1);
}

static void removing_frees_the_body_too(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];

    key_of(key, 1, 0);
    assert_int_equal(put1(b->s, 1, 1, MIB), 0);
    assert_int_equal(put1(b->s, 2, 2, 100), 0);
    assert_int_equal(b->s->ops->remove(b->s, key), APR_SUCCESS);
    assert_int_equal(b->s->ops->remove(b->s, key), APR_SUCCESS);
    assert_int_equal(look1(b->s, 1), -1);
    assert_int_equal(look1(b->s, 2), 2);
    sweep_all(b->s);
    assert_int_equal(rows(b->s, RP_DB_CHUNKS), 0);
    assert_int_equal(rows(b->s, RP_DB_ORDER), 1);
}

static void purging_a_key_takes_every_variant_and_no_other(void **state)
{
    box_t *b = *state;
    rp_purge_t purge = {.kind = RP_PURGE_KEY};
    unsigned char key[RP_KEY_LEN];
    apr_uint64_t n;
    unsigned i;

    for (i = 0; i < 200; i++) {
        key_of(key, 1 + i % 2, i);
        assert_int_equal(put(b->s, key, i, i % 7 ? 100 : 20000, 1000, UINT64_MAX, FAR), 0);
    }
    key_of(key, 1, 0);
    memcpy(purge.key, key, RP_KEY_HALF);
    assert_int_equal(b->s->ops->purge(b->s, &purge, &n), APR_SUCCESS);
    assert_int_equal(n, 100);
    assert_int_equal(b->s->ops->purge(b->s, &purge, &n), APR_SUCCESS);
    assert_int_equal(n, 0);
    assert_int_equal(rows(b->s, RP_DB_ENTRIES), 100);
    for (i = 0; i < 200; i++) {
        key_of(key, 1 + i % 2, i);
        assert_int_equal(look(b->s, key), i % 2 ? (int64_t)i : -1);
    }
}

/* ------------------------------------------------------------------ trouble */

static void an_unsound_entry_is_a_miss_and_is_removed(void **state)
{
    box_t *b = *state;
    rp_local_t *l = (rp_local_t *)b->s;
    int kind;

    for (kind = 0; kind < 9; kind++) {
        unsigned char key[RP_KEY_LEN], raw[200] = {0};
        rp_local_head_t head = {
            .magic = RP_LOCAL_HEAD_MAGIC, .record_len = 10, .object = 77, .sequence = 1, .body_len = 20,
            .expires = INT64_MAX,
        };
        MDB_val k = {RP_KEY_LEN, key}, v = {sizeof(head) + 30, raw};
        MDB_txn *txn;
        key_of(key, kind, 0);
        switch (kind) {
        case 0: v.mv_size = 0; break;
        case 1: v.mv_size = sizeof(head) - 1; break;
        case 2: head.magic++; break;
        case 3: head.record_len = UINT32_MAX; break;
        case 4: head.body_len = 21; break;
        case 5: head.body_len = UINT64_MAX; break;
        case 6: head.object = 0; break;
        case 7: head.ntags = 3; break;
        case 8: head.name_len = 11; break;
        }
        memcpy(raw, &head, sizeof(head));
        assert_int_equal(mdb_txn_begin(l->env, NULL, 0, &txn), 0);
        assert_int_equal(mdb_put(txn, l->dbi[RP_DB_ENTRIES], &k, &v, 0), 0);
        assert_int_equal(mdb_txn_commit(txn), 0);
        assert_int_equal(look(b->s, key), -1);
        assert_int_equal(rows(b->s, RP_DB_ENTRIES), 0);
    }
}

static void a_store_is_not_opened_twice_in_one_process(void **state)
{
    box_t *b = *state;
    rp_store_t *again;

    assert_int_not_equal(rp_store_local_open(&b->conf, b->pool, note, b, &again), APR_SUCCESS);
    assert_int_equal(put1(b->s, 1, 1, 100), 0);
    box_close(b);
    box_open(b);
    assert_int_equal(look1(b->s, 1), 1);
}

/** In a process of its own: writes to files fail from here on, as on a full disk. */
static int on_full_disk(box_t *b)
{
    struct rlimit none = {0, 0};
    unsigned i, failed = 0;

    box_open(b);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none);
    for (i = 10; i < 30; i++) {
        failed += put1(b->s, i, i, i % 2 ? 1000 : 200000) != APR_SUCCESS;
    }
    if (failed != 20 || look1(b->s, 1) != 1 || look1(b->s, 2) != 2) {
        return 1;
    }
    return strstr(b->log, "cannot write") ? 0 : 2;
}

static void a_full_disk_stops_storing_and_nothing_else(void **state)
{
    box_t *b = *state;
    int status;
    pid_t pid;

    assert_int_equal(put1(b->s, 1, 1, 1000), 0);
    assert_int_equal(put1(b->s, 2, 2, 100000), 0);
    box_close(b);
    pid = fork();
    if (pid == 0) {
        _exit(on_full_disk(b));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    box_open(b);
    assert_int_equal(look1(b->s, 1), 1);
    assert_int_equal(put1(b->s, 3, 3, 100000), 0);
    assert_int_equal(look1(b->s, 3), 3);
}

typedef struct crew_t {
    rp_store_t *s;
    unsigned number;
    int torn;
} crew_t;

static void *crew_member(void *arg)
{
    crew_t *c = arg;
    unsigned i, x = c->number * 2654435761u + 1;

    for (i = 0; i < 3000; i++) {
        x = x * 1103515245 + 12345;
        if (i % 20 == 0) {
            put1(c->s, x >> 16 & 63, c->number * 100000 + i, x >> 8 & 1 ? 3000 : 100000);
        }
        else {
            c->torn += look1(c->s, x >> 16 & 63) == -3;
        }
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    box_t *b = *state;
    pthread_t threads[8];
    crew_t crew[8];
    unsigned i;

    for (i = 0; i < 8; i++) {
        crew[i] = (crew_t){b->s, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, crew_member, &crew[i]), 0);
    }
    for (i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crew[i].torn, 0);
    }
    sweep_all(b->s);
    assert_int_equal(rows(b->s, RP_DB_PENDING), 0);
    assert_string_equal(b->log, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_entry_of_any_length_comes_back_as_it_was),
        T(a_small_body_comes_with_its_entry_and_a_large_one_does_not),
        T(any_part_of_a_body_can_be_read),
        T(what_was_never_stored_is_not_found),
        T(an_entry_is_not_seen_before_its_commit_and_replaces_the_older_one),
        T(reading_a_replaced_body_never_gives_the_new_ones_bytes),
        T(a_replaced_body_stays_for_its_readers_as_long_as_there_is_room),
        T(an_aborted_writer_leaves_nothing),
        T(a_body_of_another_length_than_announced_is_not_stored),
        T(a_body_larger_than_the_largest_is_refused),
        T(update_changes_the_record_and_keeps_the_body),
        T(update_of_a_replaced_or_removed_entry_does_nothing),
        T(removing_frees_the_body_too),
        T(purging_a_key_takes_every_variant_and_no_other),
        T(an_unsound_entry_is_a_miss_and_is_removed),
        T(a_store_is_not_opened_twice_in_one_process),
        T(a_full_disk_stops_storing_and_nothing_else),
        T(threads_share_it),
    };
    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

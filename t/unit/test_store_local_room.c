/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The local store under pressure: what is kept, what goes, and that it never grows beyond its size. */

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

/* ------------------------------------------------------------------ room */

static void expired_entries_go_in_a_sweep_and_others_stay(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    apr_time_t past = apr_time_now() - 1;
    rp_entry_t e;
    unsigned i;

    for (i = 0; i < 300; i++) {
        key_of(key, i, 0);
        assert_int_equal(put(b->s, key, i, i % 10 ? 500 : 30000, 1000, UINT64_MAX, i % 3 ? past : FAR), 0);
    }
    key_of(key, 1, 0); /* given a new time: stays */
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &e), APR_SUCCESS);
    assert_int_equal(b->s->ops->update(&e, PUT(FAR, e.record)), APR_SUCCESS);
    sweep_all(b->s);
    for (i = 0; i < 300; i++) {
        assert_int_equal(look1(b->s, i), i % 3 && i != 1 ? -1 : (int64_t)i);
    }
    assert_int_equal(rows(b->s, RP_DB_ENTRIES), 101);
    assert_int_equal(rows(b->s, RP_DB_ORDER), 101);
    assert_int_equal(rows(b->s, RP_DB_CHUNKS), 10 * 8);
}

static void check_size(box_t *b)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof(path), "%s/data.mdb", b->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_true((apr_uint64_t)st.st_size <= b->conf.size);
    assert_true(bytes(b->s) <= b->conf.size);
}

static void the_data_file_never_exceeds_its_size_and_the_newest_is_kept(void **state)
{
    static const apr_uint64_t sizes[] = {RP_STORE_LOCAL_MIN, 16 * MIB};
    rp_store_local_stats_t st;
    unsigned k, i;

    (void)state;
    for (k = 0; k < 2; k++) {
        box_t *b = box_make(sizes[k]);
        unsigned char key[RP_KEY_LEN];
        box_prepare(b);
        box_open(b);
        srand(42);
        for (i = 0; i < 6000; i++) {
            size_t len = i % 100 == 0  ? 400000
                         : i % 11 == 0 ? 20000 + (size_t)rand() % 60000
                                       : (size_t)rand() % 9000;
            key_of(key, i, 0);
            assert_int_equal(put(b->s, key, i, len, 65536, UINT64_MAX, FAR), APR_SUCCESS);
            if (i % 50 == 0) {
                assert_int_equal(look1(b->s, i), i);
                check_size(b);
            }
        }
        assert_int_equal(rp_store_local_stats(b->s, &st), APR_SUCCESS);
        assert_true(st.evictions > 4000);
        assert_true(st.bytes > sizes[k] / 2);
        assert_true(rows(b->s, RP_DB_ORDER) <= st.entries + 100);
        assert_string_equal(b->log, "");
        box_remove(b);
    }
}

static void large_and_small_in_turns_do_not_fragment_it_to_a_standstill(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    unsigned round, i, n = 0;

    for (round = 0; round < 4; round++) {
        for (i = 0; i < 8000; i++, n++) {
            key_of(key, n, 0);
            assert_int_equal(put(b->s, key, n, 1400, 1400, 1400, FAR), APR_SUCCESS);
        }
        for (i = 0; i < 6; i++, n++) {
            key_of(key, n, 0);
            assert_int_equal(put(b->s, key, n, 3 * MIB, 65280, UINT64_MAX, FAR), APR_SUCCESS);
            assert_int_equal(look(b->s, key), n);
        }
    }
    check_size(b);
    assert_string_equal(b->log, "");
}

static void what_is_asked_for_again_and_again_is_not_evicted(void **state)
{
    box_t *b = *state;
    unsigned char key[RP_KEY_LEN];
    unsigned i, k;

    for (i = 0; i < 10; i++) {
        assert_int_equal(put1(b->s, i, i, i % 2 ? 1000 : 50000), 0);
    }
    for (i = 10; i < 20000; i++) {
        key_of(key, i, 0);
        assert_int_equal(put(b->s, key, i, 3000, 3000, 3000, FAR), APR_SUCCESS);
        for (k = 0; i % 200 == 0 && k < 10; k++) {
            assert_int_equal(look1(b->s, k), k);
        }
    }
    assert_int_equal(look1(b->s, 10), -1);
}

static void what_is_asked_for_once_does_not_push_out_what_is_used(void **state)
{
    box_t *b = *state;
    unsigned i, left = 0, later = 0;

    for (i = 0; i < 3000; i++) {
        if (look1(b->s, i % 1000) < 0) {
            assert_int_equal(put1(b->s, i, i, 1000), 0);
        }
    }
    for (i = 1000; i < 50000; i++) {
        assert_int_equal(put1(b->s, i, i, 1000), 0);
        look1(b->s, i * 7 % 1000); /* each a few times a storeful */
    }
    for (i = 0; i < 1000; i++) {
        left += look1(b->s, i) == i;
    }
    for (i = 0; i < 1000; i++) {
        later += look1(b->s, 49000 + i) >= 0;
    }
    assert_true(left > 980);
    assert_true(later > 100);
    assert_int_equal(rows(b->s, RP_DB_ORDER) + rows(b->s, RP_DB_MAIN), rows(b->s, RP_DB_ENTRIES));
}

static void what_is_not_used_any_more_goes(void **state)
{
    box_t *b = box_make(RP_STORE_LOCAL_MIN);
    unsigned i, left = 0;

    (void)state;
    box_prepare(b);
    box_open(b);
    for (i = 0; i < 300; i++) {
        assert_int_equal(put1(b->s, i, i, 1000), 0);
    }
    for (i = 0; i < 300 * 15; i++) {
        assert_int_equal(look1(b->s, i % 300), i % 300);
    }
    for (i = 0; i < 60000; i++) {
        unsigned n = 1000 + (i % 2 ? i % 400 : i * 7 % 10000);
        if (look1(b->s, n) < 0) {
            assert_int_equal(put1(b->s, n, n, 1000), 0);
        }
    }
    for (i = 0; i < 300; i++) {
        left += look1(b->s, i) == i;
    }
    assert_true(left < 30);
    box_remove(b);
}

static void the_queues_bytes_are_exact(void **state)
{
    box_t *b = *state;
    rp_local_t *l = (rp_local_t *)b->s;
    rp_local_txn_t t;
    rp_purge_t purge = {.kind = RP_PURGE_KEY};
    unsigned char key[RP_KEY_LEN];
    apr_uint64_t n;
    unsigned i;

    for (i = 0; i < 8000; i++) {
        assert_int_equal(put1(b->s, i % 3000, i, i % 50 ? i % 9000 : 100000), 0);
        look1(b->s, i % 700);
    }
    assert_true(rows(b->s, RP_DB_MAIN) > 0);
    for (i = 0; i < 3000; i++) {
        key_of(key, i, 0);
        memcpy(purge.key, key, RP_KEY_HALF);
        assert_int_equal(b->s->ops->purge(b->s, &purge, &n), APR_SUCCESS);
    }
    assert_int_equal(rows(b->s, RP_DB_ORDER) + rows(b->s, RP_DB_MAIN), 0);
    assert_int_equal(rp_local_begin(l, &t), 0);
    assert_int_equal(t.trial, 0);
    assert_int_equal(t.main, 0);
    rp_local_abort(&t);
}

static void writers_that_fill_the_store_are_refused_and_then_it_works_again(void **state)
{
    box_t *b = *state;
    rp_store_writer_t *w[8];
    unsigned char key[RP_KEY_LEN];
    char *data = apr_pcalloc(b->pool, 65280);
    int i, k, failed = 0;

    for (i = 0; i < 8; i++) {
        key_of(key, i, 0);
        assert_int_equal(b->s->ops->begin(b->s, key, UINT64_MAX, b->pool, &w[i]), 0);
    }
    for (k = 0; k < 60; k++) {
        for (i = 0; i < 8; i++) {
            failed += b->s->ops->write(w[i], data, 65280) != APR_SUCCESS;
        }
    }
    assert_true(failed > 0);
    check_size(b);
    for (i = 0; i < 8; i++) {
        b->s->ops->abort(w[i]);
    }
    assert_int_equal(put1(b->s, 100, 100, 4 * MIB), APR_SUCCESS);
    assert_int_equal(look1(b->s, 100), 100);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(expired_entries_go_in_a_sweep_and_others_stay),
        T(the_data_file_never_exceeds_its_size_and_the_newest_is_kept),
        T(large_and_small_in_turns_do_not_fragment_it_to_a_standstill),
        T(what_is_asked_for_again_and_again_is_not_evicted),
        T(what_is_asked_for_once_does_not_push_out_what_is_used),
        T(what_is_not_used_any_more_goes),
        T(the_queues_bytes_are_exact),
        T(writers_that_fill_the_store_are_refused_and_then_it_works_again),
    };
    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The local store among processes that are killed at any moment. */

#include "store_local_util.h"
#include <signal.h>
#include <sys/wait.h>

#define NPROC 4
#define KEYS  150
#define KILLS 250

static unsigned rnd(unsigned *x)
{
    *x = *x * 1103515245 + 12345;
    return *x >> 8;
}

/** Store, replace, update, remove and read until killed; exits only when it sees a torn entry. */
static void live(box_t *b, unsigned seed)
{
    unsigned char key[RP_KEY_LEN];
    unsigned x = seed;

    box_open(b);
    for (;;) {
        unsigned what = rnd(&x) % 20, n = rnd(&x) % KEYS;
        rp_entry_t e;
        key_of(key, n, 0);
        if (what < 6) {
            put(b->s, key, rnd(&x), rnd(&x) % 9000, 4000, UINT64_MAX, FAR);
        }
        else if (what < 9) {
            put(b->s, key, rnd(&x), rnd(&x) % 700000, 30000, UINT64_MAX, rnd(&x) % 4 ? FAR : 0);
        }
        else if (what == 9) {
            b->s->ops->remove(b->s, key);
        }
        else if (what == 10) {
            apr_pool_t *p;
            apr_pool_create(&p, NULL);
            if (b->s->ops->get(b->s, key, p, &e) == APR_SUCCESS) {
                b->s->ops->update(&e, PUT(FAR, e.record));
            }
            apr_pool_destroy(p);
        }
        else if (what == 11 && rnd(&x) % 10 == 0) {
            rp_store_local_sweep(b->s, apr_time_now());
        }
        else if (look(b->s, key) == -3) {
            _exit(3);
        }
    }
}

static pid_t spawn(box_t *b, unsigned seed)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        live(b, seed);
    }
    return pid;
}

static void stop(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        print_error("a process ended by itself: status %x\n", status);
    }
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/** How many chunks the entries that are there need. */
static size_t chunks_needed(box_t *b)
{
    rp_local_t *l = (rp_local_t *)b->s;
    MDB_val k, v;
    MDB_cursor *cursor;
    size_t n = 0;
    int rc;
    rp_local_reader_t *r = rp_local_reader_take(l, &rc);

    assert_int_equal(mdb_cursor_open(r->txn, l->dbi[RP_DB_ENTRIES], &cursor), 0);
    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        rp_local_head_t head;
        assert_true(rp_local_head_read(&v, &head));
        if (head.body_len > RP_STORE_INLINE) {
            n += (head.body_len + l->chunk - 1) / l->chunk;
        }
    }
    assert_int_equal(rc, MDB_NOTFOUND);
    mdb_cursor_close(cursor);
    rp_local_reader_give(l, r);
    return n;
}

static void check_whole(box_t *b)
{
    unsigned i, found = 0;
    int dead;

    sweep_all(b->s);
    for (i = 0; i < KEYS; i++) {
        int64_t got = look1(b->s, i);
        assert_true(got >= -1);
        found += got >= 0;
    }
    assert_int_equal(rows(b->s, RP_DB_ENTRIES), found);
    assert_int_equal(rows(b->s, RP_DB_PENDING), 0);
    assert_int_equal(rows(b->s, RP_DB_GARBAGE), 0);
    assert_int_equal(rows(b->s, RP_DB_CHUNKS), chunks_needed(b));
    assert_int_equal(rows(b->s, RP_DB_ORDER) + rows(b->s, RP_DB_MAIN), found);
    assert_int_equal(mdb_reader_check(((rp_local_t *)b->s)->env, &dead), 0);
    assert_int_equal(dead, 0); /* the sweep had cleared them */
}

static void churn(apr_uint64_t size)
{
    box_t *b = box_make(size);
    pid_t pids[NPROC];
    unsigned i, x = (unsigned)size;

    box_prepare(b);
    for (i = 0; i < NPROC; i++) {
        pids[i] = spawn(b, i);
    }
    for (i = 0; i < KILLS; i++) {
        unsigned which = rnd(&x) % NPROC;
        usleep(rnd(&x) % 12000);
        stop(pids[which]);
        pids[which] = spawn(b, 1000 + i);
        if (i % 50 == 49) {
            box_prepare(b); /* as a graceful restart does, beside living children */
        }
    }
    for (i = 0; i < NPROC; i++) {
        stop(pids[i]);
    }
    box_prepare(b);
    assert_string_equal(b->log, "");
    box_open(b);
    check_whole(b);
    assert_int_equal(put1(b->s, 1, 5, 300000), APR_SUCCESS);
    assert_int_equal(look1(b->s, 1), 5);
    box_remove(b);
}

static void killed_writers_leave_a_whole_store_with_room_to_spare(void **state)
{
    (void)state;
    churn(64 * MIB);
}

static void killed_writers_leave_a_whole_store_that_is_full(void **state)
{
    (void)state;
    churn(6 * MIB);
}

/** A process that is killed, or stopped, with a read transaction open. */
static pid_t reading_process(box_t *b, int ready)
{
    pid_t pid = fork();

    if (pid == 0) {
        int rc;
        box_open(b);
        if (!rp_local_reader_take((rp_local_t *)b->s, &rc) || write(ready, "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    return pid;
}

static void readers_that_died_or_hang_do_not_fill_it(void **state)
{
    box_t *b = box_make(6 * MIB);
    int ready[2], failed = 0;
    unsigned i;
    rp_store_local_stats_t st;
    pid_t pid;
    char c;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    box_prepare(b);
    pid = reading_process(b, ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    box_open(b);
    for (i = 0; i < 1500; i++) {
        failed += put1(b->s, i, i, 20000) != APR_SUCCESS;
    }
    /* It pins every page written since, so that storing fails in the end; what is stored is not all thrown
     * away. */
    assert_true(failed > 0);
    assert_int_equal(rp_store_local_stats(b->s, &st), APR_SUCCESS);
    assert_true(st.entries > 20);
    stop(pid);
    sleep(2);
    for (i = 0; i < 500; i++) {
        assert_int_equal(put1(b->s, i, i, 20000), APR_SUCCESS);
    }
    assert_int_equal(look1(b->s, 499), 499);
    box_remove(b);
}

static void a_dead_writers_room_is_found_without_a_sweep(void **state)
{
    box_t *b = box_make(16 * MIB);
    int ready[2];
    unsigned i;
    pid_t pid;
    char c;

    (void)state;
    b->conf.largest = 12 * MIB;
    assert_int_equal(pipe(ready), 0);
    box_prepare(b);
    pid = fork();
    if (pid == 0) {
        unsigned char key[RP_KEY_LEN];
        rp_store_writer_t *w;
        char *data = apr_pcalloc(b->pool, 9 * MIB);
        key_of(key, 1, 0);
        box_open(b);
        if (b->s->ops->begin(b->s, key, UINT64_MAX, b->pool, &w) || b->s->ops->write(w, data, 9 * MIB) ||
            write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    box_open(b);
    assert_true(bytes(b->s) > 9 * MIB);
    rp_store_local_sweep(b->s, apr_time_now());
    assert_int_equal(rows(b->s, RP_DB_PENDING), 1); /* it lives */
    stop(pid);
    for (i = 0; i < 8; i++) {
        assert_int_equal(put1(b->s, 10 + i, i, MIB), APR_SUCCESS);
    }
    for (i = 0; i < 8; i++) {
        assert_int_equal(look1(b->s, 10 + i), i);
    }
    box_remove(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_writers_leave_a_whole_store_with_room_to_spare),
        cmocka_unit_test(killed_writers_leave_a_whole_store_that_is_full),
        cmocka_unit_test(readers_that_died_or_hang_do_not_fill_it),
        cmocka_unit_test(a_dead_writers_room_is_found_without_a_sweep),
    };
    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

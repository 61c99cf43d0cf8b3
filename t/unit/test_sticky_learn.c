/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <apr_general.h>
#include <cmocka.h>

#include "balance/sticky_learn.h"

#define LIFETIME apr_time_from_sec(60)
#define START apr_time_from_sec(1000)

static const unsigned char key[RP_LEARN_KEY_LEN] = "0123456789abcde";

static rp_learned_t *make(unsigned sessions)
{
    void *mem = mmap(NULL, rp_learned_size(sessions), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(mem != MAP_FAILED);
    assert_int_equal(rp_learned_init(mem, sessions, key), 0);
    return mem;
}

static void put(rp_learned_t *table, const char *id, apr_uint64_t member, apr_time_t now)
{
    rp_learned_put(table, (rp_str_t){ id, strlen(id) }, member, now, LIFETIME);
}

static apr_uint64_t get(rp_learned_t *table, const char *id, apr_time_t now)
{
    return rp_learned_get(table, (rp_str_t){ id, strlen(id) }, now, LIFETIME);
}

static void number(char *id, int i)
{
    sprintf(id, "session-%d", i);
}

static void what_was_put_is_found_and_nothing_else(void **state)
{
    rp_learned_t *table = make(100);

    (void)state;
    put(table, "one", 1, START);
    put(table, "two", 2, START);
    assert_int_equal(get(table, "one", START), 1);
    assert_int_equal(get(table, "two", START), 2);
    assert_int_equal(get(table, "three", START), 0);
    assert_int_equal(get(table, "", START), 0);
    put(table, "one", 3, START);
    assert_int_equal(get(table, "one", START), 3);
}

static void a_session_lives_from_its_last_use(void **state)
{
    rp_learned_t *table = make(100);

    (void)state;
    put(table, "one", 1, START);
    assert_int_equal(get(table, "one", START + LIFETIME - 1), 1);
    assert_int_equal(get(table, "one", START + 2 * LIFETIME - 2), 1);
    assert_int_equal(get(table, "one", START + 3 * LIFETIME), 0);
}

static void as_many_as_promised_find_room(void **state)
{
    enum { N = 20000 };
    rp_learned_t *table = make(N);
    char id[40];
    int i, lost = 0;

    (void)state;
    for (i = 0; i < N; i++) {
        number(id, i);
        put(table, id, (apr_uint64_t)i + 1, START + i);
    }
    for (i = 0; i < N; i++) {
        number(id, i);
        lost += get(table, id, START + N) != (apr_uint64_t)i + 1;
    }
    /* Of a bucket with 16 places and 8 sessions on average, one in 270 has more. */
    assert_in_range(lost, 0, N / 100);
}

static void the_one_not_used_for_longest_makes_room(void **state)
{
    enum { MANY = 2000 };
    rp_learned_t *table = make(1);
    char id[40];
    int i, known = 0;

    (void)state;
    put(table, "in use", 7, START);
    for (i = 0; i < MANY; i++) {
        number(id, i);
        put(table, id, 1, START + i);
        assert_int_equal(get(table, "in use", START + i), 7);
    }
    for (i = 0; i < MANY; i++) {
        number(id, i);
        known += get(table, id, START + MANY) == 1;
    }
    assert_int_equal(known, 15);
    for (i = MANY - 15; i < MANY; i++) {
        number(id, i);
        assert_int_equal(get(table, id, START + MANY), 1);
    }
}

static void a_table_of_another_size_takes_over_what_was_known(void **state)
{
    rp_learned_t *from = make(100), *to = make(5000);
    char id[40];
    int i;

    (void)state;
    put(from, "old", 9, START - LIFETIME);
    for (i = 0; i < 50; i++) {
        number(id, i);
        put(from, id, (apr_uint64_t)i + 1, START);
    }
    rp_learned_copy(to, from, START);
    for (i = 0; i < 50; i++) {
        number(id, i);
        assert_int_equal(get(to, id, START), i + 1);
    }
    assert_int_equal(get(to, "old", START - 1), 0);
}

static void write_on(rp_learned_t *table, int who)
{
    char id[40];
    int i;

    for (i = 0;; i++) {
        number(id, i % 500);
        put(table, id, (apr_uint64_t)(who * 1000 + i % 500 + 1), START);
    }
}

/* Children that write until they are killed somewhere in it, again and again: the table stays whole. */
static void a_writer_that_is_killed_does_no_harm(void **state)
{
    rp_learned_t *table = make(1000);
    char id[40];
    int round, i, known = 0;

    (void)state;
    for (round = 0; round < 30; round++) {
        pid_t pids[2];

        for (i = 0; i < 2; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                write_on(table, i);
            }
            assert_true(pids[i] > 0);
        }
        usleep(3000);
        for (i = 0; i < 2; i++) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
        }
        for (i = 0; i < 500; i++) {
            apr_uint64_t member;

            number(id, i);
            member = get(table, id, START);
            assert_true(member == 0 || member == (apr_uint64_t)i + 1 || member == (apr_uint64_t)i + 1001);
            known += member != 0;
        }
    }
    assert_true(known > 500);
    put(table, "after", 5, START);
    assert_int_equal(get(table, "after", START), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_and_nothing_else),
        cmocka_unit_test(a_session_lives_from_its_last_use),
        cmocka_unit_test(as_many_as_promised_find_room),
        cmocka_unit_test(the_one_not_used_for_longest_makes_room),
        cmocka_unit_test(a_table_of_another_size_takes_over_what_was_known),
        cmocka_unit_test(a_writer_that_is_killed_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Fetches in progress, over several processes and with deaths among them. */

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>

#include "cache/flight.h"
#include "lane/lane.h"

#define STALL apr_time_from_sec(60)

static apr_pool_t *pool;
static rp_flights_t *flights;

static int begin(void **state)
{
    void *mem = mmap(NULL, rp_flights_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    apr_pool_create(&pool, NULL);
    return mem == MAP_FAILED || rp_flights_init(mem, &flights) != APR_SUCCESS;
}

static int end(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    munmap(flights, rp_flights_size());
    return 0;
}

static unsigned char *key(const char *text)
{
    static unsigned char bytes[RP_KEY_LEN];

    memset(bytes, 0, sizeof(bytes));
    strncpy((char *)bytes, text, sizeof(bytes) - 1);
    return bytes;
}

static rp_flight_role_e join(const char *text, rp_flight_t *flight)
{
    return rp_flight_join(flights, key(text), rp_now(), STALL, flight);
}

static rp_flight_phase_e phase_of(const rp_flight_t *flight)
{
    rp_flight_news_t news;

    rp_flight_news(flights, flight, &news);
    return news.phase;
}

static void the_first_fetches_and_the_others_wait(void **state)
{
    rp_flight_t first, second, other;
    rp_flight_news_t news;

    (void)state;
    assert_int_equal(join("a", &first), RP_FLIGHT_FETCH);
    assert_int_equal(join("a", &second), RP_FLIGHT_WAIT);
    assert_int_equal(join("b", &other), RP_FLIGHT_FETCH);
    assert_int_equal(phase_of(&second), RP_FLIGHT_ASKED);

    rp_flight_readable(flights, &first, 17, 100, rp_now());
    rp_flight_news(flights, &second, &news);
    assert_int_equal(news.phase, RP_FLIGHT_READABLE);
    assert_int_equal(news.object, 17);
    assert_int_equal(news.published, 100);

    rp_flight_end(flights, &first, RP_FLIGHT_STORED, 0);
    assert_int_equal(phase_of(&second), RP_FLIGHT_STORED);
    assert_int_equal(first.follows, 0);
    assert_int_equal(join("a", &first), RP_FLIGHT_FETCH);
    assert_int_equal(first.follows, 1);
    assert_int_equal(phase_of(&second), RP_FLIGHT_LEFT);
    assert_int_equal(join("b", &first), RP_FLIGHT_WAIT);
}

static void a_failure_is_told_with_its_status(void **state)
{
    rp_flight_t first, second;
    rp_flight_news_t news;

    (void)state;
    join("a", &first);
    join("a", &second);
    rp_flight_end(flights, &first, RP_FLIGHT_FAILED, 504);
    rp_flight_news(flights, &second, &news);
    assert_int_equal(news.phase, RP_FLIGHT_FAILED);
    assert_int_equal(news.status, 504);
}

static void the_place_of_a_silent_fetcher_is_taken(void **state)
{
    rp_flight_t first, second, third;

    (void)state;
    join("a", &first);
    assert_int_equal(join("a", &second), RP_FLIGHT_WAIT);
    assert_false(rp_flight_is_lost(flights, &second, rp_now(), STALL));
    assert_true(rp_flight_is_lost(flights, &second, rp_now() + STALL + 1, STALL));
    assert_int_equal(rp_flight_join(flights, key("a"), rp_now() + STALL + 1, STALL, &third), RP_FLIGHT_FETCH);

    /* What the first has to say counts no more. */
    rp_flight_end(flights, &first, RP_FLIGHT_PRIVATE, 0);
    assert_int_equal(phase_of(&third), RP_FLIGHT_ASKED);
    assert_int_equal(phase_of(&second), RP_FLIGHT_LEFT);
}

static void the_place_of_a_killed_fetcher_is_taken_at_once(void **state)
{
    rp_flight_t mine;
    int fds[2];
    char c;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        join("a", &mine);
        (void)!write(fds[1], "x", 1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(fds[0], &c, 1), 1);
    assert_int_equal(join("a", &mine), RP_FLIGHT_WAIT);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(rp_flight_is_lost(flights, &mine, rp_now(), STALL));
    assert_int_equal(join("a", &mine), RP_FLIGHT_FETCH);
    close(fds[0]);
    close(fds[1]);
}

static void news_of_another_process_wakes_whom_it_concerns(void **state)
{
    rp_flight_t flight, other;
    rp_flight_news_t news;
    rp_bell_t *bell;
    int fds[2], status;
    char c;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    join("b", &other);
    join("a", &flight);
    pid = fork();
    if (pid == 0) {
        rp_flight_t mine;
        apr_pool_t *p;

        apr_pool_create(&p, NULL);
        rp_flights_bell(flights, p, &bell);
        if (join("a", &mine) != RP_FLIGHT_WAIT) {
            _exit(1);
        }
        (void)!write(fds[1], "x", 1);
        for (;;) {
            rp_flight_news(flights, &mine, &news);
            if (news.phase == RP_FLIGHT_STORED) {
                apr_pool_destroy(p);
                _exit(news.published == 1000 ? 0 : 2);
            }
            if (rp_flight_wait(flights, bell, &mine, &news, -1, rp_now() + apr_time_from_sec(20)) != APR_SUCCESS) {
                _exit(3);
            }
        }
    }
    assert_int_equal(read(fds[0], &c, 1), 1);
    for (uint64_t i = 1; i <= 1000; i++) {
        rp_flight_readable(flights, &flight, 1, i, rp_now());
    }
    rp_flight_end(flights, &flight, RP_FLIGHT_STORED, 0);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    close(fds[0]);
    close(fds[1]);
}

static void who_waits_gives_up_at_the_deadline(void **state)
{
    rp_flight_t flight, waiting;
    rp_flight_news_t news;
    rp_bell_t *bell;

    (void)state;
    rp_flights_bell(flights, pool, &bell);
    join("a", &flight);
    join("a", &waiting);
    rp_flight_news(flights, &waiting, &news);
    assert_true(APR_STATUS_IS_TIMEUP(rp_flight_wait(flights, bell, &waiting, &news, -1, rp_now() + 20000)));
    rp_flight_end(flights, &flight, RP_FLIGHT_LEFT, 0);
    assert_int_equal(rp_flight_wait(flights, bell, &waiting, &news, -1, rp_now() + apr_time_from_sec(20)), APR_SUCCESS);
}

static void a_full_table_lets_everybody_fetch(void **state)
{
    rp_flight_t flight;
    char text[32];
    int alone = 0, fetch = 0;

    (void)state;
    for (int i = 0; i < 8192; i++) {
        snprintf(text, sizeof(text), "%04d%04d", i * 7919 % 10000, i);
        rp_flight_role_e role = join(text, &flight);
        assert_int_not_equal(role, RP_FLIGHT_WAIT);
        alone += role == RP_FLIGHT_ALONE;
        fetch += role == RP_FLIGHT_FETCH;
    }
    assert_true(alone > 0 && fetch > 0 && fetch <= 4096);
}

static void what_is_private_is_remembered_for_a_while(void **state)
{
    (void)state;
    apr_time_t now = rp_now();
    assert_false(rp_flights_is_private(flights, key("a"), now));
    rp_flights_set_private(flights, key("a"), now + apr_time_from_sec(10));
    assert_true(rp_flights_is_private(flights, key("a"), now));
    assert_false(rp_flights_is_private(flights, key("b"), now));
    assert_false(rp_flights_is_private(flights, key("a"), now + apr_time_from_sec(11)));
    rp_flights_set_shared(flights, key("a"));
    assert_false(rp_flights_is_private(flights, key("a"), now));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_fetches_and_the_others_wait),
        TEST(a_failure_is_told_with_its_status),
        TEST(the_place_of_a_silent_fetcher_is_taken),
        TEST(the_place_of_a_killed_fetcher_is_taken_at_once),
        TEST(news_of_another_process_wakes_whom_it_concerns),
        TEST(who_waits_gives_up_at_the_deadline),
        TEST(a_full_table_lets_everybody_fetch),
        TEST(what_is_private_is_remembered_for_a_while),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "lane/coroutine.h"
#include "lane/loop.h"

/* So long may a busy machine take before a test has failed. */
#define PATIENCE apr_time_from_sec(30)

/* ------------------------------------------------------------------ coroutines */

typedef struct counter_t {
    rp_coroutine_t *self;
    int steps;
    int sum;
    int done;
} counter_t;

static void count(void *data)
{
    counter_t *counter = data;
    volatile int local[64];
    int i;

    counter->self = rp_coroutine_current();
    for (i = 0; i < counter->steps; i++) {
        local[i % 64] = i;
        rp_coroutine_pause();
        counter->sum += local[i % 64];
    }
    counter->done = 1;
}

static void they_take_turns(void **state)
{
    rp_stacks_t *stacks = rp_stacks_create(65536);
    counter_t counters[200];
    int i, step;

    (void)state;
    memset(counters, 0, sizeof(counters));
    for (i = 0; i < 200; i++) {
        counters[i].steps = i;
        assert_true(rp_coroutine_start(stacks, count, &counters[i]));
        assert_null(rp_coroutine_current());
    }
    for (step = 0; step < 200; step++) {
        for (i = 0; i < 200; i++) {
            if (!counters[i].done) {
                rp_coroutine_resume(counters[i].self);
            }
        }
    }
    for (i = 0; i < 200; i++) {
        assert_true(counters[i].done);
        assert_int_equal(counters[i].sum, i * (i - 1) / 2);
    }
    assert_int_equal(rp_stacks_used(stacks), 0);
    rp_stacks_destroy(stacks);
}

static int deep(int n)
{
    volatile char room[1024];

    room[0] = (char)n;
    return n ? deep(n - 1) + 1 : room[0];
}

static void go_deep(void *data)
{
    *(int *)data = deep(40);
}

static void a_stack_is_as_large_as_was_said(void **state)
{
    rp_stacks_t *stacks = rp_stacks_create(65536);
    int depth = 0;

    (void)state;
    assert_true(rp_coroutine_start(stacks, go_deep, &depth));
    assert_int_equal(depth, 40);
    rp_stacks_destroy(stacks);
}

/* ------------------------------------------------------------------ timers */

static void they_come_in_order(void **state)
{
    rp_timers_t timers = { 0 };
    rp_timer_t t[500];
    rp_timer_t *first;
    apr_time_t last = 0;
    unsigned seed = 1;
    int i, n = 0;

    (void)state;
    memset(t, 0, sizeof(t));
    for (i = 0; i < 500; i++) {
        seed = seed * 1103515245 + 12345;
        t[i].at = seed >> 16;
        assert_true(rp_timers_add(&timers, &t[i]));
    }
    for (i = 0; i < 500; i += 3) {
        rp_timers_remove(&timers, &t[i]);
        rp_timers_remove(&timers, &t[i]);
    }
    while ((first = rp_timers_first(&timers))) {
        assert_true(first->at >= last);
        last = first->at;
        rp_timers_remove(&timers, first);
        n++;
    }
    assert_int_equal(n, 500 - 167);
    rp_timers_free(&timers);
}

/* ------------------------------------------------------------------ the loop */

typedef struct running_t {
    rp_lane_t *lane;
    pthread_t thread;
} running_t;

static void *be_lane(void *data)
{
    rp_lane_run(data);
    return NULL;
}

static running_t start(void)
{
    running_t running;

    running.lane = rp_lane_create(65536);
    assert_non_null(running.lane);
    assert_int_equal(pthread_create(&running.thread, NULL, be_lane, running.lane), 0);
    return running;
}

static void finish(running_t *running)
{
    rp_lane_stop(running->lane);
    pthread_join(running->thread, NULL);
    rp_lane_destroy(running->lane);
}

/** A coroutine that answers what it is sent, byte for byte, until the other side has closed. */
typedef struct echo_t {
    rp_task_t task;
    rp_lane_t *lane;
    int fd;
    int kept;
    int bytes;
    apr_status_t rv;
} echo_t;

static void echo(void *data)
{
    echo_t *e = data;
    char byte;

    for (;;) {
        ssize_t n = recv(e->fd, &byte, 1, MSG_DONTWAIT);

        if (n == 0) {
            break;
        }
        if (n == 1) {
            e->bytes++;
            assert_int_equal(send(e->fd, &byte, 1, 0), 1);
            continue;
        }
        e->rv = rp_wait(e->fd, RP_WANT_READ, rp_now() + PATIENCE);
        if (e->rv != APR_SUCCESS) {
            break;
        }
    }
    if (e->kept) {
        rp_lane_forget(e->lane, e->fd);
    }
    close(e->fd);
}

static void begin_echo(void *data)
{
    echo_t *e = data;

    if (e->kept) {
        assert_int_equal(rp_lane_keep(e->lane, e->fd), APR_SUCCESS);
    }
    assert_true(rp_lane_spawn(e->lane, echo, e));
}

static void talk(running_t *running, int kept)
{
    echo_t echoes[50];
    int ends[50];
    int i, round;

    memset(echoes, 0, sizeof(echoes));
    for (i = 0; i < 50; i++) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        ends[i] = pair[0];
        echoes[i] = (echo_t){ { NULL, begin_echo, &echoes[i] }, running->lane, pair[1], kept, 0, APR_SUCCESS };
        rp_lane_post(running->lane, &echoes[i].task);
    }
    for (round = 0; round < 100; round++) {
        for (i = 0; i < 50; i++) {
            char byte = (char)(i + round);

            assert_int_equal(send(ends[i], &byte, 1, 0), 1);
        }
        for (i = 0; i < 50; i++) {
            char byte = 0;

            assert_int_equal(recv(ends[i], &byte, 1, 0), 1);
            assert_int_equal(byte, (char)(i + round));
        }
    }
    for (i = 0; i < 50; i++) {
        char byte;

        shutdown(ends[i], SHUT_WR);
        assert_int_equal(recv(ends[i], &byte, 1, 0), 0);
        close(ends[i]);
    }
    finish(running);
    for (i = 0; i < 50; i++) {
        assert_int_equal(echoes[i].rv, APR_SUCCESS);
        assert_int_equal(echoes[i].bytes, 100);
    }
}

static void many_wait_on_one_thread(void **state)
{
    running_t running = start();

    (void)state;
    talk(&running, 0);
}

static void kept_descriptors_do_as_well(void **state)
{
    running_t running = start();

    (void)state;
    talk(&running, 1);
}

/** What one coroutine finds out, for the thread that waits for it. */
typedef struct finding_t {
    rp_task_t task;
    running_t running;
    int fds[2];
    apr_time_t took;
    apr_status_t rv[4];
    int got;
    int done[2]; /* a pipe */
} finding_t;

static void look(void *data)
{
    finding_t *f = data;
    rp_waitee_t both[3] = { { f->fds[0], RP_WANT_READ, 0 }, { f->fds[0], RP_WANT_WRITE, 0 }, { -1, RP_WANT_READ, 0 } };
    apr_time_t before = rp_now();

    f->rv[0] = rp_wait(f->fds[0], RP_WANT_READ, before + 50000);
    f->took = rp_now() - before;
    f->rv[1] = rp_wait(f->fds[0], RP_WANT_READ, before); /* its deadline is past */
    f->rv[2] = rp_wait_any(both, 3, rp_now() + PATIENCE);
    f->got = both[0].got << 4 | both[1].got;
    shutdown(f->fds[1], SHUT_RDWR);
    f->rv[3] = rp_wait(f->fds[0], RP_WANT_HANGUP, rp_now() + PATIENCE);
    assert_int_equal(write(f->done[1], "", 1), 1);
}

static void begin_look(void *data)
{
    finding_t *f = data;

    assert_true(rp_lane_spawn(f->running.lane, look, f));
}

static void deadlines_and_several_wishes(void **state)
{
    finding_t f = { .running = start() };
    char byte;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, f.fds), 0);
    assert_int_equal(pipe(f.done), 0);
    f.task = (rp_task_t){ NULL, begin_look, &f };
    rp_lane_post(f.running.lane, &f.task);
    assert_int_equal(read(f.done[0], &byte, 1), 1);
    finish(&f.running);
    assert_int_equal(f.rv[0], APR_TIMEUP);
    assert_true(f.took >= 50000);
    assert_int_equal(f.rv[1], APR_TIMEUP);
    assert_int_equal(f.rv[2], APR_SUCCESS);
    assert_int_equal(f.got, RP_WANT_WRITE);
    assert_int_equal(f.rv[3], APR_SUCCESS);
    close(f.fds[0]);
    close(f.fds[1]);
    close(f.done[0]);
    close(f.done[1]);
}

/** A coroutine that has others do something that blocks. */
typedef struct delegation_t {
    rp_task_t task;
    rp_lane_t *lane;
    pthread_t lane_thread, other_thread, after_thread;
    int done[2]; /* a pipe */
} delegation_t;

typedef struct call_t {
    void (*fn)(void *);
    void *data;
} call_t;

static void *make_call(void *data)
{
    call_t call = *(call_t *)data;

    free(data);
    call.fn(call.data);
    return NULL;
}

static apr_status_t on_new_thread(void (*fn)(void *), void *data)
{
    call_t *call = malloc(sizeof(*call));
    pthread_t thread;

    *call = (call_t){ fn, data };
    assert_int_equal(pthread_create(&thread, NULL, make_call, call), 0);
    pthread_detach(thread);
    return APR_SUCCESS;
}

static void block(void *data)
{
    delegation_t *d = data;

    usleep(20000);
    d->other_thread = pthread_self();
}

static void delegate(void *data)
{
    delegation_t *d = data;

    d->lane_thread = pthread_self();
    rp_blocking(block, d);
    d->after_thread = pthread_self();
    assert_int_equal(write(d->done[1], "", 1), 1);
}

static void begin_delegate(void *data)
{
    delegation_t *d = data;

    assert_true(rp_lane_spawn(d->lane, delegate, d));
}

static void what_blocks_is_done_elsewhere(void **state)
{
    running_t running = start();
    delegation_t d[20];
    int i;

    (void)state;
    rp_blocking_by(on_new_thread);
    for (i = 0; i < 20; i++) {
        d[i] = (delegation_t){ { NULL, begin_delegate, &d[i] }, running.lane, 0, 0, 0, { -1, -1 } };
        assert_int_equal(pipe(d[i].done), 0);
        rp_lane_post(running.lane, &d[i].task);
    }
    for (i = 0; i < 20; i++) {
        char byte;

        assert_int_equal(read(d[i].done[0], &byte, 1), 1);
        assert_true(pthread_equal(d[i].lane_thread, running.thread));
        assert_true(pthread_equal(d[i].after_thread, running.thread));
        assert_false(pthread_equal(d[i].other_thread, running.thread));
        close(d[i].done[0]);
        close(d[i].done[1]);
    }
    finish(&running);
    rp_blocking(block, &d[0]);
    assert_true(pthread_equal(d[0].other_thread, pthread_self()));
}

/** Threads that send tasks to a lane. */
#define SENDERS 4
#define TASKS 5000

typedef struct sender_t {
    rp_lane_t *lane;
    rp_task_t tasks[TASKS];
    unsigned *ran;
    pthread_t thread;
} sender_t;

static void ran(void *data)
{
    unsigned *count = data;

    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

static void *send_all(void *data)
{
    sender_t *sender = data;
    int i;

    for (i = 0; i < TASKS; i++) {
        sender->tasks[i] = (rp_task_t){ NULL, ran, sender->ran };
        rp_lane_post(sender->lane, &sender->tasks[i]);
    }
    return NULL;
}

static void no_task_is_lost(void **state)
{
    running_t running = start();
    sender_t *senders = calloc(SENDERS, sizeof(*senders));
    apr_time_t deadline = rp_now() + PATIENCE;
    unsigned count = 0;
    int i;

    (void)state;
    for (i = 0; i < SENDERS; i++) {
        senders[i].lane = running.lane;
        senders[i].ran = &count;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    for (i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    while (__atomic_load_n(&count, __ATOMIC_RELAXED) < SENDERS * TASKS && rp_now() < deadline) {
        usleep(1000);
    }
    assert_int_equal(__atomic_load_n(&count, __ATOMIC_RELAXED), SENDERS * TASKS);
    finish(&running);
    free(senders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_take_turns),
        cmocka_unit_test(a_stack_is_as_large_as_was_said),
        cmocka_unit_test(they_come_in_order),
        cmocka_unit_test(many_wait_on_one_thread),
        cmocka_unit_test(kept_descriptors_do_as_well),
        cmocka_unit_test(deadlines_and_several_wishes),
        cmocka_unit_test(what_blocks_is_done_elsewhere),
        cmocka_unit_test(no_task_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

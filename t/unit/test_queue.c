/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A pool's queue: who gets which place, when, over threads, processes and deaths. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "balance/queue.h"
#include "lane/lane.h"

#define SLOTS 3
#define LENGTH 64
#define SIZE (1 << 20)

static rp_eject_conf_t eject = { .on = 1, .most = 75, .panic = 20 };
static rp_state_t state;
static rp_queue_t *queue;
static unsigned counted, woken; /* under the queue's lock */
static unsigned last_row;

static void count(void *data, unsigned row, unsigned slot)
{
    (void)data;
    (void)slot;
    counted++;
    last_row = row;
}

static void wake(void *data, unsigned row)
{
    (void)data;
    (void)row;
    woken++;
}

static rp_giver_t giver_at(apr_time_t now)
{
    return (rp_giver_t){ .queue = queue, .state = &state, .method = rp_method_round_robin, .now = now, .random = 1,
                         .count = count, .wake = wake };
}

static int begin(void **unused)
{
    char *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned i;

    (void)unused;
    rp_state_map(&state, mem, SLOTS, 1, 0, &eject);
    queue = (rp_queue_t *)(mem + SIZE / 2);
    for (i = 0; i < SLOTS; i++) {
        state.slots[i].origin = RP_SLOT_CONFIGURED;
        state.slots[i].weight = 1;
        state.slots[i].max = 1;
        state.slots[i].id = i + 1;
    }
    rp_state_plan(&state);
    counted = woken = 0;
    return rp_state_lock_init(&state) || rp_queue_init(queue, LENGTH);
}

static int end(void **unused)
{
    (void)unused;
    assert_int_equal(rp_get(queue->waiting), 0);
    return munmap(state.shared, SIZE);
}

/* One that takes anybody; entry as number of its row, for the tests to tell them apart. */
static rp_turn_e join_as(unsigned row, int wanted, unsigned *slot, unsigned *entry)
{
    rp_giver_t giver = giver_at(1000 + row);
    rp_wish_t wish = { .wanted = (apr_uint16_t)(wanted < 0 ? RP_ANYBODY : wanted), .may_try = 1 };
    int trial;

    return rp_queue_join(&giver, &wish, 1, row, slot, &trial, entry);
}

static unsigned wait_as(unsigned row, int wanted)
{
    unsigned slot, entry = 0;

    assert_int_equal(join_as(row, wanted, &slot, &entry), RP_TURN_WAITS);
    return entry;
}

static rp_turn_e leave(unsigned entry, unsigned *slot)
{
    rp_giver_t giver = giver_at(5000);
    int trial;

    return rp_queue_leave(&giver, entry, 0, slot, &trial);
}

static void give_up(unsigned entry)
{
    unsigned slot;

    assert_int_equal(leave(entry, &slot), RP_TURN_WAITS);
}

static void gets(unsigned entry, unsigned expected)
{
    unsigned slot;

    assert_true(rp_queue_is_due(queue, entry));
    assert_int_equal(leave(entry, &slot), RP_TURN_GIVEN);
    assert_int_equal(slot, expected);
}

static void fill_up(void)
{
    unsigned i, slot, entry, seen = 0;

    for (i = 0; i < SLOTS; i++) {
        assert_int_equal(join_as(0, -1, &slot, &entry), RP_TURN_GIVEN);
        seen |= 1u << slot;
    }
    assert_int_equal(seen, 7);
}

static void free_place(unsigned slot)
{
    rp_giver_t giver = giver_at(3000);

    rp_slot_leave(&state.slots[slot]);
    if (rp_queue_is_waited(queue)) {
        rp_queue_give(&giver);
    }
}

static void places_are_given_in_the_order_of_arrival(void **unused)
{
    unsigned a, b, c;

    (void)unused;
    fill_up();
    assert_false(rp_queue_is_waited(queue));
    a = wait_as(1, -1);
    b = wait_as(2, -1);
    c = wait_as(3, -1);
    assert_int_equal(rp_get(queue->waiting), 3);

    free_place(2);
    assert_false(rp_queue_is_due(queue, b));
    gets(a, 2);
    free_place(0);
    free_place(1);
    gets(c, 1);
    gets(b, 0);
    assert_int_equal(counted, 3);
    assert_int_equal(woken, 3);
    assert_int_equal(rp_get(state.slots[0].inflight), 1);
}

static void who_arrives_does_not_overtake(void **unused)
{
    unsigned a, b;

    (void)unused;
    fill_up();
    a = wait_as(1, -1);
    /* Freed, and nobody has been told yet. */
    rp_slot_leave(&state.slots[1]);
    b = wait_as(2, -1);
    gets(a, 1);
    give_up(b);
}

static void a_place_freed_while_somebody_joins_is_not_lost(void **unused)
{
    unsigned slot, entry;

    (void)unused;
    fill_up();
    rp_slot_leave(&state.slots[1]);
    assert_int_equal(join_as(1, -1, &slot, &entry), RP_TURN_GIVEN);
    assert_int_equal(slot, 1);
}

static void who_wants_a_certain_member_blocks_nobody(void **unused)
{
    unsigned a, b, c, slot, entry;

    (void)unused;
    fill_up();
    a = wait_as(1, 0);
    b = wait_as(2, -1);
    c = wait_as(3, 0);
    free_place(2);
    assert_false(rp_queue_is_due(queue, a));
    gets(b, 2);
    /* Nor those who arrive: there is nobody left who could use this. */
    rp_slot_leave(&state.slots[1]);
    assert_int_equal(join_as(4, -1, &slot, &entry), RP_TURN_GIVEN);
    assert_int_equal(slot, 1);
    /* But the one it wants is kept for it. */
    rp_slot_leave(&state.slots[0]);
    b = wait_as(5, -1);
    gets(a, 0);
    free_place(0);
    gets(c, 0);
    give_up(b);
}

static void members_that_were_tried_are_passed_over(void **unused)
{
    rp_giver_t giver = giver_at(1);
    rp_wish_t wish = { .wanted = RP_ANYBODY, .may_try = 1, .ntried = 2, .tried = { 0, 1 } };
    unsigned slot, entry, other;
    int trial;

    (void)unused;
    fill_up();
    assert_int_equal(rp_queue_join(&giver, &wish, 1, 0, &slot, &trial, &entry), RP_TURN_WAITS);
    other = wait_as(1, -1);
    free_place(1);
    gets(other, 1);
    free_place(2);
    gets(entry, 2);
}

static void who_was_sent_to_a_member_in_vain_keeps_its_place(void **unused)
{
    rp_giver_t giver = giver_at(1);
    rp_wish_t wish = { .wanted = RP_ANYBODY, .may_try = 1 };
    unsigned slot, a, b;
    int trial;

    (void)unused;
    fill_up();
    assert_int_equal(rp_queue_join(&giver, &wish, 1, 0, &slot, &trial, &a), RP_TURN_WAITS);
    b = wait_as(1, -1);
    free_place(1);
    gets(a, 1);
    /* There it was in vain, and another has the place. */
    wish.ntried = 1;
    wish.tried[0] = 1;
    assert_int_equal(rp_queue_join(&giver, &wish, 1, 0, &slot, &trial, &a), RP_TURN_WAITS);
    free_place(0);
    gets(a, 0);
    free_place(2);
    gets(b, 2);
}

static void a_draining_member_serves_those_who_want_it(void **unused)
{
    unsigned a;

    (void)unused;
    fill_up();
    state.slots[1].admin = RP_ADMIN_DRAINING;
    a = wait_as(1, 1);
    free_place(1);
    gets(a, 1);
}

static void the_length_is_a_bound_and_entries_are_used_again(void **unused)
{
    unsigned entries[LENGTH], i, round, slot, entry, waiting;

    (void)unused;
    fill_up();
    for (round = 0; round < 3; round++) {
        for (i = 0; i < LENGTH; i++) {
            entries[i] = wait_as(i, -1);
        }
        assert_int_equal(join_as(99, -1, &slot, &entry), RP_TURN_FULL);
        for (i = 0; i < LENGTH; i++) {
            give_up(entries[(i * 13) % LENGTH]);
        }
    }
    assert_int_equal(rp_queue_count(queue, &waiting).refused, 3);
    assert_int_equal(rp_queue_count(queue, &waiting).timed_out, 3 * LENGTH);
    assert_int_equal(rp_queue_count(queue, &waiting).waited, 3 * LENGTH);
    assert_int_equal(waiting, 0);
}

static void who_may_not_wait_is_told_so(void **unused)
{
    rp_giver_t giver = giver_at(1);
    rp_wish_t wish = { .wanted = RP_ANYBODY };
    unsigned slot, entry, waiting;
    int trial;

    (void)unused;
    fill_up();
    assert_int_equal(rp_queue_join(&giver, &wish, 0, 0, &slot, &trial, &entry), RP_TURN_FULL);
    assert_int_equal(rp_queue_count(queue, &waiting).refused, 0);
}

static void waiting_ends_when_nobody_is_left(void **unused)
{
    rp_giver_t giver = giver_at(2000);
    unsigned a, b, i, slot;

    (void)unused;
    fill_up();
    a = wait_as(1, -1);
    b = wait_as(2, 0);
    for (i = 0; i < SLOTS; i++) {
        state.slots[i].admin = RP_ADMIN_DISABLED;
    }
    rp_queue_give(&giver);
    assert_int_equal(leave(a, &slot), RP_TURN_NOBODY);
    assert_int_equal(leave(b, &slot), RP_TURN_NOBODY);
    assert_int_equal(counted, 0);
}

static void more_places_wake_as_many(void **unused)
{
    rp_giver_t giver = giver_at(2000);
    unsigned a, b, c;

    (void)unused;
    fill_up();
    a = wait_as(1, -1);
    b = wait_as(2, -1);
    c = wait_as(3, -1);
    state.slots[1].max = 3;
    rp_queue_give(&giver);
    gets(a, 1);
    gets(b, 1);
    give_up(c);
    assert_int_equal(woken, 2);
}

static void those_of_a_dead_process_wait_no_more(void **unused)
{
    rp_giver_t giver = giver_at(2000);
    unsigned a, b;

    (void)unused;
    fill_up();
    a = wait_as(1, -1);
    b = wait_as(2, -1);
    /* Given to one that was dead by then. */
    free_place(0);
    assert_true(rp_queue_is_due(queue, a));
    rp_slot_leave(&state.slots[0]);
    rp_queue_forget(&giver, 1);
    gets(b, 0);
    assert_int_equal(last_row, 2);
    /* Its entry is free again. */
    assert_true(wait_as(3, -1) <= 2);
    rp_queue_forget(&giver, 3);
}

static void a_holder_of_the_lock_may_die(void **unused)
{
    unsigned a, b, c;
    pid_t pid;

    (void)unused;
    fill_up();
    a = wait_as(1, -1);
    b = wait_as(2, -1);
    c = wait_as(3, 0);
    pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(&queue->lock);
        /* In the middle of something. */
        queue->first = 0;
        queue->choosy = 7;
        queue->waiters[a - 1].next = 0;
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    free_place(1);
    gets(a, 1);
    assert_int_equal(rp_get(queue->waiting), 2);
    assert_int_equal(queue->choosy, 1);
    free_place(0);
    gets(b, 0);
    free_place(0);
    gets(c, 0);
}

/* ------------------------------------------------------------------ many at once */

#define THREADS 12
#define ROUNDS 400

static int at_once[SLOTS];
static unsigned served, given_up, too_many;

static void be_served(unsigned slot)
{
    if (__atomic_add_fetch(&at_once[slot], 1, __ATOMIC_SEQ_CST) > (int)state.slots[slot].max) {
        rp_add(too_many, 1);
    }
    sched_yield();
    __atomic_sub_fetch(&at_once[slot], 1, __ATOMIC_SEQ_CST);
    rp_add(served, 1);
}

static int wait_a_little(unsigned entry, apr_time_t patience)
{
    apr_time_t until = rp_now() + patience;

    while (!rp_queue_is_due(queue, entry)) {
        if (rp_now() > until) {
            return 0;
        }
        sched_yield();
    }
    return 1;
}

static void release(unsigned slot)
{
    rp_giver_t giver = giver_at(rp_now());

    rp_slot_leave(&state.slots[slot]);
    if (rp_queue_is_waited(queue)) {
        rp_queue_give(&giver);
    }
}

static void *client(void *data)
{
    unsigned self = (unsigned)(uintptr_t)data, round;

    for (round = 0; round < ROUNDS; round++) {
        rp_giver_t giver = giver_at(rp_now());
        rp_wish_t wish = { .wanted = (self + round) % 5 == 0 ? 1 : RP_ANYBODY, .may_try = round & 1 };
        unsigned slot = 0, entry;
        int trial;
        rp_turn_e turn = rp_queue_join(&giver, &wish, 1, self, &slot, &trial, &entry);

        if (turn == RP_TURN_WAITS) {
            /* A third has little patience; the others' turn must come. */
            wait_a_little(entry, self % 3 == 0 ? 20 : apr_time_from_sec(20));
            turn = rp_queue_leave(&giver, entry, 0, &slot, &trial);
        }
        if (turn == RP_TURN_GIVEN) {
            be_served(slot);
            release(slot);
        }
        else {
            rp_add(given_up, self % 3 == 0 ? 1 : 1000000);
        }
    }
    return NULL;
}

static void threads_get_every_place_and_never_too_many(void **unused)
{
    pthread_t threads[THREADS];
    uintptr_t i;

    (void)unused;
    served = given_up = too_many = 0;
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, client, (void *)i), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(too_many, 0);
    assert_true(given_up < 1000000);
    assert_int_equal(served + given_up, THREADS * ROUNDS);
    for (i = 0; i < SLOTS; i++) {
        assert_int_equal(rp_get(state.slots[i].inflight), 0);
    }
    assert_int_equal(queue->choosy, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(places_are_given_in_the_order_of_arrival),
        TEST(who_arrives_does_not_overtake),
        TEST(a_place_freed_while_somebody_joins_is_not_lost),
        TEST(who_wants_a_certain_member_blocks_nobody),
        TEST(members_that_were_tried_are_passed_over),
        TEST(who_was_sent_to_a_member_in_vain_keeps_its_place),
        TEST(a_draining_member_serves_those_who_want_it),
        TEST(the_length_is_a_bound_and_entries_are_used_again),
        TEST(who_may_not_wait_is_told_so),
        TEST(waiting_ends_when_nobody_is_left),
        TEST(more_places_wake_as_many),
        TEST(those_of_a_dead_process_wait_no_more),
        TEST(a_holder_of_the_lock_may_die),
        TEST(threads_get_every_place_and_never_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Consistent hashing: whose keys move when members come and go, and how much bounds allow. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "state_util.h"

#define KEYS 20000
#define SLOTS 11
#define END (-1)

static const int ten[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, END };

static void map_keys(pool_t *pool, int *owners)
{
    int k;

    for (k = 0; k < KEYS; k++) {
        owners[k] = pool_pick_key(pool, (apr_uint64_t)k);
        assert_in_range(owners[k], 0, SLOTS - 1);
    }
}

static int count_of(const int *owners, int who)
{
    int k, n = 0;

    for (k = 0; k < KEYS; k++) {
        n += owners[k] == who;
    }
    return n;
}

static void is_about(int n, double expected)
{
    if (n < expected * 0.92 || n > expected * 1.08) {
        fail_msg("%d keys, not about %.0f", n, expected);
    }
}

/* Of all keys only those of "lost" have another owner than before, and the others took them in equal parts. */
static void only_its_keys_moved(const int *before, const int *after, int lost)
{
    int gained[SLOTS] = { 0 }, k, moved = count_of(before, lost);

    for (k = 0; k < KEYS; k++) {
        assert_int_not_equal(after[k], lost);
        if (before[k] != after[k]) {
            assert_int_equal(before[k], lost);
            gained[after[k]]++;
        }
    }
    for (k = 0; k < 10; k++) {
        if (k != lost) {
            assert_in_range(gained[k], moved / 9 * 7 / 10, moved / 9 * 13 / 10);
        }
    }
}

static int before[KEYS], after[KEYS];

static void shares_of_keys_are_by_weight(void **unused)
{
    static const int weights[] = { 1, 2, 5, 0, END };
    pool_t pool;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, weights);
    map_keys(&pool, before);
    is_about(count_of(before, 0), KEYS / 8.0);
    is_about(count_of(before, 1), KEYS / 4.0);
    is_about(count_of(before, 2), KEYS * 5 / 8.0);
    map_keys(&pool, after);
    assert_memory_equal(before, after, sizeof(before));
    pool_end(&pool);
}

static void a_member_that_is_down_loses_its_keys_alone(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, ten);
    map_keys(&pool, before);
    pool.state.slots[3].check = RP_CHECK_DOWN;
    map_keys(&pool, after);
    is_about(count_of(before, 3), KEYS / 10.0);
    only_its_keys_moved(before, after, 3);
    pool.state.slots[3].check = RP_CHECK_UP;
    map_keys(&pool, after);
    assert_memory_equal(before, after, sizeof(before));
    pool_end(&pool);
}

static void a_member_that_is_removed_loses_its_keys_alone(void **unused)
{
    pool_t pool;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, ten);
    map_keys(&pool, before);
    pool.state.slots[3].origin = RP_SLOT_REMOVED;
    rp_state_plan(&pool.state);
    map_keys(&pool, after);
    only_its_keys_moved(before, after, 3);
    pool_end(&pool);
}

static void a_new_member_takes_its_share_alone(void **unused)
{
    pool_t pool;
    int k;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, ten);
    map_keys(&pool, before);
    pool_put(&pool, 10, 1, 0);
    rp_state_plan(&pool.state);
    map_keys(&pool, after);
    is_about(count_of(after, 10), KEYS / 11.0);
    for (k = 0; k < KEYS; k++) {
        assert_true(after[k] == before[k] || after[k] == 10);
    }
    pool_end(&pool);
}

static void a_greater_weight_takes_what_it_adds_alone(void **unused)
{
    pool_t pool;
    int k;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, ten);
    map_keys(&pool, before);
    pool.state.slots[3].weight = 2;
    rp_state_plan(&pool.state);
    map_keys(&pool, after);
    is_about(count_of(after, 3), KEYS * 2 / 11.0);
    for (k = 0; k < KEYS; k++) {
        assert_true(after[k] == before[k] || after[k] == 3);
    }
    pool_end(&pool);
}

static void keys_stay_when_members_stand_in_another_order(void **unused)
{
    pool_t pool;
    apr_uint64_t id;
    int k;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, ten);
    map_keys(&pool, before);
    id = pool.state.slots[0].id;
    pool.state.slots[0].id = pool.state.slots[9].id;
    pool.state.slots[9].id = id;
    rp_state_plan(&pool.state);
    map_keys(&pool, after);
    for (k = 0; k < KEYS; k++) {
        assert_int_equal(after[k], before[k] == 0 ? 9 : before[k] == 9 ? 0 : before[k]);
    }
    pool_end(&pool);
}

/* While it starts slowly it has some of its keys, and more and more of them: none goes to and fro. */
static void a_member_that_starts_slowly_gets_key_after_key(void **unused)
{
    int have = 0, k;
    pool_t pool;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, ten);
    map_keys(&pool, before);
    pool.eject.slow_start = 10 * SECOND;
    pool.state.slots[3].back_since = pool.now;
    memcpy(after, before, sizeof(after));
    for (k = 0; k < KEYS; k++) {
        after[k] = -1;
    }
    for (; pool.now < 1000 * SECOND + 11 * SECOND; pool.now += 2 * SECOND) {
        int now = 0;

        for (k = 0; k < KEYS; k++) {
            int owner = pool_pick_key(&pool, (apr_uint64_t)k);

            assert_true(owner == before[k] || before[k] == 3);
            assert_true(after[k] != 3 || owner == 3);
            now += owner == 3;
            after[k] = owner;
        }
        assert_true(now > have);
        have = now;
    }
    assert_int_equal(have, count_of(before, 3));
    pool_end(&pool);
}

/* All of one key, and so many under way at a time. */
static void no_member_has_more_than_the_bound(void **unused)
{
    enum { UNDER_WAY = 200 };
    static const int weights[] = { 1, 2, 1, 1, 1, END };
    int owners[UNDER_WAY];
    unsigned most[5] = { 0 }, i;
    pool_t pool;
    int n;

    (void)unused;
    pool_begin(&pool, 5, 1, weights);
    pool.state.bound = 125;
    for (n = 0; n < 10 * UNDER_WAY; n++) {
        int *owner = &owners[n % UNDER_WAY];

        if (n >= UNDER_WAY) {
            rp_state_leave(&pool.state, (unsigned)*owner);
        }
        *owner = pool_pick_key(&pool, 1);
        assert_in_range(*owner, 0, 4);
        assert_true(rp_state_enter(&pool.state, (unsigned)*owner));
        for (i = 0; i < 5; i++) {
            apr_uint32_t inflight = rp_get(pool.state.slots[i].inflight);

            most[i] = inflight > most[i] ? inflight : most[i];
        }
    }
    for (i = 0; i < 5; i++) {
        /* 125 percent of its share of 200, rounded up */
        assert_in_range(most[i], 0, (unsigned)(UNDER_WAY * weights[i] * 125 / 600 + 1));
    }
    assert_int_equal(rp_get(pool.state.shared->inflight), UNDER_WAY);
    pool_end(&pool);
}

static void the_bound_is_of_the_members_that_are_in(void **unused)
{
    pool_t pool;
    unsigned i;

    (void)unused;
    pool_begin(&pool, 10, 1, ten);
    pool.state.bound = 125;
    for (i = 0; i < 10; i++) {
        pool.state.slots[i].check = i < 8 ? RP_CHECK_DOWN : RP_CHECK_UP;
    }
    rp_state_count(&pool.state);
    for (i = 0; i < 100; i++) {
        int owner = pool_pick_key(&pool, i);

        assert_in_range(owner, 8, 9);
        assert_true(rp_state_enter(&pool.state, (unsigned)owner));
    }
    assert_in_range(pool.state.slots[8].inflight, 37, 63);
    pool_end(&pool);
}

/* As long as nobody is above the bound, keys are where they are without it. */
static void a_bound_moves_nothing_while_load_is_even(void **unused)
{
    pool_t pool;
    unsigned i;

    (void)unused;
    pool_begin(&pool, SLOTS, 1, ten);
    map_keys(&pool, before);
    pool.state.bound = 125;
    for (i = 0; i < 10; i++) {
        pool.state.slots[i].inflight = 20;
    }
    pool.state.shared->inflight = 200;
    map_keys(&pool, after);
    assert_memory_equal(before, after, sizeof(before));
    /* And of one that is, only its own move. */
    pool.state.slots[6].inflight = 60;
    pool.state.shared->inflight = 240;
    map_keys(&pool, after);
    only_its_keys_moved(before, after, 6);
    pool_end(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_of_keys_are_by_weight),
        cmocka_unit_test(a_member_that_is_down_loses_its_keys_alone),
        cmocka_unit_test(a_member_that_is_removed_loses_its_keys_alone),
        cmocka_unit_test(a_new_member_takes_its_share_alone),
        cmocka_unit_test(a_greater_weight_takes_what_it_adds_alone),
        cmocka_unit_test(keys_stay_when_members_stand_in_another_order),
        cmocka_unit_test(a_member_that_starts_slowly_gets_key_after_key),
        cmocka_unit_test(no_member_has_more_than_the_bound),
        cmocka_unit_test(the_bound_is_of_the_members_that_are_in),
        cmocka_unit_test(a_bound_moves_nothing_while_load_is_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cache/variant_room.h"

static rp_room_t *room;

static void key_of(unsigned n, unsigned char key[RP_KEY_LEN])
{
    memset(key, 7, RP_KEY_LEN);
    n *= 2654435761u; /* as well spread as hashes are */
    memcpy(key + RP_KEY_HALF, &n, sizeof(n));
}

static void enter(unsigned n, uint64_t bytes, apr_time_t now)
{
    unsigned char key[RP_KEY_LEN];

    key_of(n, key);
    rp_room_enter(room, key, bytes, now);
}

static int used(unsigned n, apr_time_t now)
{
    unsigned char key[RP_KEY_LEN];

    key_of(n, key);
    return rp_room_used(room, key, now);
}

static void assert_figures(uint64_t variants, uint64_t bytes)
{
    uint64_t v, b;

    rp_room_figures(room, &v, &b);
    assert_int_equal(v, variants);
    assert_int_equal(b, bytes);
}

static int setup(void **state)
{
    (void)state;
    return !rp_room_init(calloc(1, rp_room_size()), &room);
}

static int teardown(void **state)
{
    (void)state;
    free(room);
    return 0;
}

static void what_is_entered_is_counted_once(void **state)
{
    (void)state;
    assert_false(used(1, 5));
    enter(1, 100, 5);
    assert_true(used(1, 6));
    enter(2, 50, 6);
    assert_figures(2, 150);
    enter(1, 70, 7);
    assert_figures(2, 120);
}

static void what_was_not_used_for_the_longest_goes_first(void **state)
{
    unsigned char key[RP_KEY_LEN], out[RP_KEY_LEN];
    uint32_t i;

    (void)state;
    memset(key, 0, sizeof(key));
    /* In neighbouring sets, which are what is looked at at a time. */
    for (i = 0; i < 16; i++) {
        memcpy(key + RP_KEY_HALF, &i, sizeof(i));
        rp_room_enter(room, key, 100, 1000 + i);
    }
    i = 0;
    memcpy(key + RP_KEY_HALF, &i, sizeof(i));
    assert_true(rp_room_used(room, key, 2000));
    assert_false(rp_room_excess(room, 1600, out));
    assert_true(rp_room_excess(room, 1599, out));
    assert_int_equal(out[RP_KEY_HALF], 1);
    assert_false(rp_room_excess(room, 1599, out));
    assert_figures(15, 1500);
    assert_false(rp_room_used(room, out, 2000));
}

static void in_one_set_the_oldest_makes_room(void **state)
{
    unsigned char key[RP_KEY_LEN], out[RP_KEY_LEN];
    unsigned i;

    (void)state;
    memset(key, 0, sizeof(key));
    for (i = 0; i <= RP_ROOM_WAYS; i++) {
        key[RP_KEY_LEN - 1] = (unsigned char)i;
        rp_room_enter(room, key, 10, 100 - (i == 3) * 50 + i);
    }
    assert_figures(RP_ROOM_WAYS, RP_ROOM_WAYS * 10);
    /* It is to be removed from the store, although there is room. */
    assert_true(rp_room_excess(room, 1000000, out));
    assert_int_equal(out[RP_KEY_LEN - 1], 3);
    assert_false(rp_room_excess(room, 1000000, out));
}

static void the_bound_holds_however_many_come(void **state)
{
    unsigned char key[RP_KEY_LEN];
    uint64_t variants, bytes;
    unsigned i;

    (void)state;
    for (i = 0; i < 200000; i++) {
        enter(i, 1000, i);
        while (rp_room_excess(room, 20000000, key)) {
        }
        if (i % 1000 == 0) {
            rp_room_figures(room, &variants, &bytes);
            assert_true(bytes <= 20000000 && bytes == variants * 1000);
        }
    }
    rp_room_figures(room, &variants, &bytes);
    assert_true(variants > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_entered_is_counted_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_used_for_the_longest_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(in_one_set_the_oldest_makes_room, setup, teardown),
        cmocka_unit_test_setup_teardown(the_bound_holds_however_many_come, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

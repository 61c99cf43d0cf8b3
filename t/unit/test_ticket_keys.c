/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "farm/ticket_keys.h"

#define NOW 1700000000
#define HOUR 3600

static apr_pool_t *pool;

static rp_seal_t seal_of(const char *secret)
{
    rp_seal_t seal = { .n = 1 };

    assert_true(rp_seal_key(&seal.keys[0], (rp_str_t){ secret, strlen(secret) }, "shop", "tickets"));
    return seal;
}

static int is_key(const rp_ticket_key_t *one, const rp_ticket_key_t *other)
{
    return !memcmp(one, other, sizeof(*one));
}

static void a_key_is_known_before_it_encrypts_and_opens_after(void **state)
{
    rp_ticket_keys_t first, second, third;

    (void)state;
    assert_true(rp_ticket_keys_make(&first, NOW));
    second = first;
    assert_true(rp_ticket_keys_rotate(&second, NOW + HOUR));
    assert_true(is_key(&second.keys[RP_TICKET_PREVIOUS], &first.keys[RP_TICKET_CURRENT]));
    assert_true(is_key(&second.keys[RP_TICKET_CURRENT], &first.keys[RP_TICKET_NEXT]));
    assert_false(is_key(&second.keys[RP_TICKET_NEXT], &first.keys[RP_TICKET_NEXT]));
    third = second;
    assert_true(rp_ticket_keys_rotate(&third, NOW + 2 * HOUR));
    assert_true(is_key(&third.keys[RP_TICKET_CURRENT], &second.keys[RP_TICKET_NEXT]));
    assert_true(first.generation < second.generation && second.generation < third.generation);
}

static void generations_grow_whatever_the_clock_does(void **state)
{
    rp_ticket_keys_t keys, later;

    (void)state;
    assert_true(rp_ticket_keys_make(&keys, NOW));
    later = keys;
    assert_true(rp_ticket_keys_rotate(&later, NOW - 10 * HOUR));
    assert_true(later.generation > keys.generation);
    assert_true(rp_ticket_keys_rotate(&later, NOW - 10 * HOUR));
    assert_true(later.generation > keys.generation + 1);
    /* Those that somebody makes later, without knowing of these, are the ones that stay. */
    assert_true(rp_ticket_keys_make(&keys, NOW + HOUR));
    assert_true(keys.generation > later.generation);
}

static void they_are_due_when_their_time_is_over(void **state)
{
    rp_ticket_keys_t keys;

    (void)state;
    assert_true(rp_ticket_keys_make(&keys, NOW));
    assert_false(rp_ticket_keys_are_due(&keys, NOW, HOUR));
    assert_false(rp_ticket_keys_are_due(&keys, NOW + HOUR - 1, HOUR));
    assert_true(rp_ticket_keys_are_due(&keys, NOW + HOUR, HOUR));
    /* A clock that was set back for good must not keep them for ever. */
    assert_false(rp_ticket_keys_are_due(&keys, NOW - 60, HOUR));
    assert_true(rp_ticket_keys_are_due(&keys, NOW - HOUR, HOUR));
}

static void what_is_sealed_opens_to_the_same(void **state)
{
    rp_seal_t seal = seal_of("a secret of at least so many bytes");
    rp_ticket_keys_t keys, open;
    rp_str_t text;

    (void)state;
    assert_true(rp_ticket_keys_make(&keys, NOW));
    text = rp_ticket_keys_seal(pool, &seal, &keys);
    assert_true(text.len > sizeof(keys.keys));
    memset(&open, 0, sizeof(open));
    assert_int_equal(rp_ticket_keys_unseal(&seal, text, &open), RP_UNSEAL_OK);
    assert_int_equal(open.generation, keys.generation);
    assert_int_equal(open.since, keys.since);
    assert_memory_equal(open.keys, keys.keys, sizeof(keys.keys));
}

static void anything_else_does_not_open(void **state)
{
    rp_seal_t seal = seal_of("a secret of at least so many bytes");
    rp_seal_t strange = seal_of("another secret that is as long as it");
    rp_ticket_keys_t keys, open;
    unsigned char *changed;
    rp_str_t text;
    size_t i;

    (void)state;
    assert_true(rp_ticket_keys_make(&keys, NOW));
    text = rp_ticket_keys_seal(pool, &seal, &keys);
    assert_int_equal(rp_ticket_keys_unseal(&strange, text, &open), RP_UNSEAL_STRANGER);
    changed = apr_pmemdup(pool, text.ptr, text.len);
    for (i = 0; i < text.len; i++) {
        /* The generation in front is bound to the rest: an older text cannot be made to look new. */
        changed[i] ^= 1;
        assert_int_not_equal(rp_ticket_keys_unseal(&seal, (rp_str_t){ (char *)changed, text.len }, &open),
                             RP_UNSEAL_OK);
        changed[i] ^= 1;
    }
    for (i = 0; i < text.len; i++) {
        assert_int_equal(rp_ticket_keys_unseal(&seal, (rp_str_t){ text.ptr, i }, &open), RP_UNSEAL_BARE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_known_before_it_encrypts_and_opens_after),
        cmocka_unit_test(generations_grow_whatever_the_clock_does),
        cmocka_unit_test(they_are_due_when_their_time_is_over),
        cmocka_unit_test(what_is_sealed_opens_to_the_same),
        cmocka_unit_test(anything_else_does_not_open),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(pool);
    apr_terminate();
    return failed;
}

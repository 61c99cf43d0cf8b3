/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "upstream/tls.h"

static apr_pool_t *pool;

/* SHA-256 of nothing, and of "abc" (FIPS 180-2). */
#define NOTHING "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define ABC "sha256//ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="

static const unsigned char abc[RP_PIN_LEN] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad
};

static void a_pin_is_read_and_written(void **state)
{
    rp_pins_t pins;
    const char *bad;
    char text[RP_PIN_TEXT];

    (void)state;
    assert_int_equal(rp_pins_parse(pool, ABC, &pins, &bad), 1);
    assert_int_equal(pins.n, 1);
    assert_memory_equal(pins.pins[0], abc, RP_PIN_LEN);
    rp_pin_text(abc, text);
    assert_string_equal(text, ABC);
    assert_int_equal(strlen(text) + 1, RP_PIN_TEXT);
}

static void any_of_several_will_do(void **state)
{
    unsigned char other[RP_PIN_LEN];
    rp_pins_t pins;
    const char *bad;

    (void)state;
    assert_int_equal(rp_pins_parse(pool, NOTHING "," ABC, &pins, &bad), 1);
    assert_int_equal(pins.n, 2);
    assert_true(rp_pins_have(&pins, abc));
    memcpy(other, abc, sizeof(other));
    other[RP_PIN_LEN - 1] ^= 1;
    assert_false(rp_pins_have(&pins, other));
    assert_int_equal(rp_pins_parse(pool, NOTHING, &pins, &bad), 1);
    assert_false(rp_pins_have(&pins, abc));
}

static void what_is_no_pin_is_named(void **state)
{
    static const char *const wrong[] = {
        "", ",", "sha256//", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==",
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", /* bits behind the last byte */
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUA",
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF-=",
        "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUA=",
        "sha512//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    };
    rp_pins_t pins;
    const char *bad;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (rp_pins_parse(pool, wrong[i], &pins, &bad)) {
            fail_msg("'%s' was taken for a pin", wrong[i]);
        }
        assert_string_equal(bad, wrong[i]);
    }
    assert_int_equal(rp_pins_parse(pool, ABC ",sha256//x", &pins, &bad), 0);
    assert_string_equal(bad, "sha256//x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pin_is_read_and_written),
        cmocka_unit_test(any_of_several_will_do),
        cmocka_unit_test(what_is_no_pin_is_named),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(pool);
    apr_terminate();
    return failed;
}

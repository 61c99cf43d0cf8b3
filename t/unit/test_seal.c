/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "farm/seal.h"

static const rp_str_t secret = { "0123456789abcdef0123456789abcdef", 32 };
static const rp_str_t other_secret = { "fedcba9876543210fedcba9876543210", 32 };
static const rp_seal_place_t place = { { "shop:object:1", 13 }, 7 };

static rp_seal_t seal_of(rp_str_t with, const char *farm, const char *purpose)
{
    rp_seal_t seal = { .n = 1 };

    assert_int_equal(rp_seal_key(&seal.keys[0], with, farm, purpose), 1);
    return seal;
}

/* The sealed text, for free(). */
static rp_str_t sealed(const rp_seal_t *seal, const rp_seal_place_t *at, rp_str_t text)
{
    unsigned char *out = malloc(text.len + RP_SEAL_OVERHEAD);

    assert_int_equal(rp_seal(seal, at, text, out), 1);
    return (rp_str_t){ (char *)out, text.len + RP_SEAL_OVERHEAD };
}

static rp_unseal_e open_it(const rp_seal_t *seal, const rp_seal_place_t *at, rp_str_t box)
{
    unsigned char *out = malloc(box.len + 1);
    size_t len;
    rp_unseal_e result = rp_unseal(seal, at, box, out, &len);

    free(out);
    return result;
}

static void what_is_sealed_opens(void **state)
{
    static const size_t sizes[] = { 0, 1, 15, 16, 17, 1400, 100000 };
    rp_seal_t seal = seal_of(secret, "shop", "entries");
    char *text = malloc(100000);
    unsigned char *out = malloc(100000 + RP_SEAL_OVERHEAD);
    size_t i, len;

    (void)state;
    memset(text, 'x', 100000);
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        rp_str_t box = sealed(&seal, &place, (rp_str_t){ text, sizes[i] });

        assert_int_equal(rp_unseal(&seal, &place, box, out, &len), RP_UNSEAL_OK);
        assert_int_equal(len, sizes[i]);
        assert_memory_equal(out, text, len);
        free((char *)box.ptr);
    }
    free(out);
    free(text);
}

static void nothing_of_it_shows(void **state)
{
    rp_seal_t seal = seal_of(secret, "shop", "entries");
    rp_str_t text = RP_STR("the customer's name"), one = sealed(&seal, &place, text), two = sealed(&seal, &place, text);

    (void)state;
    assert_null(memmem(one.ptr, one.len, "customer", 8));
    assert_memory_not_equal(one.ptr + 8, two.ptr + 8, one.len - 8);
    free((char *)one.ptr);
    free((char *)two.ptr);
}

static void every_changed_bit_is_found(void **state)
{
    rp_seal_t seal = seal_of(secret, "shop", "entries");
    rp_str_t box = sealed(&seal, &place, RP_STR("a text"));
    size_t i;

    (void)state;
    for (i = 0; i < box.len * 8; i++) {
        char *bytes = (char *)box.ptr;

        bytes[i / 8] ^= (char)(1 << (i % 8));
        assert_int_equal(open_it(&seal, &place, box), i < 32 ? RP_UNSEAL_BARE : i < 64 ? RP_UNSEAL_STRANGER
                         : RP_UNSEAL_FORGED);
        bytes[i / 8] ^= (char)(1 << (i % 8));
    }
    assert_int_equal(open_it(&seal, &place, box), RP_UNSEAL_OK);
    for (i = 0; i < box.len; i++) {
        assert_int_not_equal(open_it(&seal, &place, (rp_str_t){ box.ptr, i }), RP_UNSEAL_OK);
    }
    free((char *)box.ptr);
}

static void it_opens_in_its_place_only(void **state)
{
    rp_seal_place_t other_name = { RP_STR("shop:object:2"), 7 }, other_generation = { place.name, 8 };
    rp_seal_place_t shorter = { { place.name.ptr, place.name.len - 1 }, 7 }, none = { RP_STR(""), 7 };
    rp_seal_t seal = seal_of(secret, "shop", "entries");
    rp_str_t box = sealed(&seal, &place, RP_STR("a text"));

    (void)state;
    assert_int_equal(open_it(&seal, &other_name, box), RP_UNSEAL_FORGED);
    assert_int_equal(open_it(&seal, &other_generation, box), RP_UNSEAL_FORGED);
    assert_int_equal(open_it(&seal, &shorter, box), RP_UNSEAL_FORGED);
    assert_int_equal(open_it(&seal, &none, box), RP_UNSEAL_FORGED);
    free((char *)box.ptr);
}

static void farms_and_purposes_are_apart(void **state)
{
    rp_seal_t seal = seal_of(secret, "shop", "entries"), others[] = {
        seal_of(secret, "blog", "entries"), seal_of(secret, "shop", "tickets"),
        seal_of(other_secret, "shop", "entries"), seal_of(secret, "shope", "ntries")
    };
    rp_str_t box = sealed(&seal, &place, RP_STR("a text"));
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(open_it(&others[i], &place, box), RP_UNSEAL_STRANGER);
        /* Not even when it says that it is theirs. */
        memcpy((char *)box.ptr + 4, others[i].keys[0].id, 4);
        assert_int_equal(open_it(&others[i], &place, box), RP_UNSEAL_FORGED);
        memcpy((char *)box.ptr + 4, seal.keys[0].id, 4);
    }
    free((char *)box.ptr);
}

static void an_older_secret_opens_and_does_not_seal(void **state)
{
    rp_seal_t old = seal_of(other_secret, "shop", "entries"), seal = seal_of(secret, "shop", "entries");
    rp_str_t box = sealed(&old, &place, RP_STR("a text")), fresh;

    (void)state;
    seal.keys[1] = old.keys[0];
    seal.n = 2;
    assert_int_equal(open_it(&seal, &place, box), RP_UNSEAL_OK);
    fresh = sealed(&seal, &place, RP_STR("a text"));
    assert_int_equal(open_it(&old, &place, fresh), RP_UNSEAL_STRANGER);
    assert_int_equal(open_it(&seal, &place, fresh), RP_UNSEAL_OK);
    free((char *)box.ptr);
    free((char *)fresh.ptr);
}

static void short_secrets_are_none(void **state)
{
    rp_seal_key_t key;

    (void)state;
    assert_int_equal(rp_seal_key(&key, (rp_str_t){ secret.ptr, 31 }, "shop", "entries"), 0);
    assert_int_equal(rp_seal_key(&key, (rp_str_t){ NULL, 0 }, "shop", "entries"), 0);
}

static void keys_are_what_the_standard_says(void **state)
{
    /* HKDF-SHA256 by another implementation: salt "mod_rproxy farm\0", info "shop\0entries\0", 36 bytes. */
    static const unsigned char expected[] = {
        0xff, 0xd6, 0x54, 0x87, 0xfc, 0xda, 0x21, 0xa8, 0x1d, 0x04, 0xac, 0x9b,
        0x61, 0x0a, 0x6a, 0xb7, 0xb3, 0xc4, 0x24, 0xe6, 0x2b, 0x27, 0x22, 0x9b,
        0x6f, 0x84, 0x96, 0xbc, 0xd7, 0x2b, 0x94, 0xe2, 0xe9, 0x90, 0xe8, 0xf6
    };
    rp_seal_t seal = seal_of(secret, "shop", "entries");

    (void)state;
    assert_memory_equal(seal.keys[0].key, expected, 32);
    assert_memory_equal(seal.keys[0].id, expected + 32, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens), cmocka_unit_test(nothing_of_it_shows),
        cmocka_unit_test(every_changed_bit_is_found), cmocka_unit_test(it_opens_in_its_place_only),
        cmocka_unit_test(farms_and_purposes_are_apart), cmocka_unit_test(an_older_secret_opens_and_does_not_seal),
        cmocka_unit_test(short_secrets_are_none), cmocka_unit_test(keys_are_what_the_standard_says)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

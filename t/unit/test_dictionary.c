/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "http/http.h"

static apr_pool_t *pool;

static apr_table_t *fields(const char *name, const char *value)
{
    apr_table_t *t = apr_table_make(pool, 2);

    if (value) {
        apr_table_setn(t, name, value);
    }
    return t;
}

static void what_a_response_says_of_its_use_is_read(void **state)
{
    static const struct {
        const char *field;
        const char *match, *id;
    } cases[] = {
        { "match=\"/app/*.js\"", "/app/*.js", "" },
        { "match=\"/*\", match-dest=(\"document\" \"frame\"), id=\"v1\", type=raw", "/*", "v1" },
        { "id=\"\", match=\"x\"", "x", "" }, { "match=\"/a\", later=1;x", "/a", "" }, { "match=\"/a\", match-dest=()", "/a", "" },
        { "match=\"\\\\(\"", "\\(", "" }, { "match=\"/a\", match=\"/b\"", "/b", "" },
        { NULL, NULL, NULL }, { "", NULL, NULL }, { "id=\"v1\"", NULL, NULL }, { "match=\"\"", NULL, NULL },
        { "match=/a", NULL, NULL }, { "match", NULL, NULL }, { "match=(\"/a\")", NULL, NULL }, { "match=\"/a", NULL, NULL },
        { "match=\"/(a|b)\"", NULL, NULL }, { "match=\"/:x(.*)\"", NULL, NULL }, { "match=\"a)\"", NULL, NULL },
        { "match=\"/a\", type=br", NULL, NULL }, { "match=\"/a\", type=\"raw\"", NULL, NULL },
        { "match=\"/a\", id=v1", NULL, NULL }, { "match=\"/a\", match-dest=\"script\"", NULL, NULL },
        { "match=\"/a\" junk", NULL, NULL }, { "\"/a\"", NULL, NULL },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        rp_dictionary_use_t use;
        int valid = rp_dictionary_use(pool, fields("Use-As-Dictionary", cases[i].field), &use);

        if (valid != !!cases[i].match) {
            fail_msg("%s: %d", cases[i].field, valid);
        }
        if (valid) {
            assert_string_equal(use.match, cases[i].match);
            assert_string_equal(use.id, cases[i].id);
        }
    }
}

static void an_id_of_1024_characters_is_one_and_of_1025_is_none(void **state)
{
    char *id = apr_palloc(pool, 1026);
    rp_dictionary_use_t use;

    (void)state;
    memset(id, 'x', 1025);
    id[1024] = '\0';
    assert_true(rp_dictionary_use(pool, fields("Use-As-Dictionary", apr_psprintf(pool, "match=\"/\", id=\"%s\"", id)), &use));
    assert_string_equal(rp_dictionary_id(pool, fields("Dictionary-ID", apr_psprintf(pool, "\"%s\"", id))), id);
    id[1024] = 'x';
    id[1025] = '\0';
    assert_false(rp_dictionary_use(pool, fields("Use-As-Dictionary", apr_psprintf(pool, "match=\"/\", id=\"%s\"", id)), &use));
    assert_null(rp_dictionary_id(pool, fields("Dictionary-ID", apr_psprintf(pool, "\"%s\"", id))));
}

static void a_dictionary_is_known_by_its_sha_256(void **state)
{
    /* The example of RFC 9842 §2.2. */
    static const unsigned char expected[RP_DICTIONARY_HASH] = {
        0xa5, 0x91, 0xa6, 0xd4, 0x0b, 0xf4, 0x20, 0x40, 0x4a, 0x01, 0x17, 0x33, 0xcf, 0xb7, 0xb1, 0x90,
        0xd6, 0x2c, 0x65, 0xbf, 0x0b, 0xcd, 0xa3, 0x2b, 0x57, 0xb2, 0x77, 0xd9, 0xad, 0x9f, 0x14, 0x6e,
    };
    static const char *const none[] = {
        NULL, "", "x", ":pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFA==:", "::",
        "pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=", "\"pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=\"",
        ":pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=:, :pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=:",
    };
    unsigned char hash[RP_DICTIONARY_HASH];
    size_t i;

    (void)state;
    assert_true(rp_dictionary_available(pool, fields("Available-Dictionary",
                                                     " :pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=: "), hash));
    assert_memory_equal(hash, expected, sizeof(hash));
    for (i = 0; i < sizeof(none) / sizeof(*none); i++) {
        assert_false(rp_dictionary_available(pool, fields("Available-Dictionary", none[i]), hash));
    }
}

static void an_id_is_a_string(void **state)
{
    (void)state;
    assert_string_equal(rp_dictionary_id(pool, fields("Dictionary-ID", NULL)), "");
    assert_string_equal(rp_dictionary_id(pool, fields("Dictionary-ID", "\"a b\"")), "a b");
    assert_null(rp_dictionary_id(pool, fields("Dictionary-ID", "a")));
    assert_null(rp_dictionary_id(pool, fields("Dictionary-ID", "")));
}

static void other_origins_get_it_only_where_they_may_read_it(void **state)
{
    static const struct {
        const char *site, *mode, *origin, *allowed;
        int may;
    } cases[] = {
        { NULL, NULL, NULL, NULL, 1 }, { "same-origin", "no-cors", NULL, NULL, 1 }, { "same-origin", "cors", NULL, NULL, 1 },
        { "cross-site", NULL, NULL, NULL, 1 }, { "cross-site", "navigate", NULL, NULL, 1 }, { "none", "navigate", NULL, NULL, 1 },
        { "cross-site", "no-cors", NULL, "*", 0 }, { "same-site", "no-cors", NULL, NULL, 0 },
        { "cross-site", "cors", "https://a.example", NULL, 0 }, { "cross-site", "cors", "https://a.example", "*", 1 },
        { "cross-site", "cors", "https://a.example", "https://a.example", 1 },
        { "cross-site", "cors", "https://a.example", "https://b.example", 0 }, { "cross-site", "cors", NULL, "null", 0 },
        { "cross-site", "websocket", NULL, "*", 0 }, { "", "", NULL, NULL, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        apr_table_t *request = fields("Sec-Fetch-Site", cases[i].site);

        if (cases[i].mode) {
            apr_table_setn(request, "Sec-Fetch-Mode", cases[i].mode);
        }
        if (cases[i].origin) {
            apr_table_setn(request, "Origin", cases[i].origin);
        }
        if (rp_dictionary_may_serve(request, fields("Access-Control-Allow-Origin", cases[i].allowed)) != cases[i].may) {
            fail_msg("case %d", (int)i);
        }
    }
}

static int setup(void **state)
{
    (void)state;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_response_says_of_its_use_is_read),
        cmocka_unit_test(an_id_of_1024_characters_is_one_and_of_1025_is_none),
        cmocka_unit_test(a_dictionary_is_known_by_its_sha_256),
        cmocka_unit_test(an_id_is_a_string),
        cmocka_unit_test(other_origins_get_it_only_where_they_may_read_it),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "encode/encode.h"

static apr_pool_t *pool;
static rp_encode_conf_t conf;

static int setup(void **state)
{
    (void)state;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    conf = (rp_encode_conf_t){
        .prefer = {RP_CODING_ZSTD, RP_CODING_BR, RP_CODING_GZIP}, .nprefer = 3, .min_size = 256,
        .types = apr_array_make(pool, 8, sizeof(const char *)),
    };
    for (int i = 0; rp_encode_default_types[i]; i++) {
        APR_ARRAY_PUSH(conf.types, const char *) = rp_encode_default_types[i];
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static rp_encode_facts_t page(void)
{
    return (rp_encode_facts_t){.status = 200, .content_type = "text/html; charset=utf-8", .length = 5000};
}

static apr_table_t *fields(const char *name, const char *value)
{
    apr_table_t *t = apr_table_make(pool, 8);
    if (value) {
        apr_table_setn(t, name, value);
    }
    return t;
}

static void assert_same(const char *got, const char *wanted)
{
    if (!wanted) {
        assert_null(got);
        return;
    }
    assert_non_null(got);
    assert_string_equal(got, wanted);
}

/* ------------------------------------------------------------------ rp_encode_applies, rp_encode_choose */

static void text_and_what_is_like_it_is_coded_by_default(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int applies;
    } cases[] = {
        {"text/html", 1}, {"text/html; charset=utf-8", 1}, {"TEXT/HTML", 1}, {" text/css ;x=y", 1},
        {"text/plain", 1}, {"text/csv", 1}, {"text/event-stream", 1}, {"text/javascript", 1}, {"text/xml", 1},
        {"application/javascript", 1}, {"application/json", 1}, {"application/ld+json", 1},
        {"application/problem+json; charset=utf-8", 1}, {"application/manifest+json", 1},
        {"application/xml", 1}, {"application/xhtml+xml", 1}, {"application/rss+xml", 1},
        {"application/atom+xml", 1}, {"image/svg+xml", 1}, {"application/wasm", 1}, {"font/ttf", 1},
        {"font/otf", 1}, {"image/png", 0}, {"image/jpeg", 0}, {"image/webp", 0}, {"video/mp4", 0},
        {"audio/mpeg", 0}, {"application/zip", 0}, {"application/gzip", 0}, {"application/epub+zip", 0},
        {"font/woff2", 0}, {"font/woff", 0}, {"application/octet-stream", 0}, {"application/pdf", 0},
        {"application/zstd", 0}, {"text", 0}, {"text/", 0}, {"textual/html", 0}, {"+json", 0},
        {"application/jsonp", 0}, {"application/json+gzip", 0}, {"multipart/byteranges; boundary=x", 0},
        {"", 0}, {";", 0}, {NULL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        rp_encode_facts_t facts = page();
        facts.content_type = cases[i].type;
        if (rp_encode_applies(&conf, &facts) != cases[i].applies) {
            fail_msg("%s: not %d", cases[i].type ? cases[i].type : "(none)", cases[i].applies);
        }
    }
}

static void final_statuses_with_a_whole_representation_are_coded(void **state)
{
    (void)state;
    static const int coded[] = {200, 201, 203, 207, 300, 301, 302, 400, 401, 403, 404, 410, 500, 502, 503};
    static const int left_alone[] = {100, 101, 103, 204, 205, 206, 226, 304};
    rp_encode_facts_t facts = page();
    for (size_t i = 0; i < sizeof(coded) / sizeof(*coded); i++) {
        facts.status = coded[i];
        assert_true(rp_encode_applies(&conf, &facts));
    }
    for (size_t i = 0; i < sizeof(left_alone) / sizeof(*left_alone); i++) {
        facts.status = left_alone[i];
        assert_false(rp_encode_applies(&conf, &facts));
    }
}

static void a_known_length_below_the_least_size_is_left_alone(void **state)
{
    (void)state;
    rp_encode_facts_t facts = page();
    facts.length = 255;
    assert_false(rp_encode_applies(&conf, &facts));
    facts.length = 0;
    assert_false(rp_encode_applies(&conf, &facts));
    facts.length = 256;
    assert_true(rp_encode_applies(&conf, &facts));
    facts.length = -1;
    assert_true(rp_encode_applies(&conf, &facts));
}

static void what_may_not_be_transformed_or_is_coded_already_is_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *content_encoding;
        const char *cache_control;
        int has_content_range;
        int applies;
    } cases[] = {
        {NULL, NULL, 0, 1},
        {"gzip", NULL, 0, 0}, {"br", NULL, 0, 0}, {"aes128gcm", NULL, 0, 0}, {"identity, gzip", NULL, 0, 0},
        {"identity", NULL, 0, 1}, {" Identity ", NULL, 0, 1}, {"", NULL, 0, 1},
        {NULL, "no-transform", 0, 0}, {NULL, "public, No-Transform, max-age=5", 0, 0},
        {NULL, "x=\"no-transform\"", 0, 1}, {NULL, "x=\"a, no-transform, b\"", 0, 1},
        {NULL, "max-age=5", 0, 1}, {NULL, NULL, 1, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        rp_encode_facts_t facts = page();
        facts.content_encoding = cases[i].content_encoding;
        facts.cache_control = cases[i].cache_control;
        facts.has_content_range = cases[i].has_content_range;
        if (rp_encode_applies(&conf, &facts) != cases[i].applies) {
            fail_msg("case %d: not %d", (int)i, cases[i].applies);
        }
    }
}

static void nothing_is_coded_when_compression_is_off(void **state)
{
    (void)state;
    rp_encode_conf_t off = conf;
    rp_encode_facts_t facts = page();
    off.nprefer = 0;
    assert_false(rp_encode_applies(&off, &facts));
    assert_int_equal(rp_encode_choose(&off, fields("Accept-Encoding", "gzip"), 0), RP_CODING_IDENTITY);
}

static void what_is_not_configured_has_its_default(void **state)
{
    (void)state;
    rp_encode_conf_t unset = {.prefer = {RP_CODING_GZIP}, .nprefer = 1, .types = NULL, .min_size = -1};
    rp_encode_facts_t facts = page();
    facts.length = RP_ENCODE_MIN_SIZE;
    assert_true(rp_encode_applies(&unset, &facts));
    facts.length--;
    assert_false(rp_encode_applies(&unset, &facts));
    facts.length = 5000;
    facts.content_type = "image/png";
    assert_false(rp_encode_applies(&unset, &facts));
    unset.nprefer = -1;
    facts = page();
    assert_false(rp_encode_applies(&unset, &facts));
    assert_int_equal(rp_encode_choose(&unset, fields("Accept-Encoding", "gzip"), 0), RP_CODING_IDENTITY);
}

static void accept_encoding_chooses_unless_range_or_no_transform_forbid(void **state)
{
    (void)state;
    apr_table_t *request = fields("Accept-Encoding", "gzip, br");
    assert_int_equal(rp_encode_choose(&conf, request, 0), RP_CODING_BR);
    apr_table_addn(request, "accept-encoding", "zstd");
    assert_int_equal(rp_encode_choose(&conf, request, 0), RP_CODING_ZSTD);
    apr_table_setn(request, "Cache-Control", "no-cache");
    assert_int_equal(rp_encode_choose(&conf, request, 0), RP_CODING_ZSTD);
    apr_table_addn(request, "Cache-Control", "no-transform");
    assert_int_equal(rp_encode_choose(&conf, request, 0), RP_CODING_IDENTITY);
    apr_table_unset(request, "Cache-Control");
    apr_table_setn(request, "Range", "bytes=0-99");
    assert_int_equal(rp_encode_choose(&conf, request, 0), RP_CODING_IDENTITY);
    assert_int_equal(rp_encode_choose(&conf, fields("Accept", "gzip"), 0), RP_CODING_IDENTITY);
}

static void codings_have_names_and_levels(void **state)
{
    (void)state;
    static const struct {
        rp_coding_e coding;
        const char *name;
        int min, max, dflt;
    } cases[] = {
        {RP_CODING_IDENTITY, "identity", 0, 0, 0}, {RP_CODING_GZIP, "gzip", 1, 9, 6},
        {RP_CODING_BR, "br", 0, 11, 5}, {RP_CODING_ZSTD, "zstd", 1, 19, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int min, max, dflt;
        rp_encode_levels(cases[i].coding, &min, &max, &dflt);
        assert_int_equal(min, cases[i].min);
        assert_int_equal(max, cases[i].max);
        assert_int_equal(dflt, cases[i].dflt);
        assert_string_equal(rp_coding_name(cases[i].coding), cases[i].name);
        assert_int_equal(rp_coding_by_name(cases[i].name), cases[i].coding);
    }
    assert_int_equal(rp_coding_by_name("X-GZIP"), RP_CODING_GZIP);
    assert_int_equal(rp_coding_by_name("deflate"), -1);
    assert_int_equal(rp_coding_by_name(""), -1);
}

/* ------------------------------------------------------------------ validators */

static void other_bytes_have_another_tag(void **state)
{
    (void)state;
    static const struct {
        const char *etag;
        rp_coding_e coding;
        const char *wanted;
    } cases[] = {
        {"\"x\"", RP_CODING_GZIP, "W/\"x+gzip\""}, {"\"x\"", RP_CODING_BR, "W/\"x+br\""},
        {"W/\"x\"", RP_CODING_ZSTD, "W/\"x+zstd-w\""}, {"\"\"", RP_CODING_GZIP, "W/\"+gzip\""},
        {"\"a,b\\\"", RP_CODING_GZIP, "W/\"a,b\\+gzip\""}, {" \"x\" ", RP_CODING_GZIP, "W/\"x+gzip\""},
        {"\"x\"", RP_CODING_IDENTITY, "\"x\""}, {"x", RP_CODING_IDENTITY, "x"},
        {NULL, RP_CODING_IDENTITY, NULL}, {NULL, RP_CODING_GZIP, NULL}, {"x", RP_CODING_GZIP, NULL},
        {"", RP_CODING_GZIP, NULL}, {"\"x", RP_CODING_GZIP, NULL}, {"w/\"x\"", RP_CODING_GZIP, NULL},
        {"\"x\", \"y\"", RP_CODING_GZIP, NULL}, {"\"x\"y", RP_CODING_GZIP, NULL},
        {"\"", RP_CODING_GZIP, NULL}, {"W/", RP_CODING_GZIP, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_same(rp_encode_etag(pool, cases[i].etag, cases[i].coding, NULL), cases[i].wanted);
    }
}

static void bytes_of_a_known_digest_have_a_strong_tag_unless_they_come_from_a_weak_one(void **state)
{
    (void)state;
    assert_string_equal(rp_encode_etag(pool, "\"x\"", RP_CODING_BR, "0123456789ab"), "\"x+br-0123456789ab\"");
    assert_string_equal(rp_encode_etag(pool, "W/\"x\"", RP_CODING_BR, "0123456789ab"), "W/\"x+br-0123456789ab\"");
    assert_string_equal(rp_encode_etag(pool, "\"x\"", RP_CODING_IDENTITY, "0123456789ab"), "\"x\"");
}

static void a_range_of_coded_bytes_is_one_of_what_is_stored(void **state)
{
    (void)state;
    static const struct {
        const char *if_range;
        rp_coding_e chosen;
    } cases[] = {
        {NULL, RP_CODING_IDENTITY}, {"\"x\"", RP_CODING_IDENTITY},
        {"\"x+zstd-0123456789ab\"", RP_CODING_ZSTD}, {"\"x+br-0123456789ab\"", RP_CODING_IDENTITY},
        {"W/\"x+zstd-0123456789ab\"", RP_CODING_IDENTITY}, {"\"x+zstd\"", RP_CODING_IDENTITY},
        {"\"x+zstd-0123456789aB\"", RP_CODING_IDENTITY}, {"\"x+zstd-0123456789a\"", RP_CODING_IDENTITY},
        {"\"0123456789ab\"", RP_CODING_IDENTITY}, {"\"-0123456789ab\"", RP_CODING_IDENTITY},
        {"Sun, 06 Nov 1994 08:49:37 GMT", RP_CODING_IDENTITY}, {"", RP_CODING_IDENTITY},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        apr_table_t *request = fields("If-Range", cases[i].if_range);
        apr_table_setn(request, "Accept-Encoding", "zstd, br");
        apr_table_setn(request, "Range", "bytes=0-9");
        if (rp_encode_choose(&conf, request, 0) != cases[i].chosen) {
            fail_msg("%s: not %d", cases[i].if_range, cases[i].chosen);
        }
    }
}

static void if_none_match_is_translated_for_the_backend(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        rp_coding_e coding;
        const char *wanted;
    } cases[] = {
        {"\"x+gzip-0123456789ab\"", RP_CODING_GZIP, "\"x\""}, {"\"x+br-0123456789ab\"", RP_CODING_GZIP, NULL},
        {"\"x-0123456789ab\"", RP_CODING_GZIP, "\"x-0123456789ab\""},
        {"\"x+gzip-0123456789aB\"", RP_CODING_GZIP, "\"x+gzip-0123456789aB\""},
        {"\"x+gzip\"", RP_CODING_GZIP, "\"x\""}, {"W/\"x+gzip\"", RP_CODING_GZIP, "\"x\""},
        {"W/\"x+gzip-w\"", RP_CODING_GZIP, "W/\"x\""}, {"W/\"x+gzip-0123456789ab\"", RP_CODING_GZIP, "W/\"x\""},
        {"\"x+br\"", RP_CODING_GZIP, NULL}, {"\"x+gzip\"", RP_CODING_IDENTITY, NULL},
        {"\"x+br\", \"y+gzip\" ,\"z\"", RP_CODING_GZIP, "\"y\", \"z\""},
        {"\"x\"", RP_CODING_GZIP, "\"x\""}, {"\"x\", \"y\"", RP_CODING_IDENTITY, "\"x\", \"y\""},
        {"\"x+deflate\"", RP_CODING_GZIP, "\"x+deflate\""}, {"\"gzip\"", RP_CODING_GZIP, "\"gzip\""},
        {"\"x-gzip\"", RP_CODING_GZIP, "\"x-gzip\""}, {"\"+gzip\"", RP_CODING_GZIP, "\"\""},
        {"\"x+gzip+gzip\"", RP_CODING_GZIP, "\"x+gzip\""}, {"\"x+GZIP\"", RP_CODING_GZIP, "\"x+GZIP\""},
        {"\"a, b+gzip\"", RP_CODING_GZIP, "\"a, b\""},
        {"\"a\\\", \"b+gzip\"", RP_CODING_GZIP, "\"a\\\", \"b\""}, {"\"\"", RP_CODING_GZIP, "\"\""},
        {"*", RP_CODING_GZIP, "*"}, {" * ", RP_CODING_GZIP, " * "}, {"x+gzip", RP_CODING_GZIP, "x+gzip"},
        {"\"x+gzip", RP_CODING_GZIP, "\"x+gzip"},
        {"\"x+gzip\" \"y+gzip\"", RP_CODING_GZIP, "\"x+gzip\" \"y+gzip\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        apr_table_t *request = fields("If-None-Match", cases[i].field);
        rp_encode_strip_validators(pool, request, cases[i].coding);
        assert_same(apr_table_get(request, "If-None-Match"), cases[i].wanted);
    }
}

static void if_modified_since_is_not_heard_in_place_of_a_dropped_if_none_match(void **state)
{
    (void)state;
    apr_table_t *request = fields("If-None-Match", "\"x+br\"");
    apr_table_setn(request, "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT");
    rp_encode_strip_validators(pool, request, RP_CODING_GZIP);
    assert_true(apr_is_empty_table(request));

    request = fields("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT");
    rp_encode_strip_validators(pool, request, RP_CODING_GZIP);
    assert_non_null(apr_table_get(request, "If-Modified-Since"));
}

static void if_match_loses_every_suffix_of_ours(void **state)
{
    (void)state;
    apr_table_t *request = fields("If-Match", "\"x+br\", \"y+gzip\"");
    apr_table_addn(request, "If-Match", "W/\"z+zstd\", \"v+other\"");
    rp_encode_strip_validators(pool, request, RP_CODING_GZIP);
    assert_string_equal(apr_table_get(request, "If-Match"), "\"x\", \"y\", \"z\", \"v+other\"");
    request = fields("If-Match", "*");
    rp_encode_strip_validators(pool, request, RP_CODING_GZIP);
    assert_string_equal(apr_table_get(request, "If-Match"), "*");
}

static void if_range_keeps_a_suffix_so_that_coded_and_uncoded_bytes_are_never_joined(void **state)
{
    (void)state;
    apr_table_t *request = fields("If-Range", "\"x+gzip\"");
    rp_encode_strip_validators(pool, request, RP_CODING_IDENTITY);
    assert_string_equal(apr_table_get(request, "If-Range"), "\"x+gzip\"");
}

static void a_304_is_about_what_the_client_holds(void **state)
{
    (void)state;
    static const struct {
        const char *if_none_match;
        const char *etag;
        rp_coding_e coding;
        const char *held;
    } cases[] = {
        {"\"x+gzip\"", "\"x\"", RP_CODING_GZIP, "\"x+gzip\""},
        {"\"x\", \"x+gzip\"", "W/\"x\"", RP_CODING_GZIP, "\"x+gzip\""},
        {"W/\"x+gzip\"", "\"x\"", RP_CODING_GZIP, "W/\"x+gzip\""},
        {"\"y+gzip\", \"x+gzip-0123456789ab\", W/\"x+gzip\"", "\"x\"", RP_CODING_GZIP, "\"x+gzip-0123456789ab\""},
        {"\"x+br-0123456789ab\"", "\"x\"", RP_CODING_GZIP, NULL},
        {"\"x\"", "\"x\"", RP_CODING_GZIP, NULL},
        {"\"x+br\"", "\"x\"", RP_CODING_GZIP, NULL},
        {"\"y+gzip\"", "\"x\"", RP_CODING_GZIP, NULL},
        {"\"x+gzip\"", "\"x\"", RP_CODING_IDENTITY, NULL},
        {"*", "\"x\"", RP_CODING_GZIP, NULL},
        {NULL, "\"x\"", RP_CODING_GZIP, NULL},
        {"\"x+gzip\"", "x", RP_CODING_GZIP, NULL},
        {"\"x+gzip\"", NULL, RP_CODING_GZIP, "\"x+gzip\""},
        {"\"x\"", NULL, RP_CODING_GZIP, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_same(rp_encode_held(pool, cases[i].if_none_match, cases[i].etag, cases[i].coding), cases[i].held);
    }
}

static void a_backends_gzip_is_undone_for_who_takes_none(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        rp_coding_e chosen, undone;
    } cases[] = {
        {NULL, RP_CODING_IDENTITY, RP_UNGZIP}, {"gzip", RP_CODING_GZIP, RP_CODING_IDENTITY},
        {"gzip, br, zstd", RP_CODING_ZSTD, RP_CODING_IDENTITY}, {"br", RP_CODING_BR, RP_CODING_BR},
        {"gzip;q=0, zstd", RP_CODING_ZSTD, RP_CODING_ZSTD}, {"identity", RP_CODING_IDENTITY, RP_UNGZIP},
        {"identity, gzip;q=0.5", RP_CODING_IDENTITY, RP_UNGZIP}, {"*", RP_CODING_ZSTD, RP_CODING_IDENTITY},
        {"", RP_CODING_IDENTITY, RP_UNGZIP}, {"identity;q=0", RP_CODING_IDENTITY, RP_UNGZIP},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        apr_table_t *request = fields("Accept-Encoding", cases[i].accept);
        assert_int_equal(rp_encode_choose(&conf, request, 0), cases[i].chosen);
        if (rp_encode_undo(request, cases[i].chosen) != cases[i].undone) {
            fail_msg("%s: not %d", cases[i].accept, cases[i].undone);
        }
    }
    rp_encode_facts_t facts = page();
    static const char *const gzips[] = {"gzip", "GZIP", "x-gzip", " gzip "};
    static const char *const others[] = {NULL, "", "br", "gzip, br", "gzip, gzip", "identity", "gzi"};
    for (size_t i = 0; i < sizeof(gzips) / sizeof(*gzips); i++) {
        facts.content_encoding = gzips[i];
        assert_true(rp_encode_undoes(&conf, &facts));
        assert_false(rp_encode_applies(&conf, &facts));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        facts.content_encoding = others[i];
        assert_false(rp_encode_undoes(&conf, &facts));
    }
    facts.content_encoding = "gzip";
    facts.cache_control = "no-transform";
    assert_false(rp_encode_undoes(&conf, &facts));
    facts.cache_control = NULL;
    facts.status = 206;
    assert_false(rp_encode_undoes(&conf, &facts));
}

static void an_unpacked_tag_is_as_strong_as_it_was(void **state)
{
    (void)state;
    assert_string_equal(rp_encode_etag(pool, "\"x\"", RP_UNGZIP, NULL), "\"x+plain\"");
    assert_string_equal(rp_encode_etag(pool, "W/\"x\"", RP_UNGZIP, NULL), "W/\"x+plain\"");
    assert_string_equal(rp_encode_held(pool, "\"x+plain\"", "\"x\"", RP_UNGZIP), "\"x+plain\"");
    apr_table_t *request = fields("If-None-Match", "\"x+plain\", \"y+br\"");
    rp_encode_strip_validators(pool, request, RP_CODING_IDENTITY);
    assert_string_equal(apr_table_get(request, "If-None-Match"), "\"x\"");
}

static void noise_is_packed_and_text_is_not(void **state)
{
    (void)state;
    static char bytes[8192];
    srand(9);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(rand() >> 7);
    }
    assert_true(rp_encode_is_packed((rp_str_t){bytes, sizeof(bytes)}));
    assert_true(rp_encode_is_packed((rp_str_t){bytes, 1024}));
    assert_false(rp_encode_is_packed((rp_str_t){bytes, 1023}));
    assert_false(rp_encode_is_packed((rp_str_t){NULL, 0}));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"[rand() % 64];
    }
    assert_false(rp_encode_is_packed((rp_str_t){bytes, sizeof(bytes)}));
    memset(bytes, ' ', sizeof(bytes));
    assert_false(rp_encode_is_packed((rp_str_t){bytes, sizeof(bytes)}));
}

static void levels_go_down_while_the_cpu_is_short(void **state)
{
    (void)state;
    assert_int_equal(rp_level_at(RP_CODING_BR, 5, 0.0, 4), 5);
    assert_int_equal(rp_level_at(RP_CODING_BR, 5, 4.0, 4), 5);
    assert_int_equal(rp_level_at(RP_CODING_BR, 4, 6.0, 4), 2);
    assert_int_equal(rp_level_at(RP_CODING_BR, 5, 8.0, 4), 0);
    assert_int_equal(rp_level_at(RP_CODING_GZIP, 6, 100.0, 2), 1);
    assert_int_equal(rp_level_at(RP_CODING_ZSTD, 1, 100.0, 2), 1);
    int now = rp_level_now(RP_CODING_GZIP, 6);
    assert_true(now >= 1 && now <= 6);
}

/* ------------------------------------------------------------------ a response's fields */

static void vary_names_accept_encoding_once(void **state)
{
    (void)state;
    static const struct {
        const char *vary;
        const char *wanted;
    } cases[] = {
        {NULL, "Accept-Encoding"}, {"Cookie", "Cookie, Accept-Encoding"}, {"*", "*"},
        {"Cookie, *", "Cookie, *"}, {"accept-encoding", "accept-encoding"},
        {"Origin, Accept-Encoding", "Origin, Accept-Encoding"},
        {"Accept-Encoding-Not", "Accept-Encoding-Not, Accept-Encoding"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        apr_table_t *response = fields("Vary", cases[i].vary);
        rp_encode_vary(&conf, response);
        rp_encode_vary(&conf, response);
        assert_string_equal(apr_table_getm(pool, response, "Vary"), cases[i].wanted);
    }
    apr_table_t *response = fields("Vary", "Cookie");
    apr_table_addn(response, "Vary", "Accept-Encoding");
    rp_encode_vary(&conf, response);
    assert_string_equal(apr_table_getm(pool, response, "Vary"), "Cookie,Accept-Encoding");
}

static apr_table_t *a_response(const char *etag)
{
    apr_table_t *t = fields("ETag", etag);
    apr_table_setn(t, "Content-Length", "5000");
    apr_table_setn(t, "Accept-Ranges", "bytes");
    apr_table_setn(t, "Content-MD5", "Q2hlY2sgSW50ZWdyaXR5IQ==");
    apr_table_setn(t, "Digest", "sha-256=4REjxQ4yrqUVicfSKYNO/cF9zNj5ANbzgDZt3/h3Qxo=");
    apr_table_setn(t, "Content-Digest", "sha-256=:4REjxQ4yrqUVicfSKYNO/cF9zNj5ANbzgDZt3/h3Qxo=:");
    apr_table_setn(t, "Repr-Digest", "sha-256=:4REjxQ4yrqUVicfSKYNO/cF9zNj5ANbzgDZt3/h3Qxo=:");
    apr_table_setn(t, "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    return t;
}

static void fields_of_the_uncoded_bytes_are_replaced(void **state)
{
    (void)state;
    apr_table_t *response = a_response("\"x\"");
    rp_encode_fields(pool, response, RP_CODING_BR, NULL);
    assert_string_equal(apr_table_get(response, "Content-Encoding"), "br");
    assert_string_equal(apr_table_get(response, "ETag"), "W/\"x+br\"");
    assert_string_equal(apr_table_get(response, "Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(apr_table_elts(response)->nelts, 3);

    response = a_response("not-a-tag");
    rp_encode_fields(pool, response, RP_CODING_GZIP, NULL);
    assert_null(apr_table_get(response, "ETag"));
}

static void identity_changes_no_field(void **state)
{
    (void)state;
    apr_table_t *response = a_response("not-a-tag");
    rp_encode_fields(pool, response, RP_CODING_IDENTITY, NULL);
    assert_int_equal(apr_table_elts(response)->nelts, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_what_is_like_it_is_coded_by_default),
        cmocka_unit_test(final_statuses_with_a_whole_representation_are_coded),
        cmocka_unit_test(a_known_length_below_the_least_size_is_left_alone),
        cmocka_unit_test(what_may_not_be_transformed_or_is_coded_already_is_left_alone),
        cmocka_unit_test(nothing_is_coded_when_compression_is_off),
        cmocka_unit_test(what_is_not_configured_has_its_default),
        cmocka_unit_test(accept_encoding_chooses_unless_range_or_no_transform_forbid),
        cmocka_unit_test(codings_have_names_and_levels),
        cmocka_unit_test(other_bytes_have_another_tag),
        cmocka_unit_test(bytes_of_a_known_digest_have_a_strong_tag_unless_they_come_from_a_weak_one),
        cmocka_unit_test(a_range_of_coded_bytes_is_one_of_what_is_stored),
        cmocka_unit_test(if_none_match_is_translated_for_the_backend),
        cmocka_unit_test(if_modified_since_is_not_heard_in_place_of_a_dropped_if_none_match),
        cmocka_unit_test(if_match_loses_every_suffix_of_ours),
        cmocka_unit_test(if_range_keeps_a_suffix_so_that_coded_and_uncoded_bytes_are_never_joined),
        cmocka_unit_test(a_304_is_about_what_the_client_holds),
        cmocka_unit_test(a_backends_gzip_is_undone_for_who_takes_none),
        cmocka_unit_test(an_unpacked_tag_is_as_strong_as_it_was),
        cmocka_unit_test(noise_is_packed_and_text_is_not),
        cmocka_unit_test(levels_go_down_while_the_cpu_is_short),
        cmocka_unit_test(vary_names_accept_encoding_once),
        cmocka_unit_test(fields_of_the_uncoded_bytes_are_replaced),
        cmocka_unit_test(identity_changes_no_field),
    };
    return cmocka_run_group_tests_name("plan", tests, setup, teardown);
}

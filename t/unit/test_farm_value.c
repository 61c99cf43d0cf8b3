/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "cache/farm_value.h"

static apr_pool_t *pool;

static const rp_store_tag_t tags[] = { { "tag one........" }, { "tag two........" } };

static rp_farm_value_t small_value(void)
{
    rp_str_t record = RP_STR("record https://example.org/a fields");

    return (rp_farm_value_t){
        .generation = 0x0123456789abcdefu, .since = { 1700000000123, 7 }, .stored = 1700000000000000,
        .expires = 1700000600000000, .body_len = 4, .record = record, .name = { record.ptr + 7, 21 }, .tags = tags,
        .ntags = 2, .body = RP_STR("body"),
    };
}

static rp_str_t written(const rp_farm_value_t *value)
{
    size_t len = rp_farm_value_len(value);
    char *bytes = malloc(len ? len : 1); /* of its very size, so that a sanitizer sees what is read beyond */

    rp_farm_value_write(value, bytes);
    return (rp_str_t){ bytes, len };
}

static int same(rp_str_t a, rp_str_t b)
{
    return a.len == b.len && !memcmp(a.ptr, b.ptr, a.len);
}

static void what_is_written_is_read(void **state)
{
    rp_farm_value_t value = small_value(), read;
    rp_str_t bytes = written(&value);

    (void)state;
    assert_int_equal(rp_farm_value_read(bytes, &read), 1);
    assert_true(read.generation == value.generation && read.body_len == 4 && read.ntags == 2);
    assert_true(read.stored == value.stored && read.expires == value.expires);
    assert_int_equal(rp_position_compare(read.since, value.since), 0);
    assert_true(same(read.record, value.record) && same(read.name, value.name) && same(read.body, value.body));
    assert_memory_equal(read.tags, tags, sizeof(tags));
    free((char *)bytes.ptr);
}

static void a_large_body_is_not_in_it(void **state)
{
    rp_farm_value_t value = small_value(), read;
    rp_str_t bytes;

    (void)state;
    value.body_len = RP_STORE_INLINE + 1;
    value.body.len = 0;
    bytes = written(&value);
    assert_int_equal(rp_farm_value_read(bytes, &read), 1);
    assert_true(read.body_len == RP_STORE_INLINE + 1 && read.body.len == 0);
    free((char *)bytes.ptr);
}

static void no_part_of_it_is_one(void **state)
{
    rp_farm_value_t value = small_value(), read;
    rp_str_t bytes = written(&value);
    size_t len;

    (void)state;
    for (len = 0; len < bytes.len; len++) {
        char *part = malloc(len ? len : 1);

        memcpy(part, bytes.ptr, len);
        assert_int_equal(rp_farm_value_read((rp_str_t){ part, len }, &read), 0);
        free(part);
    }
    free((char *)bytes.ptr);
}

static void lengths_that_lie_are_refused(void **state)
{
    /* Offsets of the lengths: body, record, name's place and length, number of tags. */
    static const struct { size_t at; int bytes; } lengths[] = { { 44, 8 }, { 52, 4 }, { 56, 4 }, { 60, 4 }, { 64, 2 } };
    rp_farm_value_t value = small_value(), read;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        rp_str_t bytes = written(&value);

        memset((char *)bytes.ptr + lengths[i].at, 0xff, (size_t)lengths[i].bytes);
        assert_int_equal(rp_farm_value_read(bytes, &read), 0);
        free((char *)bytes.ptr);
    }
}

static void another_version_is_none(void **state)
{
    rp_farm_value_t value = small_value(), read;
    rp_str_t bytes = written(&value);

    (void)state;
    ((char *)bytes.ptr)[3] = '2';
    assert_int_equal(rp_farm_value_read(bytes, &read), 0);
    free((char *)bytes.ptr);
}

static void names_have_the_url_in_braces(void **state)
{
    unsigned char key[RP_KEY_LEN];

    (void)state;
    memset(key, 0, sizeof(key));
    memset(key, 0xab, 2);
    assert_string_equal(rp_farm_key_entry(pool, "shop", key).ptr, "shop:{abab0000000000000000000000000000}:e");
    assert_string_equal(rp_farm_index_field(pool, key).ptr, "-");
    key[RP_KEY_LEN - 1] = 1;
    assert_string_equal(rp_farm_key_entry(pool, "shop", key).ptr,
                        "shop:{abab0000000000000000000000000000}:e:00000000000000000000000000000001");
    assert_string_equal(rp_farm_index_field(pool, key).ptr, "00000000000000000000000000000001");
    assert_string_equal(rp_farm_key_piece(pool, "shop", key, 255, 12).ptr,
                        "shop:{abab0000000000000000000000000000}:c:00000000000000ff:12");
    assert_string_equal(rp_farm_key_pieces(pool, "shop", key).ptr, "shop:{abab0000000000000000000000000000}:c:");
    assert_string_equal(rp_farm_key_variants(pool, "shop", key).ptr, "shop:{abab0000000000000000000000000000}:e:");
    assert_string_equal(rp_farm_key_index(pool, "shop", key).ptr, "shop:{abab0000000000000000000000000000}:i");
    assert_string_equal(rp_farm_key_purged(pool, "shop", key).ptr, "shop:{abab0000000000000000000000000000}:p");
}

static void pieces_are_counted(void **state)
{
    (void)state;
    assert_int_equal(rp_farm_pieces(0), 0);
    assert_int_equal(rp_farm_pieces(RP_STORE_INLINE), 0);
    assert_int_equal(rp_farm_pieces(RP_STORE_INLINE + 1), 1);
    assert_int_equal(rp_farm_pieces(RP_STORE_CHUNK), 1);
    assert_int_equal(rp_farm_pieces(RP_STORE_CHUNK + 1), 2);
}

static int parses(const char *text, uint64_t ms, uint64_t seq)
{
    rp_position_t position;

    return rp_position_parse((rp_str_t){ text, strlen(text) }, &position) && position.ms == ms && position.seq == seq;
}

static void positions(void **state)
{
    static const char *const none[] = { "", "-", "1", "1-", "-1", "1-2-3", "1- 2", "x-1" };
    rp_position_t position;
    size_t i;

    (void)state;
    assert_true(parses("0-0", 0, 0) && parses("1700000000123-7", 1700000000123, 7));
    assert_true(parses("18446744073709551615-18446744073709551615", UINT64_MAX, UINT64_MAX));
    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(rp_position_parse((rp_str_t){ none[i], strlen(none[i]) }, &position), 0);
    }
    assert_true(parses("99999999999999999999-1", UINT64_MAX, 1));
    assert_string_equal(rp_position_text(pool, (rp_position_t){ 12, 3 }).ptr, "12-3");
    assert_true(rp_position_compare((rp_position_t){ 1, 9 }, (rp_position_t){ 2, 0 }) < 0);
    assert_true(rp_position_compare((rp_position_t){ 2, 1 }, (rp_position_t){ 2, 0 }) > 0);
    assert_int_equal(rp_position_compare((rp_position_t){ 2, 1 }, (rp_position_t){ 2, 1 }), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_large_body_is_not_in_it),
        cmocka_unit_test(no_part_of_it_is_one),
        cmocka_unit_test(lengths_that_lie_are_refused),
        cmocka_unit_test(another_version_is_none),
        cmocka_unit_test(names_have_the_url_in_braces),
        cmocka_unit_test(pieces_are_counted),
        cmocka_unit_test(positions),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}

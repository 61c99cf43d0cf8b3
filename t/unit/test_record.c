/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "cache/record.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static apr_pool_t *pool;

static rp_record_t response(void)
{
    rp_record_t record = {
        .kind = RP_RECORD_RESPONSE, .key = "https://example.org/a?b=c", .vary = "accept,accept-language",
        .selection = "accept: text/html\naccept-language\n", .status = 200, .reason = "OK",
        .request_time = 1700000000, .response_time = 1700000001, .initial_age = 3, .lifetime = 600, .body = 0x8877665544332211,
    };

    record.fields = apr_table_make(pool, 4);
    apr_table_addn(record.fields, "Content-Type", "text/html; charset=utf-8");
    apr_table_addn(record.fields, "Link", "</a>; rel=preload");
    apr_table_addn(record.fields, "Link", "</b>; rel=preload");
    apr_table_addn(record.fields, "X-Empty", "");
    apr_table_addn(record.fields, "X-Bytes", "\x80\xff\t\x01");
    return record;
}

static rp_record_t marker(void)
{
    rp_record_t record = {
        .kind = RP_RECORD_VARY,
        .key = "https://example.org/a?b=c",
        .vary = "accept",
        .selection = "",
        .reason = "",
        .request_time = 1700000000,
        .response_time = 1700000001,
    };

    return record;
}

static void assert_same_fields(const apr_table_t *a, const apr_table_t *b)
{
    const apr_array_header_t *x = apr_table_elts(a);
    const apr_array_header_t *y = apr_table_elts(b);
    int i;

    assert_int_equal(x->nelts, y->nelts);
    for (i = 0; i < x->nelts; i++) {
        assert_string_equal(APR_ARRAY_IDX(x, i, apr_table_entry_t).key,
                            APR_ARRAY_IDX(y, i, apr_table_entry_t).key);
        assert_string_equal(APR_ARRAY_IDX(x, i, apr_table_entry_t).val,
                            APR_ARRAY_IDX(y, i, apr_table_entry_t).val);
    }
}

static void assert_same(const rp_record_t *a, const rp_record_t *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->key, b->key);
    assert_string_equal(a->vary, b->vary);
    assert_string_equal(a->selection, b->selection);
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->reason, b->reason);
    assert_int_equal(a->request_time, b->request_time);
    assert_int_equal(a->response_time, b->response_time);
    assert_int_equal(a->initial_age, b->initial_age);
    assert_int_equal(a->lifetime, b->lifetime);
    assert_true(a->body == b->body);
    assert_true(a->part_first == b->part_first && a->part_complete == b->part_complete);
    assert_int_equal(!a->fields, !b->fields);
    if (a->fields) {
        assert_same_fields(a->fields, b->fields);
    }
}

static void assert_comes_back(const rp_record_t *record)
{
    rp_record_t read;

    assert_int_equal(rp_record_decode(pool, rp_record_encode(pool, record), &read), 1);
    assert_same(record, &read);
}

/* Decode a copy that is exactly as long as it says, so that a sanitizer sees the first byte too many. */
static int decodes(const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    rp_record_t read;
    int decoded;

    memcpy(copy, bytes, len);
    decoded = rp_record_decode(pool, (rp_str_t){ copy, len }, &read);
    free(copy);
    return decoded;
}

static void a_response_comes_back_as_it_was(void **state)
{
    rp_record_t record = response();

    (void)state;
    assert_comes_back(&record);
    record.vary = record.selection = record.reason = "";
    record.fields = apr_table_make(pool, 1);
    assert_comes_back(&record);
}

static void a_marker_of_variants_comes_back_as_it_was(void **state)
{
    rp_record_t record = marker();

    (void)state;
    assert_comes_back(&record);
}

static void what_is_said_of_coded_bytes_comes_back_as_it_was(void **state)
{
    rp_record_t record = marker();

    (void)state;
    record.kind = RP_RECORD_ENCODED;
    record.vary = "br";
    record.selection = "accept: text/html\n";
    record.reason = "0123456789ab";
    record.body = 0xfedcba9876543210;
    assert_comes_back(&record);
}

static void numbers_come_back_whatever_their_size_and_sign(void **state)
{
    static const rp_secs_t numbers[] = { 0, 1, -1, INT32_MAX, RP_MAX_DELTA, INT64_MAX, INT64_MIN };
    static const int statuses[] = { 200, 204, 301, 404, 599 };
    rp_record_t record = response();
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(numbers); i++) {
        record.request_time = record.lifetime = numbers[i];
        record.response_time = record.initial_age = numbers[COUNT(numbers) - 1 - i];
        assert_comes_back(&record);
    }
    for (i = 0; i < COUNT(statuses); i++) {
        record.status = statuses[i];
        assert_comes_back(&record);
    }
}

static void long_and_many_fields_come_back(void **state)
{
    rp_record_t record = response();
    int i;

    (void)state;
    record.fields = apr_table_make(pool, 256);
    for (i = 0; i < RP_MAX_FIELDS; i++) {
        char *value = apr_palloc(pool, 4097);

        memset(value, 'a' + i % 26, 4096);
        value[4096] = '\0';
        apr_table_addn(record.fields, apr_psprintf(pool, "X-%d", i), value);
    }
    assert_comes_back(&record);
}

static void a_part_comes_back(void **state)
{
    rp_record_t record = response();

    (void)state;
    record.kind = RP_RECORD_PART;
    record.part_first = 4;
    record.part_complete = 10;
    assert_comes_back(&record);
    record.part_first = 0x0102030405060708;
    record.part_complete = RP_LENGTH_UNKNOWN;
    assert_comes_back(&record);
}

static void hints_come_back_and_nothing_else_is_interim(void **state)
{
    rp_record_t record = response(), read;

    (void)state;
    record.status = 103;
    assert_false(rp_record_decode(pool, rp_record_encode(pool, &record), &read));
    record.kind = RP_RECORD_HINTS;
    assert_comes_back(&record);
}

static void what_leads_to_others_has_no_fields(void **state)
{
    static const rp_record_kind_e kinds[] = {
        RP_RECORD_VARY, RP_RECORD_SEARCH, RP_RECORD_LANGUAGE, RP_RECORD_ENCODED,
    };
    rp_record_t record = marker();
    size_t i;

    (void)state;
    record.selection = "accept-language: de\n";
    record.reason = "de";
    for (i = 0; i < COUNT(kinds); i++) {
        record.kind = kinds[i];
        assert_true(rp_record_is_marker(record.kind));
        assert_comes_back(&record);
    }
    assert_false(rp_record_is_marker(RP_RECORD_RESPONSE) || rp_record_is_marker(RP_RECORD_PART)
                 || rp_record_is_marker(RP_RECORD_HINTS));
}

static void the_bytes_are_the_same_on_every_host(void **state)
{
    rp_record_t record = marker();
    rp_str_t bytes = rp_record_encode(pool, &record);
    /* Little-endian whoever writes: other hosts read it, and a store outlives a program. */
    static const unsigned char head[] = {
        '3', 'X', 'P', 'R', 2, 0, 0, 0, 0x00, 0xf1, 0x53, 0x65, 0, 0, 0, 0
    };

    (void)state;
    assert_true(bytes.len > sizeof(head));
    assert_memory_equal(bytes.ptr, head, sizeof(head));
}

static void a_record_cut_off_anywhere_is_none(void **state)
{
    rp_record_t records[2] = { response(), marker() };
    size_t i, len;

    (void)state;
    for (i = 0; i < COUNT(records); i++) {
        rp_str_t bytes = rp_record_encode(pool, &records[i]);

        for (len = 0; len < bytes.len; len++) {
            assert_int_equal(decodes(bytes.ptr, len), 0);
        }
        assert_int_equal(decodes(bytes.ptr, bytes.len), 1);
    }
}

static void another_version_or_kind_is_none(void **state)
{
    rp_record_t record = response();
    rp_str_t bytes = rp_record_encode(pool, &record);
    size_t i;
    int kind;

    (void)state;
    for (i = 0; i < 4; i++) {
        char *copy = apr_pmemdup(pool, bytes.ptr, bytes.len);

        copy[i] ^= 1;
        assert_int_equal(decodes(copy, bytes.len), 0);
    }
    for (kind = 0; kind < 256; kind++) {
        char *copy = apr_pmemdup(pool, bytes.ptr, bytes.len);

        if (kind < RP_RECORD_RESPONSE || kind > RP_RECORD_ENCODED) {
            copy[4] = (char)kind;
            assert_int_equal(decodes(copy, bytes.len), 0);
        }
    }
}

static void a_status_that_is_no_final_one_is_none(void **state)
{
    static const int statuses[] = { 0, 100, 199, 600, 999, 65535 };
    rp_record_t record = response();
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(statuses); i++) {
        rp_str_t bytes;

        record.status = statuses[i];
        bytes = rp_record_encode(pool, &record);
        assert_int_equal(decodes(bytes.ptr, bytes.len), 0);
    }
}

/* Every 32-bit word of the record becomes other numbers in turn: whichever of them is a length, it no longer
 * fits. */
static void damaged_lengths_never_lead_outside(void **state)
{
    static const uint32_t numbers[] = { 0, 1, 0x7fffffff, 0x80000000u, 0xfffffffeu, 0xffffffffu };
    rp_record_t record = response();
    rp_str_t bytes = rp_record_encode(pool, &record);
    char *copy = apr_palloc(pool, bytes.len);
    size_t at, i;

    (void)state;
    for (at = 0; at + 4 <= bytes.len; at++) {
        for (i = 0; i < COUNT(numbers); i++) {
            memcpy(copy, bytes.ptr, bytes.len);
            memcpy(copy + at, &numbers[i], 4);
            decodes(copy, bytes.len);
        }
    }
}

static void a_length_that_does_not_end_in_a_nul_is_refused(void **state)
{
    /* Where the fixed part has its lengths: key, vary, selection, reason. */
    static const size_t lengths[] = { 64, 68, 72, 76 };
    rp_record_t record = response();
    rp_str_t bytes = rp_record_encode(pool, &record);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(lengths); i++) {
        char *copy = apr_pmemdup(pool, bytes.ptr, bytes.len);

        copy[lengths[i]]++;
        assert_int_equal(decodes(copy, bytes.len), 0);
        copy[lengths[i]] = (char)(copy[lengths[i]] - 2);
        assert_int_equal(decodes(copy, bytes.len), 0);
    }
}

static void more_fields_than_a_response_can_have_are_refused(void **state)
{
    rp_record_t record = response();
    int i;
    rp_str_t bytes;

    (void)state;
    for (i = apr_table_elts(record.fields)->nelts; i < 1025; i++) {
        apr_table_addn(record.fields, "a", "b");
    }
    bytes = rp_record_encode(pool, &record);
    assert_int_equal(decodes(bytes.ptr, bytes.len), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_comes_back_as_it_was),
        cmocka_unit_test(a_marker_of_variants_comes_back_as_it_was),
        cmocka_unit_test(what_is_said_of_coded_bytes_comes_back_as_it_was),
        cmocka_unit_test(numbers_come_back_whatever_their_size_and_sign),
        cmocka_unit_test(long_and_many_fields_come_back),
        cmocka_unit_test(a_part_comes_back),
        cmocka_unit_test(hints_come_back_and_nothing_else_is_interim),
        cmocka_unit_test(the_bytes_are_the_same_on_every_host),
        cmocka_unit_test(a_record_cut_off_anywhere_is_none),
        cmocka_unit_test(another_version_or_kind_is_none),
        cmocka_unit_test(what_leads_to_others_has_no_fields),
        cmocka_unit_test(a_status_that_is_no_final_one_is_none),
        cmocka_unit_test(damaged_lengths_never_lead_outside),
        cmocka_unit_test(a_length_that_does_not_end_in_a_nul_is_refused),
        cmocka_unit_test(more_fields_than_a_response_can_have_are_refused),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests_name("record", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "http/http.h"

static rp_chunked_t chunked;
static char body[65536];
static size_t body_len;

/** Feed bytes in pieces of at most piece; @return the last answer; *used counts what was taken. */
static rp_parse_e feed(const char *bytes, size_t len, size_t piece, size_t *used)
{
    rp_parse_e rv = RP_PARSE_MORE;
    size_t taken = 0;
    rp_chunked_init(&chunked);
    body_len = 0;
    while (rv == RP_PARSE_MORE && taken < len) {
        size_t n = len - taken < piece ? len - taken : piece;
        char *copy = malloc(n);
        memcpy(copy, bytes + taken, n);
        rp_str_t in = {copy, n};
        while (rv == RP_PARSE_MORE && in.len > 0) {
            rp_str_t data;
            rv = rp_chunked_next(&chunked, &in, &data);
            if (data.len > 0) {
                memcpy(body + body_len, data.ptr, data.len);
                body_len += data.len;
            }
        }
        taken += n - in.len;
        free(copy);
    }
    *used = taken;
    return rv;
}

static const struct {
    const char *bytes;
    const char *body;
    const char *trailer;
    const char *rest;
} good[] = {
    {"0\r\n\r\n", "", "\r\n", ""},
    {"5\r\nhello\r\n0\r\n\r\n", "hello", "\r\n", ""},
    {"5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", "hello", "\r\n", "HTTP/1.1 200 OK\r\n"},
    {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", "\r\n", ""},
    {"a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n0\r\n\r\n", "\r\n", ""},
    {"A\r\n0123456789\r\n000\r\n\r\n", "0123456789", "\r\n", ""},
    {"00000000000000000000000000000005\r\nhello\r\n0\r\n\r\n", "hello", "\r\n", ""},
    {"5;x=y;z=\"a;b\"\r\nhello\r\n0;last\r\n\r\n", "hello", "\r\n", ""},
    {"5 ; x\r\nhello\r\n0 \t\r\n\r\n", "hello", "\r\n", ""},
    {"0\r\nA: b\r\nC: d\r\n\r\nrest", "", "A: b\r\nC: d\r\n\r\n", "rest"},
    {"0\r\nA: b\r\n c\r\n\r\n", "", "A: b\r\n c\r\n\r\n", ""},
};

static void bodies_are_decoded_wherever_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        size_t len = strlen(good[i].bytes);
        for (size_t piece = 1; piece <= len; piece++) {
            size_t used;
            assert_int_equal(feed(good[i].bytes, len, piece, &used), RP_PARSE_DONE);
            assert_int_equal(body_len, strlen(good[i].body));
            assert_memory_equal(body, good[i].body, body_len);
            assert_string_equal(good[i].bytes + used, good[i].rest);
            assert_int_equal(chunked.trailer_len, strlen(good[i].trailer));
            assert_memory_equal(chunked.trailer, good[i].trailer, chunked.trailer_len);
        }
    }
}

static void every_beginning_of_a_body_wants_more(void **state)
{
    (void)state;
    static const char text[] = "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        size_t used;
        assert_int_equal(feed(text, n, n ? n : 1, &used), RP_PARSE_MORE);
        assert_int_equal(used, n);
    }
}

static void broken_framing_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\r\n", "\n", " 5\r\nhello\r\n", "x\r\n", "-5\r\nhello\r\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n",
        ";x\r\n",
        "5\nhello\r\n", "5\rhello\r\n", "5\r\rhello\r\n", "5\r hello", "5 5\r\nhello", "5g\r\nhello",
        "5,5\r\nhello",
        "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhello\r\r\n",
        "5\r\nhello!\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n", "5;x\ny\r\nhello\r\n", "5;x\ry\r\nhello\r\n", "5;\x01\r\nhello\r\n",
        "5;\x7f\r\nhello\r\n", "0\r\n\n", "0\n\r\n", "0\r\n\rx", "0\r\nA: b\n\r\n", "0\r\nA: b\r\r\n",
        "0\r\nA\rb: c\r\n",
        "0\r\nA: b\r\n\n", "4000000000000001\r\n", "8000000000000000\r\n", "10000000000000005\r\nhello\r\n",
        "ffffffffffffffff\r\n", "FFFFFFFFFFFFFFFFFFFFFFFFFFF\r\n",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (size_t piece = 1; piece <= strlen(cases[i]); piece++) {
            size_t used;
            if (feed(cases[i], strlen(cases[i]), piece, &used) != RP_PARSE_BAD) {
                fail_msg("not refused: %s", cases[i]);
            }
            assert_non_null(chunked.error);
        }
    }
    size_t used;
    assert_int_equal(feed("5\0\r\n", 4, 4, &used), RP_PARSE_BAD);
}

static void the_largest_chunk_is_two_to_the_62(void **state)
{
    (void)state;
    size_t used;
    assert_int_equal(feed("4000000000000000\r\nx", 19, 19, &used), RP_PARSE_MORE);
    assert_true(chunked.left == (UINT64_C(1) << 62) - 1);
}

static void extensions_are_bounded(void **state)
{
    (void)state;
    static char text[8192];
    for (size_t n = 4000; n < 4200; n += 100) {
        memset(text, 'x', sizeof(text));
        memcpy(text, "0;", 2);
        memcpy(text + n, "\r\n\r\n", 4);
        size_t used;
        assert_int_equal(feed(text, n + 4, n + 4, &used), n < 4096 ? RP_PARSE_DONE : RP_PARSE_BAD);
    }
}

static void the_trailer_section_is_bounded(void **state)
{
    (void)state;
    static char text[RP_MAX_TRAILER_BYTES + 64];
    for (size_t extra = 0; extra <= 1; extra++) {
        size_t n = RP_MAX_TRAILER_BYTES + extra;
        memset(text, 'x', sizeof(text));
        memcpy(text, "0\r\nA:", 5);
        memcpy(text + 3 + n - 2, "\r\n\r\n", 4);
        size_t used;
        assert_int_equal(feed(text, 3 + n + 2, sizeof(text), &used), extra ? RP_PARSE_BAD : RP_PARSE_DONE);
    }
    assert_true(chunked.trailer_len <= sizeof(chunked.trailer));
}

static void the_end_and_errors_stay(void **state)
{
    (void)state;
    size_t used;
    rp_str_t in = RP_STR("5\r\n"), data;
    feed("0\r\n\r\n", 5, 5, &used);
    assert_int_equal(rp_chunked_next(&chunked, &in, &data), RP_PARSE_DONE);
    assert_int_equal(in.len, 3);
    feed("x", 1, 1, &used);
    assert_int_equal(rp_chunked_next(&chunked, &in, &data), RP_PARSE_BAD);
    assert_int_equal(in.len, 3);
    assert_int_equal(data.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_decoded_wherever_they_are_cut),
        cmocka_unit_test(every_beginning_of_a_body_wants_more),
        cmocka_unit_test(broken_framing_is_refused),
        cmocka_unit_test(the_largest_chunk_is_two_to_the_62),
        cmocka_unit_test(extensions_are_bounded),
        cmocka_unit_test(the_trailer_section_is_bounded),
        cmocka_unit_test(the_end_and_errors_stay),
    };
    return cmocka_run_group_tests_name("chunked", tests, NULL, NULL);
}

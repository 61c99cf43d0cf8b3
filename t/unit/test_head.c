/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "http/http.h"

static rp_head_t head;

/** Parse a copy that ends where the bytes end, so that a sanitizer sees the first byte read too many. */
static rp_parse_e parse(const char *bytes, size_t len, size_t seen)
{
    static char *copy;
    free(copy);
    copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    return rp_head_parse(&head, copy, len, seen);
}

static rp_parse_e parse_text(const char *text)
{
    return parse(text, strlen(text), 0);
}

static void assert_str(rp_str_t s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.ptr, expected, s.len);
}

static void assert_field(int i, const char *name, const char *value)
{
    assert_true(i < head.nfields);
    assert_str(head.fields[i].name, name);
    assert_str(head.fields[i].value, value);
}

static void a_plain_head_is_read(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 200 OK\r\nDate: Mon\r\nServer:x\r\nEmpty:\r\n"
                               "X-Pad: \t a  b \t\r\n\r\nbody";
    assert_int_equal(parse_text(text), RP_PARSE_DONE);
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.status, 200);
    assert_str(head.reason, "OK");
    assert_int_equal(head.nfields, 4);
    assert_field(0, "Date", "Mon");
    assert_field(1, "Server", "x");
    assert_field(2, "Empty", "");
    assert_field(3, "X-Pad", "a  b");
    assert_int_equal(head.length, strlen(text) - 4);
}

static void a_head_without_fields_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse_text("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), RP_PARSE_DONE);
    assert_int_equal(head.status, 100);
    assert_int_equal(head.length, 25);
    assert_int_equal(head.nfields, 0);
}

static const struct {
    const char *line;
    int minor;
    int status;
    const char *reason;
} good_status_lines[] = {
    {"HTTP/1.0 404 Not Found", 0, 404, "Not Found"},
    {"HTTP/1.1 100 ", 1, 100, ""},
    {"HTTP/1.1 599", 1, 599, ""},
    {"HTTP/1.1 999 Private", 1, 999, "Private"},
    {"HTTP/1.9 200 OK", 1, 200, "OK"},
    {"HTTP/1.1 200 \xc3\xa4\ttab", 1, 200, "\xc3\xa4\ttab"},
};

static void status_lines_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good_status_lines) / sizeof(*good_status_lines); i++) {
        char text[128];
        snprintf(text, sizeof(text), "%s\r\n\r\n", good_status_lines[i].line);
        assert_int_equal(parse_text(text), RP_PARSE_DONE);
        assert_int_equal(head.minor, good_status_lines[i].minor);
        assert_int_equal(head.status, good_status_lines[i].status);
        assert_str(head.reason, good_status_lines[i].reason);
    }
}

static void invalid_status_lines_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "", "\r\nHTTP/1.1 200 OK", " HTTP/1.1 200 OK", "http/1.1 200 OK", "HTTP/2.0 200 OK",
        "HTTP/0.9 200 OK",
        "HTTP/1 200 OK now", "HTTP/1.1200 OKOK", "HTTP/1.10 200 OK", "HTTP/1.x 200 OK", "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK", "HTTP/1.1 099 OK", "HTTP/1.1 0x1 OK", "HTTP/1.1 20 OK yes", "HTTP/1.1 2000 OK",
        "HTTP/1.1 2x0 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 200OK", "HTTP/1.1 200\tOK",
        "HTTP/1.1 200 O\rK", "HTTP/1.1 200 O\x01K", "HTTP/1.1 200 O\x7fK", "HTTP/1.1 200 OK\r",
        "ICY 200 OK okay",
        "<html><head>", "SSH-2.0-OpenSSH_9",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char text[128];
        snprintf(text, sizeof(text), "%s\r\nA: b\r\n\r\n", lines[i]);
        assert_int_equal(parse_text(text), RP_PARSE_BAD);
        assert_non_null(head.error);
    }
}

static void invalid_field_lines_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "NoColon", ": empty name", "A : space before colon", "A\t: tab before colon", " A: leading space",
        "\tA: leading tab", "A B: space in name", "A\x80: byte in name", "A(: b", "\"A\": b", "A@B: c",
        "A: bare\rCR", "A: b\r\r", "A: \x01", "A: \x1b[0m", "A: \x7f", "A\r: b", "A\n: b", "A:\x0b",
        "A: b\r\n c\rd",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char text[128];
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s\r\n\r\n", lines[i]);
        assert_int_equal(parse_text(text), RP_PARSE_BAD);
        assert_non_null(head.error);
    }
}

static void control_bytes_are_found_at_every_place_of_a_value(void **state)
{
    (void)state;
    for (int at = 0; at < 40; at++) {
        for (int c = 0; c < 256; c++) {
            char text[128];
            int start = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nA: ");
            memset(text + start, 'v', 41);
            text[start + at] = (char)c;
            memcpy(text + start + 41, "\r\n\r\n", 4);
            /* A LF in the value ends the line, and what follows has no colon. */
            int good = c == '\t' || (c >= 0x20 && c != 0x7f);
            assert_int_equal(parse(text, (size_t)start + 45, 0), good ? RP_PARSE_DONE : RP_PARSE_BAD);
        }
    }
}

static void a_bare_lf_ends_a_line(void **state)
{
    (void)state;
    assert_int_equal(parse_text("HTTP/1.1 200 OK\nA: b\r\nC: d\n\nrest"), RP_PARSE_DONE);
    assert_int_equal(head.nfields, 2);
    assert_field(0, "A", "b");
    assert_field(1, "C", "d");
    assert_int_equal(head.length, 28);
}

static void folds_become_spaces(void **state)
{
    (void)state;
    assert_int_equal(parse_text("HTTP/1.1 200 OK\r\nA: b \t\r\n\t c\n d\r\n"
                                "E:\r\n f\r\nG: h\r\n \r\nI: j\r\n\r\n"),
                     RP_PARSE_DONE);
    assert_int_equal(head.nfields, 4);
    assert_field(0, "A", "b      c  d");
    assert_field(1, "E", "f");
    assert_field(2, "G", "h");
    assert_field(3, "I", "j");
}

static void a_fold_hides_no_field(void **state)
{
    (void)state;
    assert_int_equal(parse_text("HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 5\r\n\r\n"), RP_PARSE_DONE);
    assert_int_equal(head.nfields, 1);
    assert_null(rp_head_get(&head, "Content-Length"));
    assert_field(0, "X", "y   Content-Length: 5");
}

static void a_fold_before_the_first_field_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse_text("HTTP/1.1 200 OK\r\n folded\r\nA: b\r\n\r\n"), RP_PARSE_BAD);
    assert_int_equal(parse_text("HTTP/1.1 200 OK\r\n \r\nA: b\r\n\r\n"), RP_PARSE_BAD);
}

static void as_many_fields_as_allowed_are_read_and_no_more(void **state)
{
    (void)state;
    static char text[RP_MAX_FIELDS * 8 + 64];
    for (int extra = 0; extra <= 1; extra++) {
        char *p = text + sprintf(text, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < RP_MAX_FIELDS + extra; i++) {
            p += sprintf(p, "A: b\r\n");
        }
        strcpy(p, "\r\n");
        assert_int_equal(parse_text(text), extra ? RP_PARSE_BAD : RP_PARSE_DONE);
    }
}

static void every_beginning_of_a_head_wants_more(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 200 OK\r\nA: b\r\n  c\r\nContent-Type: text/html\r\n\r\n";
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        assert_int_equal(parse(text, n, 0), RP_PARSE_MORE);
    }
    assert_int_equal(parse(text, sizeof(text) - 1, 0), RP_PARSE_DONE);
}

static void a_head_in_pieces_is_the_same_head(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nA: b\r\n  c\r\nD: e\r\n\r\n",
        "HTTP/1.1 200 OK\nA: b\n\tc\nD: e\n\n",
        "HTTP/1.1 200 OK\nA: b\n\tc\r\nD: e\n\r\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        size_t len = strlen(texts[i]);
        for (size_t first = 0; first < len; first++) {
            for (size_t second = first; second < len; second++) {
                char *buf = malloc(len);
                memcpy(buf, texts[i], first);
                assert_int_equal(rp_head_parse(&head, buf, first, 0), RP_PARSE_MORE);
                memcpy(buf + first, texts[i] + first, second - first);
                assert_int_equal(rp_head_parse(&head, buf, second, first), RP_PARSE_MORE);
                memcpy(buf + second, texts[i] + second, len - second);
                assert_int_equal(rp_head_parse(&head, buf, len, second), RP_PARSE_DONE);
                assert_int_equal(head.length, len);
                assert_int_equal(head.nfields, 2);
                assert_field(1, "D", "e");
                assert_int_equal(head.fields[0].value.ptr[0], 'b');
                assert_int_equal(head.fields[0].value.ptr[head.fields[0].value.len - 1], 'c');
                free(buf);
            }
        }
    }
}

static void nonsense_is_refused_at_its_first_byte(void **state)
{
    (void)state;
    assert_int_equal(parse("\x16", 1, 0), RP_PARSE_BAD);
    assert_int_equal(parse("HTTQ", 4, 0), RP_PARSE_BAD);
    assert_int_equal(parse("", 0, 0), RP_PARSE_MORE);
}

static void fields_are_found_by_name_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(parse_text("HTTP/1.1 200 OK\r\nset-cookie: a\r\nSet-Cookie: b\r\n\r\n"), RP_PARSE_DONE);
    const rp_field_t *field = rp_head_get(&head, "SET-COOKIE");
    assert_non_null(field);
    assert_str(field->value, "a");
    assert_null(rp_head_get(&head, "Set-Cookie2"));
    assert_null(rp_head_get(&head, "Set-Cooki"));
}

static void trailers_are_field_lines_to_an_empty_line(void **state)
{
    (void)state;
    char text[] = "Expires: never\r\nX: y\r\n\r\n";
    assert_int_equal(rp_trailers_parse(&head, text, sizeof(text) - 1), RP_PARSE_DONE);
    assert_int_equal(head.nfields, 2);
    assert_field(0, "Expires", "never");
    assert_int_equal(head.length, sizeof(text) - 1);
    assert_int_equal(rp_trailers_parse(&head, text, sizeof(text) - 2), RP_PARSE_MORE);
    char none[] = "\r\n";
    assert_int_equal(rp_trailers_parse(&head, none, 2), RP_PARSE_DONE);
    assert_int_equal(head.nfields, 0);
    char status[] = "HTTP/1.1 200 OK\r\n\r\n";
    assert_int_equal(rp_trailers_parse(&head, status, sizeof(status) - 1), RP_PARSE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_head_is_read),
        cmocka_unit_test(a_head_without_fields_is_read),
        cmocka_unit_test(status_lines_are_read),
        cmocka_unit_test(invalid_status_lines_are_refused),
        cmocka_unit_test(invalid_field_lines_are_refused),
        cmocka_unit_test(control_bytes_are_found_at_every_place_of_a_value),
        cmocka_unit_test(a_bare_lf_ends_a_line),
        cmocka_unit_test(folds_become_spaces),
        cmocka_unit_test(a_fold_hides_no_field),
        cmocka_unit_test(a_fold_before_the_first_field_is_refused),
        cmocka_unit_test(as_many_fields_as_allowed_are_read_and_no_more),
        cmocka_unit_test(every_beginning_of_a_head_wants_more),
        cmocka_unit_test(a_head_in_pieces_is_the_same_head),
        cmocka_unit_test(nonsense_is_refused_at_its_first_byte),
        cmocka_unit_test(fields_are_found_by_name_in_any_case),
        cmocka_unit_test(trailers_are_field_lines_to_an_empty_line),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}

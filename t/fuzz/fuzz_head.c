/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* A response's head and its framing: what is accepted is well-formed, is the same however it arrives, and
 * means the same to the next parser when it is written out again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

/** Longer input is not fed byte by byte: it would take too long. */
#define MAX_STEPS 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(rp_str_t a, rp_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static void check_same(const rp_head_t *a, const rp_head_t *b)
{
    CHECK(a->minor == b->minor && a->status == b->status && a->nfields == b->nfields);
    CHECK(same(a->reason, b->reason));
    for (int i = 0; i < a->nfields; i++) {
        CHECK(same(a->fields[i].name, b->fields[i].name));
        CHECK(same(a->fields[i].value, b->fields[i].value));
    }
}

static void check_inside(rp_str_t s, const char *buf, size_t len)
{
    CHECK(s.ptr >= buf && s.ptr + s.len <= buf + len);
}

static void check_fields(const rp_head_t *head, const char *buf, size_t len)
{
    CHECK(head->length > 0 && head->length <= len);
    CHECK(buf[head->length - 1] == '\n');
    CHECK(head->nfields >= 0 && head->nfields <= RP_MAX_FIELDS);
    for (int i = 0; i < head->nfields; i++) {
        rp_str_t value = head->fields[i].value;
        check_inside(head->fields[i].name, buf, head->length);
        check_inside(value, buf, head->length);
        CHECK(rp_is_token(head->fields[i].name));
        CHECK(rp_is_field_value(value));
        CHECK(same(rp_trim(value), value));
    }
}

static void check_framing(const rp_head_t *head)
{
    rp_framing_t framing;
    const rp_field_t *length = rp_head_get(head, "Content-Length");
    const rp_field_t *encoding = rp_head_get(head, "Transfer-Encoding");
    for (int to_head = 0; to_head <= 1; to_head++) {
        if (!rp_response_framing(&framing, head, to_head)) {
            CHECK(framing.error && !framing.reusable);
            continue;
        }
        CHECK(!(length && encoding));
        CHECK(!encoding || (head->minor == 1 && rp_is_token(encoding->value)));
        CHECK(framing.body != RP_BODY_LENGTH || (length && framing.length <= RP_MAX_LENGTH));
        CHECK(framing.body == RP_BODY_LENGTH || framing.length == 0);
        CHECK(framing.body != RP_BODY_CHUNKED || (encoding && rp_str_is(encoding->value, "chunked")));
        CHECK(framing.body != RP_BODY_UNTIL_CLOSE
              || (!framing.reusable && !length && !(encoding && rp_str_is(encoding->value, "chunked"))));
        CHECK(framing.body == RP_BODY_NONE
              || !(to_head || head->status < 200 || head->status == 204 || head->status == 304));
        CHECK(head->status != 101 || !framing.reusable);
    }
}

/** Write the head out as a proxy would, and read it again. */
static void check_round_trip(const rp_head_t *head)
{
    static rp_head_t again;
    /* At least two bytes of each field were in the input: ": " and CRLF add no more than twice that. */
    char *text = malloc(64 + 3 * head->length);
    int n = sprintf(text, "HTTP/1.%d %d %.*s\r\n", head->minor, head->status, (int)head->reason.len,
                    head->reason.ptr);
    for (int i = 0; i < head->nfields; i++) {
        const rp_field_t *field = &head->fields[i];
        n += sprintf(text + n, "%.*s: %.*s\r\n", (int)field->name.len, field->name.ptr, (int)field->value.len,
                     field->value.ptr);
    }
    n += sprintf(text + n, "\r\n");
    CHECK(rp_head_parse(&again, text, (size_t)n, 0) == RP_PARSE_DONE);
    CHECK(again.length == (size_t)n);
    check_same(head, &again);
    free(text);
}

/** Let the head arrive in growing pieces, the caller remembering what was seen. */
static void check_pieces(const uint8_t *data, size_t size, size_t piece, rp_parse_e whole,
                         const rp_head_t *expected)
{
    static rp_head_t head;
    char *buf = malloc(size);
    size_t len = 0;
    rp_parse_e rv = RP_PARSE_MORE;
    while (rv == RP_PARSE_MORE && len < size) {
        size_t n = size - len < piece ? size - len : piece;
        memcpy(buf + len, data + len, n);
        rv = rp_head_parse(&head, buf, len + n, len);
        len += n;
    }
    if (whole == RP_PARSE_DONE) {
        CHECK(rv == RP_PARSE_DONE && head.length == expected->length);
        check_same(expected, &head);
    }
    else {
        /* What is wrong may be told later, but never is it right. */
        CHECK(rv != RP_PARSE_DONE && !(whole == RP_PARSE_MORE && rv == RP_PARSE_BAD));
    }
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rp_head_t head;
    static rp_head_t trailers;
    char *buf = malloc(size ? size : 1);

    memcpy(buf, data, size);
    if (rp_trailers_parse(&trailers, buf, size) == RP_PARSE_DONE) {
        check_fields(&trailers, buf, size);
    }

    memcpy(buf, data, size);
    rp_parse_e rv = rp_head_parse(&head, buf, size, 0);
    CHECK((rv == RP_PARSE_BAD) == (head.error != NULL));
    if (rv == RP_PARSE_DONE) {
        CHECK(head.status >= 100 && head.status <= 999 && (head.minor == 0 || head.minor == 1));
        check_inside(head.reason, buf, head.length);
        CHECK(rp_is_field_value(head.reason));
        check_fields(&head, buf, size);
        check_framing(&head);
        check_round_trip(&head);
    }
    if (size <= MAX_STEPS) {
        check_pieces(data, size, 1, rv, &head);
        check_pieces(data, size, 7, rv, &head);
    }
    free(buf);
    return 0;
}

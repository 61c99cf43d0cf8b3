/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The chunked decoder: the same answer, body, trailer and end wherever the input is cut, and what an encoder
 * makes of any body is decoded to that body. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

/** Up to this size, the input is cut in two at each of its positions. */
#define MAX_CUTS 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct run_t {
    rp_chunked_t chunked;
    rp_parse_e rv;
    size_t used;
    size_t body_len;
    char *body;
} run_t;

static void start(run_t *run, size_t size)
{
    rp_chunked_init(&run->chunked);
    run->rv = RP_PARSE_MORE;
    run->used = 0;
    run->body_len = 0;
    run->body = malloc(size ? size : 1);
}

/** Feed a piece, from memory of its own so that a byte read behind it is noticed. */
static void feed(run_t *run, const uint8_t *data, size_t size)
{
    char *piece = malloc(size ? size : 1);
    rp_str_t in = {piece, size};
    memcpy(piece, data, size);
    while (run->rv == RP_PARSE_MORE && in.len > 0) {
        rp_str_t out;
        size_t before = in.len;
        run->rv = rp_chunked_next(&run->chunked, &in, &out);
        CHECK(in.len < before && in.ptr + in.len == piece + size);
        CHECK(out.len == 0 || (run->rv == RP_PARSE_MORE && out.ptr >= piece && out.ptr + out.len <= in.ptr));
        if (out.len > 0) {
            memcpy(run->body + run->body_len, out.ptr, out.len);
            run->body_len += out.len;
        }
    }
    run->used += size - in.len;
    free(piece);
}

static void check_same(const run_t *a, const run_t *b)
{
    CHECK(a->rv == b->rv && a->used == b->used && a->body_len == b->body_len);
    CHECK(a->chunked.error == b->chunked.error);
    CHECK(memcmp(a->body, b->body, a->body_len) == 0);
    CHECK(a->chunked.trailer_len == b->chunked.trailer_len);
    CHECK(memcmp(a->chunked.trailer, b->chunked.trailer, a->chunked.trailer_len) == 0);
}

static void check_cut(const run_t *whole, const uint8_t *data, size_t size, size_t at)
{
    run_t run;
    start(&run, size);
    feed(&run, data, at);
    feed(&run, data + at, size - at);
    check_same(whole, &run);
    free(run.body);
}

static void check_bytes(const run_t *whole, const uint8_t *data, size_t size)
{
    run_t run;
    start(&run, size);
    for (size_t i = 0; i < size; i++) {
        feed(&run, data + i, 1);
    }
    check_same(whole, &run);
    free(run.body);
}

/** The trailer section is as long for the field parser as it was for the decoder, or is refused. */
static void check_trailer(run_t *run)
{
    static rp_head_t head;
    CHECK(run->chunked.trailer_len >= 2 && run->chunked.trailer_len <= sizeof(run->chunked.trailer));
    rp_parse_e rv = rp_trailers_parse(&head, run->chunked.trailer, run->chunked.trailer_len);
    CHECK(rv == RP_PARSE_BAD || (rv == RP_PARSE_DONE && head.length == run->chunked.trailer_len));
}

static void check_encoded(const uint8_t *data, size_t size)
{
    uint8_t *text = malloc(2 * size + 64);
    size_t half = size / 2;
    size_t n = 0;
    if (half > 0) {
        n += (size_t)sprintf((char *)text, "%zx\r\n", half);
        memcpy(text + n, data, half);
        n += half;
        n += (size_t)sprintf((char *)text + n, "\r\n");
    }
    if (size > half) {
        n += (size_t)sprintf((char *)text + n, "%zX;x=\"y\"\r\n", size - half);
        memcpy(text + n, data + half, size - half);
        n += size - half;
        n += (size_t)sprintf((char *)text + n, "\r\n");
    }
    n += (size_t)sprintf((char *)text + n, "0\r\n\r\n");
    run_t run;
    start(&run, n);
    feed(&run, text, n);
    CHECK(run.rv == RP_PARSE_DONE && run.used == n && run.body_len == size);
    CHECK(memcmp(run.body, data, size) == 0);
    free(run.body);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_t whole;
    if (size == 0) {
        return 0;
    }
    start(&whole, size);
    feed(&whole, data, size);
    CHECK((whole.rv == RP_PARSE_BAD) == (whole.chunked.error != NULL));
    CHECK(whole.rv != RP_PARSE_MORE || whole.used == size);
    for (size_t at = 1; at < size && size <= MAX_CUTS; at++) {
        check_cut(&whole, data, size, at);
    }
    check_bytes(&whole, data, size);
    check_encoded(data, size);
    if (whole.rv == RP_PARSE_DONE) {
        check_trailer(&whole);
    }
    free(whole.body);
    return 0;
}

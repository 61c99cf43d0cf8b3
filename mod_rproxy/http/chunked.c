/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"
#include "http/bytes.h"

/* RFC 9112 §2.2 lets a recipient take a bare LF for a line's end.  Not here: where a chunk ends must not be a
 * matter of opinion, and nobody who sends chunks leaves the CR out by custom. */

/** Bytes of one chunk-size line, its extensions included. */
#define MAX_SIZE_LINE 4096
#define MAX_CHUNK (UINT64_C(1) << 62)

enum {
    AT_SIZE,           /* before the first digit of a chunk-size */
    IN_SIZE,           /* in its digits */
    AFTER_SIZE,        /* in white space behind them: ";" or the line's end must follow */
    IN_EXTENSION,
    AT_SIZE_LF,        /* behind the CR of a size line */
    IN_DATA,
    AT_DATA_CR,
    AT_DATA_LF,
    AT_TRAILER_LINE,   /* at the start of a line of the trailer section */
    IN_TRAILER_LINE,
    AT_TRAILER_LF,
    AT_END_LF,         /* behind the CR of the empty line */
    AT_END,
    IS_BAD
};

void rp_chunked_init(rp_chunked_t *c)
{
    c->state = AT_SIZE;
    c->left = 0;
    c->line_len = 0;
    c->error = NULL;
    c->trailer_len = 0;
}

static int bad(rp_chunked_t *c, const char *error)
{
    c->error = error;
    return IS_BAD;
}

static int add_digit(rp_chunked_t *c, char byte)
{
    /* The quotient first: the product could wrap around. */
    if (c->left > MAX_CHUNK / 16) {
        return bad(c, "chunk too large");
    }
    c->left = c->left * 16 + rp_hex_value(byte);
    return c->left > MAX_CHUNK ? bad(c, "chunk too large") : IN_SIZE;
}

/** RFC 9112 §7.1.1: extensions are ignored; what comes before the first ";" can only be white space. */
static int size_line_byte(rp_chunked_t *c, char byte)
{
    if (++c->line_len > MAX_SIZE_LINE) {
        return bad(c, "chunk-size line too long");
    }
    if (c->state <= IN_SIZE && rp_byte_is(byte, RP_BYTE_HEX)) {
        return add_digit(c, byte);
    }
    if (c->state == AT_SIZE) {
        return bad(c, "invalid chunk size");
    }
    if (byte == '\r') {
        return AT_SIZE_LF;
    }
    if (c->state == IN_EXTENSION) {
        return rp_byte_is(byte, RP_BYTE_FIELD) ? IN_EXTENSION : bad(c, "control byte in a chunk extension");
    }
    if (byte == ';') {
        return IN_EXTENSION;
    }
    return rp_byte_is_blank(byte) ? AFTER_SIZE : bad(c, "invalid chunk size");
}

static int size_line_done(rp_chunked_t *c)
{
    c->line_len = 0;
    return c->left > 0 ? IN_DATA : AT_TRAILER_LINE;
}

/** Keep a byte of the trailer section; the two bytes of the empty line always find room. */
static int trailer_byte(rp_chunked_t *c, char byte)
{
    if (c->state == AT_TRAILER_LINE && byte == '\r') {
        c->trailer[c->trailer_len++] = byte;
        return AT_END_LF;
    }
    if (c->trailer_len == RP_MAX_TRAILER_BYTES) {
        return bad(c, "trailer section too long");
    }
    c->trailer[c->trailer_len++] = byte;
    if (c->state == AT_TRAILER_LF) {
        return byte == '\n' ? AT_TRAILER_LINE : bad(c, "bare CR in a trailer section");
    }
    if (byte == '\n') {
        return bad(c, "bare LF in a trailer section");
    }
    return byte == '\r' ? AT_TRAILER_LF : IN_TRAILER_LINE;
}

/** The state after one byte that is not chunk data. */
static int step(rp_chunked_t *c, char byte)
{
    switch (c->state) {
    case AT_SIZE:
    case IN_SIZE:
    case AFTER_SIZE:
    case IN_EXTENSION:
        return size_line_byte(c, byte);
    case AT_SIZE_LF:
        return byte == '\n' ? size_line_done(c) : bad(c, "bare CR in a chunk-size line");
    case AT_DATA_CR:
        return byte == '\r' ? AT_DATA_LF : bad(c, "chunk data is not followed by CRLF");
    case AT_DATA_LF:
        return byte == '\n' ? AT_SIZE : bad(c, "chunk data is not followed by CRLF");
    case AT_END_LF:
        c->trailer[c->trailer_len++] = byte;
        return byte == '\n' ? AT_END : bad(c, "bare CR in a trailer section");
    default:
        return trailer_byte(c, byte);
    }
}

rp_parse_e rp_chunked_next(rp_chunked_t *c, rp_str_t *in, rp_str_t *data)
{
    *data = (rp_str_t){NULL, 0};
    while (c->state < AT_END && in->len > 0) {
        if (c->state == IN_DATA) {
            size_t n = in->len < c->left ? in->len : (size_t)c->left;
            *data = (rp_str_t){in->ptr, n};
            in->ptr += n;
            in->len -= n;
            c->left -= n;
            c->state = c->left > 0 ? IN_DATA : AT_DATA_CR;
            return RP_PARSE_MORE;
        }
        c->state = step(c, *in->ptr);
        in->ptr++;
        in->len--;
    }
    if (c->state == AT_END) {
        return RP_PARSE_DONE;
    }
    return c->state == IS_BAD ? RP_PARSE_BAD : RP_PARSE_MORE;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"
#include "http/bytes.h"

/** What the fields say on a message's end and on the connection after it. */
typedef struct told_t {
    int has_length;
    uint64_t length;
    int chunked;
    int coded; /* by a transfer coding that nobody knows */
    int close;
    int keep_alive;
} told_t;

/**
 * One Content-Length line.  Not rp_list_next: an empty element or a quotation mark is a reason to refuse
 * here, not to read on (RFC 9112 §6.3 rule 5 excuses only a list of equal, valid values).
 */
static const char *read_length(told_t *told, rp_str_t value)
{
    for (;;) {
        const char *comma = value.len ? memchr(value.ptr, ',', value.len) : NULL;
        size_t n = comma ? (size_t)(comma - value.ptr) : value.len;
        uint64_t length;
        rp_str_t element = rp_trim((rp_str_t){value.ptr, n});
        if (!rp_parse_uint(element, RP_MAX_LENGTH + 1, &length) || length > RP_MAX_LENGTH) {
            return "malformed Content-Length";
        }
        if (told->has_length && told->length != length) {
            return "conflicting Content-Length";
        }
        told->has_length = 1;
        told->length = length;
        if (!comma) {
            return NULL;
        }
        value = (rp_str_t){comma + 1, value.len - n - 1};
    }
}

/**
 * A coding that nobody knows ends with the connection (RFC 9112 §6.3).  It must not be one that is known, whose bytes
 * would reach the client undecoded, nor look like "chunked" to somebody else.
 */
static int is_unknown_coding(rp_str_t value)
{
    static const char *const known[] = {"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"};
    if (!rp_is_token(value)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (rp_str_is(value, known[i])) {
            return 0;
        }
    }
    for (size_t i = 0; i + 5 <= value.len; i++) {
        if (rp_str_caseeq((rp_str_t){value.ptr + i, 5}, RP_STR("chunk"))) {
            return 0;
        }
    }
    return 1;
}

static const char *read_transfer_encoding(told_t *told, rp_str_t value)
{
    if (!told->chunked && !told->coded && rp_str_caseeq(value, RP_STR("chunked"))) {
        told->chunked = 1;
        return NULL;
    }
    if (!told->chunked && !told->coded && is_unknown_coding(value)) {
        told->coded = 1;
        return NULL;
    }
    return "Transfer-Encoding is not exactly one \"chunked\"";
}

static void read_connection(told_t *told, rp_str_t value)
{
    rp_str_t option;
    while (rp_list_next(&value, &option)) {
        if (rp_str_caseeq(option, RP_STR("keep-alive"))) {
            told->keep_alive = 1;
        }
        else if (rp_str_caseeq(option, RP_STR("close")) || !rp_is_token(option)) {
            /* Junk may hide a "close". */
            told->close = 1;
        }
    }
}

/** Read the three fields that matter; told apart by length first, because this is done for every response. */
static const char *read_fields(told_t *told, const rp_head_t *head)
{
    const char *error = NULL;
    for (int i = 0; i < head->nfields && !error; i++) {
        const rp_field_t *field = &head->fields[i];
        switch (field->name.len) {
        case sizeof("Connection") - 1:
            if (rp_str_caseeq(field->name, RP_STR("Connection"))) {
                read_connection(told, field->value);
            }
            break;
        case sizeof("Content-Length") - 1:
            if (rp_str_caseeq(field->name, RP_STR("Content-Length"))) {
                error = read_length(told, field->value);
            }
            break;
        case sizeof("Transfer-Encoding") - 1:
            if (rp_str_caseeq(field->name, RP_STR("Transfer-Encoding"))) {
                error = read_transfer_encoding(told, field->value);
            }
            break;
        default:
            break;
        }
    }
    return error;
}

static int refuse(rp_framing_t *out, const char *error)
{
    out->error = error;
    return 0;
}

int rp_response_framing(rp_framing_t *out, const rp_head_t *head, int to_head)
{
    told_t told = {0};
    *out = (rp_framing_t){.body = RP_BODY_NONE};

    const char *error = read_fields(&told, head);
    if (error) {
        return refuse(out, error);
    }
    if ((told.chunked || told.coded) && told.has_length) {
        return refuse(out, "Transfer-Encoding together with Content-Length");
    }
    if ((told.chunked || told.coded) && head->minor == 0) {
        return refuse(out, "Transfer-Encoding in an HTTP/1.0 response");
    }
    out->reusable = !told.close && (head->minor > 0 || told.keep_alive);

    int informational = head->status < 200;
    if (informational || head->status == 204) {
        /* These have no body whatever their fields say; one that announces a body may well send it, and the
         * next exchange would read it as its own response. */
        if (head->status == 101 || told.chunked || told.coded || told.length > 0) {
            out->reusable = 0;
        }
        return 1;
    }
    if (to_head || head->status == 304) {
        return 1;
    }
    if (told.chunked) {
        out->body = RP_BODY_CHUNKED;
    }
    else if (told.has_length) {
        out->body = RP_BODY_LENGTH;
        out->length = told.length;
    }
    else {
        out->body = RP_BODY_UNTIL_CLOSE;
        out->reusable = 0;
    }
    return 1;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"
#include "http/bytes.h"

#define ONES UINT64_C(0x0101010101010101)
#define HIGH UINT64_C(0x8080808080808080)

/** Nonzero when one of eight bytes is below 0x20 or 0x7F: what may end or spoil a field value, HTAB apart. */
static inline uint64_t has_control(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    uint64_t del = word ^ (ONES * 0x7f);
    return (((word - ONES * 0x20) & ~word) | ((del - ONES) & ~del)) & HIGH;
}

/** The first byte of p..end that may not stand in a field value; end when there is none. */
static inline char *skip_field_bytes(char *p, char *end)
{
    for (;;) {
        while (end - p >= 8 && !has_control(p)) {
            p += 8;
        }
        for (int i = 0; i < 8; i++, p++) {
            if (p == end || !rp_byte_is(*p, RP_BYTE_FIELD)) {
                return p;
            }
        }
    }
}

static rp_parse_e bad(rp_head_t *head, const char *error)
{
    head->error = error;
    return RP_PARSE_BAD;
}

/** Step over the CRLF or LF at *at. */
static inline rp_parse_e line_end(rp_head_t *head, char **at, char *end)
{
    char *p = *at;
    if (p == end) {
        return RP_PARSE_MORE;
    }
    if (*p == '\r') {
        if (++p == end) {
            return RP_PARSE_MORE;
        }
        if (*p != '\n') {
            return bad(head, "bare CR");
        }
    }
    else if (*p != '\n') {
        return bad(head, "control byte");
    }
    *at = p + 1;
    return RP_PARSE_DONE;
}

static inline rp_str_t trimmed(char *start, char *end)
{
    while (start < end && rp_byte_is_blank(*start)) {
        start++;
    }
    while (start < end && rp_byte_is_blank(end[-1])) {
        end--;
    }
    return (rp_str_t){start, (size_t)(end - start)};
}

/** Make spaces of a fold: from the line's own trailing white space to the next line's leading one. */
static char *unfold(char *line, char *eol, char *p, char *end)
{
    while (eol > line && rp_byte_is_blank(eol[-1])) {
        eol--;
    }
    while (p < end && rp_byte_is_blank(*p)) {
        p++;
    }
    memset(eol, ' ', (size_t)(p - eol));
    return p;
}

/** A field's value from behind its colon, folds included, to the start of the next line. */
static inline rp_parse_e parse_value(rp_head_t *head, char **at, char *end, rp_str_t *value)
{
    char *start = *at;
    char *line = start;
    for (;;) {
        char *eol = skip_field_bytes(line, end);
        char *p = eol;
        rp_parse_e rv = line_end(head, &p, end);
        if (rv != RP_PARSE_DONE) {
            return rv;
        }
        if (p == end) {
            /* The next byte decides on whether this line is folded. */
            return RP_PARSE_MORE;
        }
        if (!rp_byte_is_blank(*p)) {
            *value = trimmed(start, eol);
            *at = p;
            return RP_PARSE_DONE;
        }
        line = unfold(line, eol, p, end);
    }
}

/** A field's name and its colon. */
static inline rp_parse_e parse_name(rp_head_t *head, char **at, char *end, rp_str_t *name)
{
    char *start = *at;
    char *p = start;
    while (p < end && rp_byte_is(*p, RP_BYTE_TOKEN)) {
        p++;
    }
    if (p == end) {
        return RP_PARSE_MORE;
    }
    if (*p != ':') {
        return bad(head, rp_byte_is_blank(*p) ? "white space in a field name"
                                             : "invalid byte in a field name");
    }
    if (p == start) {
        return bad(head, "empty field name");
    }
    *name = (rp_str_t){start, (size_t)(p - start)};
    *at = p + 1;
    return RP_PARSE_DONE;
}

/** Field lines from p to the empty line; head->length counts from buf. */
static rp_parse_e parse_fields(rp_head_t *head, char *buf, char *p, char *end)
{
    head->nfields = 0;
    for (;;) {
        if (p == end) {
            return RP_PARSE_MORE;
        }
        if (*p == '\r' || *p == '\n') {
            rp_parse_e rv = line_end(head, &p, end);
            head->length = (size_t)(p - buf);
            return rv;
        }
        if (rp_byte_is_blank(*p)) {
            return bad(head, "folded line before the first field");
        }
        if (head->nfields == RP_MAX_FIELDS) {
            return bad(head, "too many fields");
        }
        rp_field_t *field = &head->fields[head->nfields];
        rp_parse_e rv = parse_name(head, &p, end, &field->name);
        if (rv == RP_PARSE_DONE) {
            rv = parse_value(head, &p, end, &field->value);
        }
        if (rv != RP_PARSE_DONE) {
            return rv;
        }
        head->nfields++;
    }
}

/** "HTTP/1.1 200 OK"; the space before an absent reason is often absent too, and harmlessly so. */
static rp_parse_e parse_status_line(rp_head_t *head, char **at, char *end)
{
    static const char version[] = "HTTP/1.";
    const size_t known = sizeof(version) - 1;
    char *p = *at;
    size_t len = (size_t)(end - p);

    if (memcmp(p, version, len < known ? len : known) != 0) {
        return bad(head, "not an HTTP/1.x status line");
    }
    if (len < known + sizeof("1 200")) {
        return RP_PARSE_MORE;
    }
    p += known;
    if (!rp_byte_is_digit(p[0]) || p[1] != ' ' || p[2] < '1' || p[2] > '9' || !rp_byte_is_digit(p[3])
        || !rp_byte_is_digit(p[4])) {
        return bad(head, "invalid version or status in the status line");
    }
    head->minor = p[0] != '0';
    head->status = (p[2] - '0') * 100 + (p[3] - '0') * 10 + (p[4] - '0');
    p += 5;
    if (*p != ' ' && *p != '\r' && *p != '\n') {
        return bad(head, "invalid version or status in the status line");
    }
    char *eol = skip_field_bytes(p, end);
    head->reason = trimmed(p, eol);
    *at = eol;
    return line_end(head, at, end);
}

/** Nonzero when buf has an empty line that ends in buf[seen..len). */
static int has_empty_line(const char *buf, size_t len, size_t seen)
{
    /* Of the three bytes LF CR LF, two may have been there before. */
    const char *p = buf + (seen > 2 ? seen - 2 : 0);
    const char *end = buf + len;
    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        p++;
        if (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n'))) {
            return 1;
        }
    }
    return 0;
}

rp_parse_e rp_head_parse(rp_head_t *head, char *buf, size_t len, size_t seen)
{
    char *p = buf;
    head->nfields = 0;
    head->length = 0;
    head->error = NULL;
    if (len == 0 || (seen > 0 && seen <= len && !has_empty_line(buf, len, seen))) {
        return RP_PARSE_MORE;
    }
    rp_parse_e rv = parse_status_line(head, &p, buf + len);
    return rv == RP_PARSE_DONE ? parse_fields(head, buf, p, buf + len) : rv;
}

rp_parse_e rp_trailers_parse(rp_head_t *head, char *buf, size_t len)
{
    head->length = 0;
    head->error = NULL;
    return parse_fields(head, buf, buf, buf + len);
}

const rp_field_t *rp_head_get(const rp_head_t *head, const char *name)
{
    rp_str_t wanted = {name, strlen(name)};
    for (int i = 0; i < head->nfields; i++) {
        if (rp_str_caseeq(head->fields[i].name, wanted)) {
            return &head->fields[i];
        }
    }
    return NULL;
}

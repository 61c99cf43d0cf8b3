/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"
#include "http/bytes.h"

#define V RP_BYTE_FIELD
#define T (V | RP_BYTE_TOKEN)
#define U (T | RP_BYTE_UNRESERVED)
#define X (U | RP_BYTE_HEX)

const unsigned char rp_byte_class[256] = {
    ['\t'] = V, [' '] = V,
    ['!'] = T, ['"'] = V, ['#' ... '\''] = T, ['(' ... ')'] = V, ['*' ... '+'] = T, [','] = V,
    ['-' ... '.'] = U, ['/'] = V,
    ['0' ... '9'] = X, [':' ... '@'] = V,
    ['A' ... 'F'] = X, ['G' ... 'Z'] = U,
    ['[' ... ']'] = V, ['^'] = T, ['_'] = U, ['`'] = T,
    ['a' ... 'f'] = X, ['g' ... 'z'] = U,
    ['{'] = V, ['|'] = T, ['}'] = V, ['~'] = U,
    [0x80 ... 0xff] = V,
};

#undef V
#undef T
#undef U
#undef X

static int all_bytes_are(rp_str_t s, unsigned char what)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!rp_byte_is(s.ptr[i], what)) {
            return 0;
        }
    }
    return 1;
}

int rp_is_token(rp_str_t s)
{
    return s.len > 0 && all_bytes_are(s, RP_BYTE_TOKEN);
}

int rp_is_field_value(rp_str_t s)
{
    return all_bytes_are(s, RP_BYTE_FIELD);
}

rp_str_t rp_trim(rp_str_t s)
{
    while (s.len > 0 && rp_byte_is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && rp_byte_is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

int rp_str_caseeq(rp_str_t a, rp_str_t b)
{
    if (a.len != b.len) {
        return 0;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] != b.ptr[i] && rp_byte_lower(a.ptr[i]) != rp_byte_lower(b.ptr[i])) {
            return 0;
        }
    }
    return 1;
}

int rp_str_is(rp_str_t a, const char *b)
{
    return rp_str_caseeq(a, (rp_str_t){b, strlen(b)});
}

/** Bytes of s before the first separator that is not inside a quoted-string; s.len when there is none. */
static size_t length_to(rp_str_t s, char separator)
{
    int quoted = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (quoted && c == '\\') {
            i++;
        }
        else if (c == '"') {
            quoted = !quoted;
        }
        else if (c == separator && !quoted) {
            return i;
        }
    }
    return s.len;
}

/** The next non-empty, trimmed part of *rest, which moves behind the part's separator. */
static int next_part(rp_str_t *rest, char separator, rp_str_t *part)
{
    while (rest->len > 0) {
        size_t n = length_to(*rest, separator);
        *part = rp_trim((rp_str_t){rest->ptr, n});
        if (n < rest->len) {
            n++;
        }
        rest->ptr += n;
        rest->len -= n;
        if (part->len > 0) {
            return 1;
        }
    }
    return 0;
}

int rp_list_next(rp_str_t *list, rp_str_t *item)
{
    return next_part(list, ',', item);
}

int rp_param_next(rp_str_t *rest, rp_str_t *name, rp_str_t *value)
{
    rp_str_t part;
    if (!next_part(rest, ';', &part)) {
        return 0;
    }
    size_t n = length_to(part, '=');
    *name = rp_trim((rp_str_t){part.ptr, n});
    *value = (rp_str_t){NULL, 0};
    if (n < part.len) {
        *value = rp_trim((rp_str_t){part.ptr + n + 1, part.len - n - 1});
    }
    return 1;
}

rp_str_t rp_unquote(apr_pool_t *p, rp_str_t s)
{
    if (s.len == 0 || s.ptr[0] != '"') {
        return s;
    }
    rp_str_t inner = {s.ptr + 1, s.len - 1};
    size_t end = 0;
    int pairs = 0;
    while (end < inner.len && inner.ptr[end] != '"') {
        if (inner.ptr[end] == '\\') {
            pairs = 1;
            end++;
        }
        end++;
    }
    /* A backslash may have been the last byte. */
    inner.len = end < inner.len ? end : inner.len;
    if (!pairs) {
        return inner;
    }
    char *text = apr_palloc(p, inner.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < inner.len; i++) {
        if (inner.ptr[i] == '\\' && ++i == inner.len) {
            break;
        }
        text[n++] = inner.ptr[i];
    }
    text[n] = '\0';
    return (rp_str_t){text, n};
}

int rp_list_has(const char *value, const char *token)
{
    if (!value) {
        return 0;
    }
    rp_str_t list = {value, strlen(value)};
    rp_str_t item;
    while (rp_list_next(&list, &item)) {
        if (rp_str_is(item, token)) {
            return 1;
        }
    }
    return 0;
}

int rp_parse_uint(rp_str_t s, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    if (s.len == 0) {
        return 0;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!rp_byte_is_digit(s.ptr[i])) {
            return 0;
        }
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        n = digit > max || n > (max - digit) / 10 ? max : n * 10 + digit;
    }
    *out = n;
    return 1;
}

int rp_parse_qvalue(rp_str_t s)
{
    if (s.len == 0 || s.len > 5 || (s.ptr[0] != '0' && s.ptr[0] != '1') || (s.len > 1 && s.ptr[1] != '.')) {
        return -1;
    }
    int q = (s.ptr[0] - '0') * RP_QVALUE_MAX;
    int unit = RP_QVALUE_MAX / 10;
    for (size_t i = 2; i < s.len; i++, unit /= 10) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return -1;
        }
        q += (s.ptr[i] - '0') * unit;
    }
    return q <= RP_QVALUE_MAX ? q : -1;
}

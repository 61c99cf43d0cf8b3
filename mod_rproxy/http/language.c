/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <apr_strings.h>

#include "http/bytes.h"
#include "http/http.h"

#define MAX_SUBTAG 8

static int is_alnum(char c)
{
    c = rp_byte_lower(c);
    return (c >= 'a' && c <= 'z') || rp_byte_is_digit(c);
}

/** Subtags of 1 to 8 letters and digits, with "-" between them; the first begins with a letter (RFC 4647 §2.1). */
static int is_range(rp_str_t s)
{
    size_t len = 0;
    if (s.len == 0 || rp_byte_is_digit(s.ptr[0])) {
        return 0;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '-' && len > 0) {
            len = 0;
        }
        else if (!is_alnum(s.ptr[i]) || ++len > MAX_SUBTAG) {
            return 0;
        }
    }
    return len > 0;
}

static const char *lower(apr_pool_t *p, rp_str_t s)
{
    char *copy = apr_pstrmemdup(p, s.ptr, s.len);
    for (char *c = copy; *c; c++) {
        *c = rp_byte_lower(*c);
    }
    return copy;
}

/** "de;q=0.5": its range, and its weight in thousandths, or -1 when it cannot be read. */
static int read_member(rp_str_t member, rp_str_t *range)
{
    rp_str_t none, name, value;
    if (!rp_param_next(&member, range, &none) || none.ptr || !(is_range(*range) || rp_str_is(*range, "*"))) {
        return -1;
    }
    if (!rp_param_next(&member, &name, &value)) {
        return RP_QVALUE_MAX;
    }
    return rp_str_is(name, "q") && value.ptr && !rp_param_next(&member, &name, &none) ? rp_parse_qvalue(value) : -1;
}

const char *rp_language_preferred(apr_pool_t *p, const char *accept_language)
{
    rp_str_t list = {accept_language, accept_language ? strlen(accept_language) : 0};
    rp_str_t member, range, best = {NULL, 0};
    int best_q = 0, alone = 0;
    while (rp_list_next(&list, &member)) {
        int q = read_member(member, &range);
        if (q < 0) {
            return NULL;
        }
        if (q > best_q) {
            best = range;
            best_q = q;
            alone = 1;
        }
        else if (q == best_q) {
            alone = 0;
        }
    }
    return alone && !rp_str_is(best, "*") ? lower(p, best) : NULL;
}

const char *rp_language_only(apr_pool_t *p, const char *content_language)
{
    rp_str_t list = {content_language, content_language ? strlen(content_language) : 0};
    rp_str_t tag, another;
    return rp_list_next(&list, &tag) && !rp_list_next(&list, &another) && is_range(tag) ? lower(p, tag) : NULL;
}

int rp_language_relates(const char *range, const char *tag)
{
    size_t a = strlen(range), b = strlen(tag), n = a < b ? a : b;
    return !strncmp(range, tag, n) && (range[n] == '-' || tag[n] == '-' || a == b);
}

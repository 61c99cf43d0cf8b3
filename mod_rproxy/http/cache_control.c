/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/cache_control.h"

/*
 * Where a field can be read in two ways, the one that stores or reuses less is taken: a server that writes
 * "max-age=abc" or "private=" did not mean "keep this for long".
 */

#define DIRECTIVE(name, id) {{name, sizeof(name) - 1}, id}

static const struct {
    rp_str_t name;
    rp_directive_e id;
} directives[] = {
    /* the frequent ones first */
    DIRECTIVE("max-age", CC_MAX_AGE),
    DIRECTIVE("no-cache", CC_NO_CACHE),
    DIRECTIVE("public", CC_PUBLIC),
    DIRECTIVE("private", CC_PRIVATE),
    DIRECTIVE("no-store", CC_NO_STORE),
    DIRECTIVE("s-maxage", CC_S_MAXAGE),
    DIRECTIVE("must-revalidate", CC_MUST_REVALIDATE),
    DIRECTIVE("immutable", CC_IMMUTABLE),
    DIRECTIVE("stale-while-revalidate", CC_STALE_WHILE_REVALIDATE),
    DIRECTIVE("stale-if-error", CC_STALE_IF_ERROR),
    DIRECTIVE("no-transform", CC_NO_TRANSFORM),
    DIRECTIVE("proxy-revalidate", CC_PROXY_REVALIDATE),
    DIRECTIVE("must-understand", CC_MUST_UNDERSTAND),
    DIRECTIVE("max-stale", CC_MAX_STALE),
    DIRECTIVE("min-fresh", CC_MIN_FRESH),
    DIRECTIVE("only-if-cached", CC_ONLY_IF_CACHED),
};

rp_directive_e rp_cc_directive(rp_str_t name)
{
    for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
        if (name.len == directives[i].name.len && rp_str_caseeq(name, directives[i].name)) {
            return directives[i].id;
        }
    }
    return CC_UNKNOWN;
}

/** The end of a quoted-string that s begins with, one behind its closing quote; 0 when there is none. */
static size_t quoted_length(rp_str_t s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '"') {
            return i + 1;
        }
        if (s.ptr[i] == '\\') {
            i++;
        }
    }
    return 0;
}

static int is_argument(rp_str_t s)
{
    if (s.len > 0 && s.ptr[0] == '"') {
        return quoted_length(s) == s.len;
    }
    return rp_is_token(s);
}

/** Nonzero when a quoted-string begins somewhere in s and has no end. */
static int has_open_quote(rp_str_t s)
{
    const char *quote;
    while (s.len > 0 && (quote = memchr(s.ptr, '"', s.len)) != NULL) {
        rp_str_t rest = {quote, s.len - (size_t)(quote - s.ptr)};
        size_t n = quoted_length(rest);
        if (n == 0) {
            return 1;
        }
        s = (rp_str_t){rest.ptr + n, rest.len - n};
    }
    return 0;
}

/** Take "name[=argument]" apart; RFC 9111 §5.2 allows no white space around the "=". */
static rp_str_t split_directive(apr_pool_t *p, rp_str_t item, rp_cc_argument_t *argument)
{
    const char *equals = memchr(item.ptr, '=', item.len);
    if (!equals) {
        *argument = (rp_cc_argument_t){RP_CC_NONE, {NULL, 0}};
        return item;
    }
    rp_str_t name = {item.ptr, (size_t)(equals - item.ptr)};
    rp_str_t trimmed = rp_trim(name);
    rp_str_t text = {equals + 1, item.len - name.len - 1};
    argument->kind = trimmed.len == name.len && is_argument(text) ? RP_CC_GOOD : RP_CC_BAD;
    argument->text = argument->kind == RP_CC_GOOD ? rp_unquote(p, text) : (rp_str_t){NULL, 0};
    return trimmed;
}

/** @return 1, or 0 when the argument is not delta-seconds (RFC 9111 §1.2.2) */
static int seconds_of(const rp_cc_argument_t *argument, rp_secs_t *seconds)
{
    uint64_t n;
    if (argument->kind != RP_CC_GOOD || !rp_parse_uint(argument->text, RP_MAX_DELTA, &n)) {
        return 0;
    }
    *seconds = (rp_secs_t)n;
    return 1;
}

/** Keep the smallest of what a directive says; what is invalid says 0. */
static void keep_least(rp_secs_t *kept, const rp_cc_argument_t *argument)
{
    rp_secs_t seconds;
    if (!seconds_of(argument, &seconds)) {
        seconds = 0;
    }
    if (*kept == RP_NO_TIME || seconds < *kept) {
        *kept = seconds;
    }
}

/** For min-fresh, where more is stricter and an invalid value is a wish that nobody can read. */
static void keep_most(rp_secs_t *kept, const rp_cc_argument_t *argument)
{
    rp_secs_t seconds;
    if (seconds_of(argument, &seconds) && seconds > *kept) {
        *kept = seconds;
    }
}

/**
 * Add the field names of no-cache="…" or private="…" to *fields.
 * @return 1, or 0 when the directive has no readable names and thus means the whole response
 */
static int add_fields(apr_pool_t *p, const char **fields, const rp_cc_argument_t *argument)
{
    if (argument->kind != RP_CC_GOOD) {
        return 0;
    }
    const char *names = *fields;
    rp_str_t list = argument->text;
    rp_str_t name;
    while (rp_list_next(&list, &name)) {
        if (!rp_is_token(name)) {
            return 0;
        }
        const char *copy = apr_pstrmemdup(p, name.ptr, name.len);
        names = names ? apr_pstrcat(p, names, ", ", copy, NULL) : copy;
    }
    if (names == *fields) {
        return 0;
    }
    *fields = names;
    return 1;
}

void rp_cc_apply(apr_pool_t *p, rp_cc_t *cc, rp_directive_e directive, const rp_cc_argument_t *argument)
{
    switch (directive) {
    case CC_NO_CACHE:
        cc->no_cache |= !add_fields(p, &cc->no_cache_fields, argument);
        return;
    case CC_PRIVATE:
        cc->private_ |= !add_fields(p, &cc->private_fields, argument);
        return;
    case CC_MAX_AGE:
        keep_least(&cc->max_age, argument);
        return;
    case CC_S_MAXAGE:
        keep_least(&cc->s_maxage, argument);
        return;
    case CC_STALE_WHILE_REVALIDATE:
        keep_least(&cc->stale_while_revalidate, argument);
        return;
    case CC_STALE_IF_ERROR:
        keep_least(&cc->stale_if_error, argument);
        return;
    case CC_MAX_STALE:
        if (argument->kind == RP_CC_NONE) {
            cc->max_stale_any = 1;
            return;
        }
        keep_least(&cc->max_stale, argument);
        return;
    case CC_MIN_FRESH:
        keep_most(&cc->min_fresh, argument);
        return;
    case CC_NO_STORE:
        cc->no_store = 1;
        return;
    case CC_NO_TRANSFORM:
        cc->no_transform = 1;
        return;
    case CC_ONLY_IF_CACHED:
        cc->only_if_cached = 1;
        return;
    case CC_MUST_REVALIDATE:
        cc->must_revalidate = 1;
        return;
    case CC_PROXY_REVALIDATE:
        cc->proxy_revalidate = 1;
        return;
    case CC_MUST_UNDERSTAND:
        cc->must_understand = 1;
        return;
    case CC_PUBLIC:
        cc->public_ = 1;
        return;
    case CC_IMMUTABLE:
        cc->immutable = 1;
        return;
    case CC_UNKNOWN:
        return;
    }
}

static const rp_cc_t nothing_said = {
    .max_age = RP_NO_TIME,
    .s_maxage = RP_NO_TIME,
    .max_stale = RP_NO_TIME,
    .min_fresh = RP_NO_TIME,
    .stale_while_revalidate = RP_NO_TIME,
    .stale_if_error = RP_NO_TIME,
};

void rp_cc_begin(rp_cc_t *cc)
{
    *cc = nothing_said;
}

void rp_cc_parse(apr_pool_t *p, rp_cc_t *cc, const char *value)
{
    rp_cc_begin(cc);
    if (!value) {
        return;
    }
    cc->present = 1;
    rp_str_t list = {value, strlen(value)};
    rp_str_t item;
    while (rp_list_next(&list, &item)) {
        rp_cc_argument_t argument;
        rp_str_t name = split_directive(p, item, &argument);
        rp_cc_apply(p, cc, rp_cc_directive(name), &argument);
        if (has_open_quote(item)) {
            cc->no_store = 1;
        }
    }
    if (cc->max_stale != RP_NO_TIME) {
        cc->max_stale_any = 0;
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <strings.h>
#include <apr_strings.h>

#include "http/http.h"

/* ------------------------------------------------------------------ cookies */

/* What stands up to the next semicolon; *rest then begins behind it, and has len 0 and ptr NULL when there was none. */
static rp_str_t next_piece(rp_str_t *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, ';', rest->len) : NULL;
    rp_str_t piece = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};

    *rest = end ? (rp_str_t){end + 1, rest->len - piece.len - 1} : (rp_str_t){NULL, 0};
    return piece;
}

/* "NAME=VALUE" by this name? */
static int read_pair(rp_str_t pair, const char *name, rp_str_t *value)
{
    rp_str_t found;

    return rp_cookie_next(&pair, &found, value) && found.len == strlen(name) && !memcmp(found.ptr, name, found.len);
}

static int is_named(rp_str_t piece, const char *name)
{
    rp_str_t value;

    return read_pair(piece, name, &value);
}

static int has_cookie(rp_str_t rest, const char *name)
{
    while (rest.ptr) {
        if (is_named(next_piece(&rest), name)) {
            return 1;
        }
    }
    return 0;
}

const char *rp_cookie_without(apr_pool_t *p, const char *cookies, const char *name)
{
    rp_str_t rest = {cookies, strlen(cookies)};
    char *left, *to;
    int kept = 0;

    if (!has_cookie(rest, name)) {
        return cookies;
    }
    left = to = apr_palloc(p, rest.len + 1);
    while (rest.ptr) {
        rp_str_t piece = next_piece(&rest);

        if (is_named(piece, name)) {
            continue;
        }
        if (kept++) {
            *to++ = ';';
        }
        memcpy(to, piece.ptr, piece.len);
        to += piece.len;
    }
    *to = '\0';
    /* What was behind the first cookie has a blank before it. */
    left += strspn(left, " \t");
    return *left ? left : NULL;
}

int rp_set_cookie_read(const char *field, const char *name, rp_str_t *value)
{
    return read_pair((rp_str_t){field, strcspn(field, ";")}, name, value);
}

/* ------------------------------------------------------------------ ids of sessions */

static rp_str_t unquoted(rp_str_t s)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"') {
        return (rp_str_t){s.ptr + 1, s.len - 2};
    }
    return s;
}

rp_str_t rp_route_suffix(rp_str_t id)
{
    size_t dot;

    id = unquoted(id);
    for (dot = id.len; dot > 0 && id.ptr[dot - 1] != '.'; dot--) {
    }
    return dot > 0 ? (rp_str_t){id.ptr + dot, id.len - dot} : (rp_str_t){id.ptr, 0};
}

/* "name=value" at s, which ends at one of stops. */
static int read_param(const char *s, const char *name, const char *stops, rp_str_t *value)
{
    size_t len = strlen(name);

    if (strncmp(s, name, len) != 0 || s[len] != '=') {
        return 0;
    }
    *value = (rp_str_t){s + len + 1, strcspn(s + len + 1, stops)};
    return 1;
}

int rp_url_param(const char *url, const char *name, rp_str_t *value)
{
    const char *s;

    for (s = url + strcspn(url, ";?#"); *s == ';'; s += strcspn(s, ";?#")) {
        if (read_param(++s, name, ";/?#", value)) {
            return 1;
        }
    }
    while (*s == '?' || *s == '&') {
        if (read_param(++s, name, "&#", value)) {
            return 1;
        }
        s += strcspn(s, "&#");
    }
    return 0;
}

/* ------------------------------------------------------------------ sharing */

static int is_targeted(const char *name)
{
    size_t len = strlen(name);

    return !strcasecmp(name, "Surrogate-Control") || (len > 14 && !strcasecmp(name + len - 14, "-Cache-Control"));
}

/* A field for some of the caches on the way invites them unless it forbids. */
static int note_target(void *invited, const char *name, const char *value)
{
    if (is_targeted(name) && !rp_list_has(value, "no-store") && !rp_list_has(value, "private")) {
        *(int *)invited = 1;
    }
    return 1;
}

rp_sharing_e rp_response_sharing(apr_pool_t *p, const apr_table_t *fields, rp_secs_t now)
{
    const char *expires = apr_table_get(fields, "Expires");
    int invited = 0;
    rp_cc_t cc;

    apr_table_do(note_target, &invited, fields, NULL);
    if (invited) {
        return RP_SHARING_INVITED;
    }
    rp_cc_parse(p, &cc, apr_table_getm(p, fields, "Cache-Control"));
    if (cc.no_store || cc.private_) {
        return RP_SHARING_NOT;
    }
    if (cc.public_ || cc.s_maxage > 0 || cc.max_age > 0) {
        return RP_SHARING_INVITED;
    }
    return cc.max_age == RP_NO_TIME && expires && rp_date_parse(expires, now) > now ? RP_SHARING_INVITED
         : RP_SHARING_UNSAID;
}

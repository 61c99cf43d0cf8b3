/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/bytes.h"

/** What "%XX" at s stands for, or -1 when it is no percent-encoding. */
static int percent_decoded(const char *s, const char *end)
{
    if (end - s < 3 || !rp_byte_is(s[1], RP_BYTE_HEX) || !rp_byte_is(s[2], RP_BYTE_HEX)) {
        return -1;
    }
    return (int)(rp_hex_value(s[1]) * 16 + rp_hex_value(s[2]));
}

int rp_target_is_safe(const char *target)
{
    const char *end = target + strlen(target);
    int in_query = 0;
    if (*target != '/') {
        return strcmp(target, "*") == 0;
    }
    for (const char *s = target; s < end; s++) {
        if (*s <= 0x20 || *s >= 0x7f || *s == '#' || (*s == '\\' && !in_query)) {
            return 0;
        }
        if (*s == '?') {
            in_query = 1;
        }
        if (*s == '%' && !in_query && percent_decoded(s, end) <= 0) {
            return 0;
        }
    }
    return 1;
}

/* ------------------------------------------------------------------ a path as httpd reads it */

typedef enum segment_e {
    SEGMENT_PLAIN,
    SEGMENT_DOT,
    SEGMENT_DOTDOT,
    SEGMENT_BAD
} segment_e;

/** A run of bytes that somebody may take for a segment. */
typedef struct part_t {
    int dots;
    int others;
    int in_parameter; /* behind a ";", which servlet containers cut off */
} part_t;

static int is_dots(const part_t *part)
{
    return !part->others && (part->dots == 1 || part->dots == 2);
}

/**
 * What a segment is to httpd, which decodes "%2e" but neither "%2f" nor "%5c" before it removes dot segments;
 * bad when it is plain to httpd and could be a dot segment to a backend that decodes those, takes "\" for
 * "/", or drops parameters ("..;x") first.
 */
static segment_e classify(const char *s, const char *end)
{
    part_t part = {0};
    int split = 0;
    for (; s < end; s++) {
        int c = (unsigned char)*s;
        if (c == '%') {
            c = percent_decoded(s, end);
            if (c <= 0) {
                return SEGMENT_BAD;
            }
            s += 2;
        }
        if (c == '/' || c == '\\') {
            if (is_dots(&part)) {
                return SEGMENT_BAD;
            }
            part = (part_t){0};
            split = 1;
        }
        else if (c == ';') {
            part.in_parameter = 1;
        }
        else if (!part.in_parameter) {
            part.dots += c == '.';
            part.others |= c != '.';
        }
    }
    if (!is_dots(&part)) {
        return SEGMENT_PLAIN;
    }
    if (split || part.in_parameter) {
        return SEGMENT_BAD;
    }
    return part.dots == 1 ? SEGMENT_DOT : SEGMENT_DOTDOT;
}

/**
 * Take the last segment and its slash off out[0..len), for a "..".  With merge_slashes, empty segments are
 * none.
 * @return the length left, or -1 at the root
 */
static apr_ssize_t climb(const char *out, apr_ssize_t len, int merge_slashes)
{
    while (merge_slashes && len > 0 && out[len - 1] == '/') {
        len--;
    }
    if (len == 0) {
        return -1;
    }
    while (out[len - 1] != '/') {
        len--;
    }
    return len - 1;
}

/** raw's path without its dot segments and all else as it came, in p; NULL when it is not to be sent. */
static char *without_dots(apr_pool_t *p, const char *raw, size_t path_len, int merge_slashes)
{
    const char *end = raw + path_len;
    char *out = apr_palloc(p, path_len + 2);
    apr_ssize_t len = 0;
    if (path_len == 0 || *raw != '/') {
        return NULL;
    }
    while (raw < end) {
        const char *segment = raw + 1;
        const char *next = memchr(segment, '/', (size_t)(end - segment));
        next = next ? next : end;
        segment_e what = classify(segment, next);
        if (what == SEGMENT_BAD) {
            return NULL;
        }
        if (what == SEGMENT_DOTDOT) {
            len = climb(out, len, merge_slashes);
            if (len < 0) {
                return NULL;
            }
        }
        if (what == SEGMENT_PLAIN) {
            memcpy(out + len, raw, (size_t)(next - raw));
            len += next - raw;
        }
        else if (next == end) {
            out[len++] = '/';
        }
        raw = next;
    }
    out[len] = '\0';
    return out;
}

/**
 * Compare the beginning of raw with a decoded path.  Runs of slashes in raw are one slash to a path that has
 * one (<Location> sees them so even with MergeSlashes off); an encoded slash is "/" or stands as it is, which
 * depends on AllowEncodedSlashes.
 * @return where raw goes on, or NULL
 */
static const char *match(const char *raw, const char *path)
{
    const char *end = raw + strlen(raw);
    while (*path) {
        int c = (unsigned char)*raw;
        size_t n = 1;
        if (c == '%') {
            c = percent_decoded(raw, end);
            n = 3;
            if (c == '/' && strncmp(raw, path, 3) == 0) {
                path += 2;
                c = (unsigned char)*path;
            }
        }
        if (raw == end || c != (unsigned char)*path) {
            return NULL;
        }
        raw += n;
        path++;
        while (c == '/' && n == 1 && *raw == '/' && *path && *path != '/') {
            raw++;
        }
    }
    return raw;
}

/** Step over scheme and authority of an absolute-form (RFC 9112 §3.2.2). */
static const char *path_of(const char *raw)
{
    const char *scheme_end = raw + strcspn(raw, ":/?#");
    if (scheme_end == raw || strncmp(scheme_end, "://", 3) != 0) {
        return raw;
    }
    return scheme_end + 3 + strcspn(scheme_end + 3, "/?#");
}

/** Of a run of slashes at s, the last. */
static const char *last_slash(const char *s)
{
    while (s[0] == '/' && s[1] == '/') {
        s++;
    }
    return s;
}

/**
 * raw's path as without_dots gives it and, in *query, the rest of raw from its "?" on.  A run of slashes
 * before the path is one slash: httpd always reads it so, and to a backend "//host/" may be a network-path
 * reference.
 */
static const char *sendable_path(apr_pool_t *p, const char *raw, int merge_slashes, const char **query)
{
    const char *path = last_slash(path_of(raw));
    size_t len = strcspn(path, "?");
    *query = path + len;
    if (strchr(path, '#')) {
        return NULL;
    }
    if (len == 0 && path > raw) {
        return "/";
    }
    return without_dots(p, path, len, merge_slashes);
}

const char *rp_target_rest(apr_pool_t *p, const char *raw, const char *prefix, int merge_slashes)
{
    const char *query;
    const char *path = sendable_path(p, raw, merge_slashes, &query);
    const char *rest = path ? match(path, prefix) : NULL;
    if (!rest || (*rest && *rest != '/')) {
        return NULL;
    }
    /* Removing dot segments may have made a run of what stood apart. */
    if (merge_slashes || !*prefix) {
        rest = last_slash(rest);
    }
    return *query ? apr_pstrcat(p, rest, query, NULL) : rest;
}

int rp_target_is_uri(apr_pool_t *p, const char *raw, const char *uri, int merge_slashes)
{
    const char *query;
    const char *path = sendable_path(p, raw, merge_slashes, &query);
    const char *rest = path ? match(path, uri) : NULL;
    if (!rest || !*uri) {
        return 0;
    }
    int at_slash = uri[strlen(uri) - 1] == '/';
    return rest[at_slash ? strspn(rest, "/") : 0] == '\0';
}

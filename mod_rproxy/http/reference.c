/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/bytes.h"

/** An authority taken apart; the port is empty when absent. */
typedef struct authority_t {
    rp_str_t host;
    rp_str_t port;
} authority_t;

static rp_str_t str(const char *s)
{
    return (rp_str_t){s, strlen(s)};
}

static authority_t split_authority(rp_str_t s)
{
    authority_t a = {s, {NULL, 0}};
    for (size_t i = s.len; i > 0 && s.ptr[i - 1] != ']'; i--) {
        if (s.ptr[i - 1] == ':') {
            a.host.len = i - 1;
            a.port = (rp_str_t){s.ptr + i, s.len - i};
            break;
        }
    }
    return a;
}

static uint64_t port_number(rp_str_t port, rp_str_t scheme)
{
    uint64_t n = 0;
    if (port.len == 0) {
        return rp_str_is(scheme, "https") ? 443 : 80;
    }
    return rp_parse_uint(port, 65536, &n) ? n : 65536;
}

static int is_same_authority(rp_str_t a, rp_str_t a_scheme, const char *b, rp_str_t b_scheme)
{
    authority_t one = split_authority(a);
    authority_t other = split_authority(str(b));
    return rp_str_caseeq(one.host, other.host)
        && port_number(one.port, a_scheme) == port_number(other.port, b_scheme);
}

/** A decoded path as it may stand in a reference and in a cookie's Path, whose end is a ";". */
static const char *escaped_path(apr_pool_t *p, const char *path)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = apr_palloc(p, 3 * strlen(path) + 1);
    char *to = out;
    for (; *path; path++) {
        if (rp_byte_is(*path, RP_BYTE_UNRESERVED) || strchr("/!$&'()*+=:@", *path)) {
            *to++ = *path;
        }
        else {
            *to++ = '%';
            *to++ = hex[(unsigned char)*path >> 4];
            *to++ = hex[(unsigned char)*path & 15];
        }
    }
    *to = '\0';
    return out;
}

/** A path (with query and fragment) moved from backend_path under public_path; NULL when it is to stay. */
static const char *moved_path(apr_pool_t *p, const rp_mapping_t *m, const char *path)
{
    size_t n = strlen(m->backend_path);
    if (!m->paths_differ || *path != '/' || strncmp(path, m->backend_path, n) != 0
        || !strchr("/?#", path[n])) {
        return NULL;
    }
    const char *rest = path + n;
    const char *slash = !*m->public_path && *rest != '/' ? "/" : "";
    return apr_pstrcat(p, escaped_path(p, m->public_path), slash, rest, NULL);
}

/**
 * A reference without authority; moving it must not make one of what was an empty segment (RFC 3986 §4.2).
 */
static const char *map_path(apr_pool_t *p, const rp_mapping_t *m, const char *reference)
{
    const char *moved = moved_path(p, m, reference);
    if (!moved) {
        return reference;
    }
    return moved[1] == '/' || moved[1] == '\\' ? apr_pstrcat(p, "/.", moved, NULL) : moved;
}

/** @param scheme  the reference's, empty for a network-path reference; authority begins behind the "//" */
static const char *map_authority(apr_pool_t *p, const rp_mapping_t *m, const char *reference, rp_str_t scheme,
                                 const char *authority)
{
    rp_str_t host = {authority, strcspn(authority, "/?#\\")};
    const char *path = authority + host.len;
    if (*path == '\\' || (host.len && memchr(host.ptr, '@', host.len))) {
        return reference;
    }
    rp_str_t backend_scheme = str(m->backend_scheme);
    const char *moved = moved_path(p, m, *path == '/' ? path : apr_pstrcat(p, "/", path, NULL));
    if (is_same_authority(host, scheme.len ? scheme : backend_scheme, m->backend_host, backend_scheme)) {
        return apr_pstrcat(p, m->public_scheme, "://", m->public_host, moved ? moved : path, NULL);
    }
    rp_str_t public_scheme = scheme.len ? scheme : str(m->public_scheme);
    if (moved && is_same_authority(host, public_scheme, m->public_host, public_scheme)) {
        return apr_pstrcat(p, apr_pstrmemdup(p, reference, (apr_size_t)(path - reference)), moved, NULL);
    }
    return reference;
}

const char *rp_map_reference(apr_pool_t *p, const rp_mapping_t *m, const char *reference)
{
    if (strncmp(reference, "//", 2) == 0) {
        return map_authority(p, m, reference, RP_STR(""), reference + 2);
    }
    if (*reference == '/') {
        return map_path(p, m, reference);
    }
    rp_str_t scheme = {reference, strcspn(reference, ":/?#")};
    if (strncmp(reference + scheme.len, "://", 3) != 0
        || !(rp_str_is(scheme, "http") || rp_str_is(scheme, "https"))) {
        return reference;
    }
    return map_authority(p, m, reference, scheme, reference + scheme.len + 3);
}

/** Where the URL of a Refresh field's value begins; NULL when it has none. */
static const char *refresh_url(const char *value)
{
    const char *s = value + strcspn(value, ";,");
    if (!*s) {
        return NULL;
    }
    s += 1 + strspn(s + 1, " \t");
    if (!rp_str_caseeq((rp_str_t){s, strnlen(s, 3)}, RP_STR("url"))) {
        return NULL;
    }
    s += 3;
    s += strspn(s, " \t");
    return *s == '=' ? s + 1 + strspn(s + 1, " \t") : NULL;
}

const char *rp_map_refresh(apr_pool_t *p, const rp_mapping_t *m, const char *value)
{
    const char *url = refresh_url(value);
    if (!url) {
        return value;
    }
    size_t len = strlen(url);
    if (*url == '"' || *url == '\'') {
        const char *close = strchr(url + 1, *url);
        url++;
        len = close ? (size_t)(close - url) : len - 1;
    }
    const char *reference = apr_pstrmemdup(p, url, len);
    const char *mapped = rp_map_reference(p, m, reference);
    if (mapped == reference) {
        return value;
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, value, (apr_size_t)(url - value)), mapped, url + len, NULL);
}

/** A Set-Cookie attribute as it is to be sent: itself, another, or NULL when it is dropped. */
static const char *map_attribute(apr_pool_t *p, const rp_mapping_t *m, const char *attribute,
                                 int path_is_fixed)
{
    size_t n = strcspn(attribute, "=");
    rp_str_t name = rp_trim((rp_str_t){attribute, n});
    if (attribute[n] != '=') {
        return attribute;
    }
    rp_str_t value = rp_trim(str(attribute + n + 1));
    if (rp_str_is(name, "Path") && !path_is_fixed) {
        const char *moved = moved_path(p, m, apr_pstrmemdup(p, value.ptr, value.len));
        return moved ? apr_pstrcat(p, " Path=", moved, NULL) : attribute;
    }
    if (rp_str_is(name, "Domain")) {
        if (value.len && *value.ptr == '.') {
            value = (rp_str_t){value.ptr + 1, value.len - 1};
        }
        return rp_str_caseeq(value, split_authority(str(m->backend_host)).host) ? NULL : attribute;
    }
    return attribute;
}

/* A cookie's attributes end at the next ";" whatever the quotes (RFC 6265 §5.2): rp_param_next does not read
 * them. */
const char *rp_map_cookie(apr_pool_t *p, const rp_mapping_t *m, const char *value)
{
    size_t n = strcspn(value, ";");
    const char *out = apr_pstrmemdup(p, value, n);
    rp_str_t start = rp_trim((rp_str_t){value, n});
    /* User agents take such a cookie only with Path=/. */
    int path_is_fixed = start.len >= 7 && rp_str_is((rp_str_t){start.ptr, 7}, "__Host-");
    int changed = 0;
    for (const char *s = value + n; *s; s += n) {
        n = strcspn(++s, ";");
        const char *attribute = apr_pstrmemdup(p, s, n);
        const char *mapped = map_attribute(p, m, attribute, path_is_fixed);
        changed |= mapped != attribute;
        if (mapped) {
            out = apr_pstrcat(p, out, ";", mapped, NULL);
        }
    }
    return changed ? out : value;
}

/* ------------------------------------------------------------------ resolving */

/** Remove dot segments in place (RFC 3986 §5.2.4); path begins with a slash. */
static void remove_dots(char *path)
{
    char *to = path;
    for (const char *from = path; *from;) {
        size_t n = 1 + strcspn(from + 1, "/");
        int dots = n == 2 && from[1] == '.' ? 1 : n == 3 && from[1] == '.' && from[2] == '.' ? 2 : 0;
        if (dots == 2) {
            while (to > path && *--to != '/') {
            }
        }
        if (dots == 0) {
            memmove(to, from, n);
            to += n;
        }
        else if (from[n] == '\0') {
            *to++ = '/';
        }
        from += n;
    }
    *to = '\0';
}

/** Does a reference begin with a scheme?  Then its length without the colon, else 0. */
static size_t scheme_length(const char *reference)
{
    size_t n = strcspn(reference, ":/?#");
    return reference[n] == ':' ? n : 0;
}

const char *rp_reference_target(apr_pool_t *p, const char *scheme, const char *host, const char *base,
                                const char *reference)
{
    size_t n = scheme_length(reference);
    size_t base_path = strcspn(base, "?#");
    for (const char *c = reference; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '\\') {
            return NULL;
        }
    }
    if (*base != '/'
        || (n && (strncmp(reference + n, "://", 3) != 0 || !rp_str_is((rp_str_t){reference, n}, scheme)))) {
        return NULL;
    }
    reference += n ? n + 1 : 0;
    int absolute = strncmp(reference, "//", 2) == 0;
    if (absolute) {
        rp_str_t authority = {reference + 2, strcspn(reference + 2, "/?#")};
        if (!is_same_authority(authority, str(scheme), host, str(scheme))) {
            return NULL;
        }
        reference = authority.ptr + authority.len;
    }
    size_t path = strcspn(reference, "?#");
    size_t query = path + strcspn(reference + path, "#");
    const char *end = apr_pstrmemdup(p, reference + path, query - path);
    if (path == 0) {
        /* Nothing but a query, or nothing at all. */
        return absolute ? apr_pstrcat(p, "/", end, NULL)
             : *end     ? apr_pstrcat(p, apr_pstrmemdup(p, base, base_path), end, NULL)
                        : apr_pstrmemdup(p, base, strcspn(base, "#"));
    }
    size_t folder = base_path;
    while (folder > 0 && base[folder - 1] != '/') {
        folder--;
    }
    char *whole = apr_pstrcat(p, *reference == '/' ? "" : apr_pstrmemdup(p, base, folder),
                              apr_pstrmemdup(p, reference, path), NULL);
    remove_dots(whole);
    return apr_pstrcat(p, whole, end, NULL);
}

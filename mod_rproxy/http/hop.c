/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "http/http.h"

/** One connection's own business, named in Connection or not. */
static const char *const hop_by_hop[] = {
    "Connection", "HTTP2-Settings", "Keep-Alive", "Proxy", "Proxy-Authorization", "Proxy-Connection", "TE",
    "Trailer", "Transfer-Encoding", "Upgrade", NULL
};

/**
 * Meant for all recipients (RFC 9110 §7.6.1), so that naming them in Connection is a mistake or an attack: a
 * sender could have a proxy drop what the next server's framing, routing, access control or caching rests on.
 */
static const char *const end_to_end[] = {
    "Age", "Authorization", "Cache-Control", "Client-Cert", "Client-Cert-Chain", "Content-Encoding",
    "Content-Length", "Content-Location", "Content-Range", "Content-Type", "Cookie", "Date", "ETag",
    "Expires",
    "Forwarded", "Host", "Last-Modified", "Location", "Set-Cookie", "Vary", "Via", "WWW-Authenticate",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", NULL
};

/** RFC 9110 §6.5.1, of what end_to_end and hop_by_hop do not have: request modifiers and response control. */
static const char *const head_only[] = {
    "Accept-Ranges", "Allow", "CDN-Cache-Control", "Expect", "If-Match", "If-Modified-Since", "If-None-Match",
    "If-Range", "If-Unmodified-Since", "Max-Forwards", "Pragma", "Proxy-Authenticate", "Range", "Retry-After",
    NULL
};

static int is_among(rp_str_t name, const char *const *names)
{
    for (; *names; names++) {
        if (rp_str_is(name, *names)) {
            return 1;
        }
    }
    return 0;
}

/** All Connection lines; "" when there is none. */
static rp_str_t connection_options(const apr_table_t *fields)
{
    const char *value = apr_table_getm(apr_table_elts(fields)->pool, fields, "Connection");
    return value ? (rp_str_t){value, strlen(value)} : (rp_str_t){"", 0};
}

static int options_are_tokens(rp_str_t options)
{
    rp_str_t option;
    while (rp_list_next(&options, &option)) {
        if (!rp_is_token(option)) {
            return 0;
        }
    }
    return 1;
}

int rp_hop_strip_named(apr_table_t *fields)
{
    rp_str_t options = connection_options(fields);
    rp_str_t option;
    if (!options_are_tokens(options)) {
        return 0;
    }
    while (rp_list_next(&options, &option)) {
        if (!is_among(option, end_to_end) && !is_among(option, hop_by_hop)) {
            apr_table_unset(fields, apr_pstrmemdup(apr_table_elts(fields)->pool, option.ptr, option.len));
        }
    }
    return 1;
}

void rp_hop_strip_known(apr_table_t *fields)
{
    for (const char *const *name = hop_by_hop; *name; name++) {
        apr_table_unset(fields, *name);
    }
}

int rp_hop_strip(apr_table_t *fields)
{
    if (!rp_hop_strip_named(fields)) {
        return 0;
    }
    rp_hop_strip_known(fields);
    return 1;
}

int rp_trailer_is_allowed(rp_str_t name)
{
    return rp_is_token(name) && !is_among(name, hop_by_hop) && !is_among(name, end_to_end)
        && !is_among(name, head_only);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "http/http.h"

/**
 * A parameter's value: a token as it is, anything else quoted; Structured Fields quote as RFC 7239 §4 does.
 */
static const char *forwarded_value(apr_pool_t *p, const char *s)
{
    return rp_is_token((rp_str_t){s, strlen(s)}) ? s : rp_sf_string(p, s);
}

/** An address as a node (RFC 7239 §6): IPv6 in brackets, without a zone, which means nothing elsewhere. */
static const char *forwarded_node(apr_pool_t *p, const char *address)
{
    if (!strchr(address, ':')) {
        return forwarded_value(p, address);
    }
    if (*address == '[') {
        return rp_sf_string(p, address);
    }
    return rp_sf_string(p, apr_psprintf(p, "[%.*s]", (int)strcspn(address, "%"), address));
}

static const char *forwarded_element(apr_pool_t *p, const char *client, const char *host, const char *scheme)
{
    return apr_pstrcat(p, "for=", forwarded_node(p, client), host ? ";host=" : "",
                       host ? forwarded_value(p, host) : "", scheme ? ";proto=" : "",
                       scheme ? forwarded_value(p, scheme) : "", NULL);
}

static void append(apr_pool_t *p, apr_table_t *fields, const char *name, const char *element)
{
    /* Not apr_table_merge: it would append to the first of several lines, and their order is the message's
     * way. */
    const char *before = apr_table_getm(p, fields, name);
    apr_table_setn(fields, name, before && *before ? apr_pstrcat(p, before, ", ", element, NULL) : element);
}

/** The first element of a list field that lists what each proxy saw; NULL when there is none. */
static const char *first_of(apr_pool_t *p, const apr_table_t *fields, const char *name)
{
    const char *value = apr_table_get(fields, name);
    rp_str_t list = value ? (rp_str_t){value, strlen(value)} : (rp_str_t){"", 0};
    rp_str_t item;
    return rp_list_next(&list, &item) ? apr_pstrmemdup(p, item.ptr, item.len) : NULL;
}

/**
 * A trusted proxy that speaks X-Forwarded-* only has told us the whole way so far; without it, Forwarded
 * would begin with that proxy and contradict them (RFC 7239 §7.4).  What it saw as Host and scheme is the
 * first client's.
 */
static void forwarded_from_x(apr_pool_t *p, apr_table_t *fields)
{
    const char *value = apr_table_getm(p, fields, "X-Forwarded-For");
    const char *host = first_of(p, fields, "X-Forwarded-Host");
    const char *scheme = first_of(p, fields, "X-Forwarded-Proto");
    if (!value) {
        return;
    }
    apr_array_header_t *elements = apr_array_make(p, 4, sizeof(const char *));
    rp_str_t list = {value, strlen(value)};
    rp_str_t item;
    while (rp_list_next(&list, &item)) {
        const char *client = apr_pstrmemdup(p, item.ptr, item.len);
        if (elements->nelts > 0) {
            APR_ARRAY_PUSH(elements, const char *) = ", ";
        }
        APR_ARRAY_PUSH(elements, const char *) = forwarded_element(p, client, host, scheme);
        host = scheme = NULL;
    }
    if (elements->nelts > 0) {
        apr_table_setn(fields, "Forwarded", apr_array_pstrcat(p, elements, 0));
    }
}

/** A trusted proxy's own word stays; else it is ours. */
static void set_unless_there(apr_table_t *fields, const char *name, const char *value)
{
    if (value && !apr_table_get(fields, name)) {
        apr_table_setn(fields, name, value);
    }
}

void rp_forwarded_set(apr_pool_t *p, apr_table_t *fields, const rp_forwarded_t *f)
{
    const char *client = f->client && *f->client ? f->client : "unknown";
    const char *host = f->host && *f->host ? f->host : NULL;
    if (!f->trusted) {
        apr_table_unset(fields, "Forwarded");
        apr_table_unset(fields, "X-Forwarded-For");
        apr_table_unset(fields, "X-Forwarded-Host");
        apr_table_unset(fields, "X-Forwarded-Proto");
    }
    if (!apr_table_get(fields, "Forwarded")) {
        forwarded_from_x(p, fields);
    }
    append(p, fields, "Forwarded", forwarded_element(p, client, host, f->scheme));
    append(p, fields, "X-Forwarded-For", client);
    set_unless_there(fields, "X-Forwarded-Host", host);
    set_unless_there(fields, "X-Forwarded-Proto", f->scheme);
}

void rp_via_add(apr_pool_t *p, apr_table_t *fields, int minor, const char *pseudonym)
{
    append(p, fields, "Via", apr_psprintf(p, "1.%d %s", minor, pseudonym));
}

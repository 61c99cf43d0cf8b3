/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/bytes.h"
#include "http/utf8.h"

/* ------------------------------------------------------------------ names and values */

static int is_encoded(const char *s, size_t len)
{
    return len >= 3 && s[0] == '%' && rp_byte_is(s[1], RP_BYTE_HEX) && rp_byte_is(s[2], RP_BYTE_HEX);
}

/** "+" and percent-encodings resolved; a "%" that encodes nothing stays (WHATWG URL §1.3). */
static rp_str_t percent_decoded(apr_pool_t *p, rp_str_t s)
{
    char *out = apr_palloc(p, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (is_encoded(s.ptr + i, s.len - i)) {
            out[n++] = (char)(rp_hex_value(s.ptr[i + 1]) << 4 | rp_hex_value(s.ptr[i + 2]));
            i += 2;
            continue;
        }
        out[n++] = s.ptr[i];
        if (s.ptr[i] == '+') {
            out[n - 1] = ' ';
        }
    }
    return (rp_str_t){out, n};
}

/** What is no UTF-8 replaced with U+FFFD, which is how different bytes come to be the same text. */
static rp_str_t utf8_decoded(apr_pool_t *p, rp_str_t s)
{
    char *out = apr_palloc(p, 3 * s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len;) {
        int valid;
        size_t taken = rp_utf8_next(s.ptr + i, s.len - i, &valid);
        memcpy(out + n, valid ? s.ptr + i : "\xef\xbf\xbd", valid ? taken : 3);
        n += valid ? taken : 3;
        i += taken;
    }
    return (rp_str_t){out, n};
}

static rp_str_t decoded(apr_pool_t *p, rp_str_t s)
{
    return utf8_decoded(p, percent_decoded(p, s));
}

/** Decoded text in the one way in which we write it: only unreserved bytes stand for themselves. */
static char *put_encoded(char *to, rp_str_t s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (rp_byte_is(s.ptr[i], RP_BYTE_UNRESERVED)) {
            *to++ = s.ptr[i];
            continue;
        }
        *to++ = '%';
        *to++ = hex[c >> 4];
        *to++ = hex[c & 15];
    }
    return to;
}

static int compare(rp_str_t a, rp_str_t b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_names(const void *a, const void *b)
{
    return compare(*(const rp_str_t *)a, *(const rp_str_t *)b);
}

/* ------------------------------------------------------------------ rules */

/** Sort and drop what stands twice, so that the same rules are the same text. */
static void normalise(apr_array_header_t *names)
{
    int kept = 0;
    qsort(names->elts, (size_t)names->nelts, sizeof(rp_str_t), compare_names);
    for (int i = 0; i < names->nelts; i++) {
        rp_str_t name = APR_ARRAY_IDX(names, i, rp_str_t);
        if (kept == 0 || compare(APR_ARRAY_IDX(names, kept - 1, rp_str_t), name) != 0) {
            APR_ARRAY_IDX(names, kept++, rp_str_t) = name;
        }
    }
    names->nelts = kept;
}

/** @return 0 when member is no Inner List of Strings */
static int read_names(apr_pool_t *p, const rp_sf_t *member, apr_array_header_t *names)
{
    if (member->type != RP_SF_INNER_LIST) {
        return 0;
    }
    for (int i = 0; i < member->items->nelts; i++) {
        const rp_sf_t *item = &APR_ARRAY_IDX(member->items, i, rp_sf_t);
        if (item->type != RP_SF_STRING) {
            return 0;
        }
        APR_ARRAY_PUSH(names, rp_str_t) = decoded(p, item->text);
    }
    normalise(names);
    return 1;
}

const rp_nvs_t *rp_nvs_parse(apr_pool_t *p, const char *value)
{
    const apr_array_header_t *members = value ? rp_sf_parse_dictionary(p, (rp_str_t){value, strlen(value)}) : NULL;
    const rp_sf_t *key_order = rp_sf_get(members, "key-order");
    const rp_sf_t *params = rp_sf_get(members, "params");
    const rp_sf_t *except = rp_sf_get(members, "except");
    rp_nvs_t *rules = apr_pcalloc(p, sizeof(*rules));

    if ((key_order && key_order->type != RP_SF_BOOLEAN) || (params && except)) {
        return NULL;
    }
    rules->any_order = key_order && key_order->number;
    rules->only = except != NULL;
    rules->names = apr_array_make(p, 4, sizeof(rp_str_t));
    /*
     * key-order alone is a rule, as the draft's introduction and its examples have it; a step of its parsing algorithm
     * (revision 04, "or neither exists") would make that the default.
     */
    if ((params || except) && !read_names(p, params ? params : except, rules->names)) {
        return NULL;
    }
    return rules->any_order || rules->only || rules->names->nelts > 0 ? rules : NULL;
}

const char *rp_nvs_format(apr_pool_t *p, const rp_nvs_t *rules)
{
    size_t size = sizeof("key-order, except=()");
    if (!rules) {
        return "";
    }
    for (int i = 0; i < rules->names->nelts; i++) {
        size += 3 * APR_ARRAY_IDX(rules->names, i, rp_str_t).len + 3;
    }
    char *text = apr_palloc(p, size);
    char *to = apr_cpystrn(text, rules->any_order ? "key-order" : "", size);
    if (rules->only || rules->names->nelts > 0) {
        to = apr_cpystrn(to, rules->any_order ? ", " : "", size - (size_t)(to - text));
        to = apr_cpystrn(to, rules->only ? "except=(" : "params=(", size - (size_t)(to - text));
        for (int i = 0; i < rules->names->nelts; i++) {
            to = apr_cpystrn(to, i ? " \"" : "\"", size - (size_t)(to - text));
            to = put_encoded(to, APR_ARRAY_IDX(rules->names, i, rp_str_t));
            *to++ = '"';
        }
        *to++ = ')';
        *to = '\0';
    }
    return text;
}

/* ------------------------------------------------------------------ queries */

typedef struct param_t {
    rp_str_t name;
    rp_str_t value;
    int place; /* in the query */
} param_t;

static int compare_params(const void *av, const void *bv)
{
    const param_t *a = av;
    const param_t *b = bv;
    int order = compare(a->name, b->name);
    return order ? order : a->place - b->place;
}

static int counts(const rp_nvs_t *rules, rp_str_t name)
{
    const apr_array_header_t *names = rules->names;
    int listed = bsearch(&name, names->elts, (size_t)names->nelts, sizeof(rp_str_t), compare_names) != NULL;
    return rules->only ? listed : !listed;
}

/** The parameters of query that count, decoded. */
static apr_array_header_t *params_of(apr_pool_t *p, const rp_nvs_t *rules, const char *query)
{
    apr_array_header_t *params = apr_array_make(p, 8, sizeof(param_t));
    while (*query) {
        size_t n = strcspn(query, "&");
        const char *equals = memchr(query, '=', n);
        size_t name_len = equals ? (size_t)(equals - query) : n;
        param_t param = {.name = {query, name_len}, .value = {"", 0}, .place = params->nelts};
        if (equals) {
            param.value = decoded(p, (rp_str_t){equals + 1, n - name_len - 1});
        }
        param.name = decoded(p, param.name);
        if (n > 0 && counts(rules, param.name)) {
            APR_ARRAY_PUSH(params, param_t) = param;
        }
        query += query[n] ? n + 1 : n;
    }
    return params;
}

const char *rp_nvs_query(apr_pool_t *p, const rp_nvs_t *rules, const char *query)
{
    if (!rules) {
        return query;
    }
    const apr_array_header_t *params = params_of(p, rules, query ? query : "");
    size_t size = 1;
    if (rules->any_order) {
        qsort(params->elts, (size_t)params->nelts, sizeof(param_t), compare_params);
    }
    for (int i = 0; i < params->nelts; i++) {
        const param_t *param = &APR_ARRAY_IDX(params, i, param_t);
        size += 3 * (param->name.len + param->value.len) + 2;
    }
    char *text = apr_palloc(p, size), *to = text;
    for (int i = 0; i < params->nelts; i++) {
        const param_t *param = &APR_ARRAY_IDX(params, i, param_t);
        if (i) {
            *to++ = '&';
        }
        to = put_encoded(to, param->name);
        *to++ = '=';
        to = put_encoded(to, param->value);
    }
    *to = '\0';
    return text;
}

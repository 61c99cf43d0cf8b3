/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>
#include <string.h>
#include <apr_fnmatch.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/bytes.h"

typedef struct param_t {
    rp_str_t text;    /* as it came */
    const char *name; /* as it came; terminated */
    const char *read; /* as a generous backend might read the name: decoded, lower case, without "[..." */
    size_t place;
} param_t;

static int is_encoded(const char *s)
{
    return s[0] == '%' && rp_byte_is(s[1], RP_BYTE_HEX) && rp_byte_is(s[2], RP_BYTE_HEX);
}

static const char *read_generously(apr_pool_t *p, const char *name)
{
    char *out = apr_pstrdup(p, name);
    char *to = out;
    while (*name) {
        char c = *name == '+' ? ' ' : *name;
        if (is_encoded(name)) {
            c = (char)(rp_hex_value(name[1]) << 4 | rp_hex_value(name[2]));
            name += 2;
        }
        name++;
        if (c == '[' || !c) {
            break;
        }
        *to++ = rp_byte_lower(c);
    }
    *to = '\0';
    return out;
}

static int matches(const apr_array_header_t *patterns, const char *name, int flags)
{
    for (int i = 0; i < patterns->nelts; i++) {
        if (apr_fnmatch(APR_ARRAY_IDX(patterns, i, const char *), name, flags) == APR_SUCCESS) {
            return 1;
        }
    }
    return 0;
}

static int has_semicolon(rp_str_t text)
{
    return memchr(text.ptr, ';', text.len) != NULL;
}

static int counts(const rp_query_rules_t *rules, const param_t *param)
{
    if (has_semicolon(param->text)) {
        return 1;
    }
    if (rules->only && !matches(rules->only, param->read, APR_FNM_CASE_BLIND)) {
        return 0;
    }
    return !rules->drop || !matches(rules->drop, param->name, 0);
}

static int compare(const void *av, const void *bv)
{
    const param_t *a = av;
    const param_t *b = bv;
    int order = strcmp(a->read, b->read);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

/** The parameters that count; *in_doubt when their order must stay. */
static apr_array_header_t *params_of(apr_pool_t *p, const rp_query_rules_t *rules, const char *query, int *in_doubt)
{
    apr_array_header_t *params = apr_array_make(p, 8, sizeof(param_t));
    *in_doubt = 0;
    for (;;) {
        size_t n = strcspn(query, "&");
        const char *equals = memchr(query, '=', n);
        param_t param = {.text = {query, n}, .place = (size_t)params->nelts};
        param.name = apr_pstrmemdup(p, query, equals ? (size_t)(equals - query) : n);
        param.read = read_generously(p, param.name);
        *in_doubt |= has_semicolon(param.text);
        if (counts(rules, &param)) {
            APR_ARRAY_PUSH(params, param_t) = param;
        }
        if (!query[n]) {
            return params;
        }
        query += n + 1;
    }
}

const char *rp_query_choose(apr_pool_t *p, const rp_query_rules_t *rules, const char *query)
{
    int in_doubt;

    if (!query || rules->none) {
        return NULL;
    }
    if (!*query || (!rules->only && !rules->drop && !rules->sort)) {
        return query;
    }
    apr_array_header_t *params = params_of(p, rules, query, &in_doubt);
    if (params->nelts == 0) {
        return NULL;
    }
    if (rules->sort && !in_doubt) {
        qsort(params->elts, (size_t)params->nelts, sizeof(param_t), compare);
    }
    char *chosen = apr_palloc(p, strlen(query) + 1);
    char *to = chosen;
    for (int i = 0; i < params->nelts; i++) {
        rp_str_t text = APR_ARRAY_IDX(params, i, param_t).text;
        if (i > 0) {
            *to++ = '&';
        }
        memcpy(to, text.ptr, text.len);
        to += text.len;
    }
    *to = '\0';
    return chosen;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <strings.h>

#include "http/http.h"

/** What a user agent acts on before the final response: other fields of a 103 are nothing to remember. */
static int is_hint(const char *name)
{
    return !strcasecmp(name, "Link") || !strcasecmp(name, "Content-Security-Policy");
}

static int has_line(const apr_table_t *hints, const char *name, const char *value)
{
    const apr_array_header_t *lines = apr_table_elts(hints);
    for (int i = 0; i < lines->nelts; i++) {
        const apr_table_entry_t *line = &APR_ARRAY_IDX(lines, i, apr_table_entry_t);
        if (!strcasecmp(line->key, name) && !strcmp(line->val, value)) {
            return 1;
        }
    }
    return 0;
}

void rp_hints_add(apr_pool_t *p, apr_table_t **hints, const apr_table_t *fields)
{
    const apr_array_header_t *lines = apr_table_elts(fields);
    for (int i = 0; i < lines->nelts; i++) {
        const apr_table_entry_t *line = &APR_ARRAY_IDX(lines, i, apr_table_entry_t);
        if (!is_hint(line->key)) {
            continue;
        }
        if (!*hints) {
            *hints = apr_table_make(p, 4);
        }
        /* One more than may be tells that there were too many. */
        if (apr_table_elts(*hints)->nelts <= RP_MAX_HINTS && !has_line(*hints, line->key, line->val)) {
            apr_table_addn(*hints, line->key, line->val);
        }
    }
}

int rp_hints_fit(const apr_table_t *hints)
{
    const apr_array_header_t *lines = apr_table_elts(hints);
    size_t len = 0;
    for (int i = 0; i < lines->nelts; i++) {
        const apr_table_entry_t *line = &APR_ARRAY_IDX(lines, i, apr_table_entry_t);
        len += strlen(line->key) + strlen(line->val);
    }
    return lines->nelts <= RP_MAX_HINTS && len <= RP_MAX_HINTS_LEN && apr_table_get(hints, "Link");
}

int rp_hints_within(const apr_table_t *some, const apr_table_t *all)
{
    const apr_array_header_t *lines = apr_table_elts(some);
    for (int i = 0; i < lines->nelts; i++) {
        const apr_table_entry_t *line = &APR_ARRAY_IDX(lines, i, apr_table_entry_t);
        if (!has_line(all, line->key, line->val)) {
            return 0;
        }
    }
    return 1;
}

int rp_hints_wanted(const char *sec_fetch_mode, int http_version)
{
    if (sec_fetch_mode) {
        return http_version >= 1001 && !strcmp(sec_fetch_mode, "navigate");
    }
    return http_version >= 2000;
}

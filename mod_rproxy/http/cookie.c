/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <strings.h>
#include <apr_strings.h>

#include "http/http.h"

int rp_cookie_next(rp_str_t *rest, rp_str_t *name, rp_str_t *value)
{
    while (rest->len > 0) {
        const char *end = memchr(rest->ptr, ';', rest->len);
        size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
        rp_str_t pair = rp_trim((rp_str_t){rest->ptr, len});
        const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        len += end ? 1 : 0;
        rest->ptr += len;
        rest->len -= len;
        if (equals) {
            *name = rp_trim((rp_str_t){pair.ptr, (size_t)(equals - pair.ptr)});
            *value = rp_trim((rp_str_t){equals + 1, pair.len - (size_t)(equals - pair.ptr) - 1});
            return 1;
        }
    }
    return 0;
}

static char *put(char *to, rp_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        *to++ = s.ptr[i];
        if (s.ptr[i] == '\n') {
            *to++ = ' ';
        }
    }
    return to;
}

static char *put_values(char *to, const char *name, const char *cookies)
{
    rp_str_t rest = {cookies, strlen(cookies)};
    rp_str_t found, value;
    while (rp_cookie_next(&rest, &found, &value)) {
        if (found.len == strlen(name) && memcmp(found.ptr, name, found.len) == 0) {
            *to++ = ';';
            to = put(to, value);
        }
    }
    return to;
}

const char *rp_cookie_selection(apr_pool_t *p, const apr_array_header_t *names, const apr_table_t *request)
{
    const apr_array_header_t *fields = apr_table_elts(request);
    const apr_table_entry_t *line = (const apr_table_entry_t *)fields->elts;
    size_t values = 0, size = 1;

    for (int i = 0; i < fields->nelts; i++) {
        values += strcasecmp(line[i].key, "Cookie") == 0 ? 2 * strlen(line[i].val) + 1 : 0;
    }
    for (int n = 0; n < names->nelts; n++) {
        size += 2 + 2 * strlen(APR_ARRAY_IDX(names, n, const char *)) + values;
    }
    char *text = apr_palloc(p, size);
    char *to = text;
    for (int n = 0; n < names->nelts; n++) {
        const char *name = APR_ARRAY_IDX(names, n, const char *);
        *to++ = ';';
        to = put(to, (rp_str_t){name, strlen(name)});
        for (int i = 0; i < fields->nelts; i++) {
            if (strcasecmp(line[i].key, "Cookie") == 0) {
                to = put_values(to, name, line[i].val);
            }
        }
        *to++ = '\n';
    }
    *to = '\0';
    return text;
}

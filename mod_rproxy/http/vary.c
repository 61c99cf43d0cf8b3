/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/bytes.h"

/* ------------------------------------------------------------------ names */

static rp_str_t slice(const char *s)
{
    return (rp_str_t){s, s ? strlen(s) : 0};
}

int rp_vary_is_star(const char *vary)
{
    rp_str_t list = slice(vary);
    rp_str_t name;
    while (rp_list_next(&list, &name)) {
        if (!rp_is_token(name) || rp_str_is(name, "*")) {
            return 1;
        }
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *rp_vary_names(apr_pool_t *p, const char *vary)
{
    rp_str_t list = slice(vary);
    rp_str_t name;

    if (rp_vary_is_star(vary)) {
        return "*";
    }
    apr_array_header_t *names = apr_array_make(p, 4, sizeof(char *));
    while (rp_list_next(&list, &name)) {
        char *copy = apr_pstrmemdup(p, name.ptr, name.len);
        for (char *c = copy; *c; c++) {
            *c = rp_byte_lower(*c);
        }
        APR_ARRAY_PUSH(names, char *) = copy;
    }
    if (names->nelts == 0) {
        return NULL;
    }
    char **name_at = (char **)names->elts;
    int unique = 1;
    qsort(name_at, (size_t)names->nelts, sizeof(char *), compare_names);
    for (int i = 1; i < names->nelts; i++) {
        if (strcmp(name_at[i], name_at[unique - 1]) != 0) {
            name_at[unique++] = name_at[i];
        }
    }
    names->nelts = unique;
    return apr_array_pstrcat(p, names, ',');
}

/* ------------------------------------------------------------------ selection */

/*
 * The form is that of a header section: "name: value LF" for each name, "name LF" for one that the request
 * does not have.  An LF inside a value (httpd lets none through, but two selections must never be alike) is
 * followed by a space, with which no name begins.
 *
 * Normalisation goes only as far as the fields' definitions allow (RFC 9111 §4.1).  Empty list members stay,
 * because a field that Vary names need not be a list.  Only where RFC 9110 §12.5 says what members mean, and gives
 * their order no meaning, they are sorted: quality values tell what the client prefers.
 */

typedef struct writer_t {
    apr_pool_t *p;
    char *at;
    int quoted; /* inside a quoted-string, where white space and commas are text */
} writer_t;

static void put(writer_t *w, char c)
{
    *w->at++ = c;
    if (c == '\n') {
        *w->at++ = ' ';
    }
}

/** Fields of tokens and ranges that ignore case, in any order (RFC 9110 §8.4.1, §12.5.2-4). */
static int is_preference(rp_str_t name)
{
    return rp_str_is(name, "accept-encoding") || rp_str_is(name, "accept-language")
           || rp_str_is(name, "accept-charset");
}

static size_t blanks_from(rp_str_t s, size_t i)
{
    size_t n = 0;
    while (i + n < s.len && rp_byte_is_blank(s.ptr[i + n])) {
        n++;
    }
    return n;
}

/**
 * Write one line of a field without the white space around it and around the commas that separate members.
 */
static void put_value(writer_t *w, rp_str_t value)
{
    int after_comma = 0;
    int escaped = 0;
    value = rp_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        size_t blanks = w->quoted ? 0 : blanks_from(value, i);
        int before_comma = blanks > 0 && value.ptr[i + blanks] == ',';
        for (; blanks > 0; blanks--, i++) {
            if (!before_comma && !after_comma) {
                put(w, value.ptr[i]);
            }
        }
        char c = value.ptr[i];
        put(w, c);
        after_comma = c == ',' && !w->quoted;
        if (c == '"' && !escaped) {
            w->quoted = !w->quoted;
        }
        escaped = w->quoted && c == '\\' && !escaped;
    }
}

static int is_named(const apr_table_entry_t *line, rp_str_t name)
{
    return rp_str_is(name, line->key);
}

/** Does a weight say what goes without saying: "q=1", "Q=1.00"? */
static int is_full_weight(rp_str_t name, rp_str_t value)
{
    if (!rp_str_is(name, "q") || value.len == 0 || value.len > 5 || value.ptr[0] != '1') {
        return 0;
    }
    for (size_t i = 1; i < value.len; i++) {
        if (value.ptr[i] != (i == 1 ? '.' : '0')) {
            return 0;
        }
    }
    return 1;
}

/** One member of a preference, lower case, its parts without white space, in p. */
static char *normal_member(apr_pool_t *p, rp_str_t member)
{
    char *copy = apr_palloc(p, member.len + 1), *to = copy;
    rp_str_t name, value;
    while (rp_param_next(&member, &name, &value)) {
        if (to > copy && is_full_weight(name, value)) {
            continue;
        }
        if (to > copy) {
            *to++ = ';';
        }
        to = mempcpy(to, name.ptr, name.len);
        if (value.ptr) {
            *to++ = '=';
            to = mempcpy(to, value.ptr, value.len);
        }
    }
    *to = '\0';
    for (to = copy; *to; to++) {
        *to = rp_byte_lower(*to);
    }
    return copy;
}

/** All lines of a preference as one sorted list. */
static void put_preference(writer_t *w, rp_str_t name, const apr_table_entry_t *lines, int n)
{
    apr_array_header_t *members = apr_array_make(w->p, 8, sizeof(char *));
    int present = 0;
    for (int i = 0; i < n; i++) {
        if (is_named(&lines[i], name)) {
            rp_str_t list = slice(lines[i].val);
            rp_str_t member;
            present = 1;
            while (rp_list_next(&list, &member)) {
                APR_ARRAY_PUSH(members, char *) = normal_member(w->p, member);
            }
        }
    }
    if (members->nelts > 0) {
        qsort(members->elts, (size_t)members->nelts, sizeof(char *), compare_names);
    }
    if (present) {
        w->at = stpcpy(w->at, ": ");
    }
    for (int i = 0; i < members->nelts; i++) {
        if (i > 0) {
            put(w, ',');
        }
        for (const char *c = APR_ARRAY_IDX(members, i, char *); *c; c++) {
            put(w, *c);
        }
    }
}

static void put_lines(writer_t *w, rp_str_t name, const apr_table_entry_t *lines, int n)
{
    const char *before = ": ";
    for (int i = 0; i < n; i++) {
        if (is_named(&lines[i], name)) {
            w->at = stpcpy(w->at, before);
            put_value(w, slice(lines[i].val));
            before = ",";
        }
    }
}

/** A request's fields, and the language that stands in for its Accept-Language; NULL for none. */
typedef struct request_t {
    const apr_table_entry_t *lines;
    int n;
    const char *language;
} request_t;

static int is_stood_in_for(const request_t *request, rp_str_t name)
{
    return request->language && rp_str_is(name, "accept-language");
}

static void put_field(writer_t *w, rp_str_t name, const request_t *request)
{
    const apr_table_entry_t *lines = request->lines;
    int n = request->n;
    memcpy(w->at, name.ptr, name.len);
    w->at += name.len;
    w->quoted = 0;
    if (is_stood_in_for(request, name)) {
        w->at = stpcpy(stpcpy(w->at, "="), request->language);
    }
    else if (is_preference(name)) {
        put_preference(w, name, lines, n);
    }
    else {
        put_lines(w, name, lines, n);
    }
    *w->at++ = '\n';
}

/** Bytes that put_field() writes at most. */
static size_t most_bytes(rp_str_t name, const request_t *request)
{
    size_t bytes = name.len + 1;
    if (is_stood_in_for(request, name)) {
        return bytes + 1 + strlen(request->language);
    }
    for (int i = 0; i < request->n; i++) {
        if (is_named(&request->lines[i], name)) {
            bytes += 2 + 2 * strlen(request->lines[i].val);
        }
    }
    return bytes;
}

static const char *selection(apr_pool_t *p, const char *names, const apr_table_t *fields, const char *language)
{
    const apr_array_header_t *all = apr_table_elts(fields);
    const request_t request = {(const apr_table_entry_t *)all->elts, all->nelts, language};
    rp_str_t name;

    size_t bytes = 1;
    for (rp_str_t list = slice(names); rp_list_next(&list, &name);) {
        bytes += most_bytes(name, &request);
    }
    char *text = apr_palloc(p, bytes);
    writer_t w = {p, text, 0};
    for (rp_str_t list = slice(names); rp_list_next(&list, &name);) {
        put_field(&w, name, &request);
    }
    *w.at = '\0';
    return text;
}

const char *rp_vary_selection(apr_pool_t *p, const char *names, const apr_table_t *request)
{
    return selection(p, names, request, NULL);
}

const char *rp_vary_selection_in(apr_pool_t *p, const char *names, const apr_table_t *request, const char *language)
{
    return rp_list_has(names, "accept-language") ? selection(p, names, request, language) : NULL;
}

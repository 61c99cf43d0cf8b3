/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Structured Fields written out again as RFC 9651 §4.1 wants it: what test and fuzz target compare by. */
#ifndef STRUCTURED_UTIL_H
#define STRUCTURED_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_base64.h>
#include <apr_strings.h>

#include "http/http.h"

static const char *text_of_string(apr_pool_t *p, const char *begin, rp_str_t s, int display)
{
    char *out = apr_palloc(p, 3 * s.len + 4), *to = out;
    to += strlen(strcpy(to, begin));
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (display && (c < 0x20 || c > 0x7e || c == '"' || c == '%')) {
            to += sprintf(to, "%%%02x", c);
            continue;
        }
        if (!display && (c == '"' || c == '\\')) {
            *to++ = '\\';
        }
        *to++ = (char)c;
    }
    strcpy(to, "\"");
    return out;
}

static const char *text_of_decimal(apr_pool_t *p, int64_t thousandths)
{
    char *text = apr_psprintf(p, "%s%" APR_INT64_T_FMT ".%03d", thousandths < 0 ? "-" : "",
                              (apr_int64_t)llabs(thousandths) / 1000, (int)(llabs(thousandths) % 1000));
    char *end = text + strlen(text);
    while (end[-1] == '0' && end[-2] != '.') {
        *--end = '\0';
    }
    return text;
}

static const char *text_of_bytes(apr_pool_t *p, rp_str_t bytes)
{
    char *out = apr_palloc(p, (apr_size_t)apr_base64_encode_len((int)bytes.len) + 2);
    int n = apr_base64_encode_binary(out + 1, (const unsigned char *)bytes.ptr, (int)bytes.len);
    *out = ':';
    strcpy(out + n, ":"); /* n counts the terminator, out + 1 makes up for it */
    return out;
}

static const char *text_of_bare(apr_pool_t *p, const rp_sf_t *item)
{
    switch (item->type) {
    case RP_SF_INTEGER:
        return apr_psprintf(p, "%" APR_INT64_T_FMT, (apr_int64_t)item->number);
    case RP_SF_DATE:
        return apr_psprintf(p, "@%" APR_INT64_T_FMT, (apr_int64_t)item->number);
    case RP_SF_DECIMAL:
        return text_of_decimal(p, item->number);
    case RP_SF_BOOLEAN:
        return item->number ? "?1" : "?0";
    case RP_SF_STRING:
        return text_of_string(p, "\"", item->text, 0);
    case RP_SF_DISPLAY_STRING:
        return text_of_string(p, "%\"", item->text, 1);
    case RP_SF_TOKEN:
        return apr_pstrmemdup(p, item->text.ptr, item->text.len);
    case RP_SF_BYTES:
        return text_of_bytes(p, item->text);
    case RP_SF_INNER_LIST:
        break;
    }
    abort();
}

static int is_bare_true(const rp_sf_t *item)
{
    return item->type == RP_SF_BOOLEAN && item->number;
}

static const char *text_of_member(apr_pool_t *p, const rp_sf_t *member);

static const char *text_of_inner_list(apr_pool_t *p, const rp_sf_t *list)
{
    const char *text = "(";
    for (int i = 0; i < list->items->nelts; i++) {
        text = apr_pstrcat(p, text, i ? " " : "", text_of_member(p, &APR_ARRAY_IDX(list->items, i, rp_sf_t)), NULL);
    }
    return apr_pstrcat(p, text, ")", NULL);
}

/** With the key that it has, if it has one. */
static const char *text_of_member(apr_pool_t *p, const rp_sf_t *member)
{
    const char *text = member->key.len ? apr_pstrmemdup(p, member->key.ptr, member->key.len) : "";
    if (member->type == RP_SF_INNER_LIST) {
        text = apr_pstrcat(p, text, *text ? "=" : "", text_of_inner_list(p, member), NULL);
    }
    else if (!*text || !is_bare_true(member)) {
        text = apr_pstrcat(p, text, *text ? "=" : "", text_of_bare(p, member), NULL);
    }
    for (int i = 0; member->params && i < member->params->nelts; i++) {
        text = apr_pstrcat(p, text, ";", text_of_member(p, &APR_ARRAY_IDX(member->params, i, rp_sf_t)), NULL);
    }
    return text;
}

static const char *text_of_members(apr_pool_t *p, const apr_array_header_t *members)
{
    const char *text = "";
    for (int i = 0; i < members->nelts; i++) {
        text = apr_pstrcat(p, text, i ? ", " : "", text_of_member(p, &APR_ARRAY_IDX(members, i, rp_sf_t)), NULL);
    }
    return text;
}

/** value read as 'i'tem, 'l'ist or 'd'ictionary and written again; NULL when it is invalid. */
static const char *text_again(apr_pool_t *p, char what, rp_str_t value)
{
    rp_sf_t item;
    const apr_array_header_t *members;
    if (what == 'i') {
        return rp_sf_parse_item(p, value, &item) ? text_of_member(p, &item) : NULL;
    }
    members = what == 'l' ? rp_sf_parse_list(p, value) : rp_sf_parse_dictionary(p, value);
    return members ? text_of_members(p, members) : NULL;
}

#endif

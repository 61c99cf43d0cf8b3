/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"

/* A ")" or "(" makes a group of a regular expression, unless a backslash stands before it. */
static int has_group(rp_str_t pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] == '\\') {
            i++;
        }
        else if (pattern.ptr[i] == '(' || pattern.ptr[i] == ')') {
            return 1;
        }
    }
    return 0;
}

int rp_dictionary_use(apr_pool_t *p, const apr_table_t *response, rp_dictionary_use_t *use)
{
    const apr_array_header_t *members = rp_sf_dictionary_field(p, response, "Use-As-Dictionary");
    const rp_sf_t *match = members ? rp_sf_get(members, "match") : NULL;
    const rp_sf_t *id = members ? rp_sf_get(members, "id") : NULL;
    const rp_sf_t *type = members ? rp_sf_get(members, "type") : NULL;
    const rp_sf_t *dest = members ? rp_sf_get(members, "match-dest") : NULL;

    if (!match || match->type != RP_SF_STRING || match->text.len == 0 || has_group(match->text)
        || (type && (type->type != RP_SF_TOKEN || strcmp(type->text.ptr, "raw")))
        || (id && (id->type != RP_SF_STRING || id->text.len > RP_DICTIONARY_ID_MAX))
        || (dest && dest->type != RP_SF_INNER_LIST)) {
        return 0;
    }
    use->match = match->text.ptr;
    use->id = id ? id->text.ptr : "";
    return 1;
}

/* The field as one Item; 0 also when it is absent. */
static int item_field(apr_pool_t *p, const apr_table_t *fields, const char *name, rp_sf_t *item)
{
    const char *value = apr_table_getm(p, fields, name);

    return value && rp_sf_parse_item(p, (rp_str_t){ value, strlen(value) }, item);
}

int rp_dictionary_available(apr_pool_t *p, const apr_table_t *request, unsigned char hash[RP_DICTIONARY_HASH])
{
    rp_sf_t item;

    if (!item_field(p, request, "Available-Dictionary", &item) || item.type != RP_SF_BYTES
        || item.text.len != RP_DICTIONARY_HASH) {
        return 0;
    }
    memcpy(hash, item.text.ptr, RP_DICTIONARY_HASH);
    return 1;
}

const char *rp_dictionary_id(apr_pool_t *p, const apr_table_t *request)
{
    rp_sf_t item;

    if (!apr_table_get(request, "Dictionary-ID")) {
        return "";
    }
    return item_field(p, request, "Dictionary-ID", &item) && item.type == RP_SF_STRING
           && item.text.len <= RP_DICTIONARY_ID_MAX ? item.text.ptr : NULL;
}

int rp_dictionary_may_serve(const apr_table_t *request, const apr_table_t *response)
{
    const char *site = apr_table_get(request, "Sec-Fetch-Site"), *mode = apr_table_get(request, "Sec-Fetch-Mode");
    const char *origin = apr_table_get(request, "Origin");
    const char *allowed = apr_table_get(response, "Access-Control-Allow-Origin");

    if (!site || !strcmp(site, "same-origin") || !mode || !strcmp(mode, "navigate") || !strcmp(mode, "same-origin")) {
        return 1;
    }
    return !strcmp(mode, "cors") && allowed && (!strcmp(allowed, "*") || (origin && !strcmp(allowed, origin)));
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Orders to purge, as JSON. */

#include <string.h>

#include <apr_strings.h>

#include "status/manage.h"

static const char *read_what(const json_t *value, rp_purge_wish_t *wish)
{
    static const char *const words[] = { "url", "prefix", "tag", "all" };
    int i;

    for (i = 0; i < (int)(sizeof(words) / sizeof(*words)); i++) {
        if (json_is_string(value) && !strcmp(json_string_value(value), words[i])) {
            wish->what = (rp_purge_what_e)i;
            return NULL;
        }
    }
    return "what: write \"url\", \"prefix\", \"tag\" or \"all\"";
}

static const char *read_tags(apr_pool_t *p, const json_t *value, rp_purge_wish_t *wish)
{
    size_t i;

    wish->tags = apr_array_make(p, 4, sizeof(const char *));
    for (i = 0; i < json_array_size(value); i++) {
        const char *tag = json_string_value(json_array_get(value, i));

        if (!tag) {
            return "tags: write a list of strings";
        }
        APR_ARRAY_PUSH(wish->tags, const char *) = apr_pstrdup(p, tag);
    }
    return json_is_array(value) ? NULL : "tags: write a list of strings";
}

static const char *read_text(apr_pool_t *p, const char *key, const json_t *value, const char **text)
{
    if (!json_is_string(value)) {
        return apr_pstrcat(p, key, ": write a string", NULL);
    }
    *text = apr_pstrdup(p, json_string_value(value));
    return NULL;
}

static const char *read_field(apr_pool_t *p, const char *key, const json_t *value, rp_purge_wish_t *wish)
{
    if (!strcmp(key, "what")) {
        return read_what(value, wish);
    }
    if (!strcmp(key, "url")) {
        return read_text(p, key, value, &wish->url);
    }
    if (!strcmp(key, "host")) {
        return read_text(p, key, value, &wish->host);
    }
    if (!strcmp(key, "tags")) {
        return read_tags(p, value, wish);
    }
    if (!strcmp(key, "soft")) {
        wish->soft = json_is_true(value);
        return json_is_boolean(value) ? NULL : "soft: write true or false";
    }
    return apr_psprintf(p, "%s is not known here: write what, url, host, tags, soft", key);
}

const char *rp_purge_wish_read(apr_pool_t *p, const char *content, apr_size_t len, rp_purge_wish_t *wish)
{
    json_error_t where;
    json_t *json = json_loadb(content, len, JSON_REJECT_DUPLICATES, &where), *value;
    const char *key, *error = NULL;

    memset(wish, 0, sizeof(*wish));
    if (!json_is_object(json)) {
        json_decref(json);
        return "the content is no JSON object: write one, such as {\"what\": \"url\", \"url\": "
               "\"https://www.example.org/page\"}";
    }
    json_object_foreach(json, key, value) {
        error = error ? error : read_field(p, key, value, wish);
    }
    /* Never everything for want of a word. */
    if (!error && !json_object_get(json, "what")) {
        error = "what is missing: write \"url\", \"prefix\", \"tag\" or \"all\"";
    }
    json_decref(json);
    return error;
}

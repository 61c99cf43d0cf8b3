/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "http/http.h"

typedef struct collecting_t {
    apr_pool_t *p;
    apr_array_header_t *tags;
    int complete;
} collecting_t;

static int is_there(const apr_array_header_t *tags, rp_tag_kind_e kind, rp_str_t text)
{
    for (int i = 0; i < tags->nelts; i++) {
        const rp_tag_t *tag = &APR_ARRAY_IDX(tags, i, rp_tag_t);
        if (tag->kind == kind && tag->text.len == text.len && memcmp(tag->text.ptr, text.ptr, text.len) == 0) {
            return 1;
        }
    }
    return 0;
}

static void add(collecting_t *c, rp_tag_kind_e kind, rp_str_t text)
{
    if (is_there(c->tags, kind, text)) {
        return;
    }
    if (c->tags->nelts == RP_MAX_TAGS || text.len > RP_MAX_TAG_LEN) {
        c->complete = 0;
        return;
    }
    APR_ARRAY_PUSH(c->tags, rp_tag_t) = (rp_tag_t){kind, {apr_pstrmemdup(c->p, text.ptr, text.len), text.len}};
}

/** Parameters are ignored (RFC 9875 §2); a member that is no String makes the field another one than was meant. */
static void add_groups(collecting_t *c, const apr_table_t *fields, const char *name)
{
    const apr_array_header_t *members = rp_sf_list_field(c->p, fields, name);
    for (int i = 0; members && i < members->nelts; i++) {
        if (APR_ARRAY_IDX(members, i, rp_sf_t).type != RP_SF_STRING) {
            return;
        }
    }
    for (int i = 0; members && i < members->nelts; i++) {
        add(c, RP_TAG_GROUP, APR_ARRAY_IDX(members, i, rp_sf_t).text);
    }
}

/** The tags of one line.  Lines are not joined first, as the comma between them would be a part of a Surrogate-Key. */
static void add_separated(collecting_t *c, const char *value, const char *separators)
{
    while (*value) {
        size_t n = strcspn(value, separators);
        rp_str_t tag = rp_trim((rp_str_t){value, n});
        if (tag.len > 0) {
            add(c, RP_TAG_KEY, tag);
        }
        value += value[n] ? n + 1 : n;
    }
}

static int add_surrogate_keys(void *baton, const char *name, const char *value)
{
    (void)name;
    add_separated(baton, value, " \t");
    return 1;
}

static int add_cache_tags(void *baton, const char *name, const char *value)
{
    (void)name;
    add_separated(baton, value, ",");
    return 1;
}

int rp_tags(apr_pool_t *p, const apr_table_t *fields, apr_array_header_t **tags)
{
    collecting_t c = {p, apr_array_make(p, 8, sizeof(rp_tag_t)), 1};
    add_groups(&c, fields, "Cache-Groups");
    apr_table_do(add_surrogate_keys, &c, fields, "Surrogate-Key", NULL);
    apr_table_do(add_cache_tags, &c, fields, "Cache-Tag", NULL);
    *tags = c.tags;
    return c.complete;
}

int rp_tags_invalidated(apr_pool_t *p, const apr_table_t *fields, apr_array_header_t **tags)
{
    collecting_t c = {p, apr_array_make(p, 8, sizeof(rp_tag_t)), 1};
    add_groups(&c, fields, "Cache-Group-Invalidation");
    *tags = c.tags;
    return c.complete;
}

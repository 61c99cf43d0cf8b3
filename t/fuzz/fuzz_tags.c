/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Groups and tags: the input's lines are Cache-Groups, Surrogate-Key and Cache-Tag.  None stands twice, none is longer
 * or has more company than it may, and what was left out is told. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    apr_initialize();
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static void check(const apr_array_header_t *tags)
{
    CHECK(tags->nelts <= RP_MAX_TAGS);
    for (int i = 0; i < tags->nelts; i++) {
        const rp_tag_t *tag = &APR_ARRAY_IDX(tags, i, rp_tag_t);
        CHECK(tag->text.len <= RP_MAX_TAG_LEN && tag->text.ptr[tag->text.len] == '\0');
        CHECK(tag->kind == RP_TAG_GROUP || tag->text.len > 0);
        for (int j = 0; j < i; j++) {
            const rp_tag_t *other = &APR_ARRAY_IDX(tags, j, rp_tag_t);
            CHECK(other->kind != tag->kind || other->text.len != tag->text.len
                  || memcmp(other->text.ptr, tag->text.ptr, tag->text.len) != 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"Cache-Groups", "Surrogate-Key", "Cache-Tag", "Cache-Group-Invalidation"};
    char *line, *text = apr_pstrmemdup(pool, (const char *)data, size);
    apr_table_t *fields = apr_table_make(pool, 4);
    apr_array_header_t *tags, *more;
    for (int i = 0; (line = strsep(&text, "\n")) != NULL; i++) {
        apr_table_addn(fields, names[i % 4], line);
    }
    int complete = rp_tags(pool, fields, &tags);
    check(tags);
    /* Another tag is taken or told of. */
    apr_table_addn(fields, "Cache-Tag", "another,one");
    if (rp_tags(pool, fields, &more)) {
        CHECK(complete && more->nelts <= tags->nelts + 2);
    }
    check(more);
    rp_tags_invalidated(pool, fields, &tags);
    check(tags);
    apr_pool_clear(pool);
    return 0;
}

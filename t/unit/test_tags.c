/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "http/http.h"

static apr_pool_t *pool;

static apr_table_t *fields_of(const char *text)
{
    apr_table_t *fields = apr_table_make(pool, 4);
    char *line, *rest = apr_pstrdup(pool, text);
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *colon = strchr(line, ':');
        *colon = '\0';
        apr_table_addn(fields, line, colon + 1 + strspn(colon + 1, " "));
    }
    return fields;
}

/** "g[group] k[tag]", with "..." behind when some were left out */
static const char *told(int complete, const apr_array_header_t *tags)
{
    const char *text = "";
    for (int i = 0; i < tags->nelts; i++) {
        const rp_tag_t *tag = &APR_ARRAY_IDX(tags, i, rp_tag_t);
        assert_int_equal(strlen(tag->text.ptr), tag->text.len);
        text = apr_pstrcat(pool, text, i ? " " : "", tag->kind == RP_TAG_GROUP ? "g[" : "k[", tag->text.ptr, "]", NULL);
    }
    return complete ? text : apr_pstrcat(pool, text, "...", NULL);
}

static const char *tags_of(const char *text)
{
    apr_array_header_t *tags;
    int complete = rp_tags(pool, fields_of(text), &tags);
    return told(complete, tags);
}

static const char *invalidated_by(const char *text)
{
    apr_array_header_t *tags;
    int complete = rp_tags_invalidated(pool, fields_of(text), &tags);
    return told(complete, tags);
}

static void groups_are_strings(void **state)
{
    (void)state;
    assert_string_equal(tags_of("Cache-Groups: \"a\", \"b c\";x=1, \"A\", \"a\""), "g[a] g[b c] g[A]");
    assert_string_equal(tags_of("Cache-Groups: \"a\"\ncache-groups: \"b\""), "g[a] g[b]");
    assert_string_equal(tags_of("Cache-Groups: \"\", \"\\\"\""), "g[] g[\"]");
    assert_string_equal(tags_of("Cache-Groups: \"a\", b"), "");
    assert_string_equal(tags_of("Cache-Groups: \"a\", (\"b\")"), "");
    assert_string_equal(tags_of("Cache-Groups: \"a\","), "");
    assert_string_equal(tags_of("Cache-Groups:"), "");
    assert_string_equal(tags_of("Cache-Group-Invalidation: \"a\""), "");
}

static void tags_are_words_or_stand_between_commas(void **state)
{
    (void)state;
    assert_string_equal(tags_of("Surrogate-Key:  a b\tc  a"), "k[a] k[b] k[c]");
    assert_string_equal(tags_of("Surrogate-Key: a,b \"c"), "k[a,b] k[\"c]");
    assert_string_equal(tags_of("Surrogate-Key: a\nSurrogate-Key: b"), "k[a] k[b]");
    assert_string_equal(tags_of("Cache-Tag: a, b c ,,d,"), "k[a] k[b c] k[d]");
    assert_string_equal(tags_of("Cache-Tag: a\nCache-Tag: b\nSurrogate-Key: b c"), "k[b] k[c] k[a]");
    assert_string_equal(tags_of("Surrogate-Key: A a"), "k[A] k[a]");
    assert_string_equal(tags_of("Cache-Tag: a\nCache-Groups: \"a\""), "g[a] k[a]");
    assert_string_equal(tags_of("Cache-Tag:\nSurrogate-Key:"), "");
    assert_string_equal(tags_of("Other: a"), "");
}

static void only_groups_are_invalidated_by_a_response(void **state)
{
    (void)state;
    assert_string_equal(invalidated_by("Cache-Group-Invalidation: \"a\", \"b\"\nCache-Groups: \"c\"\nCache-Tag: d"),
                        "g[a] g[b]");
    assert_string_equal(invalidated_by("Cache-Group-Invalidation: a"), "");
    assert_string_equal(invalidated_by("Other: a"), "");
}

static void what_is_too_much_is_left_out_and_told(void **state)
{
    char *keys = "Surrogate-Key:";
    const char *last;
    apr_array_header_t *tags;
    (void)state;
    for (int i = 0; i < RP_MAX_TAGS; i++) {
        keys = apr_psprintf(pool, "%s key%d", keys, i);
    }
    assert_true(rp_tags(pool, fields_of(keys), &tags));
    assert_int_equal(tags->nelts, RP_MAX_TAGS);
    assert_true(rp_tags(pool, fields_of(apr_pstrcat(pool, keys, " key0", NULL)), &tags));
    assert_false(rp_tags(pool, fields_of(apr_pstrcat(pool, keys, " more", NULL)), &tags));
    assert_int_equal(tags->nelts, RP_MAX_TAGS);

    char *longest = memset(apr_pcalloc(pool, RP_MAX_TAG_LEN + 1), 'x', RP_MAX_TAG_LEN);
    assert_true(rp_tags(pool, fields_of(apr_pstrcat(pool, "Cache-Tag: a,", longest, NULL)), &tags));
    assert_int_equal(tags->nelts, 2);
    last = tags_of(apr_pstrcat(pool, "Cache-Tag: a,", longest, "x,b", NULL));
    assert_string_equal(last, "k[a] k[b]...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_strings),
        cmocka_unit_test(tags_are_words_or_stand_between_commas),
        cmocka_unit_test(only_groups_are_invalidated_by_a_response),
        cmocka_unit_test(what_is_too_much_is_left_out_and_told),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("tags", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

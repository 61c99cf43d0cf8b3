/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Fields on their way from hop to hop: what Connection names goes and nothing else, and what Forwarded and its like say
 * of a client that nobody vouches for is what we know of it. */

#include "fields_util.h"

/* What no Connection field may take away. */
static const char *const kept[] = {"Host", "Content-Length", "Cache-Control", "Authorization", "X-Forwarded-For", NULL};

static void check_strip(const apr_table_t *fields)
{
    apr_table_t *stripped = apr_table_copy(pool, fields);
    if (!rp_hop_strip(stripped)) {
        CHECK(lines_of(stripped) == lines_of(fields));
        return;
    }
    CHECK(!apr_table_get(stripped, "Connection") && !apr_table_get(stripped, "Transfer-Encoding"));
    for (const char *const *name = kept; *name; name++) {
        const char *before = apr_table_getm(pool, fields, *name), *after = apr_table_getm(pool, stripped, *name);
        CHECK(before ? after && !strcmp(before, after) : !after);
    }
    rp_str_t options = {NULL, 0}, option;
    const char *connection = apr_table_getm(pool, fields, "Connection");
    if (connection) {
        options = (rp_str_t){connection, strlen(connection)};
    }
    while (rp_list_next(&options, &option)) {
        const char *name = apr_pstrmemdup(pool, option.ptr, option.len);
        CHECK(!apr_table_get(stripped, name) || !rp_trailer_is_allowed(option));
    }
    int left = lines_of(stripped);
    CHECK(rp_hop_strip(stripped) && lines_of(stripped) == left);
}

/* Every element of Forwarded can be read back; @return how many there are. */
static int elements_of(const char *forwarded)
{
    rp_str_t list = {forwarded, strlen(forwarded)}, element, name, value;
    int n = 0;
    for (; rp_list_next(&list, &element); n++) {
        CHECK(rp_param_next(&element, &name, &value) && rp_str_is(name, "for") && value.ptr && value.len > 0);
    }
    return n;
}

static void check_forwarded(const apr_table_t *fields, int trusted)
{
    const rp_forwarded_t us = {"2001:db8::1", "shop.example", "https", trusted};
    apr_table_t *out = apr_table_copy(pool, fields);
    rp_forwarded_set(pool, out, &us);
    rp_via_add(pool, out, 1, "proxy");
    const char *forwarded = apr_table_getm(pool, out, "Forwarded");
    static const char ours[] = "for=\"[2001:db8::1]\";host=shop.example;proto=https";
    size_t len = strlen(forwarded), n = strlen(ours);
    CHECK(len >= n && !strcmp(forwarded + len - n, ours));
    if (!trusted) {
        CHECK(!strcmp(forwarded, ours) && !strcmp(apr_table_getm(pool, out, "X-Forwarded-For"), "2001:db8::1"));
        CHECK(!strcmp(apr_table_getm(pool, out, "X-Forwarded-Host"), "shop.example"));
    }
    else if (!apr_table_get(fields, "Forwarded")) {
        const char *before = apr_table_getm(pool, fields, "X-Forwarded-For");
        rp_str_t list = {before, before ? strlen(before) : 0}, item;
        int said = 0;
        while (rp_list_next(&list, &item)) {
            said++;
        }
        CHECK(elements_of(forwarded) == said + 1);
    }
    const char *via = apr_table_getm(pool, out, "Via");
    CHECK(strlen(via) >= 9 && !strcmp(via + strlen(via) - 9, "1.1 proxy"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = apr_pstrmemdup(pool, (const char *)data, size);
    const apr_table_t *fields = fields_of(&text);
    check_strip(fields);
    check_forwarded(fields, 0);
    check_forwarded(fields, 1);
    apr_pool_clear(pool);
    return 0;
}

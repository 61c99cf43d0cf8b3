/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Records as they lie in a store.  Whatever the bytes, decoding stays inside of them; and what was decoded
 * comes back from its own encoding as it was. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>

#include "cache/record.h"

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

static int inside(const char *s, const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;

    return s >= start && s + strlen(s) < start + size;
}

static void check_same_fields(const apr_table_t *a, const apr_table_t *b)
{
    const apr_array_header_t *x = apr_table_elts(a);
    const apr_array_header_t *y = apr_table_elts(b);
    int i;

    CHECK(x->nelts == y->nelts);
    for (i = 0; i < x->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(x, i, apr_table_entry_t);
        const apr_table_entry_t *f = &APR_ARRAY_IDX(y, i, apr_table_entry_t);

        CHECK(!strcmp(e->key, f->key) && !strcmp(e->val, f->val));
    }
}

static void check_same(const rp_record_t *a, const rp_record_t *b)
{
    CHECK(a->kind == b->kind && a->status == b->status);
    CHECK(!strcmp(a->key, b->key) && !strcmp(a->vary, b->vary));
    CHECK(!strcmp(a->selection, b->selection) && !strcmp(a->reason, b->reason));
    CHECK(a->request_time == b->request_time && a->response_time == b->response_time);
    CHECK(a->initial_age == b->initial_age && a->lifetime == b->lifetime);
    CHECK(a->body == b->body);
    CHECK(a->part_first == b->part_first && a->part_complete == b->part_complete);
    CHECK(!a->fields == !b->fields);
    if (a->fields) {
        check_same_fields(a->fields, b->fields);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rp_record_t record, again;

    if (rp_record_decode(pool, (rp_str_t){ (const char *)data, size }, &record)) {
        int least = record.kind == RP_RECORD_HINTS ? 103 : 200;

        CHECK(!record.fields || (record.status >= least && record.status <= 599));
        CHECK(inside(record.key, data, size) && inside(record.vary, data, size));
        CHECK(inside(record.selection, data, size) && inside(record.reason, data, size));
        CHECK(rp_record_decode(pool, rp_record_encode(pool, &record), &again));
        check_same(&record, &again);
    }
    apr_pool_clear(pool);
    return 0;
}

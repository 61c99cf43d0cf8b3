/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Orders out of the farm's log.  Whatever the bytes, decoding stays inside of them; and what was decoded is written in
 * the same bytes again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>

#include "cache/order.h"

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

static void check_step(const rp_purge_t *step, const uint8_t *data, size_t size)
{
    const uint8_t *prefix = (const uint8_t *)step->prefix.ptr;

    CHECK(step->kind >= RP_PURGE_KEY && step->kind <= RP_PURGE_DOUBT);
    CHECK(step->kind == RP_PURGE_PREFIX || step->prefix.len == 0);
    CHECK(step->prefix.len <= RP_STORE_PREFIX_MAX);
    CHECK(step->prefix.len == 0 || (prefix >= data && prefix + step->prefix.len <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rp_purge_order_t order;
    rp_order_id_t id;
    int i;

    if (rp_order_decode(pool, (rp_str_t){ (const char *)data, size }, &id, &order)) {
        rp_str_t bytes = rp_order_encode(pool, &id, &order);

        CHECK(order.steps->nelts <= RP_ORDER_STEPS);
        CHECK(bytes.len == size && !memcmp(bytes.ptr, data, size));
        for (i = 0; i < order.steps->nelts; i++) {
            check_step(&APR_ARRAY_IDX(order.steps, i, const rp_purge_t), data, size);
        }
    }
    apr_pool_clear(pool);
    return 0;
}

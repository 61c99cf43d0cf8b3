/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Orders to purge, as they stand in the farm's log. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "cache/order.h"

static apr_pool_t *pool;

static const rp_order_id_t id = { UINT64_C(0x0123456789abcdef), 42 };

static rp_purge_order_t order_of(int soft)
{
    return (rp_purge_order_t){ soft, apr_array_make(pool, 4, sizeof(rp_purge_t)) };
}

static rp_purge_t *add(rp_purge_order_t *order, rp_purge_kind_e kind)
{
    rp_purge_t *step = apr_array_push(order->steps);

    memset(step, 0, sizeof(*step));
    step->kind = kind;
    step->soft = order->soft;
    return step;
}

/* One step of each kind. */
static rp_purge_order_t all_kinds(int soft)
{
    rp_purge_order_t order = order_of(soft);

    memset(add(&order, RP_PURGE_KEY)->key, 'K', RP_KEY_HALF);
    memset(add(&order, RP_PURGE_TAG)->tag.hash, 'T', RP_STORE_TAG_LEN);
    add(&order, RP_PURGE_PREFIX)->prefix = (rp_str_t){ "http://example.org/a", 20 };
    add(&order, RP_PURGE_PREFIX)->prefix = (rp_str_t){ "", 0 };
    add(&order, RP_PURGE_ALL);
    add(&order, RP_PURGE_DOUBT);
    return order;
}

static void assert_same(const rp_purge_order_t *a, const rp_purge_order_t *b)
{
    int i;

    assert_int_equal(a->soft, b->soft);
    assert_int_equal(a->steps->nelts, b->steps->nelts);
    for (i = 0; i < a->steps->nelts; i++) {
        const rp_purge_t *x = &APR_ARRAY_IDX(a->steps, i, rp_purge_t), *y = &APR_ARRAY_IDX(b->steps, i, rp_purge_t);

        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->soft, y->soft);
        assert_memory_equal(x->key, y->key, RP_KEY_HALF);
        assert_memory_equal(x->tag.hash, y->tag.hash, RP_STORE_TAG_LEN);
        assert_int_equal(x->prefix.len, y->prefix.len);
        if (x->prefix.len) {
            assert_memory_equal(x->prefix.ptr, y->prefix.ptr, x->prefix.len);
        }
    }
}

static void comes_back_as_it_was(void **state)
{
    int soft;

    (void)state;
    for (soft = 0; soft <= 1; soft++) {
        rp_purge_order_t order = all_kinds(soft), read;
        rp_str_t bytes = rp_order_encode(pool, &id, &order);
        rp_order_id_t read_id;

        assert_true(bytes.len > 0);
        assert_true(rp_order_decode(pool, bytes, &read_id, &read));
        assert_int_equal(read_id.origin, id.origin);
        assert_int_equal(read_id.number, id.number);
        assert_same(&order, &read);
    }
}

static void a_mark_has_no_steps(void **state)
{
    rp_purge_order_t order = order_of(0), read;
    rp_str_t bytes = rp_order_encode(pool, &id, &order);
    rp_order_id_t read_id;

    (void)state;
    assert_true(rp_order_decode(pool, bytes, &read_id, &read));
    assert_int_equal(read.steps->nelts, 0);
}

static void what_is_cut_or_longer_is_none(void **state)
{
    rp_purge_order_t order = all_kinds(0), read;
    rp_str_t bytes = rp_order_encode(pool, &id, &order);
    char *longer = apr_pstrmemdup(pool, bytes.ptr, bytes.len + 1);
    rp_order_id_t read_id;
    size_t len;

    (void)state;
    for (len = 0; len < bytes.len; len++) {
        /* On the heap, so that reading behind the end is noticed. */
        char *cut = malloc(len + 1);

        memcpy(cut, bytes.ptr, len);
        assert_false(rp_order_decode(pool, (rp_str_t){ cut, len }, &read_id, &read));
        free(cut);
    }
    memcpy(longer, bytes.ptr, bytes.len);
    longer[bytes.len] = 'a';
    assert_false(rp_order_decode(pool, (rp_str_t){ longer, bytes.len + 1 }, &read_id, &read));
}

static void other_letters_and_flags_are_none(void **state)
{
    rp_purge_order_t order = order_of(0), read;
    rp_order_id_t read_id;
    rp_str_t bytes;
    char *changed;

    (void)state;
    add(&order, RP_PURGE_ALL);
    bytes = rp_order_encode(pool, &id, &order);
    changed = apr_pmemdup(pool, bytes.ptr, bytes.len);
    changed[bytes.len - 1] = 'x';
    assert_false(rp_order_decode(pool, (rp_str_t){ changed, bytes.len }, &read_id, &read));
    changed[bytes.len - 1] = 'a';
    changed[2] = 2;
    assert_false(rp_order_decode(pool, (rp_str_t){ changed, bytes.len }, &read_id, &read));
    changed[2] = 0;
    changed[1] = '2';
    assert_false(rp_order_decode(pool, (rp_str_t){ changed, bytes.len }, &read_id, &read));
}

static void what_is_too_large_is_not_written(void **state)
{
    rp_purge_order_t order = order_of(0);
    char *prefix = apr_palloc(pool, RP_STORE_PREFIX_MAX + 1);
    int i;

    (void)state;
    memset(prefix, 'p', RP_STORE_PREFIX_MAX + 1);
    add(&order, RP_PURGE_PREFIX)->prefix = (rp_str_t){ prefix, RP_STORE_PREFIX_MAX + 1 };
    assert_int_equal(rp_order_encode(pool, &id, &order).len, 0);
    order = order_of(0);
    for (i = 0; i < RP_ORDER_STEPS; i++) {
        add(&order, RP_PURGE_KEY);
    }
    assert_true(rp_order_encode(pool, &id, &order).len > 0);
    add(&order, RP_PURGE_KEY);
    assert_int_equal(rp_order_encode(pool, &id, &order).len, 0);
    order = order_of(0);
    for (i = 0; i < 17; i++) {
        add(&order, RP_PURGE_PREFIX)->prefix = (rp_str_t){ prefix, RP_STORE_PREFIX_MAX };
    }
    assert_int_equal(rp_order_encode(pool, &id, &order).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(a_mark_has_no_steps),
        cmocka_unit_test(what_is_cut_or_longer_is_none),
        cmocka_unit_test(other_letters_and_flags_are_none),
        cmocka_unit_test(what_is_too_large_is_not_written),
    };
    int result;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    result = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(pool);
    apr_terminate();
    return result;
}

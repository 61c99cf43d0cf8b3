/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "cache/order.h"

#define SOFT 1u
/* Magic, flags, id, steps. */
#define HEAD (2 + 1 + 16 + 2)

_Static_assert(RP_STORE_TAG_LEN == RP_KEY_HALF, "a step has as many bytes for a tag as for a key");

static void put_number(unsigned char *to, uint64_t n, int bytes)
{
    int i;

    for (i = 0; i < bytes; i++) {
        to[i] = (unsigned char)(n >> (8 * i));
    }
}

static uint64_t number_at(const unsigned char *from, int bytes)
{
    uint64_t n = 0;

    while (bytes--) {
        n = n << 8 | from[bytes];
    }
    return n;
}

/* ------------------------------------------------------------------ writing */

static size_t step_len(const rp_purge_t *step)
{
    switch (step->kind) {
    case RP_PURGE_ALL:
    case RP_PURGE_DOUBT: return 1;
    case RP_PURGE_PREFIX: return 1 + 2 + step->prefix.len;
    default: return 1 + RP_KEY_HALF;
    }
}

static unsigned char *put_step(unsigned char *to, const rp_purge_t *step)
{
    switch (step->kind) {
    case RP_PURGE_ALL:
        to[0] = 'a';
        break;
    case RP_PURGE_DOUBT:
        to[0] = 'd';
        break;
    case RP_PURGE_PREFIX:
        to[0] = 'p';
        put_number(to + 1, step->prefix.len, 2);
        memcpy(to + 3, step->prefix.ptr, step->prefix.len);
        break;
    case RP_PURGE_TAG:
        to[0] = 't';
        memcpy(to + 1, step->tag.hash, RP_STORE_TAG_LEN);
        break;
    default:
        to[0] = 'k';
        memcpy(to + 1, step->key, RP_KEY_HALF);
    }
    return to + step_len(step);
}

rp_str_t rp_order_encode(apr_pool_t *p, const rp_order_id_t *id, const rp_purge_order_t *order)
{
    size_t len = HEAD;
    unsigned char *bytes, *at;
    int i;

    for (i = 0; i < order->steps->nelts; i++) {
        const rp_purge_t *step = &APR_ARRAY_IDX(order->steps, i, const rp_purge_t);

        if (step->kind == RP_PURGE_PREFIX && step->prefix.len > RP_STORE_PREFIX_MAX) {
            return (rp_str_t){ NULL, 0 };
        }
        len += step_len(step);
    }
    if (order->steps->nelts > RP_ORDER_STEPS || len > RP_ORDER_BYTES) {
        return (rp_str_t){ NULL, 0 };
    }
    bytes = apr_palloc(p, len);
    memcpy(bytes, "o1", 2);
    bytes[2] = order->soft ? SOFT : 0;
    put_number(bytes + 3, id->origin, 8);
    put_number(bytes + 11, id->number, 8);
    put_number(bytes + 19, (uint64_t)order->steps->nelts, 2);
    at = bytes + HEAD;
    for (i = 0; i < order->steps->nelts; i++) {
        at = put_step(at, &APR_ARRAY_IDX(order->steps, i, const rp_purge_t));
    }
    return (rp_str_t){ (const char *)bytes, len };
}

/* ------------------------------------------------------------------ reading */

/* @return how many bytes it takes; 0 when it is no step */
static size_t read_step(const unsigned char *at, size_t left, rp_purge_t *step)
{
    size_t need;

    memset(step, 0, sizeof(*step));
    if (left == 0) {
        return 0;
    }
    switch (at[0]) {
    case 'a': step->kind = RP_PURGE_ALL; break;
    case 'd': step->kind = RP_PURGE_DOUBT; break;
    case 'p': step->kind = RP_PURGE_PREFIX; break;
    case 't': step->kind = RP_PURGE_TAG; break;
    case 'k': step->kind = RP_PURGE_KEY; break;
    default: return 0;
    }
    if (step->kind == RP_PURGE_PREFIX) {
        if (left < 3) {
            return 0;
        }
        step->prefix = (rp_str_t){ (const char *)at + 3, (size_t)number_at(at + 1, 2) };
    }
    need = step_len(step);
    if (need > left || step->prefix.len > RP_STORE_PREFIX_MAX) {
        return 0;
    }
    if (step->kind == RP_PURGE_TAG) {
        memcpy(step->tag.hash, at + 1, RP_STORE_TAG_LEN);
    }
    else if (step->kind == RP_PURGE_KEY) {
        memcpy(step->key, at + 1, RP_KEY_HALF);
    }
    return need;
}

int rp_order_decode(apr_pool_t *p, rp_str_t bytes, rp_order_id_t *id, rp_purge_order_t *order)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len;
    int n, i;

    if (left < HEAD || left > RP_ORDER_BYTES || memcmp(at, "o1", 2) || at[2] & ~SOFT) {
        return 0;
    }
    order->soft = at[2] & SOFT;
    id->origin = number_at(at + 3, 8);
    id->number = number_at(at + 11, 8);
    n = (int)number_at(at + 19, 2);
    if (n > RP_ORDER_STEPS) {
        return 0;
    }
    order->steps = apr_array_make(p, n > 0 ? n : 1, sizeof(rp_purge_t));
    at += HEAD;
    left -= HEAD;
    for (i = 0; i < n; i++) {
        rp_purge_t *step = apr_array_push(order->steps);
        size_t len = read_step(at, left, step);

        if (len == 0) {
            return 0;
        }
        step->soft = order->soft;
        at += len;
        left -= len;
    }
    return left == 0;
}

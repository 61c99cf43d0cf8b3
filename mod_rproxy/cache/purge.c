/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <apr_strings.h>

#include "cache/lookup.h"
#include "cache/purge.h"
#include "status/counters.h"

_Static_assert(RP_MAX_TAGS <= RP_STORE_TAGS, "a store takes what a response may say");
_Static_assert(RP_STORE_TAG_LEN == RP_KEY_HALF, "a tag is hashed as a key is");

rp_purge_order_t *rp_purge_order(apr_pool_t *p, int soft)
{
    rp_purge_order_t *order = apr_palloc(p, sizeof(*order));

    order->soft = soft;
    order->steps = apr_array_make(p, 4, sizeof(rp_purge_t));
    return order;
}

static rp_purge_t *add_step(rp_purge_order_t *order, rp_purge_kind_e kind)
{
    rp_purge_t *step = apr_array_push(order->steps);

    memset(step, 0, sizeof(*step));
    step->kind = kind;
    step->soft = order->soft;
    return step;
}

void rp_purge_add_key(rp_purge_order_t *order, const char *key_text)
{
    unsigned char key[RP_KEY_LEN];

    rp_cache_hash(key_text, NULL, key);
    memcpy(add_step(order, RP_PURGE_KEY)->key, key, RP_KEY_HALF);
}

int rp_purge_add_prefix(rp_purge_order_t *order, const char *prefix)
{
    apr_size_t len = strlen(prefix);

    if (len > RP_STORE_PREFIX_MAX) {
        return 0;
    }
    add_step(order, RP_PURGE_PREFIX)->prefix = (rp_str_t){ prefix, len };
    return 1;
}

void rp_purge_add_all(rp_purge_order_t *order)
{
    add_step(order, RP_PURGE_ALL);
}

static void hash_tag(apr_pool_t *p, const rp_tag_t *tag, const char *site, const char *origin, rp_store_tag_t *hash)
{
    /* Neither a host nor an origin has blanks. */
    const char *text = tag->kind == RP_TAG_GROUP ? apr_pstrcat(p, "group ", origin, " ", tag->text.ptr, NULL)
                                                 : apr_pstrcat(p, "tag ", site, " ", tag->text.ptr, NULL);
    unsigned char key[RP_KEY_LEN];

    rp_cache_hash(text, NULL, key);
    memcpy(hash->hash, key, RP_STORE_TAG_LEN);
}

void rp_purge_add_tags(rp_purge_order_t *order, const apr_array_header_t *tags, const char *site, const char *origin)
{
    int i;

    for (i = 0; i < tags->nelts; i++) {
        hash_tag(order->steps->pool, &APR_ARRAY_IDX(tags, i, const rp_tag_t), site, origin,
                 &add_step(order, RP_PURGE_TAG)->tag);
    }
}

apr_status_t rp_purge_run(rp_store_t *store, const rp_purge_order_t *order, apr_uint64_t *count)
{
    apr_status_t first = APR_SUCCESS;
    int i;

    if (count) {
        *count = 0;
    }
    /* A step that fails is no reason not to do what else can be done. */
    for (i = 0; i < order->steps->nelts; i++) {
        apr_uint64_t covered = 0;
        apr_status_t rv = store->ops->purge(store, &APR_ARRAY_IDX(order->steps, i, const rp_purge_t),
                                              count ? &covered : NULL);

        if (count) {
            *count += covered;
        }
        first = first == APR_SUCCESS ? rv : first;
    }
    rp_count(RP_COUNT_PURGES, 1);
    if (count) {
        rp_count(RP_COUNT_PURGED, *count);
    }
    return first;
}

int rp_record_tags(apr_pool_t *p, const rp_record_t *record, const rp_store_tag_t **hashes)
{
    const char *host = strstr(record->key, "://");
    apr_array_header_t *tags;
    rp_store_tag_t *all;
    const char *origin;
    int i;

    *hashes = NULL;
    if (!record->fields || !host) {
        return 0;
    }
    rp_tags(p, record->fields, &tags);
    if (!tags->nelts) {
        return 0;
    }
    host += 3;
    origin = apr_pstrmemdup(p, record->key, (apr_size_t)(host - record->key) + strcspn(host, "/ "));
    *hashes = all = apr_palloc(p, sizeof(*all) * (apr_size_t)tags->nelts);
    for (i = 0; i < tags->nelts; i++) {
        hash_tag(p, &APR_ARRAY_IDX(tags, i, const rp_tag_t), origin + (host - record->key), origin, &all[i]);
    }
    return tags->nelts;
}

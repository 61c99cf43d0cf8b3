/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "cache/body_bucket.h"

/* Shared by the buckets that one is split into; start and length are the buckets' own, as of every shared bucket. */
typedef struct body_t {
    apr_bucket_refcount refcount;
    rp_entry_t entry;
} body_t;

static const apr_bucket_type_t body_type;

static void body_destroy(void *data)
{
    if (apr_bucket_shared_destroy(data)) {
        apr_bucket_free(data);
    }
}

/* The bucket becomes a heap bucket with the next piece; the rest follows in a new bucket of this kind. */
static apr_status_t body_read(apr_bucket *b, const char **str, apr_size_t *len, apr_read_type_e block)
{
    body_t *body = b->data;
    /* No small rest is left for a read of its own. */
    apr_size_t want = b->length < 2 * RP_STORE_CHUNK ? b->length : RP_STORE_CHUNK;
    char *buf = apr_bucket_alloc(want, b->list);
    apr_off_t start = b->start;
    apr_size_t length = b->length;
    apr_status_t rv;

    (void)block;
    rv = body->entry.store->ops->read(&body->entry, (uint64_t)start, buf, &want);
    if (rv == APR_SUCCESS && want == 0) {
        rv = APR_EOF;
    }
    if (rv != APR_SUCCESS) {
        apr_bucket_free(buf);
        return rv;
    }
    if (want < length) {
        apr_bucket *rest = apr_bucket_alloc(sizeof(*rest), b->list);

        APR_BUCKET_INIT(rest);
        rest->free = apr_bucket_free;
        rest->list = b->list;
        rest->type = &body_type;
        rest->data = body;
        rest->start = start + (apr_off_t)want;
        rest->length = length - want;
        body->refcount.refcount++;
        APR_BUCKET_INSERT_AFTER(b, rest);
    }
    body_destroy(body);
    apr_bucket_heap_make(b, buf, want, apr_bucket_free);
    *str = buf;
    *len = want;
    return APR_SUCCESS;
}

static const apr_bucket_type_t body_type = {
    "RPROXY_BODY", 5, APR_BUCKET_DATA, body_destroy, body_read, apr_bucket_setaside_noop, apr_bucket_shared_split,
    apr_bucket_shared_copy
};

apr_bucket *rp_body_bucket_create(const rp_entry_t *entry, uint64_t from, uint64_t len, apr_pool_t *p,
                                  apr_bucket_alloc_t *list)
{
    apr_bucket *b;
    body_t *body;

    if (entry->body.ptr) {
        return apr_bucket_pool_create(entry->body.ptr + from, (apr_size_t)len, p, list);
    }
    b = apr_bucket_alloc(sizeof(*b), list);
    body = apr_bucket_alloc(sizeof(*body), list);
    APR_BUCKET_INIT(b);
    b->free = apr_bucket_free;
    b->list = list;
    body->entry = *entry;
    b = apr_bucket_shared_make(b, body, (apr_off_t)from, (apr_size_t)len);
    b->type = &body_type;
    return b;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "cache/body_bucket.h"
#include "cache/fetch.h"
#include "cache/partial.h"
#include "cache/ranges.h"
#include "upstream/upstream.h"

/* A part that is joined to another is copied in the store, while the client waits; and a backend waits while the part
 * goes out before its bytes.  Beyond this much, fetching again is the smaller evil. */
#define JOIN_MOST ((uint64_t)32 << 20)
/* Ranges in a row would copy what lies before them over and over: not for pieces that are small beside it. */
#define JOIN_RATIO 16
#define JOIN_ALWAYS ((uint64_t)1 << 20)
/* Stored bytes that are read ahead of a response that they are a part of. */
#define READ_MOST ((uint64_t)1 << 20)

static uint64_t part_len(const rp_part_t *part)
{
    return part->last - part->first + 1;
}

static const char *strong_etag(const apr_table_t *fields)
{
    const char *etag = apr_table_get(fields, "ETag");

    return etag && rp_etag_strong_eq(etag, etag) ? etag : NULL;
}

static int is_fresh(const rp_record_t *record, apr_time_t now)
{
    return record->lifetime > rp_current_age(record->initial_age, record->response_time, apr_time_sec(now));
}

/* The operator's word stands in for a strong entity tag, as long as the part is fresh and its end is known. */
static int is_same_by_leave(const rp_request_t *rq, const rp_record_t *record, apr_time_t now)
{
    return (RP_OR_DEFAULT(rq->dconf->cache_allow, RP_DEFAULT_ALLOW) & RP_ALLOW_PLAIN_PARTS)
           && !strong_etag(record->fields) && record->part_complete != RP_LENGTH_UNKNOWN && is_fresh(record, now);
}

/* Do both say the same of what they are parts of? */
static int agree(const apr_table_t *a, const apr_table_t *b)
{
    static const char *const names[] = { "ETag", "Last-Modified", "Content-Type", "Content-Encoding", NULL };
    const char *const *name;

    for (name = names; *name; name++) {
        const char *one = apr_table_get(a, *name), *other = apr_table_get(b, *name);

        if (one && other ? strcmp(one, other) : one != other) {
            return 0;
        }
    }
    return 1;
}

/* Is rq->response of the representation that the stored part is of? */
static int is_same(const rp_request_t *rq, const rp_record_t *record)
{
    const apr_table_t *fields = rq->response.fields;
    const char *etag = strong_etag(record->fields);
    rp_part_t came;

    if (etag) {
        return rp_etag_strong_eq(etag, apr_table_get(fields, "ETag"));
    }
    return is_same_by_leave(rq, record, rq->response.time) && agree(record->fields, fields)
           && rp_content_range_parse(apr_table_get(fields, "Content-Range"), &came)
           && came.complete == record->part_complete;
}

int rp_part_answers(const rp_request_t *rq, const rp_lookup_t *lookup)
{
    uint64_t len = lookup->entry.body_len;
    rp_part_t part;
    rp_cut_t cut;

    if (lookup->found != RP_FOUND_PART || !rp_stored_part(&lookup->record, len, &part)) {
        return 0;
    }
    rp_cut_read(rq, &lookup->record, len, &cut);
    return (cut.what == RP_RANGE_ONE && rp_part_covers(&part, &cut.range))
           || (cut.what == RP_RANGE_UNSATISFIABLE && cut.complete != RP_LENGTH_UNKNOWN);
}

/* ------------------------------------------------------------------ completing */

int rp_part_ask(rp_request_t *rq, const rp_lookup_t *lookup)
{
    apr_pool_t *p = rq->r->pool;
    const char *etag = lookup->found == RP_FOUND_PART ? strong_etag(lookup->record.fields) : NULL;
    rp_range_t missing;
    rp_part_t part;

    if (lookup->found != RP_FOUND_PART || rq->r->header_only || lookup->entry.body_len > JOIN_MOST
        || !rp_stored_part(&lookup->record, lookup->entry.body_len, &part) || !rp_part_missing(&part, &missing)
        || (!etag && !is_same_by_leave(rq, &lookup->record, apr_time_now()))) {
        return 0;
    }
    apr_table_setn(rq->fields, "Range", missing.last == RP_LENGTH_UNKNOWN
                   ? apr_psprintf(p, "bytes=%" APR_UINT64_T_FMT "-", missing.first)
                   : apr_psprintf(p, "bytes=%" APR_UINT64_T_FMT "-%" APR_UINT64_T_FMT, missing.first, missing.last));
    if (etag) {
        apr_table_setn(rq->fields, "If-Range", etag);
    }
    return 1;
}

/* The range that rq->response has, with a body of just that length; 0 when it has none. */
static int incoming_part(const rp_request_t *rq, rp_part_t *part)
{
    const rp_response_t *response = &rq->response;

    if (response->status != HTTP_PARTIAL_CONTENT
        || !rp_content_range_parse(apr_table_get(response->fields, "Content-Range"), part)) {
        return 0;
    }
    return response->framing.body == RP_BODY_LENGTH ? response->framing.length == part_len(part)
                                                    : response->framing.body != RP_BODY_NONE;
}

/* What does not hold for other bytes than those that came with it. */
static void remove_partial_fields(apr_table_t *fields)
{
    static const char *const names[] = { "Content-Range", "Content-Length", "Content-Digest", "Content-MD5", NULL };
    const char *const *name;

    for (name = names; *name; name++) {
        apr_table_unset(fields, *name);
    }
}

/* The stored fields with those of the response in their stead (RFC 9111 §3.4). */
static apr_table_t *joined_fields(const rp_request_t *rq, const rp_lookup_t *lookup)
{
    apr_table_t *fields = apr_table_copy(rq->r->pool, lookup->record.fields);

    rp_freshen_fields(fields, rq->response.fields);
    remove_partial_fields(fields);
    return fields;
}

static int add_field(void *fields, const char *name, const char *value)
{
    apr_table_addn(fields, name, value);
    return 1;
}

/* @return NULL when they are gone: another request has replaced the part meanwhile */
static char *read_stored(const rp_request_t *rq, const rp_entry_t *entry, uint64_t from, uint64_t len)
{
    char *buf = apr_palloc(rq->r->pool, len);
    uint64_t have = 0;

    while (have < len) {
        apr_size_t n = (apr_size_t)(len - have);
        apr_status_t rv = entry->store->ops->read(entry, from + have, buf + have, &n);

        if (rv != APR_SUCCESS || n == 0) {
            return NULL;
        }
        have += n;
    }
    return buf;
}

/*
 * What is stored of a response that is put together.  It is read before a byte of the response goes out, if it is not too
 * much for that: a part that is replaced meanwhile then costs a request, and no client its response.
 */
static int stored_bytes(const rp_request_t *rq, const rp_entry_t *entry, uint64_t from, uint64_t len,
                        apr_bucket_brigade **bb)
{
    apr_bucket_alloc_t *ba = rq->r->connection->bucket_alloc;
    apr_bucket *b;

    *bb = NULL;
    if (len == 0) {
        return 1;
    }
    if (entry->body.ptr || len > READ_MOST) {
        b = rp_body_bucket_create(entry, from, len, rq->r->pool, ba);
    }
    else {
        char *buf = read_stored(rq, entry, from, len);

        if (!buf) {
            return 0;
        }
        b = apr_bucket_pool_create(buf, (apr_size_t)len, rq->r->pool, ba);
    }
    *bb = apr_brigade_create(rq->r->pool, ba);
    APR_BRIGADE_INSERT_TAIL(*bb, b);
    return 1;
}

/* Make rq->response the whole. @return 0 when what came does not make one with the part */
static int join(rp_request_t *rq, rp_lookup_t *lookup)
{
    rp_response_t *response = &rq->response;
    rp_splice_t *splice = &lookup->splice;
    rp_part_t stored, came;
    apr_table_t *fields;

    if (!rp_stored_part(&lookup->record, lookup->entry.body_len, &stored) || !incoming_part(rq, &came)
        || response->framing.body != RP_BODY_LENGTH || !is_same(rq, &lookup->record)
        || !rp_part_combine(&stored, &came, splice) || !rp_part_is_whole(&splice->part)
        || !stored_bytes(rq, &lookup->entry, 0, splice->before, &response->ahead)
        || !stored_bytes(rq, &lookup->entry, splice->after_from, splice->after, &response->behind)) {
        response->ahead = response->behind = NULL;
        return 0;
    }
    fields = joined_fields(rq, lookup);
    apr_table_do(add_field, fields, response->fields, "Set-Cookie", NULL);
    apr_table_setn(fields, "Content-Length",
                   apr_psprintf(rq->r->pool, "%" APR_UINT64_T_FMT, splice->part.complete));
    response->status = HTTP_OK;
    response->reason = lookup->record.reason;
    response->fields = fields;
    response->joined = splice->before + splice->after;
    lookup->joined = 1;
    return 1;
}

int rp_part_join(rp_request_t *rq, rp_lookup_t *lookup)
{
    int status = rq->response.status;

    if (status == HTTP_PARTIAL_CONTENT ? join(rq, lookup) : status != HTTP_RANGE_NOT_SATISFIABLE) {
        return OK;
    }
    rp_drop_conn(rq);
    apr_table_unset(rq->fields, "Range");
    apr_table_unset(rq->fields, "If-Range");
    return rp_fetch(rq);
}

/* ------------------------------------------------------------------ storing */

/* Does it pay to put what is stored and what came together? */
static int is_worth(const rp_splice_t *splice, uint64_t came)
{
    uint64_t copied = splice->before + splice->after;

    return copied <= JOIN_MOST && (copied <= JOIN_ALWAYS || copied / JOIN_RATIO <= came);
}

static void take_splice(rp_incoming_t *in, const rp_splice_t *splice)
{
    in->before = splice->before;
    in->after = splice->after;
    in->after_from = splice->after_from;
    in->len = part_len(&splice->part);
}

/* Together with the part that was found. @return 0 when that is to stay as it is */
static int add_to_part(rp_request_t *rq, const rp_lookup_t *lookup, rp_part_t *came, rp_incoming_t *in)
{
    const rp_record_t *record = &lookup->record;
    rp_part_t stored;
    rp_splice_t splice;

    if (!is_same(rq, record)
        || !rp_stored_part(record, lookup->entry.body_len, &stored)) {
        return 1;
    }
    if (rp_part_combine(&stored, came, &splice) && is_worth(&splice, part_len(came))) {
        take_splice(in, &splice);
        in->fields = joined_fields(rq, lookup);
        *came = splice.part;
        return 1;
    }
    /* One of them is kept: what can answer more. */
    return part_len(came) >= part_len(&stored)
           || !is_fresh(record, rq->response.time);
}

/* Is what is stored whole another representation than this is of? */
static int is_outdated(const rp_lookup_t *lookup, const apr_table_t *fields)
{
    const char *stored = apr_table_get(lookup->record.fields, "ETag"), *now = apr_table_get(fields, "ETag");

    return stored && now && !rp_etag_weak_eq(stored, now);
}

static void take_part(rp_request_t *rq, const rp_lookup_t *lookup, rp_incoming_t *in)
{
    const rp_response_t *response = &rq->response;
    apr_table_t *fields;
    rp_part_t part;

    if (rq->r->method_number != M_GET || !apr_table_get(rq->r->headers_in, "Range") || !incoming_part(rq, &part)
        || (lookup->found == RP_FOUND && !is_outdated(lookup, response->fields))) {
        return;
    }
    fields = apr_table_copy(rq->r->pool, response->fields);
    remove_partial_fields(fields);
    in->len = part_len(&part);
    in->fields = fields;
    if (lookup->found == RP_FOUND_PART && !add_to_part(rq, lookup, &part, in)) {
        in->fields = response->fields;
        return;
    }
    in->kind = rp_part_is_whole(&part) ? RP_RECORD_RESPONSE : RP_RECORD_PART;
    in->status = HTTP_OK;
    in->reason = "OK";
    in->part_first = part.first;
    in->part_complete = part.complete;
}

void rp_part_incoming(rp_request_t *rq, const rp_lookup_t *lookup, rp_incoming_t *in)
{
    const rp_response_t *response = &rq->response;

    memset(in, 0, sizeof(*in));
    in->kind = RP_RECORD_RESPONSE;
    in->status = response->status;
    in->reason = response->reason;
    in->fields = response->fields;
    in->len = response->framing.body == RP_BODY_LENGTH ? response->framing.length
            : response->framing.body == RP_BODY_NONE ? 0 : UINT64_MAX;
    if (lookup->joined) {
        in->len = part_len(&lookup->splice.part);
    }
    else if (response->status == HTTP_PARTIAL_CONTENT) {
        take_part(rq, lookup, in);
    }
}

int rp_part_copy(const rp_entry_t *entry, uint64_t from, uint64_t len, rp_store_writer_t *writer, apr_pool_t *p)
{
    const rp_store_ops_t *ops;
    char *buf;

    if (len == 0) {
        return 1;
    }
    ops = entry->store->ops;
    if (entry->body.ptr) {
        return ops->write(writer, entry->body.ptr + from, (apr_size_t)len) == APR_SUCCESS;
    }
    buf = apr_palloc(p, RP_STORE_CHUNK);
    while (len > 0) {
        apr_size_t n = len < RP_STORE_CHUNK ? (apr_size_t)len : RP_STORE_CHUNK;

        if (ops->read(entry, from, buf, &n) != APR_SUCCESS || n == 0 || ops->write(writer, buf, n) != APR_SUCCESS) {
            return 0;
        }
        from += n;
        len -= n;
    }
    return 1;
}

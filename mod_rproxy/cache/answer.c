/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_strings.h>
#include <util_filter.h>

#include "balance/sticky.h"
#include "cache/answer.h"
#include "cache/body_bucket.h"
#include "cache/dictionary.h"
#include "cache/host_store.h"
#include "cache/ranges.h"
#include "cache/variant.h"
#include "upstream/upstream.h"

/* Decide on the coding of what r->headers_out describes; returns it, or -1 when the response is none of ours to code. */
static int plan_coding(rp_request_t *rq, apr_off_t length)
{
    const rp_encode_conf_t *conf = &rq->dconf->compress;
    request_rec *r = rq->r;

    if (conf->nprefer <= 0) {
        return -1;
    }
    rp_encode_facts_t facts = {
        .status = r->status,
        .content_type = r->content_type,
        .content_encoding = apr_table_get(r->headers_out, "Content-Encoding"),
        .cache_control = apr_table_getm(r->pool, r->headers_out, "Cache-Control"),
        .length = length,
        .has_content_range = apr_table_get(r->headers_out, "Content-Range") != NULL,
    };

    if (rp_encode_undoes(conf, &facts)) {
        rp_dictionary_settle(rq, rp_host_store(), r->headers_out);
        return (int)rp_encode_undo(r->headers_in, rq->coding);
    }
    if (!rp_encode_applies(conf, &facts)) {
        return -1;
    }
    rp_dictionary_settle(rq, rp_host_store(), r->headers_out);
    return (int)rq->coding;
}

/* The response becomes a 304: what describes the body goes (RFC 9110 §15.4.5), the rest stays. */
static void make_not_modified(request_rec *r)
{
    r->status = HTTP_NOT_MODIFIED;
    r->status_line = NULL;
    apr_table_unset(r->headers_out, "Content-Length");
}

/* The tag under which the client has what it would get; NULL when it does not say that it has it. */
static const char *held_tag(rp_request_t *rq, const char *bare, int coding)
{
    const char *if_none_match = apr_table_getm(rq->r->pool, rq->r->headers_in, "If-None-Match");

    return bare && coding > RP_CODING_IDENTITY ? rp_encode_held(rq->r->pool, if_none_match, bare, (rp_coding_e)coding) : NULL;
}

/* Evaluate the client's conditions against the representation that it would get, of which bare is the tag when it is not
 * coded; with is_coded the fields to be sent have that of the coded one already.
 * @return the tag to send with a 304 in place of that of the representation, or NULL */
static const char *evaluate_conditions(rp_request_t *rq, int coding, const char *bare, int is_coded)
{
    request_rec *r = rq->r;
    const char *etag, *modified, *date, *held;
    rp_secs_t now = apr_time_sec(r->request_time);

    if (r->status != HTTP_OK || (!apr_table_get(r->headers_in, "If-None-Match")
                                 && !apr_table_get(r->headers_in, "If-Modified-Since"))) {
        return NULL;
    }
    held = held_tag(rq, bare, coding);
    if (held) {
        make_not_modified(r);
        return held;
    }
    etag = apr_table_get(r->headers_out, "ETag");
    modified = apr_table_get(r->headers_out, "Last-Modified");
    date = apr_table_get(r->headers_out, "Date");
    if (coding > RP_CODING_IDENTITY && !is_coded) {
        etag = rp_encode_etag(r->pool, etag, (rp_coding_e)coding, NULL);
    }
    if (rp_preconditions(r->headers_in, etag, modified ? rp_date_parse(modified, now) : RP_NO_TIME,
                         date ? rp_date_parse(date, now) : RP_NO_TIME) == HTTP_NOT_MODIFIED) {
        make_not_modified(r);
    }
    return NULL;
}

/* from and len: which bytes of the entry's body. */
static int send_brigade(rp_request_t *rq, const rp_entry_t *entry, uint64_t from, uint64_t len)
{
    request_rec *r = rq->r;
    apr_bucket_alloc_t *ba = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, ba);
    apr_status_t rv;

    if (len > 0) {
        APR_BRIGADE_INSERT_TAIL(bb, rp_body_bucket_create(entry, from, len, r->pool, ba));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(ba));
    rv = ap_pass_brigade(r->output_filters, bb);
    /* AP_FILTER_ERROR: a filter has answered instead, with 416 for one. */
    if (rv != APR_SUCCESS && rv != AP_FILTER_ERROR) {
        r->connection->keepalive = AP_CONN_CLOSE;
    }
    return OK;
}

/* Status and fields of what is stored. */
static void respond_stored(rp_request_t *rq, const rp_lookup_t *lookup, rp_secs_t age)
{
    rq->response.status = lookup->record.status;
    rq->response.reason = lookup->record.reason;
    rq->response.fields = lookup->record.fields;
    rq->r->proxyreq = PROXYREQ_REVERSE;
    rp_respond(rq);
    apr_table_setn(rq->r->headers_out, "Age", apr_off_t_toa(rq->r->pool, (apr_off_t)age));
}

/* Code on the way out. @param held  of evaluate_conditions() */
static void apply_coding(rp_request_t *rq, int coding, const char *held)
{
    if (coding >= 0) {
        rp_encode_apply(rq->r, &rq->dconf->compress, (rp_coding_e)coding, rq->dictionary);
    }
    if (held) {
        apr_table_setn(rq->r->headers_out, "ETag", held);
    }
    if (coding > RP_CODING_IDENTITY) {
        apr_table_setn(rq->r->notes, "rproxy-compress", "now");
    }
    else if (rq->r->status == HTTP_OK) {
        apr_table_setn(rq->r->headers_out, "Accept-Ranges", "bytes");
    }
}

/* What is sent is coded already. */
static void apply_stored(rp_request_t *rq, const char *held)
{
    if (rq->r->status == HTTP_NOT_MODIFIED) {
        /* It says only what selects (RFC 9110 §15.4.5). */
        apr_table_unset(rq->r->headers_out, "Content-Encoding");
    }
    apr_table_setn(rq->r->notes, "rproxy-compress", "stored");
    apply_coding(rq, -1, held);
}

int rp_answer_stored(rp_request_t *rq, rp_lookup_t *lookup, rp_secs_t age)
{
    request_rec *r = rq->r;
    const rp_entry_t *entry = &lookup->entry;
    uint64_t from, len;
    rp_part_t part;
    rp_cut_t cut;
    const char *held, *bare = apr_table_get(lookup->record.fields, "ETag");
    rp_coding_e stored;
    int coding;

    rp_dictionary_keep(rq, lookup, lookup->key, &lookup->record, entry->body_len, 0);
    stored = rp_variant_take(rq, lookup);
    from = 0;
    len = entry->body_len;
    rp_cut_read(rq, &lookup->record, entry->body_len, &cut);
    respond_stored(rq, lookup, age);
    rp_dictionary_announce(rq);
    if (cut.complete != RP_LENGTH_UNKNOWN && !apr_table_get(r->headers_out, "Content-Length")) {
        ap_set_content_length(r, (apr_off_t)cut.complete);
    }
    r->clength = (apr_off_t)entry->body_len;
    coding = stored != RP_CODING_IDENTITY ? (int)stored : plan_coding(rq, (apr_off_t)entry->body_len);
    held = evaluate_conditions(rq, coding, bare, stored != RP_CODING_IDENTITY);
    if (coding == RP_UNGZIP) {
        /* Its length is not known. */
        cut.what = RP_RANGE_NONE;
        rp_cut_not(r);
    }
    if (cut.what == RP_RANGE_UNSATISFIABLE && r->status == HTTP_OK) {
        return rp_cut_refuse(r, &cut);
    }
    if (stored != RP_CODING_IDENTITY) {
        apply_stored(rq, held);
    }
    else {
        apply_coding(rq, coding, held);
    }
    if (r->status == HTTP_NOT_MODIFIED || r->header_only) {
        return send_brigade(rq, entry, 0, 0);
    }
    if (rp_stored_part(&lookup->record, entry->body_len, &part)) {
        rp_cut_apply(r, &cut);
        from = cut.range.first - part.first;
        len = cut.range.last - cut.range.first + 1;
    }
    else if (cut.what != RP_RANGE_NONE) {
        rp_cut_prepare(r);
    }
    return send_brigade(rq, entry, from, len);
}

int rp_answer_followed_head(rp_request_t *rq, rp_lookup_t *lookup, rp_secs_t age)
{
    request_rec *r = rq->r;
    const char *said = apr_table_get(lookup->record.fields, "Content-Length");
    uint64_t length;
    int known = said && rp_parse_uint((rp_str_t){ said, strlen(said) }, INT64_MAX, &length);
    const char *bare = apr_table_get(lookup->record.fields, "ETag"), *held;
    int coding;

    respond_stored(rq, lookup, age);
    rp_dictionary_announce(rq);
    if (known) {
        r->clength = (apr_off_t)length;
    }
    coding = plan_coding(rq, known ? (apr_off_t)length : -1);
    held = evaluate_conditions(rq, coding, bare, 0);
    apply_coding(rq, coding, held);
    return r->status != HTTP_NOT_MODIFIED && !r->header_only;
}

int rp_answer_empty(rp_request_t *rq)
{
    return send_brigade(rq, NULL, 0, 0);
}

int rp_answer_fetched(rp_request_t *rq, const rp_tee_t *tee, int evaluate)
{
    request_rec *r = rq->r;
    const rp_framing_t *framing = &rq->response.framing;
    const char *length = apr_table_get(rq->response.fields, "Content-Length");
    uint64_t len = 0;
    int known = framing->body == RP_BODY_LENGTH
              || (r->header_only && length && rp_parse_uint((rp_str_t){ length, strlen(length) }, INT64_MAX, &len));
    const char *bare, *held = NULL;
    int coding;

    if (framing->body == RP_BODY_LENGTH) {
        len = framing->length + rq->response.joined;
    }
    r->proxyreq = PROXYREQ_REVERSE;
    rp_respond(rq);
    rp_sticky_respond(rq);
    rp_dictionary_announce(rq);
    if (!rq->is_part && apr_table_get(r->headers_in, "Range")) {
        rp_cut_not(r);
    }
    coding = plan_coding(rq, known ? (apr_off_t)len : -1);
    bare = apr_table_get(r->headers_out, "ETag");
    if (evaluate) {
        held = evaluate_conditions(rq, coding, bare, 0);
    }
    else if (r->status == HTTP_NOT_MODIFIED && rq->dconf->compress.nprefer > 0) {
        /* The backend spoke of its own bytes; the client asked about those that it has. */
        coding = rq->coding == RP_CODING_IDENTITY ? RP_UNGZIP : (int)rq->coding;
        held = rp_encode_held(r->pool, apr_table_getm(r->pool, r->headers_in, "If-None-Match"), bare, (rp_coding_e)coding);
        coding = held ? coding : -1;
    }
    if (coding >= 0) {
        rp_encode_apply(r, &rq->dconf->compress, (rp_coding_e)coding, rq->dictionary);
    }
    if (held) {
        apr_table_setn(r->headers_out, "ETag", held);
    }
    if (coding > RP_CODING_IDENTITY) {
        apr_table_setn(r->notes, "rproxy-compress", "now");
    }
    return rp_relay(rq, tee);
}

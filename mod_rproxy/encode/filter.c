/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The output filter.  A response ends in one of three ways: complete; broken off so that the client can tell
 * (error and EOC buckets go on, the coding's end is not written); or with the client gone.
 */

#include <string.h>
#include <httpd.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_filter.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "encode/encode.h"
#include "encode/codec.h"
#include "status/counters.h"

APLOG_USE_MODULE(rproxy);

static ap_filter_rec_t *encode_handle;

typedef enum phase_e {
    PHASE_NEW,      /* no brigade seen */
    PHASE_CODING,   /* there is an encoder */
    PHASE_BODYLESS, /* HEAD, after EOS, or broken off: data is dropped, metadata goes through */
    PHASE_GONE      /* what is below us failed: nobody listens */
} phase_e;

typedef struct encode_ctx_t {
    ap_filter_t *f;
    rp_coding_e coding;
    int level;
    int goes_on;           /* another of our filters comes behind it, and tells of both */
    const rp_dictionary_t *dictionary;
    int pad;
    phase_e phase;
    rp_encoder_t *encoder; /* while PHASE_CODING */
    apr_bucket_brigade *out;
    apr_size_t held; /* bytes in out */
    int passed;      /* something went down: it is too late for an error page */
    int unflushed;   /* something was taken, or held, since the last FLUSH went down */
    apr_uint64_t taken, made; /* bytes of content before, and as coded */
} encode_ctx_t;

static void leave_coding(encode_ctx_t *ctx, phase_e phase)
{
    if (ctx->encoder) {
        rp_encoder_close(ctx->encoder);
        ctx->encoder = NULL;
    }
    ctx->phase = phase;
}

/* ------------------------------------------------------------------ downstream */

static void hold(encode_ctx_t *ctx, apr_bucket *e)
{
    APR_BRIGADE_INSERT_TAIL(ctx->out, e);
}

static apr_status_t pass_on(encode_ctx_t *ctx)
{
    apr_status_t rv = ap_pass_brigade(ctx->f->next, ctx->out);
    apr_brigade_cleanup(ctx->out);
    ctx->held = 0;
    ctx->passed = 1;
    if (rv == APR_SUCCESS && ctx->f->c->aborted) {
        rv = APR_ECONNABORTED;
    }
    if (rv != APR_SUCCESS) {
        ctx->phase = PHASE_GONE; /* the encoder may be running: it is closed by who runs it */
    }
    return rv;
}

/** rp_codec_out_fn: small output waits for company, so that a small response is one brigade with its EOS. */
static apr_status_t take_output(void *data, const char *piece, apr_size_t len)
{
    encode_ctx_t *ctx = data;
    hold(ctx, apr_bucket_heap_create(piece, len, NULL, ctx->f->c->bucket_alloc));
    ctx->held += len;
    ctx->made += len;
    return ctx->held >= RP_CODEC_PIECE ? pass_on(ctx) : APR_SUCCESS;
}

/**
 * Let the client see that the response is not whole.  With nothing sent yet httpd makes an error page;
 * otherwise HTTP_BAD_GATEWAY keeps its chunk filter from ending the body, and EOC has the connection closed.
 */
static apr_status_t break_off(encode_ctx_t *ctx)
{
    request_rec *r = ctx->f->r;
    apr_bucket_alloc_t *alloc = ctx->f->c->bucket_alloc;
    leave_coding(ctx, PHASE_BODYLESS);
    ctx->f->c->keepalive = AP_CONN_CLOSE;
    if (!ctx->passed) {
        apr_brigade_cleanup(ctx->out);
        hold(ctx, ap_bucket_error_create(HTTP_INTERNAL_SERVER_ERROR, NULL, r->pool, alloc));
        pass_on(ctx);
        return AP_FILTER_ERROR;
    }
    /* EOC makes httpd drop the data of its brigade, so what is held goes first. */
    if (APR_BRIGADE_EMPTY(ctx->out) || pass_on(ctx) == APR_SUCCESS) {
        hold(ctx, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, alloc));
        hold(ctx, ap_bucket_eoc_create(alloc));
        pass_on(ctx);
    }
    return AP_FILTER_ERROR;
}

static apr_status_t encode(encode_ctx_t *ctx, rp_codec_op_e op, const char *data, apr_size_t len)
{
    apr_status_t rv = rp_encoder_run(ctx->encoder, op, data, len);
    if (ctx->phase == PHASE_GONE) {
        leave_coding(ctx, PHASE_GONE);
        return rv;
    }
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, ctx->f->r,
                      "RP0502: the %s encoder failed: response broken off", rp_coding_name(ctx->coding));
        return break_off(ctx);
    }
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ the first brigade */

/**
 * Nonzero when the response failed before its first byte of body: whoever makes the error page sets its
 * fields.
 */
static int begins_with_failure(const apr_bucket_brigade *bb)
{
    for (apr_bucket *e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb) && APR_BUCKET_IS_METADATA(e);
         e = APR_BUCKET_NEXT(e)) {
        if (AP_BUCKET_IS_ERROR(e) || AP_BUCKET_IS_EOC(e)) {
            return 1;
        }
    }
    return 0;
}

/** Other filters come between rp_encode_apply() and the body; what holds now is what counts. */
static int still_possible(const request_rec *r, rp_coding_e coding)
{
    const char *codings[] = {
        r->content_encoding, apr_table_get(r->headers_out, "Content-Encoding"),
        apr_table_get(r->err_headers_out, "Content-Encoding"),
    };
    rp_encode_facts_t facts = {
        .status = r->status,
        .cache_control = apr_table_getm(r->pool, r->headers_out, "Cache-Control"),
        .has_content_range = apr_table_get(r->headers_out, "Content-Range") != NULL,
    };
    for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
        facts.content_encoding = coding == RP_UNGZIP && rp_encode_is_gzip(codings[i]) ? NULL : codings[i];
        if (!rp_encode_possible(&facts)) {
            return 0;
        }
    }
    return coding != RP_UNGZIP || rp_encode_is_gzip(apr_table_get(r->headers_out, "Content-Encoding"));
}

static apr_off_t expected_size(const request_rec *r)
{
    const char *length = apr_table_get(r->headers_out, "Content-Length");
    uint64_t n;
    return length && rp_parse_uint((rp_str_t){length, strlen(length)}, INT32_MAX, &n) ? (apr_off_t)n : -1;
}

/** Random bytes, up to most of them, and as random a number of them. */
static rp_str_t random_pad(apr_pool_t *p, int most)
{
    uint16_t n = 0;
    unsigned char *bytes;
    if (most <= 0 || apr_generate_random_bytes((unsigned char *)&n, sizeof(n)) != APR_SUCCESS) {
        return (rp_str_t){NULL, 0};
    }
    n = (uint16_t)(1 + n % most);
    bytes = apr_palloc(p, n);
    return (rp_str_t){(char *)bytes, apr_generate_random_bytes(bytes, n) == APR_SUCCESS ? n : 0};
}

/**
 * Nonzero when the body begins with bytes that are packed already, whatever its type says.  What comes later, or has not
 * come yet, is given the benefit of the doubt.
 */
static int begins_packed(const apr_bucket_brigade *bb)
{
    const char *data;
    apr_size_t len;
    for (apr_bucket *e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        if (!APR_BUCKET_IS_METADATA(e)) {
            return apr_bucket_read(e, &data, &len, APR_NONBLOCK_READ) == APR_SUCCESS
                && rp_encode_is_packed((rp_str_t){data, len});
        }
    }
    return 0;
}

/** @return 0 when the filter has to step aside */
static int start(encode_ctx_t *ctx, const apr_bucket_brigade *bb)
{
    request_rec *r = ctx->f->r;
    if (!still_possible(r, ctx->coding) || begins_with_failure(bb) || (ctx->coding != RP_UNGZIP && begins_packed(bb))) {
        return 0;
    }
    ctx->out = apr_brigade_create(r->pool, ctx->f->c->bucket_alloc);
    if (r->header_only) {
        ctx->phase = PHASE_BODYLESS;
    }
    else {
        rp_codec_how_t how = {.level = ctx->level, .size = expected_size(r), .dictionary = ctx->dictionary,
                              .pad = random_pad(r->pool, ctx->pad)};
        ctx->encoder = rp_encoder_open(r->pool, ctx->coding, &how, take_output, ctx);
        if (!ctx->encoder) {
            ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                          "RP0501: no %s encoder of level %d could be made: response goes out uncoded",
                          rp_coding_name(ctx->coding), ctx->level);
            return 0;
        }
        ctx->phase = PHASE_CODING;
    }
    if (ctx->goes_on) {
        apr_table_unset(r->headers_out, "Content-Encoding");
        apr_table_unset(r->headers_out, "Content-Length");
    }
    else {
        rp_encode_fields(r->pool, r->headers_out, ctx->coding, NULL);
    }
    r->content_encoding = NULL;
    return 1;
}

/* ------------------------------------------------------------------ buckets */

static void move_on(encode_ctx_t *ctx, apr_bucket *e)
{
    APR_BUCKET_REMOVE(e);
    hold(ctx, e);
}

/** Bring everything that we were given so far to the client. */
static apr_status_t flush(encode_ctx_t *ctx, apr_bucket *flush_bucket)
{
    apr_status_t rv = encode(ctx, RP_CODEC_FLUSH, NULL, 0);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (flush_bucket) {
        move_on(ctx, flush_bucket);
    }
    else {
        hold(ctx, apr_bucket_flush_create(ctx->f->c->bucket_alloc));
    }
    ctx->unflushed = 0;
    return pass_on(ctx);
}

/* What compression was worth. */
static void count(const encode_ctx_t *ctx)
{
    const char *name = rp_coding_name(ctx->coding);

    rp_count(rp_counter_of(RP_COUNT_ENCODED_IN_GZIP, name, strlen(name)), ctx->taken);
    rp_count(rp_counter_of(RP_COUNT_ENCODED_OUT_GZIP, name, strlen(name)), ctx->made);
}

static apr_status_t finish(encode_ctx_t *ctx, apr_bucket *eos)
{
    apr_status_t rv = encode(ctx, RP_CODEC_FINISH, NULL, 0);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    leave_coding(ctx, PHASE_BODYLESS);
    count(ctx);
    if (ctx->f->r->trailers_out) {
        /* Where a digest stands when it is made while the body goes out (RFC 9530). */
        rp_encode_drop_digests(ctx->f->r->trailers_out);
    }
    move_on(ctx, eos);
    return pass_on(ctx);
}

/**
 * The response broke off above us: what came before that still reaches the client, the coding's end does not.
 */
static apr_status_t fail(encode_ctx_t *ctx, apr_bucket *failure)
{
    apr_status_t rv = encode(ctx, RP_CODEC_FLUSH, NULL, 0);
    if (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(ctx->out)) {
        rv = pass_on(ctx);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    leave_coding(ctx, PHASE_BODYLESS);
    move_on(ctx, failure);
    return APR_SUCCESS;
}

static apr_status_t take_metadata(encode_ctx_t *ctx, apr_bucket *e)
{
    if (ctx->phase == PHASE_CODING) {
        if (APR_BUCKET_IS_EOS(e)) {
            return finish(ctx, e);
        }
        if (APR_BUCKET_IS_FLUSH(e)) {
            return flush(ctx, e);
        }
        if (AP_BUCKET_IS_ERROR(e) || AP_BUCKET_IS_EOC(e)) {
            return fail(ctx, e);
        }
    }
    move_on(ctx, e);
    return APR_SUCCESS;
}

/** Read a bucket; before waiting for one that has nothing yet, let the client have what there is. */
static apr_status_t read_bucket(encode_ctx_t *ctx, apr_bucket *e, const char **data, apr_size_t *len)
{
    apr_read_type_e mode = e->length == (apr_size_t)-1 ? APR_NONBLOCK_READ : APR_BLOCK_READ;
    apr_status_t rv = apr_bucket_read(e, data, len, mode);
    if (mode == APR_NONBLOCK_READ && APR_STATUS_IS_EAGAIN(rv)) {
        rv = ctx->unflushed || !ctx->passed ? flush(ctx, NULL) : APR_SUCCESS;
        if (rv != APR_SUCCESS) {
            return rv;
        }
        rv = apr_bucket_read(e, data, len, APR_BLOCK_READ);
    }
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, ctx->f->r,
                      "RP0503: cannot read the body to be coded in %s: response broken off",
                      rp_coding_name(ctx->coding));
        return break_off(ctx);
    }
    return APR_SUCCESS;
}

static apr_status_t take_data(encode_ctx_t *ctx, apr_bucket *e)
{
    const char *data;
    apr_size_t len;
    if (ctx->phase == PHASE_CODING) {
        apr_status_t rv = read_bucket(ctx, e, &data, &len);
        if (rv == APR_SUCCESS && len > 0) {
            ctx->unflushed = 1;
            ctx->taken += len;
            rv = encode(ctx, RP_CODEC_GO, data, len);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    apr_bucket_delete(e);
    return APR_SUCCESS;
}

static apr_status_t encode_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    encode_ctx_t *ctx = f->ctx;
    if (APR_BRIGADE_EMPTY(bb)) {
        return APR_SUCCESS;
    }
    if (ctx->phase == PHASE_NEW && !start(ctx, bb)) {
        ap_remove_output_filter(f);
        return ap_pass_brigade(f->next, bb);
    }
    if (ctx->phase == PHASE_GONE || f->c->aborted) {
        leave_coding(ctx, PHASE_GONE);
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    /*
     * One bucket at a time, each gone before the next is read: a file or a pipe never sits in memory as a
     * whole.
     */
    while (!APR_BRIGADE_EMPTY(bb)) {
        apr_bucket *e = APR_BRIGADE_FIRST(bb);
        apr_status_t rv = APR_BUCKET_IS_METADATA(e) ? take_metadata(ctx, e) : take_data(ctx, e);
        if (rv != APR_SUCCESS) {
            if (ctx->phase == PHASE_GONE) {
                leave_coding(ctx, PHASE_GONE);
            }
            apr_brigade_cleanup(bb);
            return rv;
        }
    }
    return ctx->phase == PHASE_BODYLESS && !APR_BRIGADE_EMPTY(ctx->out) ? pass_on(ctx) : APR_SUCCESS;
}

/* ------------------------------------------------------------------ the room's face */

static encode_ctx_t *add_filter(request_rec *r, rp_coding_e coding, int level)
{
    encode_ctx_t *ctx = apr_pcalloc(r->pool, sizeof(*ctx));
    ctx->coding = coding;
    ctx->level = level;
    ctx->f = ap_add_output_filter_handle(encode_handle, ctx, r, r->connection);
    return ctx;
}

void rp_encode_apply(request_rec *r, const rp_encode_conf_t *conf, rp_coding_e coding,
                     const rp_dictionary_t *dictionary)
{
    if (r->main) {
        return;
    }
    rp_encode_vary(conf, r->headers_out);
    if (coding == RP_CODING_IDENTITY) {
        return;
    }
    if (r->status == HTTP_NOT_MODIFIED) {
        rp_encode_fields(r->pool, r->headers_out, coding, NULL);
        /* The client has it; a 304 says only what selects (RFC 9110 §15.4.5). */
        apr_table_unset(r->headers_out, "Content-Encoding");
        return;
    }
    if (rp_encode_is_gzip(apr_table_get(r->headers_out, "Content-Encoding"))) {
        add_filter(r, RP_UNGZIP, 0)->goes_on = coding != RP_UNGZIP;
    }
    if (coding != RP_UNGZIP) {
        int level = conf->level[coding] < 0 ? rp_codec(coding)->level_default : conf->level[coding];
        encode_ctx_t *ctx = add_filter(r, coding, conf->adapt == 1 ? rp_level_now(coding, level) : level);
        ctx->dictionary = dictionary;
        ctx->pad = conf->pad > 0 ? conf->pad : 0;
    }
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    (void)s;
    apr_pool_cleanup_register(pchild, NULL, rp_encoders_free_idle, apr_pool_cleanup_null);
}

void rp_encode_register(void)
{
    encode_handle = ap_register_output_filter("RPROXY_ENCODE", encode_filter, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
}

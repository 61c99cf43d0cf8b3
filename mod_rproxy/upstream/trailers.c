/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Trailer sections.  httpd's CHUNK filter always ends a body with "0 CRLF CRLF": a filter right behind it opens that end
 * and puts r->trailers_out in.  (mod_http2 sends r->trailers_out by itself.)
 */

#include <string.h>

#include <httpd.h>
#include <http_protocol.h>
#include <util_filter.h>
#include <apr_strings.h>

#include "upstream/upstream.h"

#define FILTER "RPROXY_TRAILERS"

static const char last_chunk[] = "0\r\n\r\n";

static int add_allowed(void *rec, const char *name, const char *value)
{
    if (rp_trailer_is_allowed((rp_str_t){ name, strlen(name) })) {
        apr_table_addn(rec, name, value);
    }
    return 1;
}

apr_table_t *rp_trailers_allowed(apr_pool_t *p, const apr_table_t *trailers)
{
    apr_table_t *allowed = apr_table_make(p, 4);

    apr_table_do(add_allowed, allowed, trailers, NULL);
    return allowed;
}

static int add_line(void *rec, const char *name, const char *value)
{
    apr_bucket_brigade *bb = rec;

    apr_brigade_printf(bb, NULL, NULL, "%s: %s\r\n", name, value);
    return 1;
}

/* The bucket before eos when it is the CHUNK filter's last chunk. */
static apr_bucket *find_last_chunk(apr_bucket_brigade *bb, apr_bucket *eos)
{
    apr_bucket *b = APR_BUCKET_PREV(eos);
    const char *data;
    apr_size_t len;

    if (b == APR_BRIGADE_SENTINEL(bb) || APR_BUCKET_IS_METADATA(b) || b->length != sizeof(last_chunk) - 1
        || apr_bucket_read(b, &data, &len, APR_NONBLOCK_READ) != APR_SUCCESS
        || len != sizeof(last_chunk) - 1 || memcmp(data, last_chunk, len)) {
        return NULL;
    }
    return b;
}

static apr_status_t trailers_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_bucket *eos = APR_BRIGADE_LAST(bb);
    apr_bucket *last;
    apr_bucket_brigade *lines;

    if (APR_BRIGADE_EMPTY(bb) || !APR_BUCKET_IS_EOS(eos)) {
        return ap_pass_brigade(f->next, bb);
    }
    ap_remove_output_filter(f);
    last = f->r->trailers_out && !apr_is_empty_table(f->r->trailers_out) ? find_last_chunk(bb, eos) : NULL;
    if (last) {
        apr_bucket_split(last, 3);
        lines = apr_brigade_create(f->r->pool, f->c->bucket_alloc);
        apr_table_do(add_line, lines, f->r->trailers_out, NULL);
        while (!APR_BRIGADE_EMPTY(lines)) {
            apr_bucket *line = APR_BRIGADE_LAST(lines);

            APR_BUCKET_REMOVE(line);
            APR_BUCKET_INSERT_AFTER(last, line);
        }
    }
    return ap_pass_brigade(f->next, bb);
}

void rp_trailers_register(void)
{
    /* Behind CHUNK, which is AP_FTYPE_TRANSCODE. */
    ap_register_output_filter(FILTER, trailers_filter, NULL, AP_FTYPE_TRANSCODE + 1);
}

void rp_trailers_expect(rp_request_t *rq)
{
    if (rq->wants_trailers && !rq->r->connection->master && rq->r->proto_num >= HTTP_VERSION(1, 1)) {
        ap_add_output_filter(FILTER, NULL, rq->r, rq->r->connection);
    }
}

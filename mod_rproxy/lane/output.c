/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What goes to a client.  The network's own filter writes without blocking, and puts aside what does not go, until that
 * is too much or a flush is asked for: then it polls.  So it is never given as much, and flushing is done here.
 */

#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include "lane/client.h"
#include "lane/coroutine.h"

/* Half of what the network's filter puts aside before it blocks (FlushMaxThreshold), which bounds a client's memory. */
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 98)
#define ROOM(c) (core_conf(c)->flush_max_threshold / 2)
#define core_conf(c) ((core_server_config *)ap_get_core_module_config((c)->base_server->module_config))
#else
#define ROOM(c) ((apr_size_t)32768)
#endif
/* Responses of pipelined requests that may lie there; the network's filter would block at six. */
#define MOST_RESPONSES 1

static ap_filter_rec_t *filter;

static ap_filter_t *network_of(conn_rec *c)
{
    ap_filter_t *f = c->output_filters;

    while (f->next) {
        f = f->next;
    }
    return f;
}

apr_status_t rp_client_drain(rp_client_t *client)
{
    conn_rec *c = client->c;
    ap_filter_t *network = network_of(c);
    apr_interval_time_t timeout = 0;
    apr_status_t rv = network->frec->filter_func.out_func(network, NULL);

    apr_socket_timeout_get(ap_get_conn_socket(c), &timeout);
    while (rv == APR_SUCCESS && c->data_in_output_filters) {
        rv = rp_wait(client->fd, RP_WANT_WRITE, rp_now() + timeout);
        rv = rv == APR_SUCCESS ? network->frec->filter_func.out_func(network, NULL) : rv;
    }
    if (rv != APR_SUCCESS) {
        c->aborted = 1;
    }
    client->unsent = 0;
    return rv;
}

/* Pass what lies before e, and have e and the rest in bb again. */
static apr_status_t pass_until(ap_filter_t *f, apr_bucket_brigade *bb, apr_bucket *e)
{
    rp_client_t *client = f->ctx;
    apr_status_t rv;

    if (e == APR_BRIGADE_SENTINEL(bb)) {
        return ap_pass_brigade(f->next, bb);
    }
    client->rest = apr_brigade_split_ex(bb, e, client->rest);
    rv = ap_pass_brigade(f->next, bb);
    APR_BRIGADE_CONCAT(bb, client->rest);
    return rv;
}

/* What is not in memory yet, of unknown length: read it; what lies before goes out first when that would block. */
static apr_status_t learn_length(ap_filter_t *f, apr_bucket_brigade *bb, apr_bucket *e)
{
    const char *str;
    apr_size_t len;
    apr_status_t rv = apr_bucket_read(e, &str, &len, APR_NONBLOCK_READ);

    if (APR_STATUS_IS_EAGAIN(rv)) {
        rv = pass_until(f, bb, e);
        rv = rv == APR_SUCCESS ? rp_client_drain(f->ctx) : rv;
        rv = rv == APR_SUCCESS ? apr_bucket_read(e, &str, &len, APR_BLOCK_READ) : rv;
    }
    return rv;
}

typedef struct piece_t {
    apr_bucket *end;   /* behind its last bucket */
    apr_size_t length; /* bytes of it that are not in a file */
    int responses;     /* that end in it */
    int flush;
} piece_t;

/* Make the bucket's length fit; a bucket that cannot be split before it was read is split then. */
static apr_status_t cut(apr_bucket *e, apr_size_t length)
{
    const char *str;
    apr_size_t len;
    apr_status_t rv = apr_bucket_split(e, length);

    if (rv == APR_ENOTIMPL) {
        rv = apr_bucket_read(e, &str, &len, APR_BLOCK_READ);
        rv = rv == APR_SUCCESS && e->length > length ? apr_bucket_split(e, length) : rv;
    }
    return rv;
}

/* The next piece that the network's filter may be given as a whole. */
static apr_status_t find_piece(ap_filter_t *f, apr_bucket_brigade *bb, apr_size_t room, piece_t *piece)
{
    apr_bucket *e = APR_BRIGADE_FIRST(bb);
    apr_status_t rv = APR_SUCCESS;

    *piece = (piece_t){ NULL, 0, 0, 0 };
    while (e != APR_BRIGADE_SENTINEL(bb) && !piece->flush && piece->length < room) {
        if (APR_BUCKET_IS_FLUSH(e)) {
            apr_bucket *next = APR_BUCKET_NEXT(e);

            apr_bucket_delete(e);
            e = next;
            piece->flush = 1;
            break;
        }
        if (AP_BUCKET_IS_EOR(e)) {
            piece->responses++;
        }
        if (e->length == (apr_size_t)-1 && (rv = learn_length(f, bb, e)) != APR_SUCCESS) {
            return rv;
        }
        if (!APR_BUCKET_IS_METADATA(e) && !APR_BUCKET_IS_FILE(e)) {
            if (e->length > room - piece->length && (rv = cut(e, room - piece->length)) != APR_SUCCESS) {
                return rv;
            }
            piece->length += e->length;
        }
        e = APR_BUCKET_NEXT(e);
    }
    piece->end = e;
    return rv;
}

static apr_status_t pass_piece(ap_filter_t *f, apr_bucket_brigade *bb, const piece_t *piece)
{
    rp_client_t *client = f->ctx;
    apr_status_t rv;

    if (client->unsent + piece->length > ROOM(f->c) && (rv = rp_client_drain(client)) != APR_SUCCESS) {
        return rv;
    }
    rv = pass_until(f, bb, piece->end);
    client->unsent = f->c->data_in_output_filters ? client->unsent + piece->length : 0;
    if (rv == APR_SUCCESS && (piece->flush || (piece->responses > MOST_RESPONSES && client->unsent))) {
        rv = rp_client_drain(client);
    }
    return rv;
}

static apr_status_t write_out(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_status_t rv = APR_SUCCESS;

    if (!rp_coroutine_current() || f->c->aborted) {
        return ap_pass_brigade(f->next, bb);
    }
    while (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(bb)) {
        piece_t piece;

        rv = find_piece(f, bb, ROOM(f->c), &piece);
        rv = rv == APR_SUCCESS ? pass_piece(f, bb, &piece) : rv;
    }
    if (rv != APR_SUCCESS) {
        /* Nothing may follow a response that broke off. */
        f->c->aborted = 1;
        apr_brigade_cleanup(bb);
    }
    return rv;
}

void rp_output_add(rp_client_t *client)
{
    client->rest = apr_brigade_create(client->c->pool, client->c->bucket_alloc);
    ap_add_output_filter_handle(filter, client, NULL, client->c);
}

void rp_output_register(void)
{
    /* Behind all others, right before the network's. */
    filter = ap_register_output_filter("RPROXY_LANE_OUT", write_out, NULL, AP_FTYPE_NETWORK - 1);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A response's body: from the connection, through its framing, to httpd's output filters. */

#include <string.h>
#include <sys/socket.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <apr_strings.h>
#include <util_filter.h>

#include "lane/lane.h"
#include "log.h"
#include "upstream/upload.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

/* When the backend pauses, what is there goes out; a pause shorter than this is not worth a packet of its own. */
#define PAUSE 1000 /* microseconds */

typedef struct relay_t {
    rp_request_t *rq;
    const rp_tee_t *tee;
    apr_bucket_brigade *bb;
    uint64_t left;          /* of a body with Content-Length */
    rp_chunked_t *chunked;
    apr_uint64_t passed;    /* bytes of the body that the client's filters have taken, */
    apr_uint64_t inserted;  /* and those that are in bb */
    int unflushed;          /* the head, or something passed on since, may still sit in httpd's filters */
} relay_t;

/* What a look at the bytes in hand came to. */
typedef enum piece_e {
    PIECE_DATA,
    PIECE_MORE,  /* none in hand */
    PIECE_END,
    PIECE_BAD
} piece_e;

static piece_e next_chunked(relay_t *relay, rp_str_t *data)
{
    rp_conn_t *conn = relay->rq->conn;
    rp_str_t in = { conn->buf + conn->start, conn->end - conn->start };
    rp_parse_e parsed = rp_chunked_next(relay->chunked, &in, data);

    conn->start = (apr_size_t)(in.ptr - conn->buf);
    if (parsed == RP_PARSE_BAD) {
        return PIECE_BAD;
    }
    if (parsed == RP_PARSE_DONE) {
        return PIECE_END;
    }
    return data->len ? PIECE_DATA : PIECE_MORE;
}

/* The next run of body bytes in the connection's buffer. */
static piece_e next_piece(relay_t *relay, rp_str_t *data)
{
    rp_conn_t *conn = relay->rq->conn;
    apr_size_t have = conn->end - conn->start;

    data->len = 0;
    switch (relay->rq->response.framing.body) {
    case RP_BODY_NONE:
        return PIECE_END;
    case RP_BODY_CHUNKED:
        return have ? next_chunked(relay, data) : PIECE_MORE;
    case RP_BODY_LENGTH:
        if (relay->left == 0) {
            return PIECE_END;
        }
        have = have < relay->left ? have : (apr_size_t)relay->left;
        relay->left -= have;
        break;
    case RP_BODY_UNTIL_CLOSE:
        break;
    }
    data->ptr = conn->buf + conn->start;
    data->len = have;
    conn->start += have;
    return have ? PIECE_DATA : PIECE_MORE;
}

/* Does the client take so little that a backend, and others who follow the response, would wait for it? */
static int is_held_up(const relay_t *relay)
{
    const rp_tee_t *tee = relay->tee;
    const rp_response_t *response = &relay->rq->response;
    apr_interval_time_t patience;
    int fd = rp_client_fd(relay->rq);

    if (fd < 0 || relay->rq->upload || !relay->inserted || response->ahead || response->behind || !tee || !tee->patience) {
        return 0;
    }
    patience = tee->patience(tee->ctx);
    return patience && APR_STATUS_IS_TIMEUP(rp_wait(fd, RP_WANT_WRITE, RP_DEADLINE(patience))) && tee->hold(tee->ctx);
}

/* rp_upload_wait() for as long as anything moves. */
static apr_status_t wait_while_sending(rp_request_t *rq, int backend, int client, apr_interval_time_t patience)
{
    apr_uint64_t before;
    apr_status_t rv;

    do {
        before = rq->upload->moved;
        rv = rp_upload_wait(rq, backend, client, RP_DEADLINE(patience));
    } while (APR_STATUS_IS_TIMEUP(rv) && rq->upload->moved != before);
    return rv;
}

/* A client that reads nothing before it has sent all must be able to do that: it is not waited for in httpd's filters. */
static apr_status_t wait_for_room(rp_request_t *rq)
{
    return rq->upload ? wait_while_sending(rq, 0, RP_WANT_WRITE, rq->r->server->timeout) : APR_SUCCESS;
}

static apr_status_t pass(relay_t *relay)
{
    apr_status_t rv = wait_for_room(relay->rq);

    if (rv != APR_SUCCESS) {
        apr_brigade_cleanup(relay->bb);
        return rv;
    }
    if (!relay->rq->detached && is_held_up(relay)) {
        relay->rq->detached = RP_DETACHED_HELD;
    }
    if (relay->rq->detached) {
        relay->inserted = 0;
        apr_brigade_cleanup(relay->bb);
        return APR_SUCCESS;
    }
    relay->passed += relay->inserted;
    relay->inserted = 0;
    rv = ap_pass_brigade(relay->rq->r->output_filters, relay->bb);
    apr_brigade_cleanup(relay->bb);
    return relay->rq->r->connection->aborted ? APR_ECONNABORTED : rv;
}

static apr_status_t flush(relay_t *relay)
{
    relay->unflushed = 0;
    APR_BRIGADE_INSERT_TAIL(relay->bb, apr_bucket_flush_create(relay->rq->r->connection->bucket_alloc));
    return pass(relay);
}

/* rp_fill(), for as long as anything moves. */
static apr_status_t fill(rp_request_t *rq, apr_interval_time_t idle)
{
    apr_uint64_t before = 0;
    apr_status_t rv;

    do {
        before = rq->upload ? rq->upload->moved : before;
        rv = rp_fill(rq, RP_DEADLINE(idle));
    } while (APR_STATUS_IS_TIMEUP(rv) && rq->upload && rq->upload->moved != before);
    return rv;
}

/* More bytes into the buffer. The first try costs no wait; then the client gets what there is while the backend pauses. */
static apr_status_t fetch(relay_t *relay, int *client_failed)
{
    rp_request_t *rq = relay->rq;
    apr_interval_time_t idle = RP_OR_DEFAULT(rq->dconf->idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);
    apr_status_t rv = relay->unflushed ? rp_fill(rq, RP_DEADLINE(PAUSE)) : fill(rq, idle);

    if (!APR_STATUS_IS_TIMEUP(rv) || !relay->unflushed) {
        *client_failed = APR_STATUS_IS_ECONNABORTED(rv) && rq->r->connection->aborted;
        return rv;
    }
    if (relay->tee && relay->tee->pause) {
        relay->tee->pause(relay->tee->ctx);
    }
    rv = flush(relay);
    if (rv != APR_SUCCESS) {
        *client_failed = 1;
        return rv;
    }
    rv = fill(rq, idle);
    *client_failed = APR_STATUS_IS_ECONNABORTED(rv) && rq->r->connection->aborted;
    return rv;
}

static void insert_data(relay_t *relay, rp_str_t data)
{
    apr_bucket_alloc_t *ba = relay->rq->r->connection->bucket_alloc;

    if (relay->tee) {
        relay->tee->data(relay->tee->ctx, data.ptr, data.len);
    }
    APR_BRIGADE_INSERT_TAIL(relay->bb, apr_bucket_transient_create(data.ptr, data.len, ba));
    relay->inserted += data.len;
    relay->unflushed = 1;
}

/* @return 0 when the trailer section is none: then nobody knows where the body really ended */
static int take_trailers(relay_t *relay)
{
    request_rec *r = relay->rq->r;
    rp_chunked_t *chunked = relay->chunked;
    apr_table_t *trailers;
    rp_head_t head;
    int i;

    if (!chunked || chunked->trailer_len <= 2) {
        return 1;
    }
    if (rp_trailers_parse(&head, chunked->trailer, chunked->trailer_len) != RP_PARSE_DONE) {
        chunked->error = "malformed trailer section";
        return 0;
    }
    trailers = apr_table_make(r->pool, head.nfields);
    for (i = 0; i < head.nfields; i++) {
        const rp_field_t *f = &head.fields[i];

        apr_table_addn(trailers, apr_pstrmemdup(r->pool, f->name.ptr, f->name.len),
                       apr_pstrmemdup(r->pool, f->value.ptr, f->value.len));
    }
    if (relay->rq->wants_trailers) {
        r->trailers_out = rp_trailers_allowed(r->pool, trailers);
    }
    return 1;
}

/* The cache has the whole body, the client only its beginning. */
static int finish_held(relay_t *relay)
{
    rp_request_t *rq = relay->rq;

    rp_finish_exchange(rq);
    rq->detached = RP_ATTACHED;
    apr_brigade_cleanup(relay->bb);
    if (relay->tee->rest(relay->tee->ctx, relay->passed, relay->bb) != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, rq->r, RPLOGNO(0413) "the cache has lost the rest of a body that its "
                      "client was too slow for");
        rp_break_off(rq, relay->bb);
        return OK;
    }
    APR_BRIGADE_INSERT_TAIL(relay->bb, apr_bucket_eos_create(rq->r->connection->bucket_alloc));
    pass(relay);
    return OK;
}

/* All of the response is there, and not all of the request: the client gets what there is, the backend the rest. */
static void send_rest(relay_t *relay)
{
    rp_request_t *rq = relay->rq;
    apr_interval_time_t idle = RP_OR_DEFAULT(rq->dconf->idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);

    if (flush(relay) != APR_SUCCESS && rq->upload) {
        rp_upload_give_up(rq);
    }
    /* Ends with the content, the backend's taking no more, or a deadline. */
    while (rq->upload) {
        apr_status_t rv = wait_while_sending(rq, RP_WANT_READ, 0, idle);

        if (rq->upload && (rv != APR_SUCCESS || !rp_transport_is_idle(&rq->conn->t))) {
            rp_upload_give_up(rq);
        }
    }
}

/* The whole body has been seen, and nothing follows it. */
static int finish(relay_t *relay)
{
    rp_request_t *rq = relay->rq;
    apr_bucket_alloc_t *ba = rq->r->connection->bucket_alloc;

    if (relay->tee) {
        relay->tee->end(relay->tee->ctx, 1);
    }
    if (rq->detached == RP_DETACHED_HELD) {
        return finish_held(relay);
    }
    if (!rq->detached && rq->r->trailers_out && !apr_is_empty_table(rq->r->trailers_out)) {
        /* Seeing the whole body at once, httpd would give it a Content-Length, which leaves no place for trailers. */
        flush(relay);
    }
    APR_BRIGADE_INSERT_TAIL(relay->bb, apr_bucket_eos_create(ba));
    pass(relay);
    rp_finish_exchange(rq);
    return OK;
}

/* A close-delimited response to an HTTP/1.0 client has no other sign of breaking off than a reset. */
static void reset_client(rp_request_t *rq, apr_bucket_brigade *bb)
{
    request_rec *r = rq->r;
    struct linger reset = { 1, 0 };
    int fd = rp_client_fd(rq);

    if ((r->proto_num < HTTP_VERSION(1, 1) || (r->sent_bodyct && !r->chunked))
        && !apr_table_get(r->headers_out, "Content-Length") && fd >= 0) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(r->connection->bucket_alloc));
        ap_pass_brigade(r->output_filters, bb);
        apr_brigade_cleanup(bb);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        r->connection->aborted = 1;
    }
}

void rp_break_off(rp_request_t *rq, apr_bucket_brigade *bb)
{
    request_rec *r = rq->r;
    apr_bucket_alloc_t *ba = r->connection->bucket_alloc;

    /* Closing is left to httpd's filters: said before the head is out, it would take away the chunking that shows the break. */
    reset_client(rq, bb);
    /* 502 is the one status by which httpd's filters know that the end is missing. */
    APR_BRIGADE_INSERT_TAIL(bb, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, ba));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(ba));
    ap_pass_brigade(r->output_filters, bb);
    apr_brigade_cleanup(bb);
}

/* The backend failed in mid-body: the client must see that the response is not whole. */
static int broken(relay_t *relay, apr_status_t rv)
{
    rp_request_t *rq = relay->rq;
    request_rec *r = rq->r;
    char text[120];

    if (relay->tee) {
        relay->tee->end(relay->tee->ctx, 0);
    }
    if (APR_STATUS_IS_TIMEUP(rv)) {
        rp_failure_set(rq, HTTP_GATEWAY_TIME_OUT, "connection_read_timeout", "body",
                       "no more of the body within RProxyTimeout idle=");
    }
    else {
        rp_failure_set(rq, HTTP_BAD_GATEWAY, "http_response_incomplete", "body",
                       relay->chunked && relay->chunked->error ? relay->chunked->error
                       : rq->conn->t.error[0] ? apr_pstrdup(r->pool, rq->conn->t.error)
                       : APR_STATUS_IS_EOF(rv) ? "the backend closed the connection in the middle of the body"
                       : apr_pstrdup(r->pool, apr_strerror(rv, text, sizeof(text))));
    }
    rp_fail(rq);
    if (rq->detached != RP_DETACHED) {
        rq->detached = RP_ATTACHED;
        rp_break_off(rq, relay->bb);
    }
    /* Not before: the buckets lie in its buffer. */
    rp_drop_conn(rq);
    return OK;
}

/* Whoever started it is gone, but what has been fetched is worth having for others. */
static int goes_on_without_client(relay_t *relay)
{
    rp_request_t *rq = relay->rq;

    if (rq->detached || rq->upload || !relay->tee || !relay->tee->wants_rest || !relay->tee->wants_rest(relay->tee->ctx)) {
        return 0;
    }
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, rq->r, RPLOGNO(0412) "the client went away in the middle of the body; the "
                  "rest is fetched for the cache");
    rq->detached = RP_DETACHED;
    rq->r->connection->aborted = 1;
    rq->r->connection->keepalive = AP_CONN_CLOSE;
    return 1;
}

static int client_gone(relay_t *relay)
{
    if (relay->tee) {
        relay->tee->end(relay->tee->ctx, 0);
    }
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, relay->rq->r, RPLOGNO(0404) "the client went away in the middle of the body");
    rp_drop_conn(relay->rq);
    relay->rq->r->connection->keepalive = AP_CONN_CLOSE;
    return OK;
}

/* What is stored already goes to client and tee like what comes in. It is read now and piece by piece: behind the
 * tee's end it may be gone. Ends with the brigade, each read of which leaves less. */
static apr_status_t pass_stored(relay_t *relay, apr_bucket_brigade *stored, int *client_failed)
{
    while (stored && !APR_BRIGADE_EMPTY(stored)) {
        apr_bucket *b = APR_BRIGADE_FIRST(stored);
        const char *data;
        apr_size_t len;
        apr_status_t rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (relay->tee) {
            relay->tee->data(relay->tee->ctx, data, len);
        }
        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(relay->bb, b);
        rv = pass(relay);
        if (rv != APR_SUCCESS) {
            *client_failed = 1;
            return rv;
        }
    }
    return APR_SUCCESS;
}

/* The body has come to its end: what is stored of what follows it, and the end. */
static int end(relay_t *relay)
{
    int client_failed = 0;
    apr_status_t rv = APR_SUCCESS;

    if (relay->rq->response.behind) {
        rv = pass(relay);
        client_failed = rv != APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        rv = pass_stored(relay, relay->rq->response.behind, &client_failed);
    }
    return rv == APR_SUCCESS ? finish(relay) : client_failed ? client_gone(relay) : broken(relay, rv);
}

int rp_relay(rp_request_t *rq, const rp_tee_t *tee)
{
    int client_failed = 0;
    relay_t relay = { .rq = rq, .tee = tee, .left = rq->response.framing.length, .unflushed = 1 };

    relay.bb = apr_brigade_create(rq->r->pool, rq->r->connection->bucket_alloc);
    if (rq->response.framing.body == RP_BODY_CHUNKED) {
        relay.chunked = apr_palloc(rq->r->pool, sizeof(*relay.chunked));
        rp_chunked_init(relay.chunked);
        if (!rq->detached) {
            rp_trailers_expect(rq);
        }
    }
    if (pass_stored(&relay, rq->response.ahead, &client_failed) != APR_SUCCESS) {
        return client_failed ? client_gone(&relay) : broken(&relay, APR_EGENERAL);
    }
    /* Ends with the body, or with the first failure on either side; each wait has a deadline. */
    for (;;) {
        rp_str_t data;
        piece_e piece = next_piece(&relay, &data);
        apr_status_t rv;

        if (piece == PIECE_END && take_trailers(&relay)) {
            if (rq->upload) {
                send_rest(&relay);
            }
            return end(&relay);
        }
        if (piece == PIECE_BAD || piece == PIECE_END) {
            return broken(&relay, APR_EGENERAL);
        }
        if (piece == PIECE_DATA) {
            insert_data(&relay, data);
            continue;
        }
        /* The buffer is about to be overwritten, and the buckets point into it. */
        if (!APR_BRIGADE_EMPTY(relay.bb) && pass(&relay) != APR_SUCCESS && !goes_on_without_client(&relay)) {
            return client_gone(&relay);
        }
        rv = fetch(&relay, &client_failed);
        if (client_failed) {
            if (goes_on_without_client(&relay)) {
                continue;
            }
            return client_gone(&relay);
        }
        if (APR_STATUS_IS_EOF(rv) && rq->response.framing.body == RP_BODY_UNTIL_CLOSE) {
            if (rq->upload) {
                rp_upload_give_up(rq);
            }
            return end(&relay);
        }
        if (rv != APR_SUCCESS) {
            return broken(&relay, rv);
        }
    }
}

void rp_finish_exchange(rp_request_t *rq)
{
    if (rq->upload) {
        rp_upload_give_up(rq);
    }
    if (rq->response.framing.reusable && rq->response.framing.body != RP_BODY_UNTIL_CLOSE) {
        rp_conn_park(rq->conn);
        rq->conn = NULL;
        rq->account.ended = rp_now();
    }
    rp_drop_conn(rq);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** After a 101 the connection belongs to another protocol, WebSocket mostly: bytes both ways. */

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
#include "status/counters.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

typedef struct tunnel_t {
    rp_request_t *rq;
    apr_bucket_brigade *in;  /* from the client, not yet taken by the backend */
    apr_bucket_brigade *out; /* to the client */
    int client_open;         /* may still send */
    int backend_open;
    int told_backend;        /* that the client has no more to send */
    apr_off_t sent, received;
} tunnel_t;

static int add_line(void *rec, const char *name, const char *value)
{
    apr_bucket_brigade *bb = rec;

    apr_brigade_printf(bb, NULL, NULL, "%s: %s\r\n", name, value);
    return 1;
}

static apr_status_t pass_out(tunnel_t *t)
{
    conn_rec *c = t->rq->r->connection;
    apr_status_t rv;

    APR_BRIGADE_INSERT_TAIL(t->out, apr_bucket_flush_create(c->bucket_alloc));
    rv = ap_pass_brigade(c->output_filters, t->out);
    apr_brigade_cleanup(t->out);
    return c->aborted ? APR_ECONNABORTED : rv;
}

static apr_status_t send_switching(tunnel_t *t)
{
    rp_request_t *rq = t->rq;
    const char *to = apr_table_get(rq->response.fields, "Upgrade");

    rp_hop_strip(rq->response.fields);
    rp_via_add(rq->r->pool, rq->response.fields, 1, rq->name);
    apr_brigade_printf(t->out, NULL, NULL, "HTTP/1.1 101 %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n",
                       *rq->response.reason ? rq->response.reason : "Switching Protocols", to);
    apr_table_do(add_line, t->out, rq->response.fields, NULL);
    apr_brigade_puts(t->out, NULL, NULL, "\r\n");
    return pass_out(t);
}

/* Neither side may hold up the other: what the backend does not take now stays in t->in, and nothing more is read from
 * the client until it has gone. @return APR_EAGAIN when nothing moved */
static apr_status_t write_backend(tunnel_t *t)
{
    apr_status_t moved = APR_EAGAIN;

    while (!APR_BRIGADE_EMPTY(t->in)) {
        apr_bucket *b = APR_BRIGADE_FIRST(t->in);
        const char *data;
        apr_size_t len = 0, n;
        apr_status_t rv = APR_BUCKET_IS_METADATA(b) ? APR_SUCCESS : apr_bucket_read(b, &data, &len, APR_BLOCK_READ);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        n = len;
        if (len > 0) {
            rv = rp_transport_write(&t->rq->conn->t, data, &n);
            if (rv != APR_SUCCESS) {
                return APR_STATUS_IS_EAGAIN(rv) ? moved : rv;
            }
            t->received += (apr_off_t)n;
            rp_count(RP_COUNT_BACKEND_SENT, n);
            moved = APR_SUCCESS;
        }
        if (n < len) {
            apr_bucket_split(b, n);
        }
        apr_bucket_delete(b);
    }
    return moved;
}

static apr_status_t read_client(tunnel_t *t)
{
    apr_status_t rv;

    if (!APR_BRIGADE_EMPTY(t->in)) {
        return APR_EAGAIN;
    }
    rv = ap_get_brigade(t->rq->r->connection->input_filters, t->in, AP_MODE_READBYTES, APR_NONBLOCK_READ, RP_CONN_BUF);
    if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(t->in)) {
        return APR_EAGAIN;
    }
    return rv == APR_SUCCESS && APR_BUCKET_IS_EOS(APR_BRIGADE_FIRST(t->in)) ? APR_EOF : rv;
}

/* What the connection's buffer or socket holds, to the client. */
static apr_status_t read_backend(tunnel_t *t)
{
    rp_conn_t *conn = t->rq->conn;
    apr_status_t rv = APR_SUCCESS;

    if (conn->start == conn->end) {
        apr_size_t len = RP_CONN_BUF;

        conn->start = conn->end = 0;
        rv = rp_transport_read(&conn->t, conn->buf, &len);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        conn->end = len;
        rp_count(RP_COUNT_BACKEND_RECEIVED, len);
    }
    t->sent += (apr_off_t)(conn->end - conn->start);
    APR_BRIGADE_INSERT_TAIL(t->out, apr_bucket_transient_create(conn->buf + conn->start, conn->end - conn->start,
                                                               t->rq->r->connection->bucket_alloc));
    rv = pass_out(t);
    conn->start = conn->end = 0;
    return rv;
}

/* One side has no more to say: the other is told, and may go on speaking. */
static void shut(int fd, SSL *ssl)
{
    if (ssl) {
        SSL_shutdown(ssl);
    }
    if (fd >= 0) {
        shutdown(fd, SHUT_WR);
    }
}

/* The outcome of one direction's step. @return nonzero when something moved; *failed is set when the tunnel is at its end */
static int moved(apr_status_t rv, int *open, int *failed)
{
    if (APR_STATUS_IS_EOF(rv)) {
        *open = 0;
        return 1;
    }
    *failed |= rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv);
    return rv == APR_SUCCESS;
}

/* Each direction once. @return nonzero while something moves */
static int turn(tunnel_t *t, int *failed)
{
    rp_conn_t *conn = t->rq->conn;
    int writable = 1;
    int progress = 0;

    if (t->client_open) {
        progress |= moved(read_client(t), &t->client_open, failed);
    }
    progress |= moved(write_backend(t), &writable, failed);
    if (!t->client_open && !t->told_backend && APR_BRIGADE_EMPTY(t->in)) {
        shut(conn->t.fd, conn->t.ssl);
        t->told_backend = 1;
    }
    if (t->backend_open && !*failed) {
        progress |= moved(read_backend(t), &t->backend_open, failed);
        if (!t->backend_open) {
            shut(rp_client_fd(t->rq), NULL);
        }
    }
    return progress && writable;
}

static void pump(tunnel_t *t)
{
    apr_interval_time_t idle = RP_OR_DEFAULT(t->rq->dconf->idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);
    rp_transport_t *transport = &t->rq->conn->t;
    int failed = 0;

    /* Ends with both sides closed, a failure, or idleness. */
    while (!failed && (t->client_open || t->backend_open)) {
        rp_waitee_t waitees[2] = { { -1, RP_WANT_READ, 0 }, { -1, 0, 0 } };

        if (turn(t, &failed) || failed) {
            continue;
        }
        if (!APR_BRIGADE_EMPTY(t->in)) {
            waitees[1].want |= RP_WANT_WRITE;
        }
        else if (t->client_open) {
            waitees[0].fd = rp_client_fd(t->rq);
        }
        if (t->backend_open) {
            waitees[1].want |= RP_WANT_READ;
        }
        if (waitees[1].want) {
            waitees[1].fd = transport->fd;
        }
        if (rp_wait_any(waitees, 2, RP_DEADLINE(idle)) != APR_SUCCESS) {
            return;
        }
    }
}

int rp_tunnel(rp_request_t *rq)
{
    request_rec *r = rq->r;
    conn_rec *c = r->connection;
    tunnel_t t = { .rq = rq, .client_open = 1, .backend_open = 1 };

    /* From here on there are only connection filters; the request's would speak HTTP. */
    ap_remove_output_filter_byhandle(c->output_filters, "SSL/TLS Coalescing Filter");
    ap_remove_input_filter_byhandle(c->input_filters, "reqtimeout");
    r->input_filters = r->proto_input_filters = c->input_filters;
    r->output_filters = r->proto_output_filters = c->output_filters;
    c->keepalive = AP_CONN_CLOSE;
    r->status = HTTP_SWITCHING_PROTOCOLS;

    t.in = apr_brigade_create(r->pool, c->bucket_alloc);
    t.out = apr_brigade_create(r->pool, c->bucket_alloc);
    if (send_switching(&t) == APR_SUCCESS) {
        pump(&t);
    }
    r->bytes_sent = t.sent;
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, RPLOGNO(0405) "tunnel to %s ended after %" APR_OFF_T_FMT
                  " bytes to the client and %" APR_OFF_T_FMT " from it", rq->member, t.sent, t.received);
    rp_drop_conn(rq);
    /* No EOS may follow: nothing of HTTP is left to end. */
    r->eos_sent = 1;
    return DONE;
}

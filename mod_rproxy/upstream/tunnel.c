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
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

typedef struct tunnel_t {
    rp_request_t *rq;
    apr_bucket_brigade *in;  /* from the client */
    apr_bucket_brigade *out; /* to the client */
    int client_open;         /* may still send */
    int backend_open;
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

static apr_status_t write_backend(tunnel_t *t, const char *data, apr_size_t len)
{
    apr_interval_time_t idle = RP_OR_DEFAULT(t->rq->dconf->idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);
    rp_transport_t *transport = &t->rq->conn->t;

    while (len > 0) {
        apr_size_t n = len;
        apr_status_t rv = rp_transport_write(transport, data, &n);

        if (APR_STATUS_IS_EAGAIN(rv)) {
            rv = rp_wait(transport->fd, transport->want, RP_DEADLINE(idle));
            n = 0;
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
        data += n;
        len -= n;
        t->received += (apr_off_t)n;
    }
    return APR_SUCCESS;
}

/* Everything that the client's filters hold; APR_EAGAIN is the good end. */
static apr_status_t drain_client(tunnel_t *t)
{
    conn_rec *c = t->rq->r->connection;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS) {
        apr_bucket *b;

        rv = ap_get_brigade(c->input_filters, t->in, AP_MODE_READBYTES, APR_NONBLOCK_READ, RP_CONN_BUF);
        if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(t->in)) {
            rv = APR_EAGAIN;
        }
        for (b = APR_BRIGADE_FIRST(t->in); rv == APR_SUCCESS && b != APR_BRIGADE_SENTINEL(t->in);
             b = APR_BUCKET_NEXT(b)) {
            const char *data;
            apr_size_t len;

            if (APR_BUCKET_IS_EOS(b)) {
                rv = APR_EOF;
            }
            else if (!APR_BUCKET_IS_METADATA(b)) {
                rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
                rv = rv == APR_SUCCESS ? write_backend(t, data, len) : rv;
            }
        }
        apr_brigade_cleanup(t->in);
    }
    return rv;
}

/* What the connection's buffer and socket hold, once; APR_EAGAIN when that was nothing. */
static apr_status_t drain_backend(tunnel_t *t)
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
    }
    t->sent += (apr_off_t)(conn->end - conn->start);
    APR_BRIGADE_INSERT_TAIL(t->out, apr_bucket_transient_create(conn->buf + conn->start, conn->end - conn->start,
                                                               t->rq->r->connection->bucket_alloc));
    rv = pass_out(t);
    conn->start = conn->end = 0;
    return rv;
}

/* One side has no more to say: the other one is told, and may go on speaking (RFC 6455 closes both by itself). */
static void half_close(tunnel_t *t, int *open, int fd, SSL *ssl)
{
    *open = 0;
    if (ssl) {
        SSL_shutdown(ssl);
    }
    if (fd >= 0) {
        shutdown(fd, SHUT_WR);
    }
    (void)t;
}

/* @return nonzero while there is something to wait for */
static int step(tunnel_t *t, int client_readable, int backend_readable)
{
    rp_conn_t *conn = t->rq->conn;
    apr_status_t rv;

    if (client_readable && t->client_open) {
        rv = drain_client(t);
        if (APR_STATUS_IS_EOF(rv)) {
            half_close(t, &t->client_open, conn->t.fd, conn->t.ssl);
        }
        else if (!APR_STATUS_IS_EAGAIN(rv)) {
            return 0;
        }
    }
    if (backend_readable && t->backend_open) {
        rv = drain_backend(t);
        if (APR_STATUS_IS_EOF(rv)) {
            half_close(t, &t->backend_open, rp_client_fd(t->rq), NULL);
        }
        else if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv)) {
            return 0;
        }
    }
    return t->client_open || t->backend_open;
}

static void pump(tunnel_t *t)
{
    apr_interval_time_t idle = RP_OR_DEFAULT(t->rq->dconf->idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);
    /* Either side may have sent something along with its head. */
    int more = step(t, 1, 1);

    while (more) {
        rp_waitee_t waitees[2] = {
            { t->client_open ? rp_client_fd(t->rq) : -1, RP_WANT_READ, 0 },
            { t->backend_open ? t->rq->conn->t.fd : -1, RP_WANT_READ, 0 },
        };

        if (!rp_transport_pending(&t->rq->conn->t) && rp_wait_any(waitees, 2, RP_DEADLINE(idle)) != APR_SUCCESS) {
            return;
        }
        more = step(t, waitees[0].got, waitees[1].got || rp_transport_pending(&t->rq->conn->t));
    }
}

int rp_tunnel(rp_request_t *rq)
{
    request_rec *r = rq->r;
    conn_rec *c = r->connection;
    tunnel_t t = { rq, NULL, NULL, 1, 1, 0, 0 };

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

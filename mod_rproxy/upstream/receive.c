/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The head of a response, and the interim ones before it. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_protocol.h>
#include <ap_mpm.h>
#include <apr_strings.h>

#include "lane/lane.h"
#include "log.h"
#include "status/counters.h"
#include "upstream/upload.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

/* How long to hold a body back for the backend's 100 (RFC 9110 §10.1.1: not indefinitely). */
#define CONTINUE_WAIT apr_time_from_sec(1)
/* httpd has no name for it. */
#define EARLY_HINTS 103
/* More interim responses than this are no good sign. */
#define MAX_INTERIM 64
/* The end of HTTP/2 streams, and of the server, cannot be polled for: it is looked for this often. */
#define END_CHECK apr_time_from_sec(1)

/* Is there nobody left who would want the response? */
static int is_unwanted(rp_request_t *rq)
{
    conn_rec *c = rq->r->connection;
    int state;

    if (!rq->detached) {
        return c->aborted || (c->master && c->master->aborted);
    }
    if (rq->detached == RP_DETACHED_HELD) {
        return 0;
    }
    /* What runs for the cache alone does not hold up a child that is to end. */
    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS && state == AP_MPMQ_STOPPING;
}

apr_status_t rp_wait_backends(rp_request_t *rq, rp_waitee_t *waitees, int n, apr_time_t deadline)
{
    conn_rec *c = rq->r->connection;

    waitees[n] = (rp_waitee_t){ rp_client_fd(rq), RP_WANT_HANGUP, 0 };
    for (;;) {
        apr_time_t until = deadline;
        apr_status_t rv;

        if ((c->master || rq->detached) && until > rp_now() + END_CHECK) {
            until = rp_now() + END_CHECK;
        }
        rv = rp_wait_any(waitees, n + 1, until);
        if (rv == APR_SUCCESS && (waitees[0].got || (n > 1 && waitees[1].got))) {
            return APR_SUCCESS;
        }
        if (waitees[n].got || is_unwanted(rq)) {
            c->aborted = 1;
            return APR_ECONNABORTED;
        }
        if (rv != APR_SUCCESS && (!APR_STATUS_IS_TIMEUP(rv) || until == deadline)) {
            return rv;
        }
    }
}

static apr_status_t wait_readable(rp_request_t *rq, int want, apr_time_t deadline)
{
    rp_waitee_t waitees[2] = { { rq->conn->t.fd, want, 0 } };

    return rq->upload ? rp_upload_wait(rq, want, 0, deadline) : rp_wait_backends(rq, waitees, 1, deadline);
}

apr_status_t rp_fill(rp_request_t *rq, apr_time_t deadline)
{
    rp_conn_t *conn = rq->conn;
    int want = RP_WANT_READ;

    if (conn->start == conn->end) {
        conn->start = conn->end = 0;
    }
    for (;;) {
        apr_size_t len = RP_CONN_BUF - conn->end;
        apr_status_t rv;

        if (!rp_transport_pending(&conn->t)) {
            rv = wait_readable(rq, want, deadline);
            if (rv != APR_SUCCESS) {
                return rv;
            }
        }
        rv = rp_transport_read(&conn->t, conn->buf + conn->end, &len);
        if (rv == APR_SUCCESS) {
            conn->end += len;
            rp_count(RP_COUNT_BACKEND_RECEIVED, len);
        }
        if (!APR_STATUS_IS_EAGAIN(rv)) {
            return rv;
        }
        want = conn->t.want;
    }
}

/* What another member would answer as well. */
static rp_exchange_e refused_response(rp_request_t *rq, const char *type, const char *cause)
{
    rp_failure_set(rq, HTTP_BAD_GATEWAY, type, "head", cause);
    rp_drop_conn(rq);
    return RP_EXCHANGE_FAILED;
}

static rp_exchange_e bad_response(rp_request_t *rq, const char *cause)
{
    refused_response(rq, "http_protocol_error", cause);
    return RP_EXCHANGE_LOST;
}

static rp_exchange_e no_response(rp_request_t *rq, apr_status_t rv)
{
    rp_conn_t *conn = rq->conn;
    int reused = conn->exchanges > 0 && conn->end == conn->start;
    char text[120];

    if (APR_STATUS_IS_ECONNABORTED(rv) && rq->r->connection->aborted) {
        rp_drop_conn(rq);
        rq->failure.status = 0;
        return RP_EXCHANGE_CLIENT;
    }
    if (APR_STATUS_IS_TIMEUP(rv)) {
        rp_failure_set(rq, HTTP_GATEWAY_TIME_OUT, "connection_read_timeout", "head",
                       rq->try_until && rp_now() >= rq->try_until ? "no response within RProxyRetry try="
                       : "no response within RProxyTimeout first-byte=");
        rp_drop_conn(rq);
        return RP_EXCHANGE_TIMEOUT;
    }
    /* When sending had already failed, that is the better story. */
    if (!rq->failure.type || conn->t.alerted) {
        rp_failure_set(rq, HTTP_BAD_GATEWAY, conn->t.alerted ? "tls_alert_received"
                       : conn->end > conn->start ? "http_response_incomplete" : "connection_terminated",
                       "head", conn->t.error[0] ? apr_pstrdup(rq->r->pool, conn->t.error)
                       : APR_STATUS_IS_EOF(rv) ? "the backend closed the connection before a whole response head"
                       : apr_pstrdup(rq->r->pool, apr_strerror(rv, text, sizeof(text))));
    }
    rp_drop_conn(rq);
    return reused ? RP_EXCHANGE_STALE : RP_EXCHANGE_LOST;
}

/* One allocation for the whole head; the separators behind names and values become their terminators. */
static void take_head(rp_request_t *rq, rp_head_t *head, const char *base)
{
    char *copy = apr_pmemdup(rq->r->pool, base, head->length);
    ptrdiff_t shift = copy - base;
    int i;

    rq->response.status = head->status;
    rq->response.reason = head->reason.len ? apr_pstrmemdup(rq->r->pool, head->reason.ptr, head->reason.len) : "";
    rq->response.fields = apr_table_make(rq->r->pool, head->nfields + 8);
    for (i = 0; i < head->nfields; i++) {
        const rp_field_t *f = &head->fields[i];
        char *name = (char *)f->name.ptr + shift;
        char *value = f->value.len ? (char *)f->value.ptr + shift : "";

        name[f->name.len] = '\0';
        if (f->value.len) {
            value[f->value.len] = '\0';
        }
        apr_table_addn(rq->response.fields, name, value);
    }
}

/* Read until one head is whole. */
static rp_exchange_e read_head(rp_request_t *rq, rp_head_t *head, apr_time_t deadline)
{
    rp_conn_t *conn = rq->conn;
    apr_size_t seen = 0;

    for (;;) {
        rp_parse_e parsed = rp_head_parse(head, conn->buf + conn->start, conn->end - conn->start, seen);
        apr_status_t rv;

        if (parsed == RP_PARSE_DONE) {
            return RP_EXCHANGE_DONE;
        }
        if (parsed == RP_PARSE_BAD) {
            return bad_response(rq, head->error);
        }
        seen = conn->end - conn->start;
        if (conn->start > 0) {
            memmove(conn->buf, conn->buf + conn->start, seen);
            conn->start = 0;
            conn->end = seen;
        }
        if (conn->end == RP_CONN_BUF) {
            return refused_response(rq, "http_response_header_section_size", "the response's header section is larger "
                                    "than " APR_STRINGIFY(RP_CONN_BUF) " bytes");
        }
        rv = rp_fill(rq, deadline);
        if (rv != APR_SUCCESS) {
            return no_response(rq, rv);
        }
    }
}

void rp_send_interim(rp_request_t *rq, int status, const char *reason, apr_table_t *fields)
{
    request_rec *r = rq->r;
    apr_table_t *headers_out = r->headers_out;

    r->headers_out = fields;
    r->status = status;
    r->status_line = apr_psprintf(r->pool, "%d %s", status, reason);
    ap_send_interim_response(r, 1);
    r->headers_out = headers_out;
    r->status = HTTP_OK;
    r->status_line = NULL;
}

/* Note a 103's hints. @return nonzero when the client has had them all */
static int is_repeated(rp_request_t *rq, const apr_table_t *fields)
{
    apr_table_t *hints = NULL;

    rp_hints_add(rq->r->pool, &hints, fields);
    if (!hints) {
        return 0;
    }
    rp_hints_add(rq->r->pool, &rq->hints, hints);
    return (rq->hinted && rp_hints_within(hints, rq->hinted))
           || (rq->hints_passed && rp_hints_within(hints, rq->hints_passed));
}

static void pass_interim(rp_request_t *rq)
{
    const rp_response_t *response = &rq->response;

    /* Expectations are answered by httpd's input filter once the body is wanted. */
    if (response->status == HTTP_CONTINUE || !rp_hop_strip(response->fields)
        || (response->status == EARLY_HINTS && is_repeated(rq, response->fields)) || rq->detached) {
        return;
    }
    rp_send_interim(rq, response->status, response->reason, response->fields);
}

/* Content-Length said twice, or as a list, was the same every time: say it once. */
static void fold_length(rp_request_t *rq)
{
    const char *length = apr_table_getm(rq->r->pool, rq->response.fields, "Content-Length");

    if (length && ap_strchr_c(length, ',')) {
        apr_table_set(rq->response.fields, "Content-Length", apr_pstrmemdup(rq->r->pool, length, strcspn(length, ", ")));
    }
}

static rp_exchange_e accept_final(rp_request_t *rq, const rp_head_t *head)
{
    if (!rp_response_framing(&rq->response.framing, head, rq->r->header_only)) {
        return bad_response(rq, rq->response.framing.error);
    }
    if (head->status == HTTP_SWITCHING_PROTOCOLS) {
        const char *to = apr_table_get(rq->response.fields, "Upgrade");

        if (!rq->upgrade || !to || !rp_list_has(rq->upgrade, to)) {
            return refused_response(rq, "http_upgrade_failed",
                                    "the backend switches to a protocol that nobody asked for");
        }
        return RP_EXCHANGE_DONE;
    }
    if (!rp_hop_strip(rq->response.fields)) {
        return bad_response(rq, "malformed Connection field");
    }
    fold_length(rq);
    rq->response.time = apr_time_now();
    rq->account.head = rp_now() - rq->sent;
    if (!rq->sent_whole && !rq->upload) {
        /* The backend still waits for the rest of the request, the client may still send it. */
        rq->response.framing.reusable = 0;
        rq->close_client = rq->body != RP_BODY_NONE;
    }
    return RP_EXCHANGE_DONE;
}

/* The interim responses at the head of the buffer, passed on. @return what the next head in it is: RP_PARSE_DONE when it
 * is that of a final response (or 101), which stays there */
static rp_parse_e pass_interims(rp_request_t *rq, rp_head_t *head)
{
    rp_conn_t *conn = rq->conn;
    int interim;

    for (interim = 0; interim < MAX_INTERIM; interim++) {
        rp_parse_e parsed = rp_head_parse(head, conn->buf + conn->start, conn->end - conn->start, 0);

        if (parsed != RP_PARSE_DONE || head->status >= 200 || head->status == HTTP_SWITCHING_PROTOCOLS) {
            return parsed;
        }
        take_head(rq, head, conn->buf + conn->start);
        conn->start += head->length;
        rq->continued |= head->status == HTTP_CONTINUE;
        pass_interim(rq);
    }
    return RP_PARSE_BAD;
}

rp_early_e rp_receive_early(rp_request_t *rq)
{
    rp_conn_t *conn = rq->conn;
    rp_head_t head;
    apr_size_t len;
    apr_status_t rv;

    if (conn->start == conn->end) {
        conn->start = conn->end = 0;
    }
    len = RP_CONN_BUF - conn->end;
    if (len == 0) {
        return RP_EARLY_STOP;
    }
    rv = rp_transport_read(&conn->t, conn->buf + conn->end, &len);
    if (rv != APR_SUCCESS) {
        /* Readable without a byte for us: a session ticket of TLS. */
        return APR_STATUS_IS_EAGAIN(rv) ? RP_EARLY_NOTHING : RP_EARLY_STOP;
    }
    conn->end += len;
    rp_count(RP_COUNT_BACKEND_RECEIVED, len);
    switch (pass_interims(rq, &head)) {
    case RP_PARSE_MORE:
        return RP_EARLY_NOTHING;
    case RP_PARSE_DONE:
        rq->answered = head.status;
        return head.status >= 200 && head.status < 300 ? RP_EARLY_ANSWER : RP_EARLY_STOP;
    default:
        return RP_EARLY_STOP;
    }
}

rp_early_e rp_await_continue(rp_request_t *rq)
{
    apr_time_t deadline = rp_try_deadline(rq, CONTINUE_WAIT);

    while (!rq->continued) {
        apr_status_t rv = wait_readable(rq, RP_WANT_READ, deadline);
        rp_early_e early;

        if (rv != APR_SUCCESS) {
            return APR_STATUS_IS_TIMEUP(rv) ? RP_EARLY_NOTHING : RP_EARLY_STOP;
        }
        early = rp_receive_early(rq);
        if (early != RP_EARLY_NOTHING) {
            return early;
        }
    }
    return RP_EARLY_NOTHING;
}

rp_exchange_e rp_receive_head(rp_request_t *rq)
{
    rp_head_t head;
    apr_interval_time_t patience = RP_OR_DEFAULT(rq->dconf->first_byte_timeout, RP_DEFAULT_FIRST_BYTE_TIMEOUT);
    apr_time_t deadline;
    int interim;

    rq->sent = rq->sent ? rq->sent : rp_now();
    deadline = rq->try_until && rq->try_until < rq->sent + patience ? rq->try_until : rq->sent + patience;
    for (interim = 0; interim < MAX_INTERIM; interim++) {
        rp_exchange_e e = read_head(rq, &head, deadline);

        if (e != RP_EXCHANGE_DONE) {
            return e;
        }
        take_head(rq, &head, rq->conn->buf + rq->conn->start);
        rq->conn->start += head.length;
        if (head.status >= 200 || head.status == HTTP_SWITCHING_PROTOCOLS) {
            return accept_final(rq, &head);
        }
        pass_interim(rq);
    }
    return bad_response(rq, "too many interim responses");
}

void rp_exchange_again(rp_request_t *rq)
{
    if (rq->hints) {
        rp_hints_add(rq->r->pool, &rq->hints_passed, rq->hints);
    }
    if (rq->content.len) {
        /* It had been told to go on. */
        apr_table_unset(rq->fields, "Expect");
    }
}

rp_exchange_e rp_exchange_begin(rp_request_t *rq)
{
    rq->failure.type = NULL;
    rq->body_sent = 0;
    rq->sent = 0;
    rq->hints = NULL;
    rq->upload = NULL;
    rq->sent_whole = rq->continued = rq->answered = rq->close_client = 0;
    rq->response.request_time = apr_time_now();
    return rp_send_request(rq);
}

rp_exchange_e rp_exchange(rp_request_t *rq)
{
    rp_exchange_e e = rp_exchange_begin(rq);

    return e == RP_EXCHANGE_DONE ? rp_receive_head(rq) : e;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A request's way out: head, then the body as the client delivers it. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_protocol.h>
#include <apr_strings.h>

#include "lane/lane.h"
#include "log.h"
#include "status/counters.h"
#include "upstream/upload.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

apr_time_t rp_try_deadline(const rp_request_t *rq, apr_interval_time_t patience)
{
    apr_time_t until = RP_DEADLINE(patience);

    return rq->try_until && rq->try_until < until ? rq->try_until : until;
}

/* Something has come of the response. */
static rp_step_e look_early(rp_request_t *rq)
{
    switch (rp_receive_early(rq)) {
    case RP_EARLY_STOP:
        return RP_STEP_EARLY;
    case RP_EARLY_ANSWER:
        /* Streams of HTTP/2 have no socket: it cannot be waited for them and for the backend at a time. */
        return rp_client_fd(rq) < 0 ? RP_STEP_OK : RP_STEP_OVERLAP;
    default:
        return RP_STEP_OK;
    }
}

/* The backend takes no more now: wait until it does, or answers. */
static rp_step_e wait_for_backend(rp_request_t *rq, int want, apr_status_t *status)
{
    apr_interval_time_t idle = RP_OR_DEFAULT(rq->dconf->idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);
    rp_waitee_t waitee = { rq->conn->t.fd, want | (rq->answered ? 0 : RP_WANT_READ), 0 };

    *status = rp_wait_any(&waitee, 1, rp_try_deadline(rq, idle));
    if (*status != APR_SUCCESS) {
        return APR_STATUS_IS_TIMEUP(*status) ? RP_STEP_TIMEOUT : RP_STEP_LOST;
    }
    return waitee.got & want ? RP_STEP_OK : look_early(rq);
}

static rp_step_e write_head(rp_request_t *rq, apr_status_t *status)
{
    rp_transport_t *t = &rq->conn->t;
    apr_size_t len;
    const char *head = rp_request_head(rq, &len);
    rp_step_e step = RP_STEP_OK;

    while (len > 0 && step == RP_STEP_OK) {
        apr_size_t n = len;

        *status = rp_transport_write(t, head, &n);
        if (APR_STATUS_IS_EAGAIN(*status)) {
            step = wait_for_backend(rq, t->want, status);
            step = step == RP_STEP_OVERLAP ? RP_STEP_OK : step;
            continue;
        }
        if (*status != APR_SUCCESS) {
            return RP_STEP_LOST;
        }
        rp_count(RP_COUNT_BACKEND_SENT, n);
        head += n;
        len -= n;
    }
    return step;
}

/* The client has sent nothing for now: wait for it, or for the backend, if asked already, to answer without the rest. */
static rp_step_e wait_for_client(rp_request_t *rq, apr_status_t *status)
{
    rp_waitee_t waitees[2] = {
        { rp_client_fd(rq), RP_WANT_READ, 0 }, { rq->answered || !rq->conn ? -1 : rq->conn->t.fd, RP_WANT_READ, 0 }
    };
    apr_time_t begun = rp_now();

    *status = rp_wait_any(waitees, 2, begun + rq->r->server->timeout);
    if (rq->try_until) {
        /* The time that the client takes is not the backend's. */
        rq->try_until += rp_now() - begun;
    }
    if (APR_STATUS_IS_TIMEUP(*status)) {
        return RP_STEP_CLIENT;
    }
    if (*status != APR_SUCCESS) {
        return RP_STEP_LOST;
    }
    return waitees[1].got ? look_early(rq) : RP_STEP_OK;
}

/* httpd's input filter tells the client to go on only when it is asked to block. */
static void send_continue(request_rec *r)
{
    int status = r->status;

    r->status = HTTP_CONTINUE;
    ap_send_interim_response(r, 0);
    r->status = status;
}

/* The client has sent nothing for now. */
static rp_step_e await_client(rp_request_t *rq, apr_status_t *status)
{
    if (rq->r->expecting_100) {
        send_continue(rq->r);
    }
    return wait_for_client(rq, status);
}

static rp_step_e send_body(rp_request_t *rq, apr_status_t *status)
{
    rp_upload_t *upload = rp_upload_new(rq);
    rp_step_e step = rq->answered && rp_client_fd(rq) >= 0 ? RP_STEP_OVERLAP : RP_STEP_OK;

    /* Ends with the body's last byte, an answer, an error, or a deadline in one of the waits. */
    while (step == RP_STEP_OK) {
        step = rp_upload_step(rq, upload, status);
        if (step == RP_STEP_NO_OUTPUT) {
            step = wait_for_backend(rq, upload->want, status);
        }
        else if (step == RP_STEP_NO_INPUT) {
            step = await_client(rq, status);
        }
    }
    rq->upload = step == RP_STEP_OVERLAP ? upload : NULL;
    return step;
}

static rp_exchange_e client_failed(rp_request_t *rq, apr_status_t status)
{
    int gone = rq->r->connection->aborted || APR_STATUS_IS_ECONNRESET(status) || APR_STATUS_IS_EOF(status);

    rp_drop_conn(rq);
    if (gone) {
        rq->failure.status = 0;
    }
    else {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, status, rq->r, RPLOGNO(0406) "the request's body could not be read, or is not "
                      "as long as announced (%" APR_UINT64_T_FMT " bytes so far)", rq->body_sent);
        rq->failure.status = APR_STATUS_IS_TIMEUP(status) ? HTTP_REQUEST_TIME_OUT
                           : ap_map_http_request_error(status, HTTP_BAD_REQUEST);
    }
    return RP_EXCHANGE_CLIENT;
}

static rp_exchange_e conclude(rp_request_t *rq, rp_step_e step, apr_status_t status)
{
    char text[120];

    switch (step) {
    case RP_STEP_CLIENT:
        return client_failed(rq, status);
    case RP_STEP_TIMEOUT:
        rp_failure_set(rq, HTTP_GATEWAY_TIME_OUT, "connection_write_timeout", "send",
                       rq->try_until && rp_now() >= rq->try_until ? "the backend took no data within RProxyRetry try="
                       : "the backend took no data within RProxyTimeout idle=");
        rp_drop_conn(rq);
        return RP_EXCHANGE_TIMEOUT;
    case RP_STEP_LOST:
        /* A backend that refuses a body may answer, close, and so make our writing fail: its answer is in the socket. */
        rp_failure_set(rq, HTTP_BAD_GATEWAY, "connection_terminated", "send",
                       rq->conn->t.error[0] ? apr_pstrdup(rq->r->pool, rq->conn->t.error)
                                            : apr_pstrdup(rq->r->pool, apr_strerror(status, text, sizeof(text))));
        return RP_EXCHANGE_DONE;
    default:
        return RP_EXCHANGE_DONE;
    }
}

rp_exchange_e rp_send_request(rp_request_t *rq)
{
    apr_status_t status = APR_SUCCESS;
    rp_step_e step = write_head(rq, &status);

    if (step == RP_STEP_OK && rq->body != RP_BODY_NONE && apr_table_get(rq->fields, "Expect")
        && rp_await_continue(rq) != RP_EARLY_NOTHING) {
        step = RP_STEP_EARLY;
    }
    if (step == RP_STEP_OK && rq->body != RP_BODY_NONE) {
        step = send_body(rq, &status);
    }
    rq->sent_whole = step == RP_STEP_OK || step == RP_STEP_END;
    return conclude(rq, step, status);
}

/* ------------------------------------------------------------------ content that is read ahead */

rp_exchange_e rp_take_content(rp_request_t *rq, apr_uint64_t most)
{
    apr_pool_t *p = rq->r->pool;
    apr_bucket_brigade *bb = apr_brigade_create(p, rq->r->connection->bucket_alloc);
    apr_status_t status = APR_SUCCESS;
    rp_step_e step = RP_STEP_OK;

    if (rq->body == RP_BODY_LENGTH && rq->body_len < most) {
        rq->content_room = (apr_size_t)rq->body_len;
    }
    rq->content_room = rq->content_room < RP_CONTENT_ROOM ? RP_CONTENT_ROOM : rq->content_room;
    rq->content = (rp_str_t){ apr_palloc(p, rq->content_room), 0 };
    /* Ends with the content, the bound, an error, or a deadline. */
    while (step == RP_STEP_OK && rq->content.len <= most) {
        step = rp_upload_read(rq, bb, &status);
        step = step == RP_STEP_NO_INPUT ? await_client(rq, &status)
             : step == RP_STEP_OK ? rp_upload_take(rq, bb, &status) : step;
    }
    apr_brigade_destroy(bb);
    /* The client has been told to go on. */
    apr_table_unset(rq->fields, "Expect");
    return step == RP_STEP_OK || step == RP_STEP_END ? RP_EXCHANGE_DONE : client_failed(rq, status);
}

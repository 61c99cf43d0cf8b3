/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A request's way out: head, then the body as the client delivers it. */

#include <string.h>

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

/* Body bytes asked for at a time, and so the size of a chunk towards the backend. */
#define PIECE 16384
/* Room in front of a chunk for its size line, and behind it for CRLF. */
#define CHUNK_HEAD 8
#define CHUNK_TAIL 2
/* Room for content whose length nobody said, to begin with. */
#define MIN_CONTENT 4096

/* What one step of sending came to. */
typedef enum step_e {
    STEP_OK,
    STEP_END,      /* the body is out */
    STEP_EARLY,    /* the backend answers already (or closed): no need for the rest */
    STEP_LOST,     /* writing failed, see the status */
    STEP_TIMEOUT,
    STEP_CLIENT    /* the client's side failed, see the status */
} step_e;

apr_time_t rp_try_deadline(const rp_request_t *rq, apr_interval_time_t patience)
{
    apr_time_t until = RP_DEADLINE(patience);

    return rq->try_until && rq->try_until < until ? rq->try_until : until;
}

static step_e look_early(rp_request_t *rq)
{
    return rp_receive_early(rq) == RP_EARLY_STOP ? STEP_EARLY : STEP_OK;
}

static step_e write_all(rp_request_t *rq, const char *data, apr_size_t len, apr_status_t *status)
{
    rp_transport_t *t = &rq->conn->t;
    apr_time_t idle = RP_OR_DEFAULT(rq->dconf->idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);

    while (len > 0) {
        apr_size_t n = len;

        *status = rp_transport_write(t, data, &n);
        if (APR_STATUS_IS_EAGAIN(*status)) {
            rp_waitee_t waitee = { t->fd, t->want | (rq->answered ? 0 : RP_WANT_READ), 0 };

            *status = rp_wait_any(&waitee, 1, rp_try_deadline(rq, idle));
            if (*status != APR_SUCCESS) {
                return APR_STATUS_IS_TIMEUP(*status) ? STEP_TIMEOUT : STEP_LOST;
            }
            if (!(waitee.got & t->want) && look_early(rq) == STEP_EARLY) {
                return STEP_EARLY;
            }
            continue;
        }
        if (*status != APR_SUCCESS) {
            return STEP_LOST;
        }
        rp_count(RP_COUNT_BACKEND_SENT, n);
        data += n;
        len -= n;
    }
    return STEP_OK;
}

/* The client has sent nothing for now: wait for it, or for the backend, if asked already, to answer without the rest. */
static step_e wait_for_client(rp_request_t *rq, apr_status_t *status)
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
        return STEP_CLIENT;
    }
    if (*status != APR_SUCCESS) {
        return STEP_LOST;
    }
    return waitees[1].got ? look_early(rq) : STEP_OK;
}

/* httpd's input filter tells the client to go on only when it is asked to block. */
static void send_continue(request_rec *r)
{
    int status = r->status;

    r->status = HTTP_CONTINUE;
    ap_send_interim_response(r, 0);
    r->status = status;
}

static step_e read_client(rp_request_t *rq, apr_bucket_brigade *bb, apr_status_t *status)
{
    /* Streams of HTTP/2 have no socket that could be waited for; their input filter does that itself. */
    apr_read_type_e block = rp_client_fd(rq) < 0 ? APR_BLOCK_READ : APR_NONBLOCK_READ;

    for (;;) {
        step_e step;

        apr_brigade_cleanup(bb);
        *status = ap_get_brigade(rq->r->input_filters, bb, AP_MODE_READBYTES, block, PIECE);
        if (*status == APR_SUCCESS && !APR_BRIGADE_EMPTY(bb)) {
            rq->r->expecting_100 = 0;
            return STEP_OK;
        }
        if (*status != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(*status)) {
            return STEP_CLIENT;
        }
        if (rq->r->expecting_100) {
            send_continue(rq->r);
        }
        step = wait_for_client(rq, status);
        if (step != STEP_OK) {
            return step;
        }
    }
}

/* buf has CHUNK_HEAD bytes of room before data and CHUNK_TAIL behind. */
static step_e write_chunk(rp_request_t *rq, char *data, apr_size_t len, apr_status_t *status)
{
    char head[CHUNK_HEAD + 1];
    apr_size_t n = (apr_size_t)apr_snprintf(head, sizeof(head), "%x\r\n", (unsigned)len);

    memcpy(data - n, head, n);
    memcpy(data + len, "\r\n", CHUNK_TAIL);
    return write_all(rq, data - n, n + len + CHUNK_TAIL, status);
}

static step_e write_data(rp_request_t *rq, const char *data, apr_size_t len, char *room, apr_status_t *status)
{
    step_e step = STEP_OK;

    rq->body_sent += len;
    if (rq->body != RP_BODY_CHUNKED) {
        /* More than was announced would be the beginning of another request. */
        if (rq->body_sent > rq->body_len) {
            *status = APR_EGENERAL;
            return STEP_CLIENT;
        }
        return write_all(rq, data, len, status);
    }
    while (len > 0 && step == STEP_OK) {
        apr_size_t n = len < PIECE ? len : PIECE;

        memcpy(room + CHUNK_HEAD, data, n);
        step = write_chunk(rq, room + CHUNK_HEAD, n, status);
        data += n;
        len -= n;
    }
    return step;
}

static step_e write_brigade(rp_request_t *rq, apr_bucket_brigade *bb, char *room, apr_status_t *status)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;
        step_e step;

        if (APR_BUCKET_IS_EOS(b)) {
            return STEP_END;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        *status = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        if (*status != APR_SUCCESS) {
            return STEP_CLIENT;
        }
        step = write_data(rq, data, len, room, status);
        if (step != STEP_OK) {
            return step;
        }
    }
    return STEP_OK;
}

static int append_trailer(void *rec, const char *name, const char *value)
{
    char **out = rec;

    *out = apr_pstrcat(((apr_pool_t **)rec)[1], *out, name, ": ", value, "\r\n", NULL);
    return 1;
}

/* The end of a chunked body: its last chunk, and what trailers the client sent (RFC 9112 §7.1.2). */
static step_e write_end(rp_request_t *rq, apr_status_t *status)
{
    void *rec[2] = { "0\r\n", rq->r->pool };

    if (rq->body != RP_BODY_CHUNKED) {
        *status = APR_EGENERAL;
        return rq->body_sent == rq->body_len ? STEP_OK : STEP_CLIENT;
    }
    if (rq->r->trailers_in && !apr_is_empty_table(rq->r->trailers_in)) {
        apr_table_do(append_trailer, rec, rp_trailers_allowed(rq->r->pool, rq->r->trailers_in), NULL);
    }
    rec[0] = apr_pstrcat(rq->r->pool, rec[0], "\r\n", NULL);
    return write_all(rq, rec[0], strlen(rec[0]), status);
}

static void take_data(rp_request_t *rq, const char *data, apr_size_t len)
{
    if (!len) {
        return;
    }
    if (len > rq->content_room - rq->content.len) {
        apr_size_t more = rq->content_room ? 2 * rq->content_room
                        : rq->body == RP_BODY_LENGTH ? (apr_size_t)rq->body_len : MIN_CONTENT;
        apr_size_t room = rq->content.len + len > more ? rq->content.len + len : more;
        char *larger = apr_palloc(rq->r->pool, room);

        if (rq->content.len) {
            memcpy(larger, rq->content.ptr, rq->content.len);
        }
        rq->content.ptr = larger;
        rq->content_room = room;
    }
    memcpy((char *)rq->content.ptr + rq->content.len, data, len);
    rq->content.len += len;
}

/* What the client has sent goes behind rq->content. @return STEP_END when that is all of it */
static step_e take_brigade(rp_request_t *rq, apr_bucket_brigade *bb, apr_status_t *status)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;

        if (APR_BUCKET_IS_EOS(b)) {
            rq->content_whole = 1;
            return STEP_END;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        *status = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        if (*status != APR_SUCCESS) {
            return STEP_CLIENT;
        }
        take_data(rq, data, len);
    }
    return STEP_OK;
}

/* Is what has come to be kept for another try? */
static int is_kept(const rp_request_t *rq, apr_bucket_brigade *bb)
{
    apr_uint64_t len = rq->body == RP_BODY_LENGTH ? rq->body_len : 0;
    apr_off_t more;

    return !rq->body_begun && len <= rq->keep_most && apr_brigade_length(bb, 1, &more) == APR_SUCCESS
           && rq->content.len + (apr_uint64_t)more <= rq->keep_most;
}

static step_e pass_on(rp_request_t *rq, apr_bucket_brigade *bb, char *room, apr_status_t *status)
{
    apr_size_t before = rq->content.len;
    step_e taken, sent;

    if (!is_kept(rq, bb)) {
        rq->body_begun = 1;
        /* There is no other try that this one could be cut short for. */
        rq->try_until = 0;
        return write_brigade(rq, bb, room, status);
    }
    /* All of it before any is sent, since sending may break off. */
    taken = take_brigade(rq, bb, status);
    if (taken == STEP_CLIENT) {
        return taken;
    }
    sent = rq->content.len == before ? STEP_OK
         : write_data(rq, rq->content.ptr + before, rq->content.len - before, room, status);
    return sent == STEP_OK ? taken : sent;
}

static step_e send_body(rp_request_t *rq, apr_status_t *status)
{
    apr_bucket_brigade *bb = apr_brigade_create(rq->r->pool, rq->r->connection->bucket_alloc);
    char *room = rq->body == RP_BODY_CHUNKED ? apr_palloc(rq->r->pool, CHUNK_HEAD + PIECE + CHUNK_TAIL) : NULL;
    step_e step = rq->content.len ? write_data(rq, rq->content.ptr, rq->content.len, room, status) : STEP_OK;

    if (step == STEP_OK && rq->content_whole) {
        step = STEP_END;
    }
    /* Ends with the body's last byte, an error, or a deadline in one of the steps. */
    while (step == STEP_OK) {
        step = read_client(rq, bb, status);
        if (step == STEP_OK) {
            step = pass_on(rq, bb, room, status);
        }
    }
    if (step == STEP_END) {
        step = write_end(rq, status);
    }
    apr_brigade_destroy(bb);
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

static rp_exchange_e conclude(rp_request_t *rq, step_e step, apr_status_t status)
{
    char text[120];

    switch (step) {
    case STEP_CLIENT:
        return client_failed(rq, status);
    case STEP_TIMEOUT:
        rp_failure_set(rq, HTTP_GATEWAY_TIME_OUT, "connection_write_timeout", "send",
                       rq->try_until && rp_now() >= rq->try_until ? "the backend took no data within RProxyRetry try="
                       : "the backend took no data within RProxyTimeout idle=");
        rp_drop_conn(rq);
        return RP_EXCHANGE_TIMEOUT;
    case STEP_LOST:
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
    apr_size_t len;
    const char *head = rp_request_head(rq, &len);
    step_e step = write_all(rq, head, len, &status);

    if (step == STEP_OK && rq->body != RP_BODY_NONE && apr_table_get(rq->fields, "Expect")
        && rp_await_continue(rq) != RP_EARLY_NOTHING) {
        step = STEP_EARLY;
    }
    if (step == STEP_OK && rq->body != RP_BODY_NONE) {
        step = send_body(rq, &status);
    }
    rq->sent_whole = step == STEP_OK;
    return conclude(rq, step, status);
}

/* ------------------------------------------------------------------ content that is read ahead */

rp_exchange_e rp_take_content(rp_request_t *rq, apr_uint64_t most)
{
    apr_pool_t *p = rq->r->pool;
    apr_bucket_brigade *bb = apr_brigade_create(p, rq->r->connection->bucket_alloc);
    apr_status_t status = APR_SUCCESS;
    step_e step = STEP_OK;

    if (rq->body == RP_BODY_LENGTH && rq->body_len < most) {
        rq->content_room = (apr_size_t)rq->body_len;
    }
    rq->content_room = rq->content_room < MIN_CONTENT ? MIN_CONTENT : rq->content_room;
    rq->content = (rp_str_t){ apr_palloc(p, rq->content_room), 0 };
    /* Ends with the content, the bound, an error, or a deadline. */
    while (step == STEP_OK && rq->content.len <= most) {
        step = read_client(rq, bb, &status);
        if (step == STEP_OK) {
            step = take_brigade(rq, bb, &status);
        }
    }
    apr_brigade_destroy(bb);
    /* The client has been told to go on. */
    apr_table_unset(rq->fields, "Expect");
    return step == STEP_OK || step == STEP_END ? RP_EXCHANGE_DONE : client_failed(rq, status);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_protocol.h>
#include <apr_strings.h>
#include <util_filter.h>

#include "lane/lane.h"
#include "log.h"
#include "status/counters.h"
#include "upstream/upload.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

/* Bytes asked for at a time, and so the size of a chunk towards the backend. */
#define PIECE 16384
/* Room in front of a chunk for its size line, and behind it for CRLF. */
#define CHUNK_HEAD 8
#define CHUNK_TAIL 2
/* Writes in one step: the response wants its turn. */
#define MAX_WRITES 16

/* ------------------------------------------------------------------ from the client */

rp_step_e rp_upload_read(rp_request_t *rq, apr_bucket_brigade *bb, apr_status_t *status)
{
    /* Streams of HTTP/2 have no socket that could be waited for; their input filter does that itself. */
    apr_read_type_e block = rp_client_fd(rq) < 0 ? APR_BLOCK_READ : APR_NONBLOCK_READ;

    apr_brigade_cleanup(bb);
    *status = ap_get_brigade(rq->r->input_filters, bb, AP_MODE_READBYTES, block, PIECE);
    if (*status == APR_SUCCESS && rq->r->eos_sent) {
        /* httpd has ended the response for what it found in the chunks, and gives it to us as if it were content. */
        *status = APR_EGENERAL;
        return RP_STEP_CLIENT;
    }
    if (*status == APR_SUCCESS && !APR_BRIGADE_EMPTY(bb)) {
        rq->r->expecting_100 = 0;
        return RP_STEP_OK;
    }
    return *status == APR_SUCCESS || APR_STATUS_IS_EAGAIN(*status) ? RP_STEP_NO_INPUT : RP_STEP_CLIENT;
}

static void take_data(rp_request_t *rq, const char *data, apr_size_t len)
{
    if (!len) {
        return;
    }
    if (len > rq->content_room - rq->content.len) {
        apr_size_t more = rq->content_room ? 2 * rq->content_room
                        : rq->body == RP_BODY_LENGTH ? (apr_size_t)rq->body_len : RP_CONTENT_ROOM;
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

rp_step_e rp_upload_take(rp_request_t *rq, apr_bucket_brigade *bb, apr_status_t *status)
{
    apr_bucket *b;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;

        if (APR_BUCKET_IS_EOS(b)) {
            rq->content_whole = 1;
            return RP_STEP_END;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        *status = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        if (*status != APR_SUCCESS) {
            return RP_STEP_CLIENT;
        }
        take_data(rq, data, len);
    }
    return RP_STEP_OK;
}

/* Is what has come to be kept for another try? */
static int is_kept(const rp_request_t *rq, apr_bucket_brigade *bb)
{
    apr_uint64_t len = rq->body == RP_BODY_LENGTH ? rq->body_len : 0;
    apr_off_t more;

    return !rq->body_begun && len <= rq->keep_most && apr_brigade_length(bb, 1, &more) == APR_SUCCESS
           && rq->content.len + (apr_uint64_t)more <= rq->keep_most;
}

/* More into the upload's brigade, or behind what is kept. */
static rp_step_e receive(rp_request_t *rq, rp_upload_t *up, apr_status_t *status)
{
    apr_size_t before = rq->content.len;
    rp_step_e step = rp_upload_read(rq, up->bb, status);

    if (step != RP_STEP_OK) {
        return step;
    }
    if (!is_kept(rq, up->bb)) {
        rq->body_begun = 1;
        /* There is no other try that this one could be cut short for. */
        rq->try_until = 0;
        return RP_STEP_OK;
    }
    /* All of it before any is sent, since sending may break off. */
    step = rp_upload_take(rq, up->bb, status);
    apr_brigade_cleanup(up->bb);
    up->kept = (rp_str_t){ rq->content.ptr + before, rq->content.len - before };
    return step == RP_STEP_CLIENT ? step : RP_STEP_OK;
}

/* ------------------------------------------------------------------ framing */

/* data, which stays until it is written, or of it as much as makes a chunk. @return how much; 0: too much */
static apr_size_t frame(rp_request_t *rq, rp_upload_t *up, rp_str_t data)
{
    char head[CHUNK_HEAD + 1];
    apr_size_t n = data.len < PIECE ? data.len : PIECE, size;

    if (rq->body != RP_BODY_CHUNKED) {
        rq->body_sent += data.len;
        up->out = data;
        /* More than was announced would be the beginning of another request. */
        return rq->body_sent > rq->body_len ? 0 : data.len;
    }
    rq->body_sent += n;
    size = (apr_size_t)apr_snprintf(head, sizeof(head), "%x\r\n", (unsigned)n);
    memcpy(up->room + CHUNK_HEAD - size, head, size);
    memcpy(up->room + CHUNK_HEAD, data.ptr, n);
    memcpy(up->room + CHUNK_HEAD + n, "\r\n", CHUNK_TAIL);
    up->out = (rp_str_t){ up->room + CHUNK_HEAD - size, size + n + CHUNK_TAIL };
    return n;
}

static rp_step_e frame_kept(rp_request_t *rq, rp_upload_t *up, apr_status_t *status)
{
    apr_size_t n = frame(rq, up, up->kept);

    up->kept.ptr += n;
    up->kept.len -= n;
    *status = n ? APR_SUCCESS : APR_EGENERAL;
    return n ? RP_STEP_OK : RP_STEP_CLIENT;
}

static int append_trailer(void *rec, const char *name, const char *value)
{
    char **out = rec;

    *out = apr_pstrcat(((apr_pool_t **)rec)[1], *out, name, ": ", value, "\r\n", NULL);
    return 1;
}

/* The end of a chunked body: its last chunk, and what trailers the client sent (RFC 9112 §7.1.2). */
static rp_step_e frame_end(rp_request_t *rq, rp_upload_t *up, apr_status_t *status)
{
    void *rec[2] = { "0\r\n", rq->r->pool };

    up->last = 1;
    if (rq->body != RP_BODY_CHUNKED) {
        *status = APR_EGENERAL;
        return rq->body_sent == rq->body_len ? RP_STEP_OK : RP_STEP_CLIENT;
    }
    if (rq->r->trailers_in && !apr_is_empty_table(rq->r->trailers_in)) {
        apr_table_do(append_trailer, rec, rp_trailers_allowed(rq->r->pool, rq->r->trailers_in), NULL);
    }
    up->out.ptr = apr_pstrcat(rq->r->pool, rec[0], "\r\n", NULL);
    up->out.len = strlen(up->out.ptr);
    return RP_STEP_OK;
}

static rp_step_e frame_bucket(rp_request_t *rq, rp_upload_t *up, apr_bucket *b, apr_status_t *status)
{
    rp_str_t data;
    apr_size_t n;

    if (APR_BUCKET_IS_EOS(b)) {
        return frame_end(rq, up, status);
    }
    if (APR_BUCKET_IS_METADATA(b)) {
        apr_bucket_delete(b);
        return RP_STEP_OK;
    }
    *status = apr_bucket_read(b, &data.ptr, &data.len, APR_BLOCK_READ);
    if (*status != APR_SUCCESS) {
        return RP_STEP_CLIENT;
    }
    n = data.len ? frame(rq, up, data) : 0;
    if (n < data.len) {
        *status = n ? apr_bucket_split(b, n) : APR_EGENERAL;
    }
    APR_BUCKET_REMOVE(b);
    APR_BRIGADE_INSERT_TAIL(up->held, b);
    return *status == APR_SUCCESS ? RP_STEP_OK : RP_STEP_CLIENT;
}

/* Something into out, if there is something. */
static rp_step_e load(rp_request_t *rq, rp_upload_t *up, apr_status_t *status)
{
    apr_brigade_cleanup(up->held);
    if (up->kept.len) {
        return frame_kept(rq, up, status);
    }
    if (!APR_BRIGADE_EMPTY(up->bb)) {
        return frame_bucket(rq, up, APR_BRIGADE_FIRST(up->bb), status);
    }
    return rq->content_whole ? frame_end(rq, up, status) : receive(rq, up, status);
}

/* ------------------------------------------------------------------ to the backend */

rp_upload_t *rp_upload_new(rp_request_t *rq)
{
    apr_pool_t *p = rq->r->pool;
    rp_upload_t *up = apr_pcalloc(p, sizeof(*up));

    up->bb = apr_brigade_create(p, rq->r->connection->bucket_alloc);
    up->held = apr_brigade_create(p, rq->r->connection->bucket_alloc);
    up->room = rq->body == RP_BODY_CHUNKED ? apr_palloc(p, CHUNK_HEAD + PIECE + CHUNK_TAIL) : NULL;
    up->kept = rq->content;
    return up;
}

rp_step_e rp_upload_step(rp_request_t *rq, rp_upload_t *up, apr_status_t *status)
{
    rp_step_e step = RP_STEP_OK;
    int writes = 0;

    /* Each turn writes, which is bounded, or brings what is to be written nearer. */
    while (step == RP_STEP_OK) {
        apr_size_t n = up->out.len;

        if (n == 0) {
            step = up->last ? RP_STEP_END : load(rq, up, status);
            continue;
        }
        up->want = RP_WANT_WRITE;
        if (writes++ == MAX_WRITES) {
            return RP_STEP_NO_OUTPUT;
        }
        *status = rp_transport_write(&rq->conn->t, up->out.ptr, &n);
        if (APR_STATUS_IS_EAGAIN(*status)) {
            up->want = rq->conn->t.want;
            return RP_STEP_NO_OUTPUT;
        }
        if (*status != APR_SUCCESS) {
            return RP_STEP_LOST;
        }
        rp_count(RP_COUNT_BACKEND_SENT, n);
        up->out.ptr += n;
        up->out.len -= n;
        up->moved += n;
    }
    return step;
}

/* ------------------------------------------------------------------ while the response is passed on */

void rp_upload_give_up(rp_request_t *rq)
{
    rq->upload = NULL;
    rq->response.framing.reusable = 0;
    rq->r->connection->keepalive = AP_CONN_CLOSE;
}

/* Its content cannot be had to the end, and the response has begun. */
static apr_status_t client_failed(rp_request_t *rq, apr_status_t status)
{
    conn_rec *c = rq->r->connection;

    if (!c->aborted && !APR_STATUS_IS_ECONNRESET(status) && !APR_STATUS_IS_EOF(status)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, status, rq->r, RPLOGNO(0407) "the request's body could not be read, or is "
                      "not as long as announced (%" APR_UINT64_T_FMT " bytes so far); its response had begun and is "
                      "broken off", rq->body_sent);
    }
    rp_upload_give_up(rq);
    c->aborted = 1;
    return APR_ECONNABORTED;
}

apr_status_t rp_upload_wait(rp_request_t *rq, int backend, int client, apr_time_t deadline)
{
    rp_upload_t *up = rq->upload;

    /* Ends with the content, one of the two being ready, or the deadline. */
    for (;;) {
        rp_waitee_t waitees[2] = { { rq->conn->t.fd, backend, 0 }, { rp_client_fd(rq), client, 0 } };
        apr_status_t status = APR_SUCCESS;

        switch (rp_upload_step(rq, up, &status)) {
        case RP_STEP_NO_OUTPUT:
            waitees[0].want |= up->want;
            break;
        case RP_STEP_NO_INPUT:
            waitees[1].want |= RP_WANT_READ;
            break;
        case RP_STEP_END:
            rq->sent_whole = 1;
            rq->upload = NULL;
            return APR_SUCCESS;
        case RP_STEP_CLIENT:
            return client_failed(rq, status);
        default:
            /* What it answers is another matter. */
            rp_upload_give_up(rq);
            return APR_SUCCESS;
        }
        status = rp_wait_any(waitees, 2, deadline);
        if (status != APR_SUCCESS || (waitees[0].got & backend) || (waitees[1].got & client)) {
            return status;
        }
    }
}

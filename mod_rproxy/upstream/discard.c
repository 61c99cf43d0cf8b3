/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A response that nobody gets, because another member is asked: is its connection worth keeping? */

#include <string.h>

#include "upstream/upstream.h"

/* Is the body, and nothing but it, in the connection's buffer? */
static int is_all_here(rp_conn_t *conn, const rp_framing_t *framing)
{
    rp_str_t in = { conn->buf + conn->start, conn->end - conn->start };
    rp_chunked_t chunked;
    rp_str_t data;
    rp_parse_e parsed;

    switch (framing->body) {
    case RP_BODY_NONE:
        return in.len == 0;
    case RP_BODY_LENGTH:
        return in.len == framing->length;
    case RP_BODY_CHUNKED:
        rp_chunked_init(&chunked);
        /* Each turn uses up bytes of the buffer. */
        do {
            parsed = rp_chunked_next(&chunked, &in, &data);
        } while (parsed == RP_PARSE_MORE && in.len > 0);
        return parsed == RP_PARSE_DONE && in.len == 0;
    default:
        return 0;
    }
}

/* What has come in since, without waiting for more. */
static void read_more(rp_conn_t *conn)
{
    apr_size_t len = RP_CONN_BUF - conn->end;

    if (len > 0 && rp_transport_read(&conn->t, conn->buf + conn->end, &len) == APR_SUCCESS) {
        conn->end += len;
    }
}

void rp_discard_response(rp_conn_t *conn, const rp_framing_t *framing)
{
    int here = 0;

    if (framing->reusable) {
        here = is_all_here(conn, framing);
        if (!here) {
            read_more(conn);
            here = is_all_here(conn, framing);
        }
    }
    if (!here) {
        rp_conn_close(conn);
        return;
    }
    conn->start = conn->end;
    rp_conn_park(conn);
}

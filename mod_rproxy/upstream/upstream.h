/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * upstream/: one exchange with one backend, and its response's way to the client.
 *
 * fields.c and head_out.c make the request, send.c and receive.c carry it out, respond.c and relay.c hand the response
 * to httpd's output filters, tunnel.c takes over after a 101, failure.c tells everybody what went wrong.
 */
#ifndef RP_UPSTREAM_H
#define RP_UPSTREAM_H

#include "lane/lane.h"
#include "request.h"

/**
 * Fill rq->fields and rq->body from what the client sent: end-to-end fields, with Via, Forwarded and its like, and the
 * client's certificate when asked for.
 * @return OK, or 400 when the request cannot be forwarded without doubt about its framing
 */
int rp_request_fields(rp_request_t *rq);

/** The request's head for rq->conn's peer; in the request's pool. */
const char *rp_request_head(const rp_request_t *rq, apr_size_t *len);

typedef enum rp_exchange_e {
    RP_EXCHANGE_DONE,   /* rq->response has the head; the body is still to come */
    RP_EXCHANGE_STALE,  /* a reused connection was dead before a byte came back; nothing is lost by another try */
    RP_EXCHANGE_LOST,   /* the connection ended, or nonsense came; rq->failure says how */
    RP_EXCHANGE_TIMEOUT, /* there was no head in time */
    RP_EXCHANGE_FAILED, /* the backend answered what cannot be passed on; another one would, too */
    RP_EXCHANGE_CLIENT  /* the client's doing: rq->failure.status is for httpd, or 0 when the client is gone */
} rp_exchange_e;

/**
 * Send the request on rq->conn and read the head of the final response; interim ones are passed on.  Unless
 * RP_EXCHANGE_DONE, the connection has been closed and rq->conn is NULL.  A 101 is left in rq->response.
 */
rp_exchange_e rp_exchange(rp_request_t *rq);

/** The first half of it: send the request. @return RP_EXCHANGE_DONE when rp_receive_head() can follow */
rp_exchange_e rp_exchange_begin(rp_request_t *rq);

/** Send the request on rq->conn. @return RP_EXCHANGE_DONE when the response can be awaited */
rp_exchange_e rp_send_request(rp_request_t *rq);

/**
 * Wait for any of n (at most 2) backends' connections; notices a client that went away.
 * @param waitees  the backends', with room for one more
 * @return APR_SUCCESS, APR_TIMEUP, APR_ECONNABORTED for the client, or what waiting failed with
 */
apr_status_t rp_wait_backends(rp_request_t *rq, rp_waitee_t *waitees, int n, apr_time_t deadline);

/** Send the client an interim response, when it can take one. Uses fields up: httpd empties the table. */
void rp_send_interim(rp_request_t *rq, int status, const char *reason, apr_table_t *fields);

/**
 * Read the request's content, before anything is sent, into rq->content: all of it, or a piece more than most bytes.  It
 * is sent in front of what is still to be read, or, when rq->content_whole, as often as need be.  Made for rq->fields.
 * @return RP_EXCHANGE_DONE, RP_EXCHANGE_CLIENT
 */
rp_exchange_e rp_take_content(rp_request_t *rq, apr_uint64_t most);

/** Read up to the head of a response that is final, or 101, into rq->response. Time counts from rq->sent, if set. */
rp_exchange_e rp_receive_head(rp_request_t *rq);

/** What the backend had to say while the request was still being sent. */
typedef enum rp_early_e {
    RP_EARLY_NOTHING, /* nothing, or interim responses, which have been passed on: go on sending */
    RP_EARLY_ANSWER,  /* it succeeds already: go on sending, and look no more */
    RP_EARLY_STOP     /* it refuses, fails, talks nonsense or closes: what is left to send is of no use */
} rp_early_e;

/** Look at what has come in, without waiting. */
rp_early_e rp_receive_early(rp_request_t *rq);

/** Wait for 100, for a second at most: a backend that does not know it says nothing. */
rp_early_e rp_await_continue(rp_request_t *rq);

/**
 * Read more bytes into rq->conn's buffer, waiting until the deadline; notices a client that went away.
 * @return APR_SUCCESS, APR_TIMEUP, APR_EOF, APR_ECONNABORTED for the client, or what reading failed with
 */
apr_status_t rp_fill(rp_request_t *rq, apr_time_t deadline);

/** Put the response's status and fields into the request_rec, mapped to the public view. */
void rp_respond(rp_request_t *rq);

/** Map Location, Content-Location, Refresh and Set-Cookie of rq->response to the public view. */
void rp_map_response(rp_request_t *rq);

/**
 * Pass the response's body from rq->conn to the client, and to tee (may be NULL); parks or closes the connection.  A body
 * that breaks off reaches the client as broken.
 * @return OK always: by now the response has begun
 */
int rp_relay(rp_request_t *rq, const rp_tee_t *tee);

/** Pass bb on and let the client see that the response, whose head is out or on its way, is not whole. */
void rp_break_off(rp_request_t *rq, apr_bucket_brigade *bb);

/** After a try that came to nothing: what the client has been told by it is not told again. */
void rp_exchange_again(rp_request_t *rq);

/** Forget a response whose head was read from conn; parks the connection if the body is at hand, else closes it. */
void rp_discard_response(rp_conn_t *conn, const rp_framing_t *framing);

/** Read and forget the response's body (of a 304: none) and park the connection. */
void rp_finish_exchange(rp_request_t *rq);

/** After a 101: pass bytes both ways until either side ends or nothing moves for the idle timeout. @return DONE */
int rp_tunnel(rp_request_t *rq);

/** Those of trailers that may be passed on (RFC 9110 §6.5.1); names and values stay where they are. */
apr_table_t *rp_trailers_allowed(apr_pool_t *p, const apr_table_t *trailers);

/** Arrange that trailers reach an HTTP/1.1 client that wants them: fill r->trailers_out before the end of the body. */
void rp_trailers_expect(rp_request_t *rq);
void rp_trailers_register(void);

/** Note a failure in the log, in notes and environment, and in Proxy-Status. @return failure->status */
int rp_fail(rp_request_t *rq);

/** The same at level info: one of many that fail for a cause which stands in the log already. */
int rp_fail_quietly(rp_request_t *rq);

/** The same but for the log. */
void rp_failure_tell(rp_request_t *rq);

/** Fill rq->failure. */
void rp_failure_set(rp_request_t *rq, int status, const char *type, const char *phase, const char *cause);

/**
 * For whom a new connection to a peer is to be, in the request's pool; NULL when the peer need not know or there is no
 * client.
 */
const rp_endpoints_t *rp_request_endpoints(const rp_request_t *rq, const rp_peer_t *peer);

/** Give up rq->conn. */
void rp_drop_conn(rp_request_t *rq);

/** The client's socket to watch for its going away, or -1 (HTTP/2 streams have none of their own). */
int rp_client_fd(const rp_request_t *rq);

/** deadline for a wait of that length from now */
#define RP_DEADLINE(interval) (rp_now() + (interval))

/** The same, but not beyond the try's own. */
apr_time_t rp_try_deadline(const rp_request_t *rq, apr_interval_time_t patience);

#endif

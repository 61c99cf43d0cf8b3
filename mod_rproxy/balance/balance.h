/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * balance/: pools, members, and which member gets a request.
 *
 * A member is a peer plus what all child processes must agree on, which lies in shared memory and is touched with
 * atomics alone.  Smooth weighted round robin is a sequence computed once (swrr.c) that all children walk together by
 * one shared counter: exact over the whole host, and no lock.
 */
#ifndef RP_BALANCE_H
#define RP_BALANCE_H

#include "balance/swrr.h"
#include "request.h"
#include "upstream/conn.h"

/** A member's part in shared memory. */
typedef struct rp_member_shared_t {
    apr_int64_t down_until; /* rp_now(): it is skipped until then; 0 when it is up */
} rp_member_shared_t;

typedef struct rp_member_t {
    rp_peer_t peer;
    rp_member_shared_t *shared;
} rp_member_t;

typedef struct rp_pool_t {
    const rp_pool_conf_t *conf;
    int nmembers;
    rp_member_t *members;
    apr_uint16_t *sequence;     /* indexes of members, in the order in which they get requests */
    unsigned nsequence;
    apr_uint32_t *ticket;       /* shared: the next place in the sequence */
} rp_pool_t;

/**
 * Make the pools of all servers: addresses, TLS, shared memory. In the parent process, at start.
 * @return OK, or an HTTP error after logging why
 */
int rp_balance_init(apr_pool_t *pconf, server_rec *main_server);

/** In each child. */
void rp_balance_child_init(apr_pool_t *p, server_rec *main_server);

/**
 * The next member that is up and not among tried.  Of those that were down and may be tried again each is given to one
 * request only until it is up, so that no others wait for it in vain.
 * @param tried  a byte per member, nonzero for those to pass over; NULL for none
 * @return NULL when there is none
 */
rp_member_t *rp_pool_pick(rp_pool_t *pool, apr_time_t now, const unsigned char *tried);

/** Nobody gets a connection: skip the member for its retry time. */
void rp_member_down(rp_member_t *member, apr_time_t now);
void rp_member_up(rp_member_t *member);

/** Seconds (at least 1) until the first member that is down may be tried again. */
int rp_pool_retry_after(const rp_pool_t *pool, apr_time_t now);

/**
 * Send the request to members of its route's pool until one answers with the head of a final response, which is then in
 * rq->response. Interim responses have gone to the client.
 * @return OK; DONE when the request is over (tunnelled, client gone); or an HTTP error, told in rq->failure and logged
 */
int rp_forward(rp_request_t *rq);

/** The client did not send the request as it should have, or is gone: what a handler returns of that. */
int rp_client_failed(rp_request_t *rq);

#endif

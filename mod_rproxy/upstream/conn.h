/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Peers and the connections to them.
 *
 * A peer is one backend as this child process knows it: its addresses, its TLS context, and the idle connections kept
 * for it.  A connection belongs to one exchange at a time; between exchanges it is parked with its peer, the last one
 * parked being the first one taken (LIFO), so that the others age and get closed.
 */
#ifndef RP_CONN_H
#define RP_CONN_H

#include <httpd.h>
#include <apr_thread_mutex.h>

#include "config/config.h"
#include "upstream/transport.h"

/** A response's head must fit into a connection's buffer. */
#define RP_CONN_BUF 32768

struct rp_conn_t;

/** What is counted of handshakes with a peer; touched with atomics alone. */
typedef struct rp_tls_tally_t {
    apr_uint64_t handshakes;
    apr_uint64_t resumed;    /* of them */
    apr_int64_t not_after;   /* Unix seconds: the end of its certificate; 0: unknown */
} rp_tls_tally_t;

typedef struct rp_peer_t {
    const rp_member_conf_t *conf;
    void (*leave)(struct rp_peer_t *); /* a connection in use is parked or closed; NULL: nobody asks */
    const rp_addresses_t *shared; /* its name's addresses; NULL, and for a Unix socket: none */
    int looked_up;           /* somebody looks for them until there are some: nobody else does */
    rp_tls_t *tls;           /* for https */
    rp_tls_tally_t *tally;   /* in shared memory, or NULL */
    apr_thread_mutex_t *lock; /* guards what follows; never held across a wait */
    struct rp_conn_t *idle;  /* the one parked last, which is taken first */
    struct rp_conn_t *oldest;
    int nidle;
} rp_peer_t;

typedef struct rp_conn_t {
    rp_transport_t t;
    rp_peer_t *peer;
    struct rp_conn_t *next;   /* of the idle ones: parked earlier, later */
    struct rp_conn_t *prev;
    apr_time_t made;    /* rp_now() */
    apr_time_t parked;
    rp_address_t address;    /* where it goes to */
    apr_uint32_t sequence;   /* of the peer's addresses, when that was last among them */
    int in_use;         /* leave() is due at its end */
    int exchanges;      /* finished ones: 0 on a new connection */
    apr_size_t start;   /* unread bytes are buf[start..end) */
    apr_size_t end;
    char buf[RP_CONN_BUF];
} rp_conn_t;

/** How something went wrong on the way to or from a backend. */
typedef struct rp_failure_t {
    int status;         /* 502, 503, 504 for the client */
    const char *type;   /* Proxy-Status error type (RFC 9209 §2.3) */
    const char *phase;  /* "resolve", "connect", "tls", "send", "head", "body", "upgrade"; "pick", "queue" */
    const char *cause;  /* for the log */
} rp_failure_t;

/**
 * Make a peer: reads its certificates.
 * @return 1; 0 with *error when it can never work (its CA file is no PEM)
 */
int rp_peer_init(rp_peer_t *peer, const rp_member_conf_t *conf, apr_pool_t *p, const char **error);

/**
 * Look a member's name up. Blocks for as long as the system's resolver does.
 * @return how many addresses; 0 with *error, in p
 */
int rp_resolve(const rp_member_conf_t *conf, rp_address_t addresses[RP_MAX_ADDRESSES], apr_pool_t *p, const char **error);

/** The addresses that are known of a peer. @return how many */
int rp_peer_addresses(const rp_peer_t *peer, rp_address_t addresses[RP_MAX_ADDRESSES]);

/** In each child: the lock, and that TLS sessions are kept. */
apr_status_t rp_peer_child_init(rp_peer_t *peer, apr_pool_t *p);

/** Close the idle connections. */
void rp_peer_close_idle(rp_peer_t *peer);

/** Close the idle connections that nobody would use again. Looks at each: for now and then. */
void rp_peer_close_unfit(rp_peer_t *peer);

/** An idle connection that is fit for another exchange, or NULL. */
rp_conn_t *rp_conn_take(rp_peer_t *peer);

/**
 * A new connection, tried at each of the peer's addresses until the deadline.
 * @param ends   for whom, when the peer is to be told (proxy_protocol); NULL for nobody but ourselves
 * @param rival  a descriptor: when something comes on it, the connection is not waited for any longer; -1: none
 * @return NULL with *failure filled (strings in p)
 */
rp_conn_t *rp_conn_open(rp_peer_t *peer, apr_time_t deadline, const rp_endpoints_t *ends, int rival, apr_pool_t *p,
                        rp_failure_t *failure);

/** Note a handshake that has just succeeded; rp_conn_open() does. */
void rp_peer_shook_hands(rp_peer_t *peer, const rp_transport_t *t);

/** Give a connection back after an exchange that left it in order. */
void rp_conn_park(rp_conn_t *conn);

void rp_conn_close(rp_conn_t *conn);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A byte stream to a peer over TCP, a Unix socket or TLS.
 *
 * Non-blocking underneath; the calls here that take a deadline wait through rp_wait().  A transport belongs to one
 * request at a time and to no APR pool, because it outlives requests: rp_transport_close() releases it.  With TLS it
 * stays where it is in memory.
 */
#ifndef RP_TRANSPORT_H
#define RP_TRANSPORT_H

#include <sys/socket.h>
#include <sys/uio.h>
#include <apr_errno.h>
#include <apr_pools.h>
#include <apr_time.h>
#include <openssl/ssl.h>

#include "upstream/addresses.h"
#include "upstream/proxy_header.h"
#include "upstream/tls.h"

typedef struct rp_transport_t {
    int fd;             /* -1 when closed */
    SSL *ssl;           /* NULL without TLS */
    int resuming;       /* a session was offered in the handshake */
    int alerted;        /* the peer has sent an alert that ended the connection */
    int want;           /* after APR_EAGAIN: what to wait for (TLS may want to write in order to read) */
    int rival;          /* while it connects: the wait ends when this descriptor has something to be read; -1: none */
    char error[160];    /* why the last call failed, for the log; "" when errno says it all */
} rp_transport_t;

void rp_transport_init(rp_transport_t *t);

/** Connect to address; APR_TIMEUP past the deadline, APR_EINTR when t->rival has something. */
apr_status_t rp_transport_connect(rp_transport_t *t, const rp_address_t *address, apr_time_t deadline);

/**
 * The same in steps, for those who wait for many transports at once: begin to connect.
 * @return APR_SUCCESS when connected already; APR_EAGAIN: wait for ->want, then rp_transport_connect_finish(); or an error
 */
apr_status_t rp_transport_connect_start(rp_transport_t *t, const rp_address_t *address);

/** What became of it. @return APR_SUCCESS, or an error, after which t is closed */
apr_status_t rp_transport_connect_finish(rp_transport_t *t);

/**
 * Say for whom a connection is that has just been made, before anything else is said on it, by the PROXY protocol.
 * Does not wait: so little always fits into the buffer of a new connection.
 * @param ends  NULL: for nobody but ourselves
 */
apr_status_t rp_transport_announce(rp_transport_t *t, const rp_endpoints_t *ends);

/** How a TLS handshake failed. */
typedef enum rp_tls_failure_e {
    RP_TLS_OK,
    RP_TLS_CERTIFICATE, /* the peer's certificate did not verify, or is not pinned */
    RP_TLS_ALERT,       /* the peer sent an alert */
    RP_TLS_PROTOCOL,
    RP_TLS_IO           /* connection lost or deadline: see the status */
} rp_tls_failure_e;

/**
 * Shake hands as a client on a connected transport, by a session of an earlier handshake if there is one.  When it
 * fails with RP_TLS_ALERT or RP_TLS_PROTOCOL and t->resuming, another try on a new connection is made without one.
 */
apr_status_t rp_transport_tls(rp_transport_t *t, rp_tls_t *tls, apr_time_t deadline, rp_tls_failure_e *failure);

/** Wait for t->want on the way there. @return APR_SUCCESS, APR_TIMEUP, APR_EINTR for t->rival, or an error */
apr_status_t rp_transport_await(rp_transport_t *t, apr_time_t deadline);

/** The same in steps: what is said before the first byte. @return APR_SUCCESS, or an error with *failure */
apr_status_t rp_transport_tls_start(rp_transport_t *t, rp_tls_t *tls, rp_tls_failure_e *failure);

/** Go on with the handshake. @return APR_SUCCESS; APR_EAGAIN: wait for ->want, then again; or an error with *failure */
apr_status_t rp_transport_tls_step(rp_transport_t *t, rp_tls_failure_e *failure);

/** Read what is there. @return APR_SUCCESS with *len > 0, APR_EAGAIN, APR_EOF, or an error */
apr_status_t rp_transport_read(rp_transport_t *t, char *buf, apr_size_t *len);

/** Write some. @return APR_SUCCESS with *len > 0, APR_EAGAIN, or an error */
apr_status_t rp_transport_write(rp_transport_t *t, const char *buf, apr_size_t *len);

/** Nonzero when an idle connection is still of use: open, and the peer has sent nothing unasked (RFC 9112 §9.5). */
int rp_transport_is_idle(rp_transport_t *t);

/** Nonzero when bytes can be had without the socket becoming readable (they sit in the TLS layer). */
int rp_transport_pending(const rp_transport_t *t);

void rp_transport_close(rp_transport_t *t);

#endif

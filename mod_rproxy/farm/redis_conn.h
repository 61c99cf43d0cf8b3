/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * One connection to a Redis server: made, logged in, and used for one exchange after the other.
 *
 * It is in no APR pool and belongs to one call at a time.  An exchange that did not end with exactly its replies
 * leaves it of no more use: it is closed, so that no reply can ever reach another call.
 */
#ifndef RP_REDIS_CONN_H
#define RP_REDIS_CONN_H

#include "farm/reply.h"
#include "upstream/transport.h"

typedef struct rp_redis_conn_t {
    rp_transport_t t;
    rp_reader_t *reader;
    struct rp_redis_conn_t *next; /* among idle ones */
    apr_time_t parked;            /* rp_now() */
} rp_redis_conn_t;

/** How to get one. */
typedef struct rp_redis_login_t {
    const rp_address_t *addresses;
    int naddresses;
    rp_tls_t *tls;        /* NULL: without */
    const char *user;     /* NULL: Redis' default one */
    const char *password; /* NULL: none */
    int db;
} rp_redis_login_t;

/** Room for what went wrong, for the log; never has a password in it. */
#define RP_REDIS_WHY 240

/** Kinds of failure. */
typedef enum rp_redis_failure_e {
    RP_REDIS_CONNECT,  /* there is no connection, or no handshake of TLS */
    RP_REDIS_REFUSED,  /* user, password or database are not accepted */
    RP_REDIS_TIMEOUT,  /* no reply by the deadline */
    RP_REDIS_BROKEN,   /* the connection ended */
    RP_REDIS_NONSENSE  /* something else than replies came, or more of them than expected */
} rp_redis_failure_e;

typedef struct rp_redis_trouble_t {
    rp_redis_failure_e kind;
    int timed_out;
    char why[RP_REDIS_WHY];
} rp_redis_trouble_t;

/** Connect, shake hands, log in. @param scratch  a pool for replies @return NULL with *trouble */
rp_redis_conn_t *rp_redis_open(const rp_redis_login_t *login, apr_time_t deadline, apr_pool_t *scratch,
                               rp_redis_trouble_t *trouble);

/**
 * Send bytes, which are n commands, and read as many replies into p.
 * @return 1; 0 with *trouble, and then the connection is to be closed
 */
int rp_redis_exchange(rp_redis_conn_t *conn, const char *bytes, size_t len, int n, apr_time_t deadline, apr_pool_t *p,
                      rp_reply_t **replies, rp_redis_trouble_t *trouble);

/** Nonzero when one that has been idle is still of use. */
int rp_redis_is_idle(rp_redis_conn_t *conn);

void rp_redis_close(rp_redis_conn_t *conn);

/** n commands as bytes. @return for free(); NULL without memory */
char *rp_redis_format(const rp_str_t *const *argv, const int *argc, int n, size_t *len);

#endif

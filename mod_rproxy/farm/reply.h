/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Redis' replies, read by hiredis from bytes that somebody else has received, into an APR pool.
 *
 * What a server may make us keep is bounded, whatever it sends: the bytes, elements and depth of one reply.
 * Beyond that, and with anything that is not RESP2, a reader is of no more use, nor is its connection.
 */
#ifndef RP_REPLY_H
#define RP_REPLY_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "http/http.h"

/** Bytes of one reply, as they come over the wire. */
#define RP_REPLY_BYTES (16 * 1024 * 1024)
/** Elements of one reply, those of arrays in arrays counted as well. A cluster's map in the worst state has as many. */
#define RP_REPLY_ELEMENTS (256 * 1024)

/** Arrays in arrays; hiredis 0.14 has room for no more, 1.x for any number. */
#define RP_REPLY_DEPTH 7

typedef enum rp_reply_type_e {
    RP_REPLY_NIL,
    RP_REPLY_STRING,
    RP_REPLY_STATUS,  /* "OK" and the like */
    RP_REPLY_INTEGER,
    RP_REPLY_ARRAY,
    RP_REPLY_ERROR
} rp_reply_type_e;

typedef struct rp_reply_t {
    rp_reply_type_e type;
    long long integer;
    rp_str_t str;                 /* of strings, statuses and errors; a NUL follows */
    struct rp_reply_t **elements; /* an array's n */
    size_t n;
} rp_reply_t;

/** What an error reply means to us. */
typedef enum rp_reply_error_e {
    RP_ERROR_NONE,       /* no error */
    RP_ERROR_OTHER,      /* of the command: WRONGTYPE, a script's own, ... */
    RP_ERROR_NOSCRIPT,
    RP_ERROR_MOVED,
    RP_ERROR_ASK,
    RP_ERROR_TRYAGAIN,   /* a command with several keys while their slot moves */
    RP_ERROR_OOM,        /* Redis is full and may not evict: nothing can be written */
    RP_ERROR_READONLY,   /* a replica, or a disk that failed: nothing can be written */
    RP_ERROR_DENIED,     /* NOPERM: the user may not */
    RP_ERROR_AUTH,       /* NOAUTH, WRONGPASS: nothing can be done at all */
    RP_ERROR_LOADING,    /* it reads its data, BUSY with a script: nothing can be done for now */
    RP_ERROR_MASTERDOWN, /* a replica that has lost its master */
    RP_ERROR_CLUSTERDOWN
} rp_reply_error_e;

rp_reply_error_e rp_reply_error(const rp_reply_t *reply);

/** Nonzero when it is a status or string of exactly this text. */
int rp_reply_is(const rp_reply_t *reply, const char *text);

/** Reads one reply after the other from a stream of bytes. */
typedef struct rp_reader_t rp_reader_t;

/** @return for rp_reader_free(); NULL without memory */
rp_reader_t *rp_reader_new(void);
void rp_reader_free(rp_reader_t *reader);

/** Where replies go to from now on. No reply may be half read. */
void rp_reader_into(rp_reader_t *reader, apr_pool_t *p);

/** Give it what has come. @return APR_SUCCESS, APR_ENOSPC for a reply that is too large, or APR_ENOMEM */
apr_status_t rp_reader_feed(rp_reader_t *reader, const char *bytes, size_t len);

/** @return APR_SUCCESS with *reply in the pool, APR_EAGAIN: feed more, or APR_EGENERAL with rp_reader_why() */
apr_status_t rp_reader_next(rp_reader_t *reader, rp_reply_t **reply);

/** What was wrong with the bytes. */
const char *rp_reader_why(const rp_reader_t *reader);

/** Between replies: give back memory that a large one took. */
void rp_reader_trim(rp_reader_t *reader);

/** Nonzero when there are bytes that belong to no reply read so far. */
int rp_reader_has_rest(const rp_reader_t *reader);

#endif

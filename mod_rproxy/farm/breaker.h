/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Leaving a server alone after failures, for growing times, and trying it again with one request at a time.
 *
 * A breaker is a few words in memory that all processes of a host share, touched with atomics alone: what one of them
 * learns spares the others the waiting.  Time is an argument (rp_now()).
 */
#ifndef RP_BREAKER_H
#define RP_BREAKER_H

#include <stdint.h>
#include <apr.h>
#include <apr_time.h>

/** So many requests in a row without an answer in time open a breaker; other failures do so at once. */
#define RP_BREAKER_TIMEOUTS 3
/** The longest it is left alone, as a multiple of the first time. */
#define RP_BREAKER_GROWTH 4

typedef struct rp_breaker_t {
    apr_uint64_t id;       /* of whom: a hash of the name; 0: free */
    apr_int64_t until;     /* 0: closed; else from when on one request may try */
    apr_int64_t since;     /* when it was opened */
    apr_uint32_t timeouts; /* in a row */
    apr_uint32_t steps;    /* times left alone in a row */
} rp_breaker_t;

typedef enum rp_breaker_way_e {
    RP_BREAKER_GO,
    RP_BREAKER_TRIAL, /* it is open, and this request finds out */
    RP_BREAKER_LEAVE  /* it is open: do without */
} rp_breaker_way_e;

typedef enum rp_breaker_evidence_e {
    RP_BREAKER_TIMEOUT, /* it may just have been slow */
    RP_BREAKER_DOWN
} rp_breaker_evidence_e;

/**
 * May a request be sent?
 * @param patience  how long a trial may take before another one is let go
 */
rp_breaker_way_e rp_breaker_ask(rp_breaker_t *b, apr_time_t now, apr_interval_time_t patience);

/** It answered a request that went that way. @return for how long it had been left alone, when that ends now, else 0 */
apr_interval_time_t rp_breaker_ok(rp_breaker_t *b, rp_breaker_way_e way, apr_time_t now);

/**
 * It did not.
 * @param first   how long it is left alone the first time
 * @param random  any bits, so that the hosts of a farm do not all come back at once
 * @return 1 when this opens it, 0 when it was open or stays closed
 */
int rp_breaker_failed(rp_breaker_t *b, rp_breaker_way_e way, rp_breaker_evidence_e evidence, apr_time_t now,
                      apr_interval_time_t first, uint32_t random);

/** A name's breaker among n, taken when it has none yet. @return NULL when all are taken */
rp_breaker_t *rp_breaker_find(rp_breaker_t *table, unsigned n, const char *name);

#endif

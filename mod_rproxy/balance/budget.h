/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A retry budget: second tries are a share of the requests of the last ten seconds, plus a floor for pools with few of
 * them, so that retries never multiply an outage.
 *
 * It is plain memory that all processes of a host share, zeros being a new one, and is touched with atomics alone.
 */
#ifndef RP_BUDGET_H
#define RP_BUDGET_H

#include <apr.h>
#include <apr_time.h>

/** How many seconds count. */
#define RP_BUDGET_SECONDS 10

typedef struct rp_budget_t {
    /* A word per second: which one it is, the second tries in it, the requests in it. */
    apr_uint64_t seconds[RP_BUDGET_SECONDS];
    apr_uint64_t granted; /* ever */
    apr_uint64_t denied;
    apr_int64_t told;     /* see rp_budget_tell() */
} rp_budget_t;

/**
 * Count a request.
 * @param now  microseconds of a clock that all processes share and that never jumps
 */
void rp_budget_deposit(rp_budget_t *budget, apr_time_t now);

/**
 * Ask for a second try.
 * @param share  of the requests, in percent
 * @param floor  so many a second on top of it
 * @return 1; 0 when they are used up. Of several that ask at once for the last one, each may be told 0
 */
int rp_budget_withdraw(rp_budget_t *budget, int share, int floor, apr_time_t now);

/** The try that was asked for did not come about. */
void rp_budget_refund(rp_budget_t *budget, apr_time_t now);

/** Is it time to tell the operator that it is used up? For one of those who ask within ten seconds. */
int rp_budget_tell(rp_budget_t *budget, apr_time_t now);

#endif

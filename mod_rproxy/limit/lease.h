/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Places that requests of this child have at the farm, where each is a token with a time: one that nobody renews is
 * free by itself, so that a host that dies keeps none.
 *
 * A thread of the child's own renews the tokens of requests that take long, and takes away those of requests that have
 * ended, so that no request waits for that.  Places of a host without Redis are entered when it is back.
 */
#ifndef RP_LEASE_H
#define RP_LEASE_H

#include <httpd.h>

#include "farm/farm.h"

/** A token holds for so long, and is renewed after a third of it. */
#define RP_LEASE_TIME apr_time_from_sec(6)
#define RP_LEASE_KEY 128
#define RP_LEASE_TOKEN 40

typedef struct rp_limit_lease_t {
    struct rp_limit_lease_t *next;
    struct rp_limit_lease_t *before; /* of those that are held */
    apr_time_t renewed;        /* rp_now() */
    int taken;                 /* the farm may know of it */
    char key[RP_LEASE_KEY];    /* in Redis */
    char token[RP_LEASE_TOKEN];
} rp_limit_lease_t;

/** In each child that has a farm. @param together  commands for several keys may be sent in one call */
apr_status_t rp_limit_leases_child_init(apr_pool_t *p, rp_farm_t *farm, int together);

/** Begin one: it is renewed from now on. @return NULL without memory */
rp_limit_lease_t *rp_limit_lease_begin(const char *key);

/** End it. @param taken  0 when the farm has said that it did not take it */
void rp_limit_lease_end(rp_limit_lease_t *lease, int taken);

#endif

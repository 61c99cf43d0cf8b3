/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Leases: of all hosts of a farm one does what one has to do, such as to fetch an object.
 *
 * Whoever takes a lease holds it for RP_LEASE_TIME and has it renewed as long as he needs it; if he is killed, it is
 * free again after that time.  Who finds it taken leaves a mark, so that its end is told (in a stream that all hosts
 * read) only when somebody waits for it.  An end leaves a trace for a moment: who looked for the object before it was
 * there, and takes the lease after its end, learns that he had better look again.
 *
 * A lease saves work, and is no lock: while Redis is away, everybody goes without.
 */
#ifndef RP_LEASE_H
#define RP_LEASE_H

#include "farm/farm.h"

#define RP_LEASE_TIME apr_time_from_sec(3)

/** How often rp_leases_renew() is to be called. */
#define RP_LEASE_RENEW apr_time_from_sec(1)

/** A child's leases. */
typedef struct rp_leases_t rp_leases_t;

/** One that is held. */
typedef struct rp_lease_t rp_lease_t;

typedef enum rp_lease_e {
    RP_LEASE_WITHOUT, /* Redis cannot tell */
    RP_LEASE_TAKEN,
    RP_LEASE_AFTER,   /* taken, and it was another's just before */
    RP_LEASE_OTHERS   /* somebody else has it */
} rp_lease_e;

/** What has become of it, as told to those who wait. */
typedef enum rp_leased_e {
    RP_LEASED_DONE = 'd',    /* there is something to look for */
    RP_LEASED_PRIVATE = 'p', /* nothing that others can use */
    RP_LEASED_FAILED = 'f',
    RP_LEASED_LEFT = 'l'     /* not done; somebody else may */
} rp_leased_e;

/** What is known of a lease that somebody else has. */
typedef struct rp_lease_other_t {
    apr_interval_time_t left; /* after which it is free, if he dies */
    int answers;              /* he has something to show for it; told a second late */
} rp_lease_other_t;

/**
 * In a child.
 * @param stream  the key of the stream that ends are told in
 * @return in p, with which leases that are still held end as RP_LEASED_LEFT
 */
apr_status_t rp_leases_create(rp_farm_t *farm, rp_str_t stream, apr_pool_t *p, rp_leases_t **leases);

/**
 * Take a lease.
 * @param key    of Redis: its name
 * @param what   tells those who wait what has ended: a hash
 * @param lease  out: rp_lease_end() is due, when it was taken
 * @param other  out, of RP_LEASE_OTHERS
 */
rp_lease_e rp_lease_take(rp_leases_t *leases, apr_pool_t *p, rp_str_t key, uint64_t what, rp_lease_t **lease,
                         rp_lease_other_t *other);

/** What it was taken for goes on well: those who wait learn that with the next renewal. */
void rp_lease_answers(rp_lease_t *lease);

/** It is over; tells those who wait, and frees it. @param p  for the call; NULL: nobody is told */
void rp_lease_end(rp_lease_t *lease, apr_pool_t *p, rp_leased_e how);

/** All that are held, and have been for a while, for some time longer. Now and then, on a thread that has time. */
void rp_leases_renew(rp_leases_t *leases, apr_pool_t *p);

/** Read what rp_lease_end() has told: fields {"k", WHAT, "h", HOW} of an entry. @return 1; 0 when it is none of ours */
int rp_lease_told(const rp_reply_t *fields, uint64_t *what, rp_leased_e *how);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Whether a host can be sure that it knows of every purge of its farm, and what it may use when it cannot.  Pure, but
 * for atomics: what is here lies in memory that all children share, for as long as the parent lives.
 *
 * A host that reads the log is sure of all that it has.  One that has lost touch goes on for as long as the operator
 * allows; from then on it doubts what was fetched longer ago than that.  One that has just been started has missed
 * nobody knows what, and doubts everything of before until it has caught up, or found that it cannot.
 */
#ifndef RP_FARM_DOUBT_H
#define RP_FARM_DOUBT_H

#include <stdint.h>
#include <apr_time.h>

#include "http/http.h"

typedef struct rp_doubt_t {
    int64_t began;     /* second at which the server was started */
    int64_t synced;    /* rp_now() at which all of the log had been carried out; 0: not since the start */
    int64_t tried;     /* rp_now() of the last try */
    uint32_t failed;   /* the log could not be read since the start, or was too late */
} rp_doubt_t;

/** At the server's start, or when nobody has followed the log for a while. */
void rp_doubt_begin(rp_doubt_t *doubt, rp_secs_t second);

/** All that stood in the log at asked is carried out. Both of rp_now(). */
void rp_doubt_synced(rp_doubt_t *doubt, apr_time_t asked, apr_time_t now);

/** The log could not be read. */
void rp_doubt_failed(rp_doubt_t *doubt, apr_time_t now);

/** Has somebody tried to read the log within that time? */
int rp_doubt_is_tended(const rp_doubt_t *doubt, apr_time_t now, apr_interval_time_t within);

/**
 * May what was fetched, or last confirmed, at that second have been purged without our knowing?  Each hit asks that.
 * @param now     rp_now()
 * @param second  now, by the wall's clock
 * @param lost    how long the host may be out of touch
 */
int rp_doubt_covers(const rp_doubt_t *doubt, rp_secs_t fetched, apr_time_t now, rp_secs_t second,
                    apr_interval_time_t lost);

#endif

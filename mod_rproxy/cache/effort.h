/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A share of one core for work that nobody waits for, over all processes of the host: one piece of it at a time, and
 * behind each a pause that is as long as makes the share.
 *
 * Lies in shared memory, zeroed at first.  A process that dies in the middle holds the others up no longer than its lease.
 */
#ifndef RP_EFFORT_H
#define RP_EFFORT_H

#include <apr_time.h>

typedef struct rp_effort_t {
    apr_time_t next; /* rp_now(): nobody begins before that */
} rp_effort_t;

/**
 * Begin a piece of work if it is time.
 * @param now    rp_now()
 * @param lease  how long it may take at most; behind that somebody else may begin
 * @param turn   for rp_effort_end()
 * @return 1, or 0 when others are at work or have been lately
 */
int rp_effort_begin(rp_effort_t *e, apr_time_t now, apr_interval_time_t lease, apr_time_t *turn);

/** It is done. @param spent  CPU time that it took @param percent  of one core that such work may take, 1 to 100 */
void rp_effort_end(rp_effort_t *e, apr_time_t turn, apr_time_t now, apr_interval_time_t spent, int percent);

#endif

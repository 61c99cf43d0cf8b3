/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * One health check of one member, as a machine that never waits: connect, TLS, request, response, verdict.
 *
 * Whoever runs probes waits for what each of them wants and lets it go on: rp_probe_step() when its descriptor is ready,
 * rp_probe_expire() when its time is over.  A probe owns its memory and its connection.
 */
#ifndef RP_PROBE_H
#define RP_PROBE_H

#include "balance/resolving.h"
#include "config/config.h"
#include "upstream/conn.h"

typedef struct rp_probe_t rp_probe_t;

typedef enum rp_probe_e {
    RP_PROBE_RUNNING,
    RP_PROBE_GOOD,
    RP_PROBE_BAD
} rp_probe_e;

/**
 * Begin a check; go on with rp_probe_step() whatever is ready.
 * @param conf, peer  outlive the probe; none of the peer's connections is used
 * @param lookup  of the peer's name, if that is not known: begun by a probe, and taken by the one during which it ends,
 *                which may be a later one
 * @return NULL when there is no memory
 */
rp_probe_t *rp_probe_new(const rp_check_conf_t *conf, rp_peer_t *peer, rp_resolving_t **lookup, apr_time_t now);

/** Do what can be done without waiting. */
rp_probe_e rp_probe_step(rp_probe_t *probe, apr_time_t now);

/** Its time is over (rp_probe_deadline()): the next address is tried, or it has failed. */
rp_probe_e rp_probe_expire(rp_probe_t *probe, apr_time_t now);

/** What it waits for: a descriptor (-1: none, it wants to be asked again soon), and RP_WANT_ bits in *want. */
int rp_probe_fd(const rp_probe_t *probe, int *want);

/** In terms of rp_now(). */
apr_time_t rp_probe_deadline(const rp_probe_t *probe);

/** Why it is RP_PROBE_BAD, for the log; the probe's. */
const char *rp_probe_cause(const rp_probe_t *probe);

/** End it, in whichever state it is. */
void rp_probe_free(rp_probe_t *probe);

#endif

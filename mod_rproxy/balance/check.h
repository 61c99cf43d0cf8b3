/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Active health checks: which members do not get requests because they do not answer well when asked.
 *
 * They run in one process of the host, on one thread with an event loop of its own, so that nobody waits for anybody:
 * not a check for another one, not httpd for any of them when it stops.
 */
#ifndef RP_CHECK_H
#define RP_CHECK_H

#include <httpd.h>

#include "balance/check_state.h"

/** A member's part in shared memory. Written by the one process that checks, read by all, with atomics. */
typedef struct rp_check_slot_t {
    apr_uint32_t state;     /* rp_check_e */
    apr_uint32_t streak;
    apr_int64_t checked_at; /* rp_now() at the end of the last check; 0: never */
    char cause[96];         /* why the last failed check failed; always ends with a 0 byte, may be torn */
} rp_check_slot_t;

/**
 * Have the members of the pools that want it checked. In the parent process, at start, when the pools are made.
 * @return OK, or an HTTP error after logging why it cannot be
 */
int rp_checks_init(apr_pool_t *pconf, server_rec *main_server);

#endif

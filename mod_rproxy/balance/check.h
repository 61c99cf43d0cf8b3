/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Active health checks: members that do not answer well when asked get no requests.
 *
 * They run in one process of the host, on one thread with an event loop of its own, so that nobody waits for anybody:
 * not a check for another one, not httpd for any of them when it stops.
 */
#ifndef RP_CHECK_H
#define RP_CHECK_H

#include <httpd.h>

/**
 * Begin to check the members of the pools that want it, unless that is so already.
 * @param p  for what that takes meanwhile
 */
void rp_checks_start(server_rec *main_server, apr_pool_t *p);

/** In each child, when its members' cleanups are registered: they must not run while members are being checked. */
void rp_checks_child_init(apr_pool_t *p);

/** End it, without waiting for checks that are under way. From any thread. */
void rp_checks_stop(void);

#endif

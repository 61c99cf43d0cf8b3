/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * How many hosts a farm has: each says every two seconds that it is there, and is forgotten when it has not for ten.
 * Fewer than before are believed when they were heard of three times.
 *
 * One child of a host does so, by mod_watchdog; all of them know the number, which stays as it was while Redis is away.
 */
#ifndef RP_PRESENCE_H
#define RP_PRESENCE_H

#include <httpd.h>

/** In the parent, at start, behind rp_farm_host_init(). Never fails the start. */
void rp_presence_init(apr_pool_t *pconf, server_rec *main_server);

/** Hosts of the farm, this one included, as last heard; 1 when nothing was ever heard, and without a farm. */
unsigned rp_presence_hosts(void);

/** rp_now() when that was heard; 0: never. */
apr_time_t rp_presence_heard(void);

#endif

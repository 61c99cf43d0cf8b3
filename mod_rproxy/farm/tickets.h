/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * mod_ssl's session tickets with the farm's keys (RProxyFarmTickets).
 *
 * The keys lie in Redis, sealed.  One child of a host looks there every few seconds, takes over what is new, and
 * whoever finds them due changes them; all children have them in shared memory.  While Redis is away the last ones are
 * used on, and a host that has never heard of any makes tickets with a key of its own, as OpenSSL does by itself.
 */
#ifndef RP_TICKETS_H
#define RP_TICKETS_H

#include <httpd.h>

/** When hooks are registered: be asked for each of mod_ssl's servers. */
void rp_tickets_register(void);

/** In the parent, at start, behind rp_farm_host_init(). @return OK, or HTTP_INTERNAL_SERVER_ERROR */
int rp_tickets_init(apr_pool_t *pconf, server_rec *main_server);

/** In each child, behind rp_farm_host_child_init(): the first one asks for the keys at once. */
void rp_tickets_child_init(apr_pool_t *p, server_rec *main_server);

#endif

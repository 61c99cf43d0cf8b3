/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The link's life in httpd: made by the parent, opened by each child. The face by which other rooms get it. */
#ifndef RP_FARM_HOST_H
#define RP_FARM_HOST_H

#include <httpd.h>

#include "farm/farm.h"

/** In the parent, at every start and graceful restart. @return OK; HTTP_INTERNAL_SERVER_ERROR (logged) */
int rp_farm_host_init(apr_pool_t *pconf, server_rec *main_server);

/** In each child, before anything that calls rp_farm_of_host(); connections are closed with p. */
void rp_farm_host_child_init(apr_pool_t *p, server_rec *main_server);

/**
 * The link of this host, as of the configuration that is running: in the parent from rp_farm_host_init() on, for
 * rp_farm_seal() and the like; in a child to be called with.
 * @return NULL without RProxyFarm
 */
rp_farm_t *rp_farm_of_host(void);

/** Nonzero when the configuration names a secret: what is kept in Redis is then sealed. */
int rp_farm_is_sealed(void);

#endif

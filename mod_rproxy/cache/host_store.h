/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The store that requests look in: the local one or, with RProxyFarm, that with Redis behind it; private to cache/. */
#ifndef RP_HOST_STORE_H
#define RP_HOST_STORE_H

#include <httpd.h>

#include "cache/store.h"
#include "cache/store_farm.h"

/** In the parent, when there is a local store. */
void rp_host_store_prepare(apr_pool_t *pconf, server_rec *main_server);

/** In each child, behind the local store. */
void rp_host_store_child_init(apr_pool_t *p, server_rec *main_server, rp_store_t *local);

/** @return NULL when nothing is cached */
rp_store_t *rp_host_store(void);

/** Of the farm's store, of all processes. @return 0 when there is none */
int rp_host_store_figures(rp_store_farm_figures_t *figures);

#endif

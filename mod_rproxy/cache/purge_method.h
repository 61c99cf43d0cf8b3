/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The operator's PURGE requests (RProxyPurge); private to cache/. */
#ifndef RP_PURGE_METHOD_H
#define RP_PURGE_METHOD_H

#include "cache/store.h"
#include "request.h"

/** Is it a PURGE that is answered here?  Else it is one of the methods that backends know what to do with. */
int rp_purge_is_ours(const rp_request_t *rq);

/**
 * Answer it: do what the field RProxy-Purge says, or the names in the request, to what is stored.
 * @param store  may be NULL
 * @return an httpd handler's result; 403 when nothing in the configuration says who may do that
 */
int rp_purge_serve(rp_request_t *rq, rp_store_t *store);

#endif

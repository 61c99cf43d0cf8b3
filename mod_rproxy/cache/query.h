/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The method QUERY (RFC 10008): a GET whose content is part of the question; private to cache/. */
#ifndef RP_CACHE_QUERY_H
#define RP_CACHE_QUERY_H

#include "request.h"

int rp_is_query(const rp_request_t *rq);

/** Is it one that the cache may have to do with, as far as its head tells? */
int rp_query_may_cache(const rp_request_t *rq);

/**
 * Read its content, and make of it rq->content_key, which then is part of the key (RFC 10008 §2.7).  That stays NULL when
 * there is more than RProxyCacheQuery has, or trailers: the request is to be passed through then.
 * @return OK, or what the handler is to return
 */
int rp_query_read(rp_request_t *rq);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Which coding a request would get; private to cache/. */
#ifndef RP_CACHE_CODING_H
#define RP_CACHE_CODING_H

#include "request.h"

/**
 * Choose it: rq->coding, with rq->dictionary and rq->plain_coding when it needs a dictionary.  Identity where
 * RProxyCompressExcept leaves it alone.
 */
void rp_coding_choose(rp_request_t *rq);

/** Nonzero when that rests on what is not known in the quick handler. */
int rp_coding_is_late(const rp_request_t *rq);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Asking the backends, and telling the client how it came about; private to cache/. */
#ifndef RP_FETCH_H
#define RP_FETCH_H

#include "request.h"

/**
 * Make rq->fields, once: what backends get, with Accept-Encoding and validators as they are when compression is ours.
 * @return OK or an HTTP error
 */
int rp_fetch_fields(rp_request_t *rq);

/** Ask the pool; rq->response is then as the client should see it. @return as rp_forward() */
int rp_fetch(rp_request_t *rq);

/**
 * Say in Cache-Status (RFC 9211) and in the note rproxy-cache what the cache did, behind what caches nearer to the backend
 * have said in fields (NULL: there is no response), which moves to the answer.
 * @param note    one word for the log: "hit", "miss", "stale", "revalidated", "bypass"
 * @param params  what follows the cache's name, such as "hit; ttl=30"
 */
void rp_cache_status(rp_request_t *rq, apr_table_t *fields, const char *note, const char *params);

#endif

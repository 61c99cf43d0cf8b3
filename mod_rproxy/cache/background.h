/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Fetches that no client waits for, on a few threads of their own in each child process (stale-while-revalidate,
 * RFC 5861 §3).  Private to cache/.
 */
#ifndef RP_BACKGROUND_H
#define RP_BACKGROUND_H

#include <apr_thread_pool.h>

#include "cache/lookup.h"

/** A pool that another thread may use and destroy; NULL when there is no memory. */
apr_pool_t *rp_background_pool(void);

/**
 * Give a task to threads, which have signals left to the server's own.
 * @param to  NULL: those of refreshes, when not too many wait for them
 */
apr_status_t rp_background_push(apr_thread_pool_t *to, apr_thread_start_t run, void *task);

/** In each child, after the store has been opened: its threads end before the store closes. */
void rp_background_child_init(apr_pool_t *p, server_rec *main_server);

/**
 * Renew what was found for this request soon, unless somebody on this host does already or too much is waiting to be
 * done.  Nothing of the request is needed when this returns.
 */
void rp_refresh_later(rp_request_t *rq, rp_lookup_t *lookup);

#endif

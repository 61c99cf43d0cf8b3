/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * limit/: how many requests there may be, by RProxyLimit.
 *
 * limit.c is a request's way; key.c is what it is counted by.  gcra.c, rates.c and places.c count, in memory that all
 * children of a host share (memory.c).  A request is judged once, by all limits of its place together, before anything
 * is looked up for it; what it takes of a number at a time it gives back when its response has been sent.
 */
#ifndef RP_LIMIT_H
#define RP_LIMIT_H

#include <httpd.h>

/** In the parent, at start: memory, when anything is limited. @return OK, or HTTP_INTERNAL_SERVER_ERROR */
int rp_limit_init(apr_pool_t *pconf, server_rec *main_server);

/** In each child. */
void rp_limit_child_init(apr_pool_t *p, server_rec *main_server);

/** In the parent: a child is gone, and with it its requests. */
void rp_limit_child_gone(apr_int64_t pid);

/**
 * Count a request by the limits of its place that have not counted it yet.  Parts of others (subrequests, error
 * documents) are not counted.
 * @return OK, or HTTP_TOO_MANY_REQUESTS with Retry-After set
 */
int rp_limit(request_rec *r);

/** Before all other handlers, as it is the place's requests that are limited, whoever answers them. */
int rp_limit_handler(request_rec *r);

/** Nonzero when a limit needs what the quick handler does not know. */
int rp_limit_is_late(const request_rec *r);

/** What a limit has come to on this host since it started. */
typedef struct rp_limit_figures_t {
    const char *name;
    int dry_run;
    apr_uint64_t passed;  /* requests it has counted */
    apr_uint64_t refused; /* or, in a dry run, would have */
} rp_limit_figures_t;

/** @return of rp_limit_figures_t in p, one for each limit, those of one name as one */
apr_array_header_t *rp_limit_figures(apr_pool_t *p);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * cache/: the way of a request, from the look-up to the last byte.
 *
 * serve.c is that way; lookup.c finds what is stored, answer.c sends it, ranges.c sees to ranges of it, save.c stores
 * what a backend sent, partial.c puts parts together, record.c is the form in which it is kept, store.h the places
 * where it is kept.  Rules of HTTP are in http/; nothing in here may fail a request because a store does.
 */
#ifndef RP_CACHE_H
#define RP_CACHE_H

#include "cache/store_farm.h"
#include "request.h"

/** In the parent, at start: the local store's folder, when any server caches. Never fails the start. */
void rp_cache_prepare(apr_pool_t *pconf, server_rec *main_server);

/** In each child: open the store. */
void rp_cache_child_init(apr_pool_t *p, server_rec *main_server);

/** Serve a request in the handler phase. @return an httpd handler's result */
int rp_serve(rp_request_t *rq);

/** Serve it when a fresh answer lies in the store. @return DECLINED when not: the other phases have their turn then */
int rp_serve_early(rp_request_t *rq);

/** The local store at one moment. */
typedef struct rp_cache_figures_t {
    int wanted;             /* something is to be cached */
    int up;                 /* it can be used; else the rest is 0 */
    apr_uint64_t objects;
    apr_uint64_t bytes;     /* in use, of size */
    apr_uint64_t size;
    apr_uint64_t evictions; /* since its file was made */
} rp_cache_figures_t;

/** In a child, on any thread. */
void rp_cache_figures(rp_cache_figures_t *figures);

/** Of what lies in the farm's Redis, counted by all processes of the host. @return 0 without a farm */
int rp_cache_farm_figures(rp_store_farm_figures_t *figures);

#endif

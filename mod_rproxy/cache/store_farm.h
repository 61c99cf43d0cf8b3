/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The second store: the local one with the farm's Redis behind it.
 *
 * A look-up goes to the local store and, when that has nothing, to Redis, in one round trip; what is found there is put
 * into the local store, too.  What is stored goes into the local store, and from there to Redis by a thread of the
 * child's own, so that no request waits for that.  Purges are the local store's affair: what comes from Redis is judged
 * by what is known of them here (cache/farm_position.h), and a purge of a URL takes what Redis has of it away.
 *
 * Redis is never in the way: when it is away, all this is the local store alone.  Whatever is found there and is not
 * what one of us has put there (cut off, forged, of another version) is not found.
 */
#ifndef RP_STORE_FARM_H
#define RP_STORE_FARM_H

#include "cache/position.h"
#include "cache/store.h"
#include "farm/farm.h"

typedef struct rp_store_farm_conf_t {
    const char *name;     /* of the farm */
    apr_uint64_t largest; /* of the largest body that goes to Redis */
    const rp_seal_t *seal; /* NULL: nothing is sealed */
    /* What goes to Redis stays in the local store for so long, and what comes from there is not put into it; 0: the
     * local store is a store of its own right. */
    apr_interval_time_t passing;
} rp_store_farm_conf_t;

/** Figures of all processes of the host. */
typedef struct rp_store_farm_figures_t {
    apr_uint64_t hits;      /* found in Redis */
    apr_uint64_t misses;    /* asked for, and not there, or of no use */
    apr_uint64_t away;      /* not asked for, or in vain: Redis did not answer */
    apr_uint64_t purged;    /* of the misses: found, but purged */
    apr_uint64_t unsealed;  /* of the misses: not sealed by one of the farm for that place */
    apr_uint64_t unsound;   /* of the misses: cannot be understood */
    apr_uint64_t broken;    /* bodies that broke off, as a piece was gone */
    apr_uint64_t stored;    /* put there */
    apr_uint64_t too_large; /* not put there, for their size */
    apr_uint64_t refused;   /* not put there: purged meanwhile, or of a URL with too many variants */
    apr_uint64_t failed;    /* not put there, as Redis was away, full, or takes no writes */
    apr_uint64_t dropped;   /* not put there: too much was waiting to be */
    apr_uint64_t bytes_in;  /* of values */
    apr_uint64_t bytes_out;
} rp_store_farm_figures_t;

/** Bytes of memory that all children share, zeros at first. */
size_t rp_store_farm_shared_size(void);

/**
 * Make the store, in a child, and begin its thread; it ends with p, before what was registered with p earlier. Neither
 * entries nor writers may be used after that.
 * @param conf  copied, but for what it points to
 */
apr_status_t rp_store_farm_open(const rp_store_farm_conf_t *conf, rp_store_t *local, rp_farm_t *farm, void *shared,
                                apr_pool_t *p, rp_store_log_fn log, void *ctx, rp_store_t **store);

/**
 * Take away what Redis has under a URL's key, all variants, and let nothing be put there any more whose fetch had not
 * yet seen the log up to that position. Waits for Redis as a look-up does.
 * @param position  the purge's; 0-0: none, nothing is kept away
 * @return APR_SUCCESS; an error when it may not be so
 */
apr_status_t rp_store_farm_purge_key(rp_store_t *store, const unsigned char key[RP_KEY_HALF], rp_position_t position);

/**
 * Have something done once all that this process has stored by now is in Redis, or cannot be: on a thread of the store's
 * own, or here and now when nothing is to wait for.
 * @param store  any store
 * @param p      for done(), here and now; NULL is given to it when the child ends and there is no time left
 */
void rp_store_farm_then(rp_store_t *store, void (*done)(void *data, apr_pool_t *p), void *data, apr_pool_t *p);

void rp_store_farm_figures(const void *shared, rp_store_farm_figures_t *figures);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the files of limit/ share. */
#ifndef RP_TURN_H
#define RP_TURN_H

#include "config/config.h"
#include "limit/places.h"
#include "limit/rates.h"

/** Bytes of a key that tell the client; the rest is the limit's id. */
#define RP_LIMIT_CLIENT (RP_LIMIT_KEY - RP_LIMIT_ID)

/** One limit, and one request that it counts. */
typedef struct rp_turn_t {
    const rp_limit_conf_t *conf;
    unsigned char key[RP_LIMIT_KEY];
    int over;          /* there is no room for it */
    apr_int64_t wait;  /* nanoseconds until there may be */
    int place;         /* of limit/places.h, or RP_PLACE_NONE */
    unsigned together; /* requests of its key under way on this host, this one included */
    struct rp_limit_lease_t *lease; /* its place at the farm, or NULL */
    int asked;         /* the farm has judged it */
} rp_turn_t;

/** What is counted of a limit, for logs and figures: atomics in shared memory. */
typedef struct rp_limit_tally_t {
    apr_uint64_t passed;
    apr_uint64_t refused;
    apr_uint64_t told;    /* how many of them the log knows of */
    apr_int64_t tell_at;  /* rp_now(): it is told of others from then on */
} rp_limit_tally_t;

/** What children of all generations share; hangs on the process's pool, and is data alone. */
typedef struct rp_limit_memory_t {
    unsigned layout;
    unsigned nrows;
    unsigned char secret[32]; /* of this host: what clients are hashed with */
    rp_rates_t *rates;
    rp_places_t *places;
} rp_limit_memory_t;

/** In the parent: the memory of the process, made when it is not there. @return NULL with *rv */
rp_limit_memory_t *rp_limit_memory(apr_pool_t *process_pool, unsigned nrows, apr_status_t *rv);

/**
 * What a limit counts a request by.
 * @param secret  clients are hashed with it, so that nobody can tell them by what is kept
 * @return 0 when it does not count it
 */
int rp_limit_key(request_rec *r, const rp_limit_conf_t *conf, rp_str_t secret, unsigned char key[RP_LIMIT_KEY]);

/** The first that refuses the request, or NULL. */
const rp_turn_t *rp_limit_refusal(const rp_turn_t *turns, int n);

/** Count a request that a limit has no room for, and say so in the log once a minute. */
void rp_limit_tell(server_rec *s, const rp_limit_conf_t *conf, rp_limit_tally_t *tally);

/** Say what has not been said when its time has come. */
void rp_limit_tell_rest(server_rec *s, const rp_limit_conf_t *conf, rp_limit_tally_t *tally);

#endif

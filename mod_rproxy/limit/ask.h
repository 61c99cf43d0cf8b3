/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Counting for the whole farm, in Redis: one script for all limits that count a client's request, in one round trip.
 *
 * A rate is one number there, which is gone when the rate is full again; requests at a time are a set of tokens with
 * times (limit/lease.h).  Redis' clock counts.  What is kept tells nobody whom it is of.
 */
#ifndef RP_ASK_H
#define RP_ASK_H

#include "farm/farm.h"
#include "limit/turn.h"

/** In each child that has a farm. */
void rp_limit_ask_init(const rp_farm_conf_t *conf);

/** What stands for a limit's key in Redis; in p. */
const char *rp_limit_redis_key(apr_pool_t *p, const rp_turn_t *turn);

/**
 * Have the farm judge those that are not over yet: ->asked, ->over and ->wait are set, and what it says is remembered
 * for others of this host.  What is not ->asked then, as Redis is away, is the host's to judge.
 * @param rates  of this host
 */
void rp_limit_ask(rp_farm_t *farm, apr_pool_t *p, rp_rates_t *rates, rp_turn_t *turns, int n);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyMethod: the ways to choose among the members of a level. Pure functions over the shared state. */
#ifndef RP_METHOD_H
#define RP_METHOD_H

#include "balance/state.h"

/** What RProxyMethod names. */
typedef enum rp_method_e {
    RP_METHOD_P2C,
    RP_METHOD_ROUND_ROBIN,
    RP_METHOD_LEAST,
    RP_METHOD_RANDOM,
    RP_METHOD_HASH,
    RP_METHOD_OTHER /* another module's */
} rp_method_e;

/** What requests are hashed by. */
typedef enum rp_hash_by_e {
    RP_HASH_URI,
    RP_HASH_HEADER,
    RP_HASH_COOKIE,
    RP_HASH_CLIENT
} rp_hash_by_e;

/** Any member, in proportion to its weight. */
int rp_method_random(rp_state_t *state, unsigned level, rp_pick_t *pick);

/**
 * Of two members drawn by weight the one that costs less: its latency of late, times what it has under way.
 *
 * The second one drawn must be cheaper by a margin, so that members which are alike share by their weights; what is
 * under way counts in proportion to the weight, so that a member of twice the weight may have twice as much.  One of
 * which nothing is known and that has nothing under way gets the request.
 */
int rp_method_p2c(rp_state_t *state, unsigned level, rp_pick_t *pick);

/** Whoever has the fewest exchanges under way for its weight; among equals by weight. Looks at each slot. */
int rp_method_least(rp_state_t *state, unsigned level, rp_pick_t *pick);

/**
 * Who owns pick->hash in the level's table; while that member cannot be used or has more under way than state->bound
 * percent of its share, the owner of the hash's hash, and so on: no other key moves.
 */
int rp_method_hash(rp_state_t *state, unsigned level, rp_pick_t *pick);

/** The function of a kind; for RP_METHOD_OTHER the default's. */
rp_method_fn rp_method_of(rp_method_e kind);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** From a pool's state to one of its members. */

#include "balance/state.h"

/* A level's members one by one, for when the method had no luck. */
static int scan(rp_state_t *state, unsigned level, rp_pick_t *pick)
{
    unsigned first = (unsigned)((pick->random >> 32) * state->nslots >> 32);
    unsigned step;

    for (step = 0; step < state->nslots; step++) {
        unsigned i = (first + step) % state->nslots;

        if (rp_get(state->slots[i].level) == level && rp_get(state->slots[i].weight) > 0 && rp_slot_take(state, i, pick)) {
            return (int)i;
        }
    }
    return -1;
}

/* @return as rp_state_pick(); with pick->full set, the level's members are only busy: no reason to turn to others */
static int pick_of_level(rp_state_t *state, unsigned level, rp_method_fn method, rp_pick_t *pick)
{
    int i;

    if (rp_get(state->shared->levels[level].length) == 0) {
        return -1;
    }
    pick->eager = pick->reluctant = 0;
    i = method(state, level, pick);
    if (i < 0) {
        i = scan(state, level, pick);
    }
    if (i < 0 && pick->reluctant) {
        pick->eager = 1;
        i = scan(state, level, pick);
    }
    return i;
}

int rp_state_pick(rp_state_t *state, rp_method_fn method, rp_pick_t *pick)
{
    pick->full = 0;
    for (pick->last_resort = 0; pick->last_resort <= 2; pick->last_resort++) {
        unsigned level;

        for (level = 0; level < state->nlevels; level++) {
            int i = pick_of_level(state, level, method, pick);

            if (i >= 0 || pick->full) {
                return i;
            }
        }
    }
    return -1;
}

int rp_method_round_robin(rp_state_t *state, unsigned level, rp_pick_t *pick)
{
    rp_level_t *l = &state->shared->levels[level];
    unsigned length = rp_get(l->length);
    unsigned step;

    /* A member that is passed over leaves its turn to whoever is next in the sequence: the others' proportions hold. */
    for (step = 0; step < length; step++) {
        unsigned place = __atomic_fetch_add(&l->ticket, 1, __ATOMIC_RELAXED) % length;
        unsigned i = rp_get(state->sequences[level][place]);

        if (rp_slot_take(state, i, pick)) {
            return (int)i;
        }
    }
    return -1;
}

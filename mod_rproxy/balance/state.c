/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Where things lie, the plan of turns, and who may be taken. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "balance/state.h"
#include "balance/swrr.h"
#include "balance/table.h"

#define ALIGN(size) (((apr_size_t)(size) + 63) & ~(apr_size_t)63)

/* How long others keep off a member while one request tries it; longer than most connects take. */
#define TRIAL apr_time_from_sec(5)
/* When nobody at all is left, who took no connection so long ago is tried before its time. */
#define EARLY apr_time_from_msec(100)
/* For so long a trial waits for a safe request; then, in a pool that gets no others, an unsafe one may have it. */
#define TRIAL_FOR_SAFE apr_time_from_sec(10)
/* Of its share, what a member gets at once when it comes back, so that its turn comes at all. */
#define FIRST_SHARE 0.1f

/* The longest sequence that any weights can make of so many slots. */
static apr_size_t sequence_size(unsigned nslots)
{
    return ALIGN((apr_size_t)nslots * RP_MAX_WEIGHT * sizeof(apr_uint16_t));
}

apr_size_t rp_state_size(unsigned nslots, unsigned nlevels, int hashing)
{
    return ALIGN(sizeof(rp_pool_shared_t)) + nslots * sizeof(rp_slot_t) + nlevels * sequence_size(nslots)
         + (hashing ? nlevels * RP_TABLE_SIZE * sizeof(apr_uint16_t) : 0);
}

void rp_state_map(rp_state_t *state, void *mem, unsigned nslots, unsigned nlevels, int hashing,
                  const rp_eject_conf_t *eject)
{
    char *at = mem;
    unsigned i;

    memset(state, 0, sizeof(*state));
    state->nslots = nslots;
    state->nlevels = nlevels;
    state->eject = eject;
    state->shared = (rp_pool_shared_t *)at;
    at += ALIGN(sizeof(rp_pool_shared_t));
    state->slots = (rp_slot_t *)at;
    at += nslots * sizeof(rp_slot_t);
    for (i = 0; i < nlevels; i++) {
        state->sequences[i] = (apr_uint16_t *)at;
        at += sequence_size(nslots);
    }
    for (i = 0; i < nlevels && hashing; i++) {
        state->tables[i] = (apr_uint16_t *)at;
        at += RP_TABLE_SIZE * sizeof(apr_uint16_t);
    }
}

int rp_state_lock_init(rp_state_t *state)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);

    if (rc == 0) {
        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
        rc = pthread_mutex_init(&state->shared->lock, &attr);
        pthread_mutexattr_destroy(&attr);
    }
    return rc;
}

void rp_state_lock(rp_state_t *state)
{
    /* What its last holder did not finish, the plan that each makes before it lets go puts right. */
    if (pthread_mutex_lock(&state->shared->lock) == EOWNERDEAD) {
        pthread_mutex_consistent(&state->shared->lock);
    }
}

void rp_state_unlock(rp_state_t *state)
{
    pthread_mutex_unlock(&state->shared->lock);
}

int rp_slot_holds(const rp_slot_t *slot)
{
    apr_uint32_t origin = rp_get(slot->origin);

    return origin != RP_SLOT_FREE && origin != RP_SLOT_REMOVED && origin != RP_SLOT_NAME;
}

static int is_planned(const rp_slot_t *slot, unsigned level)
{
    return rp_slot_holds(slot) && slot->admin == RP_ADMIN_ENABLED && slot->weight > 0 && slot->level == level;
}

/* Readers may see the old and the new side by side: each entry is a member that is, or just was, right. */
static unsigned write_sequence(const int *weights, const apr_uint16_t *who, int n, apr_uint16_t *sequence)
{
    unsigned length = n ? rp_swrr_sequence(weights, n, NULL) : 0;
    apr_uint16_t *order = length ? malloc(length * sizeof(*order)) : NULL;
    unsigned i;

    if (!order) {
        return 0;
    }
    rp_swrr_sequence(weights, n, order);
    for (i = 0; i < length; i++) {
        rp_put(sequence[i], who[order[i]]);
    }
    free(order);
    return length;
}

static void plan_level(rp_state_t *state, unsigned level)
{
    rp_level_t *l = &state->shared->levels[level];
    apr_uint16_t who[state->nslots];
    int weights[state->nslots];
    unsigned i;
    int n = 0;

    for (i = 0; i < state->nslots; i++) {
        if (is_planned(&state->slots[i], level)) {
            who[n] = (apr_uint16_t)i;
            weights[n++] = (int)state->slots[i].weight;
        }
    }
    rp_put(l->length, write_sequence(weights, who, n, state->sequences[level]));
    if (state->tables[level]) {
        rp_table_fill(state->tables[level], state->slots, who, (unsigned)n);
    }
}

void rp_state_plan(rp_state_t *state)
{
    unsigned level;

    for (level = 0; level < state->nlevels; level++) {
        plan_level(state, level);
    }
    rp_add(state->shared->version, 1);
    rp_state_count(state);
}

int rp_slot_in(const rp_slot_t *slot)
{
    return rp_get(slot->check) != RP_CHECK_DOWN && rp_get(slot->out_until) == 0;
}

void rp_state_count(rp_state_t *state)
{
    unsigned members[RP_LEVELS] = { 0 }, in[RP_LEVELS] = { 0 }, weight[RP_LEVELS] = { 0 }, weight_in[RP_LEVELS] = { 0 };
    unsigned i;

    for (i = 0; i < state->nslots; i++) {
        const rp_slot_t *slot = &state->slots[i];
        unsigned level = rp_get(slot->level) % RP_LEVELS;

        if (rp_slot_holds(slot) && rp_get(slot->admin) == RP_ADMIN_ENABLED && rp_get(slot->weight)) {
            unsigned is_in = (unsigned)rp_slot_in(slot);

            members[level]++;
            in[level] += is_in;
            weight[level] += rp_get(slot->weight);
            weight_in[level] += is_in * rp_get(slot->weight);
        }
    }
    for (i = 0; i < state->nlevels; i++) {
        rp_level_t *l = &state->shared->levels[i];

        rp_put(l->members, members[i]);
        rp_put(l->in, in[i]);
        rp_put(l->sharing, in[i] ? in[i] : members[i]);
        rp_put(l->weight, in[i] ? weight_in[i] : weight[i]);
        rp_put(l->panic, in[i] * 100 < members[i] * (unsigned)state->eject->panic);
    }
}

/* Statistics may be wrong about many; that nobody takes connections may not. */
static int is_statistical(apr_uint32_t out)
{
    return out == RP_OUT_ERRORS || out == RP_OUT_OUTLIER;
}

/* The share of its turns that a member takes which has just come back. */
static int takes_turn(const rp_state_t *state, const rp_slot_t *slot, apr_int64_t since, const rp_pick_t *pick)
{
    apr_interval_time_t whole = state->eject->slow_start;
    float share = whole > 0 ? (float)(pick->now - since) / (float)whole : 1;
    apr_uint32_t dice = (apr_uint32_t)(rp_mix(pick->random ^ slot->id) >> 32);

    return share >= 1 || (float)dice < (share > FIRST_SHARE ? share : FIRST_SHARE) * 4294967295.0f;
}

/* May the request find out whether the member is back, whose time was over then? */
static int may_find_out(const rp_pick_t *pick, apr_int64_t until)
{
    return until <= pick->now && (pick->may_try || pick->last_resort || pick->now - until >= TRIAL_FOR_SAFE);
}

/* A member that was restarted may be back long before it would be tried; what that costs is a connection to nobody. */
static int may_try_early(const rp_slot_t *slot, const rp_pick_t *pick)
{
    apr_int64_t changed = rp_get(slot->changed), tried = rp_get(slot->tried);

    return pick->last_resort > 1 && rp_get(slot->out) == RP_OUT_CONNECT
           && (tried > changed ? pick->now - tried >= TRIAL : pick->now - changed >= EARLY);
}

/* Does what is known of its health speak against it? */
static rp_fitness_e judge_health(const rp_state_t *state, const rp_slot_t *slot, const rp_pick_t *pick, int panic)
{
    apr_int64_t until = rp_get(slot->out_until);
    apr_uint32_t out = rp_get(slot->out);

    if (rp_get(slot->check) == RP_CHECK_DOWN && !(pick->last_resort && state->eject->panic)) {
        return RP_UNFIT;
    }
    if (!until) {
        return RP_FIT;
    }
    /* In panic, too: without trials it would never end. */
    if (may_find_out(pick, until) || may_try_early(slot, pick)) {
        return RP_ON_TRIAL;
    }
    return (panic && is_statistical(out)) || (pick->last_resort && out != RP_OUT_CONNECT) ? RP_FIT : RP_UNFIT;
}

static int admits(const rp_slot_t *slot, const rp_pick_t *pick)
{
    apr_uint32_t admin = rp_get(slot->admin);

    return admin == RP_ADMIN_ENABLED || (admin == RP_ADMIN_DRAINING && pick->session);
}

rp_fitness_e rp_slot_fitness(const rp_state_t *state, unsigned i, rp_pick_t *pick)
{
    const rp_slot_t *slot = &state->slots[i];
    int panic = (int)rp_get(state->shared->levels[rp_get(slot->level) % RP_LEVELS].panic);
    apr_uint32_t max = rp_get(slot->max);
    apr_int64_t since = rp_get(slot->back_since);
    rp_fitness_e fitness;

    if (!rp_slot_holds(slot) || !admits(slot, pick) || (pick->tried && pick->tried[i])) {
        return RP_UNFIT;
    }
    fitness = judge_health(state, slot, pick, panic);
    if (fitness == RP_UNFIT) {
        return RP_UNFIT;
    }
    if (max && rp_get(slot->inflight) >= max) {
        pick->full = 1;
        return RP_UNFIT;
    }
    if (since && !panic && !pick->last_resort && !pick->eager && !pick->session
        && !takes_turn(state, slot, since, pick)) {
        pick->reluctant = 1;
        return RP_UNFIT;
    }
    return fitness;
}

static int take_trial(rp_slot_t *slot, const rp_pick_t *pick)
{
    apr_int64_t until = rp_get(slot->out_until);

    if (until > pick->now && !may_try_early(slot, pick)) {
        return 0;
    }
    rp_put(slot->tried, pick->now);
    return __atomic_compare_exchange_n(&slot->out_until, &until, until ? pick->now + TRIAL : 0, 0, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

int rp_slot_take(rp_state_t *state, unsigned i, rp_pick_t *pick)
{
    rp_fitness_e fitness = rp_slot_fitness(state, i, pick);

    pick->trial = fitness == RP_ON_TRIAL && take_trial(&state->slots[i], pick);
    if (fitness == RP_ON_TRIAL && !pick->trial) {
        /* Another one has the trial: the member may be of use all the same, in panic or as a last resort. */
        return rp_slot_fitness(state, i, pick) == RP_FIT;
    }
    return fitness != RP_UNFIT;
}

int rp_slot_enter(rp_slot_t *slot)
{
    apr_uint32_t max = rp_get(slot->max), now = rp_get(slot->inflight);

    if (!max) {
        rp_add(slot->inflight, 1);
    }
    else {
        /* Never one too many, not for a moment: somebody might see no place where there is one. */
        do {
            if (now >= max) {
                return 0;
            }
        } while (!__atomic_compare_exchange_n(&slot->inflight, &now, now + 1, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    }
    rp_add(slot->picked, 1);
    return 1;
}

void rp_slot_leave(rp_slot_t *slot)
{
    rp_add(slot->inflight, -1);
}

int rp_state_enter(rp_state_t *state, unsigned i)
{
    if (!rp_slot_enter(&state->slots[i])) {
        return 0;
    }
    if (state->bound) {
        rp_add(state->shared->inflight, 1);
    }
    return 1;
}

void rp_state_leave(rp_state_t *state, unsigned i)
{
    rp_slot_leave(&state->slots[i]);
    if (state->bound) {
        rp_add(state->shared->inflight, -1);
    }
}

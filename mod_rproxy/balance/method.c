/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "balance/method.h"
#include "balance/table.h"

/* Draws until a level's members are gone through one by one instead. */
#define DRAWS 16
#define PAIRS 8
/* Places in the sequence that are looked at for a second member, behind the one drawn, while they are the first's. */
#define OTHERS 8
/* Owners that a key is offered to. */
#define OWNERS 64
/* The second of two must cost less than this share of what the first one does. */
#define MARGIN 0.8f

/* The next of the bits that follow from those that the request brought. */
static apr_uint64_t more_bits(apr_uint64_t *random)
{
    *random += 0x9e3779b97f4a7c15u;
    return rp_mix(*random);
}

static apr_uint32_t below(apr_uint32_t n, apr_uint64_t *random)
{
    return (apr_uint32_t)((more_bits(random) >> 32) * n >> 32);
}

/* By weight: a member stands in the sequence as often as it has turns. */
static unsigned draw(const rp_state_t *state, unsigned level, apr_uint32_t length, apr_uint64_t *random)
{
    return rp_get(state->sequences[level][below(length, random)]);
}

int rp_method_random(rp_state_t *state, unsigned level, rp_pick_t *pick)
{
    apr_uint32_t length = rp_get(state->shared->levels[level].length);
    apr_uint64_t random = pick->random;
    int n;

    for (n = 0; n < DRAWS; n++) {
        unsigned i = draw(state, level, length, &random);

        if (rp_slot_take(state, i, pick)) {
            return (int)i;
        }
    }
    return -1;
}

/* Of a member, what the choice between two rests on. */
typedef struct candidate_t {
    unsigned i;
    rp_fitness_e fitness;
    apr_uint32_t inflight;
    float latency; /* 0: unknown */
    float load;    /* 1: idle; 2: as much under way as one exchange is for a member of average weight */
} candidate_t;

static candidate_t look_at(const rp_state_t *state, unsigned level, unsigned i, rp_pick_t *pick)
{
    const rp_level_t *l = &state->shared->levels[level];
    const rp_slot_t *slot = &state->slots[i];
    candidate_t c = { i, rp_slot_fitness(state, i, pick), 0, 0, 0 };

    if (c.fitness != RP_UNFIT) {
        apr_uint32_t weight = rp_get(slot->weight);
        apr_uint32_t sharing = rp_get(l->sharing);

        float average = (float)rp_get(l->weight) / (float)(sharing ? sharing : 1);

        c.inflight = rp_get(slot->inflight);
        c.latency = rp_latency_get(rp_get(slot->latency), pick->now);
        c.load = 1 + (float)c.inflight * average / (float)(weight ? weight : 1);
    }
    return c;
}

static int is_unknown(const candidate_t *c)
{
    return c->latency <= 0 && c->inflight == 0;
}

/* Who of the two; NULL for neither. */
static const candidate_t *better(const candidate_t *a, const candidate_t *b)
{
    float latency_a = a->latency, latency_b = b->latency;

    if (a->fitness == RP_UNFIT || b->fitness == RP_UNFIT) {
        return a->fitness != RP_UNFIT ? a : b->fitness != RP_UNFIT ? b : NULL;
    }
    if (a->fitness == RP_ON_TRIAL || b->fitness == RP_ON_TRIAL) {
        return a->fitness == RP_ON_TRIAL ? a : b;
    }
    if (is_unknown(a) || is_unknown(b)) {
        return is_unknown(a) ? a : b;
    }
    /* One that is being found out about is taken to be like the other: it gets no crowd before its first response. */
    if (latency_a <= 0 || latency_b <= 0) {
        latency_a = latency_b = 1;
    }
    return latency_b * b->load < latency_a * a->load * MARGIN ? b : a;
}

/* Drawn like the first, but another one if there is any nearby. */
static unsigned draw_other(const rp_state_t *state, unsigned level, apr_uint32_t length, apr_uint64_t *random,
                           unsigned first)
{
    apr_uint32_t place = below(length, random);
    unsigned other = rp_get(state->sequences[level][place]);
    int n;

    for (n = 0; n < OTHERS && other == first; n++) {
        place = place + 1 < length ? place + 1 : 0;
        other = rp_get(state->sequences[level][place]);
    }
    return other;
}

int rp_method_p2c(rp_state_t *state, unsigned level, rp_pick_t *pick)
{
    apr_uint32_t length = rp_get(state->shared->levels[level].length);
    apr_uint64_t random = pick->random;
    int n;

    for (n = 0; n < PAIRS; n++) {
        candidate_t first = look_at(state, level, draw(state, level, length, &random), pick), second;
        const candidate_t *chosen;
        unsigned other = draw_other(state, level, length, &random, first.i);

        second = other == first.i ? first : look_at(state, level, other, pick);
        chosen = better(&first, &second);
        if (chosen && rp_slot_take(state, chosen->i, pick)) {
            return (int)chosen->i;
        }
    }
    return -1;
}

int rp_method_least(rp_state_t *state, unsigned level, rp_pick_t *pick)
{
    apr_uint64_t random = pick->random;
    apr_uint64_t best_load = 0, best_weight = 1;
    apr_uint32_t tied = 0; /* the weight of all that are as good as the best */
    unsigned i;
    int best = -1;

    for (i = 0; i < state->nslots; i++) {
        const rp_slot_t *slot = &state->slots[i];
        apr_uint32_t weight = rp_get(slot->weight);
        apr_uint64_t load = rp_get(slot->inflight);
        rp_fitness_e fitness;

        if (rp_get(slot->level) != level || weight == 0 || (best >= 0 && load * best_weight > best_load * weight)) {
            continue;
        }
        fitness = rp_slot_fitness(state, i, pick);
        if (fitness == RP_ON_TRIAL && rp_slot_take(state, i, pick)) {
            return (int)i;
        }
        if (fitness != RP_FIT) {
            continue;
        }
        tied = best >= 0 && load * best_weight == best_load * weight ? tied + weight : weight;
        if (below(tied, &random) < weight) {
            best = (int)i;
        }
        best_load = load;
        best_weight = weight;
    }
    return best >= 0 && rp_slot_take(state, (unsigned)best, pick) ? best : -1;
}

/* Bounded loads: may the member have one more? So many percent of its share of what all have then, rounded up. */
static int is_within_bound(const rp_state_t *state, unsigned level, const rp_slot_t *slot)
{
    apr_uint64_t all = (apr_uint64_t)state->bound * rp_get(slot->weight) * (rp_get(state->shared->inflight) + 1);
    apr_uint64_t inflight = rp_get(slot->inflight);

    return !state->bound || inflight * 100 * rp_get(state->shared->levels[level].weight) < all;
}

int rp_method_hash(rp_state_t *state, unsigned level, rp_pick_t *pick)
{
    apr_uint64_t hash = pick->hash;
    int n;

    /* What is left to chance is the same for each request of a key: whether a member that starts slowly has its
     * turn, and where the search begins when nobody here is of use. */
    pick->random = rp_mix(hash);
    for (n = 0; n < OWNERS; n++) {
        unsigned i = rp_get(state->tables[level][hash % RP_TABLE_SIZE]);

        if (i == RP_NOBODY) {
            return -1;
        }
        if (is_within_bound(state, level, &state->slots[i]) && rp_slot_take(state, i, pick)) {
            return (int)i;
        }
        hash = rp_mix(hash + 1);
    }
    return -1;
}

rp_method_fn rp_method_of(rp_method_e kind)
{
    switch (kind) {
    case RP_METHOD_ROUND_ROBIN:
        return rp_method_round_robin;
    case RP_METHOD_LEAST:
        return rp_method_least;
    case RP_METHOD_RANDOM:
        return rp_method_random;
    case RP_METHOD_HASH:
        return rp_method_hash;
    default:
        return rp_method_p2c;
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "balance/budget.h"

/* A second's word: its number modulo 2^20 (12 days) on top, 20 bits of tries, 24 bits of requests: more than a host can
 * have in a second, so that none runs over into the next. */
#define REQUEST ((apr_uint64_t)1)
#define TRY ((apr_uint64_t)1 << 24)
#define NUMBER_SHIFT 44
#define NUMBER_MASK 0xfffffU
#define REQUESTS(word) ((word) & 0xffffffU)
#define TRIES(word) ((word) >> 24 & 0xfffffU)

/* Bounds what is tried again because others were quicker. */
#define PATIENCE 16

static apr_uint64_t number_of(apr_int64_t second)
{
    return (apr_uint64_t)second & NUMBER_MASK;
}

/* Count in this second's word; whoever comes first makes it anew. */
static void count(rp_budget_t *budget, apr_int64_t second, apr_uint64_t what)
{
    apr_uint64_t *word = &budget->seconds[second % RP_BUDGET_SECONDS];
    apr_uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);

    if (seen >> NUMBER_SHIFT != number_of(second)
        && __atomic_compare_exchange_n(word, &seen, number_of(second) << NUMBER_SHIFT | what, 0, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED)) {
        return;
    }
    __atomic_fetch_add(word, what, __ATOMIC_RELAXED);
}

/* Take back what was counted, if its second is still there. */
static void uncount_try(rp_budget_t *budget, apr_int64_t second)
{
    apr_uint64_t *word = &budget->seconds[second % RP_BUDGET_SECONDS];
    apr_uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
    int i;

    for (i = 0; i < PATIENCE && seen >> NUMBER_SHIFT == number_of(second) && TRIES(seen) > 0; i++) {
        if (__atomic_compare_exchange_n(word, &seen, seen - TRY, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return;
        }
    }
}

void rp_budget_deposit(rp_budget_t *budget, apr_time_t now)
{
    count(budget, apr_time_sec(now), REQUEST);
}

static int is_overdrawn(rp_budget_t *budget, int share, int floor, apr_int64_t second)
{
    apr_uint64_t requests = 0, tries = 0;
    int i;

    for (i = 0; i < RP_BUDGET_SECONDS; i++) {
        apr_uint64_t word = __atomic_load_n(&budget->seconds[i], __ATOMIC_RELAXED);

        if (((number_of(second) - (word >> NUMBER_SHIFT)) & NUMBER_MASK) < RP_BUDGET_SECONDS) {
            requests += REQUESTS(word);
            tries += TRIES(word);
        }
    }
    return tries * 100 > requests * (apr_uint64_t)share + (apr_uint64_t)floor * RP_BUDGET_SECONDS * 100;
}

int rp_budget_withdraw(rp_budget_t *budget, int share, int floor, apr_time_t now)
{
    apr_int64_t second = apr_time_sec(now);

    /* Counted before it is judged: however many ask at once, no more are granted than there are. */
    count(budget, second, TRY);
    if (is_overdrawn(budget, share, floor, second)) {
        uncount_try(budget, second);
        __atomic_fetch_add(&budget->denied, 1, __ATOMIC_RELAXED);
        return 0;
    }
    __atomic_fetch_add(&budget->granted, 1, __ATOMIC_RELAXED);
    return 1;
}

void rp_budget_refund(rp_budget_t *budget, apr_time_t now)
{
    uncount_try(budget, apr_time_sec(now));
    __atomic_fetch_sub(&budget->granted, 1, __ATOMIC_RELAXED);
}

int rp_budget_tell(rp_budget_t *budget, apr_time_t now)
{
    apr_int64_t told = __atomic_load_n(&budget->told, __ATOMIC_RELAXED);

    return (!told || now - told >= apr_time_from_sec(RP_BUDGET_SECONDS))
           && __atomic_compare_exchange_n(&budget->told, &told, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

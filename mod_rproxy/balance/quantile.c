/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "balance/quantile.h"

#define FIRST_OCTAVE 6
/* Fewer say nothing of any quantile. */
#define MIN_SAMPLES 20
/* For how long what was found is good enough. */
#define KEEP (APR_USEC_PER_SEC / 10)

static unsigned octave_of(apr_uint64_t value)
{
    return 63 - (unsigned)__builtin_clzll(value);
}

static unsigned bucket_of(apr_interval_time_t sample)
{
    apr_uint64_t value = sample < 1 << FIRST_OCTAVE ? 1 << FIRST_OCTAVE : (apr_uint64_t)sample;
    unsigned octave = octave_of(value);

    return octave >= FIRST_OCTAVE + RP_QUANTILE_OCTAVES ? RP_QUANTILE_BUCKETS - 1
         : (octave - FIRST_OCTAVE) * 8 + (unsigned)(value >> (octave - 3) & 7);
}

/* What is beyond the bucket. */
static apr_interval_time_t end_of(unsigned bucket)
{
    return ((apr_interval_time_t)(bucket % 8) + 9) << (bucket / 8 + FIRST_OCTAVE - 3);
}

/* The window for now. Whoever comes first in it clears it; what others count meanwhile is lost, and not missed. */
static rp_quantile_window_t *window_at(rp_quantile_t *quantile, apr_uint32_t number)
{
    rp_quantile_window_t *window = &quantile->windows[number % RP_QUANTILE_WINDOWS];
    apr_uint32_t seen = __atomic_load_n(&window->number, __ATOMIC_RELAXED);
    unsigned i;

    if (seen != number
        && __atomic_compare_exchange_n(&window->number, &seen, number, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        for (i = 0; i < RP_QUANTILE_BUCKETS; i++) {
            __atomic_store_n(&window->counts[i], 0, __ATOMIC_RELAXED);
        }
    }
    return window;
}

void rp_quantile_add(rp_quantile_t *quantile, apr_interval_time_t sample, apr_time_t now)
{
    rp_quantile_window_t *window = window_at(quantile, (apr_uint32_t)(now / RP_QUANTILE_WINDOW));

    __atomic_fetch_add(&window->counts[bucket_of(sample)], 1, __ATOMIC_RELAXED);
}

/* Add up what the windows of the last minute hold. @return how many */
static apr_uint64_t add_up(const rp_quantile_t *quantile, apr_uint32_t number, apr_uint64_t counts[RP_QUANTILE_BUCKETS])
{
    apr_uint64_t total = 0;
    unsigned i, j;

    for (i = 0; i < RP_QUANTILE_WINDOWS; i++) {
        const rp_quantile_window_t *window = &quantile->windows[i];

        if (number - __atomic_load_n(&window->number, __ATOMIC_RELAXED) >= RP_QUANTILE_WINDOWS) {
            continue;
        }
        for (j = 0; j < RP_QUANTILE_BUCKETS; j++) {
            apr_uint32_t n = __atomic_load_n(&window->counts[j], __ATOMIC_RELAXED);

            counts[j] += n;
            total += n;
        }
    }
    return total;
}

static apr_interval_time_t locate(const apr_uint64_t counts[RP_QUANTILE_BUCKETS], apr_uint64_t total, int permille)
{
    apr_uint64_t below = 0;
    unsigned j;

    for (j = 0; j < RP_QUANTILE_BUCKETS - 1; j++) {
        below += counts[j];
        if (below * 1000 >= total * (apr_uint64_t)permille) {
            break;
        }
    }
    return end_of(j);
}

static apr_interval_time_t find(const rp_quantile_t *quantile, int permille, apr_uint32_t number)
{
    apr_uint64_t counts[RP_QUANTILE_BUCKETS] = { 0 };
    apr_uint64_t total = add_up(quantile, number, counts);

    /* One of those beyond the quantile should have been seen. */
    if (total < MIN_SAMPLES || total * (apr_uint64_t)(1000 - permille) < 1000) {
        return 0;
    }
    return locate(counts, total, permille);
}

void rp_quantiles(const rp_quantile_t *const *of, unsigned histograms, const int *permilles, unsigned n, apr_time_t now,
                  apr_interval_time_t *found)
{
    apr_uint64_t counts[RP_QUANTILE_BUCKETS] = { 0 };
    apr_uint64_t total = 0;
    unsigned i;

    for (i = 0; i < histograms; i++) {
        total += add_up(of[i], (apr_uint32_t)(now / RP_QUANTILE_WINDOW), counts);
    }
    for (i = 0; i < n; i++) {
        found[i] = total ? locate(counts, total, permilles[i]) : 0;
    }
}

apr_interval_time_t rp_quantile_get(rp_quantile_t *quantile, int permille, apr_time_t now)
{
    apr_int64_t at = __atomic_load_n(&quantile->known_at, __ATOMIC_RELAXED);
    apr_interval_time_t found;

    if ((at && now - at < KEEP)
        || !__atomic_compare_exchange_n(&quantile->known_at, &at, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return __atomic_load_n(&quantile->known, __ATOMIC_RELAXED);
    }
    found = find(quantile, permille, (apr_uint32_t)(now / RP_QUANTILE_WINDOW));
    __atomic_store_n(&quantile->known, found, __ATOMIC_RELAXED);
    return found;
}

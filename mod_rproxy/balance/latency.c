/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <math.h>
#include <string.h>

#include "balance/state.h"

/* Latency lies in the upper half, as a float; in the lower one the millisecond of rp_now() at which it was true. */
#define DECAY 10000.0f /* milliseconds in which an old value loses most of its weight */

static apr_uint64_t latency_word(float value, apr_uint32_t at)
{
    apr_uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (apr_uint64_t)bits << 32 | at;
}

static float latency_value(apr_uint64_t word)
{
    apr_uint32_t bits = (apr_uint32_t)(word >> 32);
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static float kept_share(apr_uint64_t word, apr_time_t now)
{
    apr_int32_t age = (apr_int32_t)((apr_uint32_t)(now / 1000) - (apr_uint32_t)word);

    return age <= 0 ? 1 : expf(-(float)age / DECAY);
}

float rp_latency_get(apr_uint64_t latency, apr_time_t now)
{
    return latency ? latency_value(latency) * kept_share(latency, now) : 0;
}

void rp_latency_add(apr_uint64_t *latency, apr_interval_time_t sample, apr_time_t now)
{
    apr_uint64_t old = rp_get(*latency);
    float value = (float)sample;

    /* Up at once, down slowly: a member that stalls is noticed by its first slow response. */
    if (old && value < latency_value(old)) {
        float kept = kept_share(old, now);

        value = latency_value(old) * kept + value * (1 - kept);
    }
    /* Who loses the race has lost one sample. */
    __atomic_compare_exchange_n(latency, &old, latency_word(value, (apr_uint32_t)(now / 1000)), 0, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

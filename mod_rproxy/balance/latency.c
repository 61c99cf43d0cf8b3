/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <math.h>
#include <string.h>

#include "balance/state.h"

/* Latency lies in the upper half, as a float; in the lower one the millisecond of rp_now() at which it was true. */

/* Milliseconds in which an average goes most of the way to a new value that is greater, or smaller: what has become
 * slow is seen soon, what has become fast is believed later. */
#define RISE 1000.0f
#define DECAY 3000.0f
/* Milliseconds by which now may lie before what another thread has written. */
#define SKEW 60000u
/* A failure counts as a response that takes so many times as long as is usual, within these bounds: failing fast is
 * not being fast. One of a thousand requests that fails says little, one of five much. */
#define FAILURE 4
#define LEAST_FAILURE 100e3f
#define WORST_FAILURE 60e6f

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

static float kept_share(apr_uint64_t word, apr_time_t now, float period)
{
    apr_uint32_t age = (apr_uint32_t)(now / 1000) - (apr_uint32_t)word;

    /* Somebody's clock reading was later than ours; all that is older is old, a backup's of last month, too. */
    return age == 0 || age > APR_UINT32_MAX - SKEW ? 1 : expf(-(float)age / period);
}

float rp_latency_get(apr_uint64_t latency, apr_time_t now)
{
    return latency ? latency_value(latency) * kept_share(latency, now, DECAY) : 0;
}

static void add(apr_uint64_t *latency, float value, apr_time_t now)
{
    apr_uint64_t old = rp_get(*latency);

    if (old) {
        float before = latency_value(old);
        float kept = kept_share(old, now, value > before ? RISE : DECAY);

        /* Of many in one millisecond the first stands for all: they need not fight for the line. */
        if (kept >= 1) {
            return;
        }
        value = before * kept + value * (1 - kept);
    }
    /* Who loses the race has lost one sample. */
    __atomic_compare_exchange_n(latency, &old, latency_word(value, (apr_uint32_t)(now / 1000)), 0, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

void rp_latency_add(apr_uint64_t *latency, apr_interval_time_t sample, apr_time_t now)
{
    add(latency, sample > 0 ? (float)sample : 1, now);
}

void rp_latency_add_failure(apr_uint64_t *latency, apr_interval_time_t sample, apr_time_t now)
{
    float value = FAILURE * rp_latency_get(rp_get(*latency), now);

    value = value < LEAST_FAILURE ? LEAST_FAILURE : value > WORST_FAILURE ? WORST_FAILURE : value;
    add(latency, value > (float)sample ? value : (float)sample, now);
}

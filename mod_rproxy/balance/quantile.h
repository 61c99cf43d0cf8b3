/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * How long the slowest responses of the last minute took: a histogram whose buckets grow with what they count, each an
 * eighth of an octave wide, so that a quantile is right to within 12.5 % whatever its size.
 *
 * It is plain memory that all processes of a host share, zeros being a new one, and is touched with atomics alone.
 */
#ifndef RP_QUANTILE_H
#define RP_QUANTILE_H

#include <apr.h>
#include <apr_time.h>

/** What counts as one of the smallest, or of the largest, microseconds: 2^6 to 2^27, which is two minutes. */
#define RP_QUANTILE_OCTAVES 21
#define RP_QUANTILE_BUCKETS (RP_QUANTILE_OCTAVES * 8)
/** Quarters of the minute. */
#define RP_QUANTILE_WINDOWS 4
#define RP_QUANTILE_WINDOW apr_time_from_sec(15)

typedef struct rp_quantile_window_t {
    apr_uint32_t number; /* which quarter */
    apr_uint32_t counts[RP_QUANTILE_BUCKETS];
} rp_quantile_window_t;

typedef struct rp_quantile_t {
    rp_quantile_window_t windows[RP_QUANTILE_WINDOWS];
    apr_int64_t known;    /* what was last found, */
    apr_int64_t known_at; /* and when; 0: never */
} rp_quantile_t;

/**
 * Count a response.
 * @param sample  microseconds
 * @param now     microseconds of a clock that all processes share and that never jumps
 */
void rp_quantile_add(rp_quantile_t *quantile, apr_interval_time_t sample, apr_time_t now);

/**
 * How long at most so many of a thousand responses take.
 * @param permille  1 to 999; always the same for a histogram, since what is found is kept for a tenth of a second
 * @return microseconds; 0: too few have been seen to say
 */
apr_interval_time_t rp_quantile_get(rp_quantile_t *quantile, int permille, apr_time_t now);

/**
 * The same of several histograms together and for several quantiles, however few have been seen; for operators, since it
 * reads all of them each time.
 * @param found  out: n of them; 0: nothing was seen
 */
void rp_quantiles(const rp_quantile_t *const *of, unsigned histograms, const int *permilles, unsigned n, apr_time_t now,
                  apr_interval_time_t *found);

#endif

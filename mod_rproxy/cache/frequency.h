/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * How often keys were used lately, roughly and in little memory: a count-min sketch of small counters.
 *
 * A key has four counters, all within one cache line; its frequency is the least of them, which other keys
 * can raise but nothing lowers except rp_frequency_halve().  Halving now and then makes it a frequency of
 * late.  What is said is never less than the truth since then (up to RP_FREQUENCY_MAX), if updates do not
 * collide.
 *
 * The counters may lie in memory that threads and processes share.  Nothing is locked: two updates of one
 * counter at the same instant may count as one, which is good enough for a hint, and any contents are valid.
 */
#ifndef RP_FREQUENCY_H
#define RP_FREQUENCY_H

#include <stddef.h>
#include <stdint.h>

/** A counter goes no further: a key in frequent use is then only read, and its cache line shared. */
#define RP_FREQUENCY_MAX 15

/** The sizes of a sketch are powers of two from here on, in bytes. */
#define RP_FREQUENCY_MIN 4096

typedef struct rp_frequency_t {
    unsigned char *counters; /* the caller's, all zero at first; aligned to 64 bytes */
    size_t size;
} rp_frequency_t;

/** The size for about so many keys, up to most bytes: about eight bytes for each. */
size_t rp_frequency_size(uint64_t keys, size_t most);

/** Count one use of a key. hash must be well mixed. @return 1, or 0 when it is at the maximum already */
int rp_frequency_add(const rp_frequency_t *f, uint64_t hash);

/** @return how often it was used, 0 to RP_FREQUENCY_MAX */
unsigned rp_frequency_of(const rp_frequency_t *f, uint64_t hash);

/** A call for this key follows soon: let the processor fetch its counters. */
void rp_frequency_foresee(const rp_frequency_t *f, uint64_t hash);

/** Halve all counters. One caller at a time, beside any number of the other calls. */
void rp_frequency_halve(const rp_frequency_t *f);

#endif

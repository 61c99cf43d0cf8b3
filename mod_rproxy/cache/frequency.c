/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "cache/frequency.h"

#define LINE  64
#define ROWS  4
#define WIDTH (LINE / ROWS)

size_t rp_frequency_size(uint64_t keys, size_t most)
{
    size_t size = RP_FREQUENCY_MIN;

    while (size < most / 2 + 1 && size / 8 < keys) {
        size *= 2;
    }
    return size;
}

static unsigned char *line_of(const rp_frequency_t *f, uint64_t hash)
{
    return f->counters + (hash & (f->size / LINE - 1)) * LINE;
}

/** The key's cache line, and where in it its counters are. */
static unsigned char *find(const rp_frequency_t *f, uint64_t hash, unsigned at[ROWS])
{
    unsigned i;

    for (i = 0; i < ROWS; i++) {
        at[i] = i * WIDTH + (unsigned)(hash >> (48 + 4 * i) & (WIDTH - 1));
    }
    return line_of(f, hash);
}

static unsigned least(const unsigned char *line, const unsigned at[ROWS])
{
    unsigned i, min = RP_FREQUENCY_MAX;

    for (i = 0; i < ROWS; i++) {
        unsigned n = __atomic_load_n(&line[at[i]], __ATOMIC_RELAXED);
        min = n < min ? n : min;
    }
    return min;
}

int rp_frequency_add(const rp_frequency_t *f, uint64_t hash)
{
    unsigned at[ROWS], i, n;
    unsigned char *line = find(f, hash, at);

    n = least(line, at);
    if (n == RP_FREQUENCY_MAX) {
        return 0;
    }
    for (i = 0; i < ROWS; i++) {
        /* Only the least ones: the others are what they are because of other keys. */
        if (__atomic_load_n(&line[at[i]], __ATOMIC_RELAXED) == n) {
            __atomic_store_n(&line[at[i]], (unsigned char)(n + 1), __ATOMIC_RELAXED);
        }
    }
    return 1;
}

unsigned rp_frequency_of(const rp_frequency_t *f, uint64_t hash)
{
    unsigned at[ROWS];
    const unsigned char *line = find(f, hash, at);

    return least(line, at);
}

void rp_frequency_foresee(const rp_frequency_t *f, uint64_t hash)
{
    __builtin_prefetch(line_of(f, hash)); /* not for writing: of a popular key it is only read */
}

void rp_frequency_halve(const rp_frequency_t *f)
{
    uint64_t *words = (void *)f->counters;
    size_t i;

    for (i = 0; i < f->size / sizeof(*words); i++) {
        uint64_t word = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
        if (word) {
            __atomic_store_n(&words[i], word >> 1 & UINT64_C(0x7f7f7f7f7f7f7f7f), __ATOMIC_RELAXED);
        }
    }
}

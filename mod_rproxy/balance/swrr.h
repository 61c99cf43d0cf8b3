/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Smooth weighted round robin, as arithmetic. */
#ifndef RP_SWRR_H
#define RP_SWRR_H

#include <apr.h>

/**
 * Fill seq with the order of smooth weighted round robin: over sum(weights)/gcd places each index appears in
 * proportion to its weight, and after any number of places each has got its share of them to within less than
 * one.
 * @param seq  room for sum(weights)/gcd entries
 * @return how many entries that is; with seq NULL only that
 */
unsigned rp_swrr_sequence(const int *weights, int n, apr_uint16_t *seq);

#endif

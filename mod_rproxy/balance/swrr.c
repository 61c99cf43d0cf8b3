/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "balance/swrr.h"

static int gcd(int a, int b)
{
    while (b) {
        int t = a % b;

        a = b;
        b = t;
    }
    return a;
}

/* Place k of a member with weight w lies best at (k + 1/2) / w of the way: always take the member whose next place is
 * the earliest. Compared by cross multiplication, so that it is exact. */
static int earliest(const int *weights, const unsigned *given, int n)
{
    int best = 0;
    int i;

    for (i = 1; i < n; i++) {
        apr_uint64_t mine = (apr_uint64_t)(2 * given[i] + 1) * (apr_uint64_t)weights[best];
        apr_uint64_t bests = (apr_uint64_t)(2 * given[best] + 1) * (apr_uint64_t)weights[i];

        if (mine < bests) {
            best = i;
        }
    }
    return best;
}

unsigned rp_swrr_sequence(const int *weights, int n, apr_uint16_t *seq)
{
    unsigned given[n];
    unsigned total = 0, place;
    int divisor = 0;
    int i;

    for (i = 0; i < n; i++) {
        divisor = gcd(weights[i], divisor);
        total += (unsigned)weights[i];
        given[i] = 0;
    }
    total /= (unsigned)divisor;
    for (place = 0; seq && place < total; place++) {
        i = earliest(weights, given, n);
        given[i]++;
        seq[place] = (apr_uint16_t)i;
    }
    return total;
}

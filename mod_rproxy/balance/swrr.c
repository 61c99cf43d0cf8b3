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

/* R. Tijdeman, "The chairman assignment problem" (1980): at place t, of the members that are behind their
 * share of t by 1/(2n-2) or more, take the one that would be first to fall behind by 1 - 1/(2n-2).  Nobody is
 * ever ahead or behind by more than that, which is the best that can be had.  All in whole numbers: shares
 * times total, times 2n-2. */
static int next_member(const int *weights, const unsigned *given, int n, apr_int64_t t, apr_int64_t total)
{
    apr_int64_t d = n > 1 ? 2 * n - 2 : 1;
    int best = -1;
    int i;

    for (i = 0; i < n; i++) {
        apr_int64_t behind = weights[i] * t - given[i] * total;

        if (d * behind >= total
            && (best < 0
                || (d - 1 + d * given[i]) * weights[best] < (d - 1 + d * given[best]) * weights[i])) {
            best = i;
        }
    }
    return best;
}

unsigned rp_swrr_sequence(const int *weights, int n, apr_uint16_t *seq)
{
    unsigned given[n];
    unsigned total = 0, length, place;
    int divisor = 0;
    int i;

    for (i = 0; i < n; i++) {
        divisor = gcd(weights[i], divisor);
        total += (unsigned)weights[i];
        given[i] = 0;
    }
    length = total / (unsigned)divisor;
    for (place = 0; seq && place < length; place++) {
        i = next_member(weights, given, n, place + 1, total);
        given[i]++;
        seq[place] = (apr_uint16_t)i;
    }
    return length;
}

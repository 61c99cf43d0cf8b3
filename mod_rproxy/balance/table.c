/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <math.h>

#include "balance/table.h"

/* The finalizer of splitmix64. */
apr_uint64_t rp_mix(apr_uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

apr_uint64_t rp_slot_id(const char *url)
{
    apr_uint64_t h = 0xcbf29ce484222325u;

    for (; *url; url++) {
        h = (h ^ (unsigned char)*url) * 0x100000001b3u;
    }
    return rp_mix(h);
}

/* Of two members of one weight the greater random number wins; with weights it is -weight / ln(number in (0, 1)). */
static double score(apr_uint64_t random, apr_uint32_t weight)
{
    double u = ((double)(random >> 11) + 0.5) * 0x1p-53;

    return -(double)weight / log(u);
}

static int are_equal(const rp_slot_t *slots, const apr_uint16_t *who, unsigned n)
{
    unsigned k;

    for (k = 1; k < n; k++) {
        if (slots[who[k]].weight != slots[who[0]].weight) {
            return 0;
        }
    }
    return 1;
}

static apr_uint16_t owner_of(apr_uint64_t bucket, const rp_slot_t *slots, const apr_uint16_t *who, unsigned n, int equal)
{
    apr_uint16_t owner = RP_NOBODY;
    apr_uint64_t most = 0;
    double best = -1;
    unsigned k;

    for (k = 0; k < n; k++) {
        apr_uint64_t random = rp_mix(slots[who[k]].id ^ bucket);
        int wins = owner == RP_NOBODY || (equal ? random > most : score(random, slots[who[k]].weight) > best);

        if (wins) {
            owner = who[k];
            most = random;
            best = equal ? 0 : score(random, slots[who[k]].weight);
        }
    }
    return owner;
}

void rp_table_fill(apr_uint16_t *table, const rp_slot_t *slots, const apr_uint16_t *who, unsigned n)
{
    int equal = are_equal(slots, who, n);
    apr_uint64_t bucket;

    for (bucket = 0; bucket < RP_TABLE_SIZE; bucket++) {
        rp_put(table[bucket], owner_of(rp_mix(bucket + 1), slots, who, n, equal));
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the keys of a host's rates have used: a table of fixed size in memory that all children share.
 *
 * A key that has used nothing is not in it, so that places become free by themselves.  Where all places of a set are
 * taken, who would be free soonest loses what is known of it: it gets more than its rate then, and nobody less.  Each
 * set has a robust lock, held for a few comparisons.  Times are those of limit/gcra.h.
 */
#ifndef RP_RATES_H
#define RP_RATES_H

#include "limit/gcra.h"

#define RP_LIMIT_KEY 24

typedef struct rp_rates_t rp_rates_t;

/** Bytes of a table, and making one in memory that is aligned to 64 bytes and zeros. @return 0 or an errno */
apr_size_t rp_rates_size(void);
int rp_rates_init(rp_rates_t *rates);

/** rp_gcra_take() for a key. */
int rp_rates_take(rp_rates_t *rates, const unsigned char key[RP_LIMIT_KEY], const rp_gcra_t *rate, apr_int64_t now,
                  apr_int64_t *wait);

/** Remember what the farm says of a key: it has used its rate until then. */
void rp_rates_learn(rp_rates_t *rates, const unsigned char key[RP_LIMIT_KEY], apr_int64_t used_until, apr_int64_t now);

/**
 * How long, by what the farm has said last, until a key has room: as it only ever uses more, the farm need not be asked
 * before.  0: it has some, or the farm has said nothing.
 */
apr_int64_t rp_rates_learned_wait(rp_rates_t *rates, const unsigned char key[RP_LIMIT_KEY], const rp_gcra_t *rate,
                                  apr_int64_t now);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What follows from a check's outcome, as arithmetic. */
#ifndef RP_CHECK_STATE_H
#define RP_CHECK_STATE_H

#include "balance/state.h"

typedef struct rp_check_state_t {
    rp_check_e state;
    unsigned streak; /* checks in a row that have said otherwise than state */
} rp_check_state_t;

/**
 * @param rise, fall  so many good, or failed, checks in a row change the state; at least 1
 * @return nonzero when a member has just gone down or come back; the first good check of all is no such change
 */
int rp_check_judge(rp_check_state_t *s, int good, unsigned rise, unsigned fall);

/** An interval made longer or shorter by up to so many percent. @param random  fresh bits */
apr_interval_time_t rp_check_wait(apr_interval_time_t interval, int jitter_percent, apr_uint64_t random);

#endif

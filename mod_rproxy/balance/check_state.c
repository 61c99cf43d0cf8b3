/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "balance/check_state.h"

static int enough(rp_check_state_t *s, rp_check_e other, unsigned wanted)
{
    s->streak++;
    if (s->streak < wanted) {
        return 0;
    }
    s->state = other;
    s->streak = 0;
    return 1;
}

int rp_check_judge(rp_check_state_t *s, int good, unsigned rise, unsigned fall)
{
    if (good == (s->state == RP_CHECK_DOWN)) {
        return good ? enough(s, RP_CHECK_UP, rise) : enough(s, RP_CHECK_DOWN, fall);
    }
    if (good) {
        s->state = RP_CHECK_UP;
    }
    s->streak = 0;
    return 0;
}

apr_interval_time_t rp_check_wait(apr_interval_time_t interval, int jitter_percent, apr_uint64_t random)
{
    apr_interval_time_t most = interval / 100 * jitter_percent;

    return interval - most + (apr_interval_time_t)(random % (apr_uint64_t)(2 * most + 1));
}

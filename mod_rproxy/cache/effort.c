/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "cache/effort.h"

int rp_effort_begin(rp_effort_t *e, apr_time_t now, apr_interval_time_t lease, apr_time_t *turn)
{
    apr_time_t next = __atomic_load_n(&e->next, __ATOMIC_RELAXED);

    *turn = now + lease;
    return now >= next && __atomic_compare_exchange_n(&e->next, &next, *turn, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void rp_effort_end(rp_effort_t *e, apr_time_t turn, apr_time_t now, apr_interval_time_t spent, int percent)
{
    /* When the lease was over and another one has the turn, it stays his. */
    __atomic_compare_exchange_n(&e->next, &turn, now + spent / percent * (100 - percent), 0, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** When a pool leaves a member out, and when it takes it back. */
#ifndef RP_EJECT_H
#define RP_EJECT_H

#include <apr_time.h>

/** RProxyEject, for a pool. */
typedef struct rp_eject_conf_t {
    int on;
    int failures;               /* in a row, without a response; 0: off */
    int errors;                 /* 5xx responses in a row while other members do better; 0: off */
    int deviations;             /* hundredths of a standard deviation below the mean share of successes; 0: off */
    int requests;               /* in an interval, fewer of which say nothing of a member */
    apr_interval_time_t interval;
    apr_interval_time_t time;   /* of the first ejection; the n-th in a row takes n times as long */
    apr_interval_time_t longest;
    int most;                   /* percent of a pool that may be ejected for what its responses say */
    int panic;                  /* percent: with fewer usable members ejections count for nothing */
    apr_interval_time_t slow_start; /* until a member that came back gets its whole share; 0: at once */
} rp_eject_conf_t;

#endif

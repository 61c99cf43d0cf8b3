/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Deadlines in the order in which they come: a binary heap of structs that belong to others; for one thread. */
#ifndef RP_TIMERS_H
#define RP_TIMERS_H

#include <apr_time.h>

/** Part of what has a deadline; set to zeros when it is not in a heap. */
typedef struct rp_timer_t {
    apr_time_t at;  /* rp_now() */
    unsigned place; /* in the heap, from 1; 0: in none */
} rp_timer_t;

typedef struct rp_timers_t {
    rp_timer_t **heap; /* from 1 */
    unsigned n, room;
} rp_timers_t;

/** timer->at is set. @return 0 without memory */
int rp_timers_add(rp_timers_t *timers, rp_timer_t *timer);

/** Nothing happens to one that is in no heap. */
void rp_timers_remove(rp_timers_t *timers, rp_timer_t *timer);

/** The first that is due, or NULL. */
rp_timer_t *rp_timers_first(const rp_timers_t *timers);

void rp_timers_free(rp_timers_t *timers);

#endif

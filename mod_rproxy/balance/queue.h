/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Requests that wait because all members that could take them have as many exchanges as they may: a pool's queue, one
 * for all processes of a host, as plain memory.
 *
 * First come, first served: whoever frees a place gives it, under the queue's lock, to the first one who can use it,
 * and wakes that one alone.  Who arrives while others wait gets what these can't use, or joins at the end.  Without
 * anybody waiting the lock is not taken, and nothing is written.
 */
#ifndef RP_QUEUE_H
#define RP_QUEUE_H

#include <pthread.h>

#include "balance/state.h"

/** A member that is wanted: anyone. */
#define RP_ANYBODY RP_NOBODY
/** Who has been to more members than this in vain does not wait. */
#define RP_WISH_TRIED 6

/** RProxyQueue, for a pool. */
typedef struct rp_queue_conf_t {
    int length;               /* 0: nobody waits */
    apr_interval_time_t wait; /* at most */
} rp_queue_conf_t;

/** What a request needs. */
typedef struct rp_wish_t {
    apr_uint64_t ticket;         /* of when it waited before, for the same place in the queue; 0: it did not */
    apr_uint64_t hash;           /* as in rp_pick_t */
    apr_uint16_t wanted;         /* this slot and no other, or RP_ANYBODY */
    apr_uint16_t may_try;        /* as in rp_pick_t */
    apr_uint16_t ntried;
    apr_uint16_t tried[RP_WISH_TRIED]; /* slots to pass over */
} rp_wish_t;

typedef enum rp_turn_e {
    RP_TURN_NONE,   /* the entry is free */
    RP_TURN_WAITS,
    RP_TURN_GIVEN,  /* it has a place with a member, which is counted as in use */
    RP_TURN_NOBODY, /* there is no member any more that could take it */
    RP_TURN_FULL    /* as many wait as may: it does not */
} rp_turn_e;

typedef struct rp_waiter_t {
    apr_int64_t since;     /* rp_now() */
    rp_wish_t wish;        /* its ticket is the order of arrival */
    apr_uint32_t turn;     /* rp_turn_e; written last */
    apr_uint32_t row;      /* of the process that it is in */
    apr_uint32_t slot;     /* of RP_TURN_GIVEN */
    apr_uint32_t trial;
    apr_uint32_t next;     /* numbers of entries, 0: none; of the free ones next alone */
    apr_uint32_t prev;
} rp_waiter_t;

/** For status data; counted since the start. */
typedef struct rp_queue_counts_t {
    apr_uint64_t waited;    /* have joined */
    apr_uint64_t timed_out;
    apr_uint64_t refused;   /* since as many waited as may */
    apr_uint64_t gone;      /* clients that did not wait for it */
    apr_uint64_t time;      /* microseconds that those waited who then got a place */
    apr_int64_t longest;    /* of them */
} rp_queue_counts_t;

typedef struct rp_queue_t {
    apr_uint32_t waiting __attribute__((aligned(64))); /* all that requests look at while nobody waits */
    pthread_mutex_t lock __attribute__((aligned(64))); /* robust; guards what follows */
    apr_uint32_t length;
    apr_uint32_t choosy;  /* of those who wait: want a certain member, or do not want some */
    apr_uint32_t first;   /* numbers of entries, which count from 1 */
    apr_uint32_t last;
    apr_uint32_t spare;   /* the first of those that were used and are free */
    apr_uint32_t used;    /* entries that were ever used */
    apr_uint64_t tickets;
    apr_int64_t walked;   /* rp_now(): when it was last looked who could have a place */
    apr_int64_t told;     /* rp_now(): when it was last logged that requests are refused */
    rp_queue_counts_t counts;
    rp_waiter_t waiters[];
} rp_queue_t;

/** What giving places needs beside the queue. */
typedef struct rp_giver_t {
    rp_queue_t *queue;
    rp_state_t *state;
    rp_method_fn method;
    apr_time_t now;      /* rp_now() */
    apr_uint64_t random;
    /* Under the lock: the member of the slot is in use by this process (one of its waiters); */
    void (*count)(void *data, unsigned row, unsigned slot);
    /* whose waiter has news. */
    void (*wake)(void *data, unsigned row);
    void *data;
} rp_giver_t;

/** Bytes of shared memory. */
apr_size_t rp_queue_size(unsigned length);

/** Make a queue in memory of zeros. @return 0 or an errno */
int rp_queue_init(rp_queue_t *queue, unsigned length);

/** Does anybody wait? Called behind freeing a place; then rp_queue_give() is due. */
int rp_queue_is_waited(const rp_queue_t *queue);

/** Give what places there are to those who wait. */
void rp_queue_give(rp_giver_t *giver);

/**
 * Get a place, or join.
 * @param wish      gets its ticket with RP_TURN_WAITS
 * @param may_wait  0: a place that there is, or none
 * @param row    of the process
 * @param slot   out, with RP_TURN_GIVEN: the member that is entered (and not yet counted for the process)
 * @param trial  out, likewise: as in rp_pick_t
 * @param entry  out, with RP_TURN_WAITS: to call rp_queue_leave() with whatever happens
 * @return RP_TURN_GIVEN, RP_TURN_WAITS, RP_TURN_NOBODY, or RP_TURN_FULL
 */
rp_turn_e rp_queue_join(rp_giver_t *giver, rp_wish_t *wish, int may_wait, unsigned row, unsigned *slot, int *trial,
                        unsigned *entry);

/** Has its turn come? Without the lock. */
int rp_queue_is_due(const rp_queue_t *queue, unsigned entry);

/**
 * End to wait.
 * @param client_gone  why, when its turn has not come
 * @return RP_TURN_GIVEN with slot and trial: the place is the caller's; RP_TURN_NOBODY; RP_TURN_WAITS: it has not come
 */
rp_turn_e rp_queue_leave(rp_giver_t *giver, unsigned entry, int client_gone, unsigned *slot, int *trial);

/** A process is gone: so are those of it who waited. Their places are the caller's to take back, before. */
void rp_queue_forget(rp_giver_t *giver, unsigned row);

/** Microseconds that the first one has waited; 0 when nobody does. */
apr_interval_time_t rp_queue_age(rp_queue_t *queue, apr_time_t now);

/** A copy of what is counted, and how many wait now. */
rp_queue_counts_t rp_queue_count(rp_queue_t *queue, unsigned *waiting);

#endif

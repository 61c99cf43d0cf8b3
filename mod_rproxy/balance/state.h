/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the processes of a host share of a pool and its members, as plain memory: no httpd, no clock, no sockets.
 *
 * A pool has a fixed number of slots, each of which may hold a member.  Everything that requests touch is an integer
 * read and written by atomics; nothing in it is ever torn, and what is a moment old does no harm.  Those who change which
 * members there are, or their weights, hold rp_pool_shared_t's lock and call rp_state_plan() before they let go.
 */
#ifndef RP_STATE_H
#define RP_STATE_H

#include <pthread.h>
#include <apr.h>
#include <apr_time.h>

#include "balance/budget.h"
#include "balance/eject.h"
#include "balance/quantile.h"

/** Priorities: 0 is asked first. */
#define RP_LEVELS 4
/** Entries of a table for consistent hashing. */
#define RP_TABLE_SIZE 65536
#define RP_NOBODY 0xffff
#define RP_MAX_SLOTS 4096
#define RP_MAX_WEIGHT 256

#define rp_get(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define rp_put(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)
#define rp_add(field, n) __atomic_add_fetch(&(field), n, __ATOMIC_RELAXED)

typedef enum rp_origin_e {
    RP_SLOT_FREE,
    RP_SLOT_CONFIGURED,
    RP_SLOT_ADDED,      /* at run time */
    RP_SLOT_DISCOVERED, /* an address of a name */
    RP_SLOT_REMOVED,    /* at run time, from what is configured */
    RP_SLOT_NAME        /* no member, but a configured name that members are found by */
} rp_origin_e;

typedef enum rp_admin_e {
    RP_ADMIN_ENABLED,
    RP_ADMIN_DRAINING,  /* finishes what it has, sticky sessions included */
    RP_ADMIN_DISABLED   /* gets nothing */
} rp_admin_e;

/** Why a member is left out. */
typedef enum rp_out_e {
    RP_OUT_NOT,
    RP_OUT_CONNECT,  /* it took no connection */
    RP_OUT_FAILURES, /* connections that ended, or time that ran out, before a response */
    RP_OUT_ERRORS,   /* 5xx in a row */
    RP_OUT_OUTLIER   /* more of them than the others have */
} rp_out_e;

/** What the active checks say. */
typedef enum rp_check_e {
    RP_CHECK_NONE, /* nothing yet: it counts as up */
    RP_CHECK_UP,
    RP_CHECK_DOWN
} rp_check_e;

/** How an exchange with a member ended. */
typedef enum rp_outcome_e {
    RP_OUTCOME_OK,      /* a response below 500 */
    RP_OUTCOME_ERROR,   /* 5xx */
    RP_OUTCOME_CONNECT, /* no connection */
    RP_OUTCOME_RESET,   /* it ended before a response's head, or that was nonsense */
    RP_OUTCOME_TIMEOUT,
    RP_OUTCOMES
} rp_outcome_e;

#define RP_CHECK_CAUSE 128

/** A member. In lines of 64 bytes: what picks read, what each request writes, what is looked at rarely. */
typedef struct rp_slot_t {
    apr_uint32_t origin;     /* rp_origin_e */
    apr_uint32_t generation; /* grows when another member takes the slot */
    apr_uint32_t admin;      /* rp_admin_e */
    apr_uint32_t weight;     /* 0 to RP_MAX_WEIGHT; 0: nothing but sticky sessions */
    apr_uint32_t level;      /* below RP_LEVELS */
    apr_uint32_t max;        /* exchanges at a time; 0: no bound */
    apr_uint32_t check;      /* rp_check_e */
    apr_uint32_t out;        /* rp_out_e */
    apr_int64_t out_until;   /* rp_now(): it is left out until then, then tried by one request; 0: it is in */
    apr_int64_t back_since;  /* since when it gets a growing share; 0: it has the whole */
    apr_int64_t retry;       /* microseconds: of RProxyMember */
    apr_uint64_t id;         /* rp_slot_id() */

    apr_uint32_t inflight __attribute__((aligned(64))); /* exchanges now */
    apr_uint32_t streak;     /* failures in a row, without a response */
    apr_uint32_t errors;     /* 5xx in a row */
    apr_uint32_t ejections;  /* in a row: the next one lasts so many times as long */
    apr_uint64_t latency;    /* see rp_latency_add() */
    apr_uint32_t window_ok;  /* in the interval under way */
    apr_uint32_t window_bad;

    apr_uint32_t conf_weight __attribute__((aligned(64))); /* what weight was configured */
    apr_uint64_t picked;
    apr_uint64_t outcomes[RP_OUTCOMES];
    apr_uint64_t ejected;    /* how often */
    apr_int64_t changed;     /* when it was last taken out or back, or its trial failed */
    apr_int64_t tried;       /* when its last trial began */
    apr_uint32_t last_ok;    /* of the last whole interval */
    apr_uint32_t last_bad;
    apr_uint32_t check_streak;  /* checks in a row that have said otherwise than check; of those who check */
    apr_int64_t checked;        /* rp_now() at the end of the last one; 0: never */
    char check_cause[RP_CHECK_CAUSE]; /* why the last that failed did; its last byte is always 0, it may be torn */
} rp_slot_t;

/** Members of one priority. */
typedef struct rp_level_t {
    apr_uint32_t ticket __attribute__((aligned(64))); /* the next place in its sequence */
    apr_uint32_t length __attribute__((aligned(64))); /* of its sequence; 0: nobody */
    apr_uint32_t members; /* enabled ones, with a weight */
    apr_uint32_t in;      /* those of them that are neither down nor ejected, when last counted */
    apr_uint32_t panic;   /* ejections count for nothing */
    apr_uint32_t sharing; /* those that share the requests: those that are in, or all members when none is */
    apr_uint32_t weight;  /* theirs together */
} rp_level_t;

typedef struct rp_pool_shared_t {
    pthread_mutex_t lock; /* robust; of those who change which members there are */
    apr_uint32_t version; /* grows with each change */
    apr_int64_t reviewed; /* rp_now() */
    apr_uint64_t requests;
    apr_int64_t told;     /* rp_now(): when it was last logged that nobody can be used */
    apr_uint32_t inflight __attribute__((aligned(64))); /* of all members, where a bound on load wants it */
    rp_level_t levels[RP_LEVELS];
    rp_budget_t budget __attribute__((aligned(64)));
    rp_quantile_t latencies __attribute__((aligned(64))); /* with RProxyHedge: of requests that may be hedged */
} rp_pool_shared_t;

/** A pool's shared memory as one process sees it. */
typedef struct rp_state_t {
    rp_pool_shared_t *shared;
    rp_slot_t *slots;
    unsigned nslots;
    unsigned nlevels;                     /* that have room for members: those of the configuration */
    apr_uint16_t *sequences[RP_LEVELS];   /* turns: each member in proportion to its weight, spread out */
    apr_uint16_t *tables[RP_LEVELS];      /* RP_TABLE_SIZE slots or RP_NOBODY; NULL without hashing */
    const rp_eject_conf_t *eject;
    unsigned bound;                       /* of a hashing pool: percent of its share that a member may have; 0: none */
} rp_state_t;

/** What a choice depends on. */
typedef struct rp_pick_t {
    apr_time_t now;             /* rp_now() */
    apr_uint64_t random;        /* fresh bits */
    apr_uint64_t hash;          /* of what the request is hashed by */
    void *context;              /* for a method that needs more than this */
    const unsigned char *tried; /* a byte per slot: nonzero for those to pass over; NULL for none */
    int may_try;                /* the request may find out whether a member that was out is back */
    int eager;                  /* nobody else of the level is left: slow starts count for nothing */
    int reluctant;              /* out: somebody was passed over for a slow start */
    int session;                /* the request has a session with whom is asked: one that drains or comes back takes it */
    int last_resort;            /* nobody else is left: 1: whoever might answer will do; 2: whoever may be back by now */
    int trial;                  /* out: the one that was picked has yet to prove itself */
    int full;                   /* out: somebody was passed over for having as many exchanges as it may */
} rp_pick_t;

/** Bytes of shared memory for a pool. */
apr_size_t rp_state_size(unsigned nslots, unsigned nlevels, int hashing);

/**
 * Find the parts of a pool in mem, which is aligned to 64 bytes, outlives the state and is zeros when it is new.
 * @param eject  outlives the state
 */
void rp_state_map(rp_state_t *state, void *mem, unsigned nslots, unsigned nlevels, int hashing,
                  const rp_eject_conf_t *eject);

/** Make the sequences and tables anew from slots and weights. Holding the lock, or before others see the memory. */
void rp_state_plan(rp_state_t *state);

/** Make the lock: robust, between processes. @return 0 or an errno */
int rp_state_lock_init(rp_state_t *state);

/** For whoever changes which members there are; a holder that died is no obstacle. */
void rp_state_lock(rp_state_t *state);
void rp_state_unlock(rp_state_t *state);

/** Count who is in, level by level, and see who has to panic. */
void rp_state_count(rp_state_t *state);

/** What may be said of a member to a request. */
typedef enum rp_fitness_e {
    RP_UNFIT,
    RP_FIT,
    RP_ON_TRIAL  /* it was out; whoever takes it must have rp_slot_try() */
} rp_fitness_e;

rp_fitness_e rp_slot_fitness(const rp_state_t *state, unsigned i, rp_pick_t *pick);

/** Take the member if it is usable, and with it, if it is on trial, the trial: one request has that, for some seconds. */
int rp_slot_take(rp_state_t *state, unsigned i, rp_pick_t *pick);

/** Neither down nor ejected. */
int rp_slot_in(const rp_slot_t *slot);

/** The slot holds a member. */
int rp_slot_holds(const rp_slot_t *slot);

/**
 * How a pool chooses among a level's members: by its sequence or table.  Of members that it considers it takes one by
 * rp_slot_take().
 * @return the slot; -1 when it found none, which may be a matter of luck: all are tried then
 */
typedef int (*rp_method_fn)(rp_state_t *state, unsigned level, rp_pick_t *pick);

/** Smooth weighted round robin, exact over all processes. */
int rp_method_round_robin(rp_state_t *state, unsigned level, rp_pick_t *pick);

/**
 * Choose a member: of the first level that has a usable one, by the method.
 * @return the slot; -1 for nobody: then pick->full says whether waiting is of use
 */
int rp_state_pick(rp_state_t *state, rp_method_fn method, rp_pick_t *pick);

/** Count one more exchange with the member. @return 0 when it has as many as it may */
int rp_slot_enter(rp_slot_t *slot);
void rp_slot_leave(rp_slot_t *slot);

/** The same, counted for the pool as well. */
int rp_state_enter(rp_state_t *state, unsigned i);
void rp_state_leave(rp_state_t *state, unsigned i);

/** What a report came to. */
typedef enum rp_news_e {
    RP_NEWS_NONE,
    RP_NEWS_OUT,  /* the member is left out from now on: slot->out says why */
    RP_NEWS_STILL, /* its trial has failed */
    RP_NEWS_BACK
} rp_news_e;

/**
 * Tell how an exchange ended.
 * @param trial    it was the member's trial
 * @param latency  microseconds from the request to the response's head; for failures, until then
 */
rp_news_e rp_state_report(rp_state_t *state, unsigned i, rp_outcome_e outcome, int trial, apr_interval_time_t latency,
                         apr_time_t now);

/**
 * The member's checks have found something else than before.  One that comes back starts slowly, and whatever was in the
 * way of connections is gone.
 */
void rp_state_check(rp_state_t *state, unsigned i, rp_check_e found, apr_time_t now);

/**
 * To be called about once a second by one process: ends intervals, takes outliers out, counts.
 * @param ejected  called for each member that is taken out; may be NULL
 */
void rp_state_review(rp_state_t *state, apr_time_t now, void (*ejected)(void *data, unsigned i, rp_out_e why), void *data);

/**
 * Moving average of latency over time, in one word, for which writers race without harm.  It rises faster than it
 * falls, and falls when nothing is heard of a member: so one that was slow is asked again by and by.
 */
void rp_latency_add(apr_uint64_t *latency, apr_interval_time_t sample, apr_time_t now);
/** The same for a request that failed after sample microseconds: it counts as a slow one. */
void rp_latency_add_failure(apr_uint64_t *latency, apr_interval_time_t sample, apr_time_t now);
/** @return microseconds, decayed to now; 0: nothing is known */
float rp_latency_get(apr_uint64_t latency, apr_time_t now);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The shared memory of all pools of a host: made at each start and restart, before children are there.
 *
 * What the one before knew of a pool's members (by the pool's name and the member's URL) is copied: a drained member
 * stays drained, a down one down.  Children of the old generation finish with the old memory.
 */
#ifndef RP_ARENA_H
#define RP_ARENA_H

#include <httpd.h>

#include "balance/queue.h"
#include "balance/state.h"
#include "config/config.h"
#include "status/histogram.h"
#include "upstream/conn.h"

#define RP_MEMBER_TEXT_MAX 512
#define RP_AUTHORITY_MAX 272

/** What is said of a member beside what picks need. Written holding the pool's lock, or before others see it. */
typedef struct rp_slot_info_t {
    char url[RP_MEMBER_URL_MAX];
    char text[RP_MEMBER_TEXT_MAX]; /* options of one added at run time, as behind RProxyMember */
    rp_addresses_t addresses;      /* of its host's name; see rp_addresses_get() */
    rp_tls_tally_t tls;            /* touched with atomics alone, as latencies and recent */
    char connect_cause[RP_CHECK_CAUSE]; /* why the last connection that failed did; as check_cause of the slot */
    rp_histogram_t latencies;      /* from request to response, since the member is known, */
    rp_quantile_t recent;          /* and of the last minute */
    char authority[RP_AUTHORITY_MAX]; /* of one that was found by a name: what its Host field says */
    apr_uint32_t parent;           /* the slot of that name */
    apr_uint32_t gone;             /* the name does not lead to it any more: it ends when nothing is under way */
} rp_slot_info_t;

/** A pool's part. */
typedef struct rp_region_t {
    char name[RP_POOL_NAME_MAX];
    apr_uint32_t nslots;
    apr_uint32_t nlevels;
    apr_uint32_t hashing;
    apr_uint32_t first_slot; /* of all pools' slots counted through */
    apr_size_t infos;        /* offsets in the arena */
    apr_size_t state;
    apr_size_t queue;
} rp_region_t;

/** A child's exchanges under way, so that those of one that died can be taken back. */
typedef struct rp_row_t {
    apr_int64_t pid;         /* 0: free */
    apr_uint32_t bell;       /* grows when a request of it that waits has news */
    apr_uint32_t inflight[]; /* by slots of all pools counted through */
} rp_row_t;

typedef struct rp_arena_t rp_arena_t;

/** What a pool needs. */
typedef struct rp_region_want_t {
    const char *name;
    unsigned nslots;
    unsigned nlevels;
    int hashing;
    unsigned queue_length;
} rp_region_want_t;

/**
 * Make the memory for n pools, zeros, in the process's own pool: it outlives the configuration.
 * @param nrows     children at a time
 * @param previous  out: the arena before this one, to copy from, or NULL; release it by rp_arena_release()
 * @return NULL with *rv set
 */
rp_arena_t *rp_arena_create(apr_pool_t *process_pool, const rp_region_want_t *want, unsigned n, unsigned nrows,
                            rp_arena_t **previous, apr_status_t *rv);

void rp_arena_release(rp_arena_t *arena);

/** The part of a pool, or NULL. */
rp_region_t *rp_arena_region(const rp_arena_t *arena, const char *name);
rp_slot_info_t *rp_arena_infos(const rp_arena_t *arena, const rp_region_t *region);
void *rp_arena_state(const rp_arena_t *arena, const rp_region_t *region);
rp_queue_t *rp_arena_queue(const rp_arena_t *arena, const rp_region_t *region);

/** In a child: its row; NULL when there are more children than anybody said. */
rp_row_t *rp_arena_claim_row(rp_arena_t *arena, apr_int64_t pid);

/** Rows have numbers. */
rp_row_t *rp_arena_row(const rp_arena_t *arena, unsigned number);
unsigned rp_arena_row_number(const rp_arena_t *arena, const rp_row_t *row);

/** The row of a child that is gone, to be cleared by whoever asks; or NULL. */
rp_row_t *rp_arena_row_of(rp_arena_t *arena, apr_int64_t pid);

#endif

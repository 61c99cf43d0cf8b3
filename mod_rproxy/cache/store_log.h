/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a host's local store remembers of the farm's log of purges: how far the host has read, which stamps the orders
 * that it read have got there, and its own orders, until they are in the log for certain.  All of it survives restarts
 * and killed processes, as the entries do that it is about.
 *
 * farm_log.c writes the log, farm_follow.c reads it; farm_position.h is what this comes to for everybody else.
 */
#ifndef RP_STORE_LOG_H
#define RP_STORE_LOG_H

#include "cache/farm_position.h"
#include "cache/order.h"
#include "cache/store.h"

/** Orders that are taken from the log together. */
#define RP_LOG_BATCH 256

/** How long own orders are kept that have been seen in the log, in case that it loses its end. */
#define RP_LOG_KEEP apr_time_from_sec(600)

typedef struct rp_log_state_t {
    rp_position_t position; /* read and carried out up to there */
    int is_new;             /* nothing of this log was ever read */
} rp_log_state_t;

/**
 * How far this host is.
 * @param log  which log it is: any text; what was known of another one counts no more, and all entries are in doubt
 */
apr_status_t rp_log_open(rp_store_t *local, const char *log, rp_log_state_t *state);

/** Without opening it, for who did that before. */
apr_status_t rp_log_state(rp_store_t *local, rp_log_state_t *state);

/** Begin with a log of which nothing was read: all behind base is going to be. @param from  where to read from */
apr_status_t rp_log_begin(rp_store_t *local, rp_position_t from, rp_position_t base);

/** An order as it was found in the log. */
typedef struct rp_log_order_t {
    rp_position_t at;
    rp_str_t bytes;         /* .len 0: it cannot be read, and only takes its place */
    rp_order_id_t id;
    rp_purge_order_t order;
    int is_own;             /* out of rp_log_expect(): it was carried out here already */
} rp_log_order_t;

/** These are going to be carried out: at most RP_LOG_BATCH, in the log's order. Doing it again does no harm. */
apr_status_t rp_log_expect(rp_store_t *local, rp_log_order_t *orders, int n);

/** They have been. @param last  the position of the last one */
apr_status_t rp_log_applied(rp_store_t *local, rp_position_t last);

/**
 * The log may have lost orders that this host has not seen.  Everything in the store is in doubt from now on, own orders
 * that were in the log are to be sent again, and of what was fetched before base nobody can tell any more.
 * @param from  where to read on
 */
apr_status_t rp_log_lost(rp_store_t *local, rp_position_t from, rp_position_t base);

/** The newest positions that were read, newest first. @return how many, at most max */
int rp_log_last(rp_store_t *local, rp_position_t *positions, int max);

/* ------------------------------------------------------------------ own orders */

/** One that is to get into the log. */
typedef struct rp_log_own_t {
    uint64_t number;
    rp_str_t bytes; /* as rp_order_encode() has them */
} rp_log_own_t;

/**
 * Note an order before it is carried out.  When there are too many that are not in the log, one that puts everything in
 * doubt takes their place.
 * @param own  in p
 */
apr_status_t rp_log_own_add(rp_store_t *local, apr_pool_t *p, const rp_purge_order_t *order, rp_log_own_t *own);

/** It is carried out here, and about to be sent. */
apr_status_t rp_log_own_sent(rp_store_t *local, uint64_t number);

/** It could not be sent, or nobody knows. */
apr_status_t rp_log_own_kept(rp_store_t *local, uint64_t number);

/**
 * Those that are to be sent, oldest first: what could not be, and what was but has not been seen in the log in time.
 * @return how many, at most max
 */
int rp_log_own_waiting(rp_store_t *local, apr_pool_t *p, apr_time_t now, rp_log_own_t *own, int max);

/** Forget those that have been in the log for RP_LOG_KEEP; some of them. */
apr_status_t rp_log_own_forget(rp_store_t *local, apr_time_t now);

/* ------------------------------------------------------------------ what farm_position.h says of this store */

rp_position_t rp_log_position_of(rp_store_t *local, uint64_t stamp);
uint64_t rp_log_stamp_of(rp_store_t *local, rp_position_t position);

#endif

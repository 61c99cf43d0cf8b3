/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the files on the farm's log share; private to them (farm_log.c, farm_follow.c). */
#ifndef RP_FARM_SHARED_H
#define RP_FARM_SHARED_H

#include "cache/farm_doubt.h"
#include "cache/farm_fetch.h"
#include "cache/farm_log.h"
#include "cache/store_log.h"
#include "farm/host.h"

/** In memory that all children share, those of the next configuration too. */
typedef struct rp_farm_shared_memory_t {
    rp_doubt_t doubt;
    uint64_t logged;  /* own orders that were written to the log */
    uint64_t applied; /* orders of others that were carried out */
    uint64_t refused; /* what stands in the log and is none that we can trust */
    uint64_t losses;  /* how often the log had lost orders */
    rp_fetched_t fetched;
} rp_farm_shared_memory_t;

/** Orders that stay in the log, about; and for how long. */
#define RP_LOG_LENGTH "65536"
#define RP_LOG_AGE apr_time_from_sec(24 * 60 * 60)

/** The log's key in Redis. */
rp_str_t rp_farm_log_key(void);

/** The key of the stream that tells of fetches. */
rp_str_t rp_farm_fetch_key(void);

/** The words of a command that appends to the log: 8 of them. @param id  "*", or the position to be at */
#define RP_LOG_APPEND 8
void rp_farm_log_append(rp_str_t words[RP_LOG_APPEND], const char *id, rp_str_t bytes);

/** An order's bytes as they are written to the log: sealed, if there is a secret. @return .len is 0 when that fails */
rp_str_t rp_farm_log_seal(apr_pool_t *p, rp_str_t order);

/** And back. @return 0 when it is none of ours */
int rp_farm_log_unseal(apr_pool_t *p, rp_str_t sealed, rp_str_t *order);

/** Write an order to the log. @param position  out, when it is there */
int rp_farm_log_write(apr_pool_t *p, rp_str_t order, const char *id, rp_position_t *position);

/** A thread of this process follows the log from now on, when none does. By mod_watchdog, in one child of a host. */
void rp_follow_start(server_rec *main_server, rp_store_t *local, rp_farm_shared_memory_t *shared);

/** The thread ends; it has, when this returns, and does not begin again. */
void rp_follow_stop(void);

/** In each child, before the thread may begin. */
void rp_follow_child_init(void);

#endif

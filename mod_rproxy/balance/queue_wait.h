/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the files of balance/ need of a pool's queue. */
#ifndef RP_QUEUE_WAIT_H
#define RP_QUEUE_WAIT_H

#include "balance/balance.h"

/** In a child: word is that of its row, which others ring. */
void rp_queue_child_init(unsigned *word, apr_pool_t *p, server_rec *main_server);

/** A process is gone, and its uses have been taken back: nobody in it waits any more. */
void rp_pool_forget_row(rp_pool_t *pool, unsigned row);

/**
 * Get a place with a member when there is none, or others wait: after them, and not later than the pool's RProxyQueue
 * says.
 * @param pick    what the choice depends on: tried, hash, may_try
 * @param wanted  this slot alone, or -1 for any
 * @return RP_CHOSEN with choice filled, as of rp_pool_choose()
 */
rp_chosen_e rp_pool_queue(rp_request_t *rq, rp_pool_t *pool, const rp_pick_t *pick, int wanted, rp_choice_t *choice);

/** pool.c: the row of a process; the number of this one's, or -1; and counting an entered member for it. */
rp_row_t *rp_balance_row(unsigned number);
int rp_balance_own_row(void);
void rp_member_count(const rp_member_t *member);

#endif

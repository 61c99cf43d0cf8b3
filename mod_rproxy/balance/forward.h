/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What forward.c and hedge.c share: a request on its way from member to member. */
#ifndef RP_FORWARD_H
#define RP_FORWARD_H

#include "balance/balance.h"
#include "upstream/upstream.h"

typedef struct rp_forward_t {
    rp_request_t *rq;
    rp_pool_t *pool;
    unsigned char *tried;    /* a byte per slot */
    rp_choice_t choice;      /* the member that has it */
    const rp_retry_on_t *on;
    int attempts;            /* how many members may have seen it, at most */
    int seen;                /* how many have */
    int may_repeat;          /* it may be sent to a member when another may have acted on it */
    apr_interval_time_t patience; /* for one member; 0: no bound but the usual ones */
    int may_hedge;           /* and to two at a time */
    int early;               /* the last member was one that nobody would have been sent to yet */
} rp_forward_t;

/** Name the member that the request is with, in notes and for log lines. */
void rp_forward_name(rp_forward_t *f);

/** The same, and count the attempt. */
void rp_forward_use(rp_forward_t *f);

/** Are there members that have not been tried? */
int rp_forward_anybody_left(const rp_forward_t *f);

/** For the member's record: what its exchange, over up to the response's head, came to. */
void rp_forward_report(rp_forward_t *f, rp_exchange_e e);

/** How long a request's first member has before a second one is asked, too; 0: as long as it likes. */
apr_interval_time_t rp_hedge_delay(const rp_forward_t *f);

/** rp_exchange() with the one, and after the delay with a second one, too; f->choice is then the one that answered. */
rp_exchange_e rp_hedge_exchange(rp_forward_t *f, apr_interval_time_t delay);

#endif

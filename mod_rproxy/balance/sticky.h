/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Sessions: requests that belong together go to one member.
 *
 * A request's session is looked for once, when a member is first chosen for it (rp_sticky_wanted), and lives in
 * rq->session.  When a member has answered, rp_sticky_answered() decides whether the session is with that one from now
 * on, and learns; rp_sticky_respond() tells the client, when the response is for this client alone.  Sessions whose
 * member is gone are given to another, or refused.
 */
#ifndef RP_STICKY_H
#define RP_STICKY_H

#include "balance/balance.h"

/** A pool's sessions, in each child process; NULL where the pool has none. */
typedef struct rp_sticky_t rp_sticky_t;

/** What is known of a request's session. */
typedef struct rp_session_t rp_session_t;

/** What rp_sticky_wanted() says of a request that may go to anybody. */
#define RP_STICKY_ANYBODY (-1)

/**
 * The slot of the member that the request's session is with, if it can be used or waited for; or RP_STICKY_ANYBODY.
 * @param pick  as for rp_state_pick(); out: as for rp_slot_take() of that member
 */
int rp_sticky_wanted(rp_request_t *rq, rp_pool_t *pool, rp_pick_t *pick);

/** Is the request's session with some member? */
int rp_sticky_is_known(const rp_request_t *rq);

/** The member of the request's session cannot be had. @return nonzero when the session may have no other */
int rp_sticky_insists(rp_request_t *rq);

/** Nobody was found because of that: tells so in rq->failure. @return 1 or 0 */
int rp_sticky_refused(rp_request_t *rq, rp_pool_t *pool);

/** A member has answered, with rq->response. */
void rp_sticky_answered(rp_request_t *rq, const rp_member_t *member);

/** The response goes to the client who has asked: the cookie, where one is due. Behind rp_respond(). */
void rp_sticky_respond(rp_request_t *rq);

/* ------------------------------------------------------------------ sticky_memory.c: in the parent, at start */

/**
 * What outlives a configuration: the secret, and for each pool that learns, its table.  Begin, take tables, and end,
 * which frees those that nobody has taken.
 * @return an APR error when there are no random bytes
 */
apr_status_t rp_sticky_memory_begin(apr_pool_t *process_pool);
/** 32 bytes. */
rp_str_t rp_sticky_memory_secret(void);
struct rp_learned_t *rp_sticky_memory_table(const char *pool, unsigned sessions, apr_status_t *rv);
void rp_sticky_memory_end(void);

/* ------------------------------------------------------------------ sticky_names.c: what members are called */

/** Prepare a pool's sessions as its configuration says. @return APR_SUCCESS, also where it says nothing */
apr_status_t rp_sticky_init(rp_pool_t *pool, apr_pool_t *p);

struct rp_sticky_t {
    const rp_sticky_conf_t *conf;
    rp_str_t secret;
    struct rp_learned_t *learned; /* with learn= */
    pthread_rwlock_t lock;        /* of what follows, which is made anew when the pool's members change */
    apr_uint32_t version;         /* of the pool's shared state that it was made of */
    char (*names)[RP_ROUTE_MAX + 1]; /* by slots: tokens, routes or ids; "" for none */
    apr_uint32_t *generations;    /* of the slots that they were made for */
    apr_uint16_t *index;          /* slots by hashes of their names, RP_NOBODY */
    apr_uint32_t mask;            /* its size less one */
};

/** With learn=, names are slots' ids, written so. */
#define RP_STICKY_ID "%016" APR_UINT64_T_HEX_FMT

/** The slot of the member with a name, or -1. */
int rp_sticky_find(rp_pool_t *pool, rp_str_t name);

/** A member's name. */
const char *rp_sticky_name(rp_pool_t *pool, unsigned slot, apr_pool_t *p);

#endif

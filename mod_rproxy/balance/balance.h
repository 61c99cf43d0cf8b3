/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * balance/: pools, members, and which member gets a request.
 *
 * A member is a slot of its pool: what all child processes must agree on lies in shared memory (state.h, arena.h) and is
 * touched with atomics alone; what a child has for itself, its connections, lies beside it (rp_member_t).
 */
#ifndef RP_BALANCE_H
#define RP_BALANCE_H

#include "balance/arena.h"
#include "balance/state.h"
#include "request.h"
#include "upstream/conn.h"

struct rp_pool_t;

typedef struct rp_member_t {
    rp_peer_t peer;          /* first: rp_peer_t's leave() finds the member by it */
    struct rp_pool_t *pool;
    unsigned index;          /* of its slot */
    rp_slot_t *slot;
    rp_slot_info_t *info;
    apr_uint32_t generation; /* of the slot, for which peer was made; 0: none yet */
    apr_pool_t *p;           /* peer's, of a member added at run time */
    int held;                /* by so many who use peer without an exchange */
    int broken;              /* peer could not be made */
} rp_member_t;

typedef struct rp_pool_t {
    const rp_pool_conf_t *conf;
    rp_state_t state;
    rp_queue_t *queue;    /* of those that wait for a member that is not busy; shared */
    rp_method_fn method;
    struct rp_sticky_t *sticky; /* its sessions, or NULL */
    rp_member_t *members; /* state.nslots */
    struct rp_source_t *sources; /* as many: what the process that runs the keeper has of their names (discover.c) */
    unsigned first_slot;  /* of all pools' slots counted through */
} rp_pool_t;

/** What became of a choice. */
typedef enum rp_chosen_e {
    RP_CHOSEN_NOBODY,
    RP_CHOSEN,
    RP_CHOSEN_REFUSED, /* all were busy for too long: rp_pool_refused() is due, unless there is another answer */
    RP_CHOSEN_GONE     /* the client did not wait */
} rp_chosen_e;

/** A member that a request was given. */
typedef struct rp_choice_t {
    rp_chosen_e how;
    rp_member_t *member;
    int trial;        /* the request finds out whether it is back, */
    int early;        /* before its time, since there is nobody else */
    int reported;
    apr_uint32_t generation; /* of the slot */
    const char *url;  /* the request's, once it has a connection or tries to have one */
    apr_time_t began; /* rp_now() */
} rp_choice_t;

/**
 * Make the pools of all servers: addresses, TLS, shared memory. In the parent process, at start.
 * @return OK, or an HTTP error after logging why
 */
int rp_balance_init(apr_pool_t *pconf, server_rec *main_server);

/** In each child. */
void rp_balance_child_init(apr_pool_t *p, server_rec *main_server);

/** In the parent: a child is gone, and with it what it had under way. */
void rp_balance_child_gone(server_rec *main_server, apr_int64_t pid);

/** Nonzero when the request may find out for others whether a member is back: it can be given to another if not. */
int rp_is_safe_method(const request_rec *r);

/**
 * Choose the member for a request's next try, and count it as in use. Waits while members are busy (RProxyQueue).
 * @param tried  a byte per slot, nonzero for those to pass over
 * @return 1, then rp_choice_leave() is due unless a connection carries it (rp_choice_carry); 0 when there is nobody, for
 *         the reason in choice->how
 */
int rp_pool_choose(rp_request_t *rq, rp_pool_t *pool, const unsigned char *tried, rp_choice_t *choice);

/** The same, but without waiting: 0 also when all are busy. */
int rp_pool_choose_free(rp_request_t *rq, rp_pool_t *pool, const unsigned char *tried, rp_choice_t *choice);

/**
 * The pool's method, with what it needs to know of the request put into pick.  Requests without the header or cookie
 * that a pool hashes by are balanced by p2c.
 */
rp_method_fn rp_method_for(rp_request_t *rq, rp_pool_t *pool, rp_pick_t *pick);

/**
 * Count a member's use, and see that its peer is that of the slot's member.
 * @return 0 when it has as many as it may, was removed, or cannot be made
 */
int rp_member_enter(rp_member_t *member);
void rp_member_leave(rp_member_t *member);

/** The request's connection ends the member's use when it is parked or closed; */
void rp_choice_carry(const rp_choice_t *choice, rp_conn_t *conn);
/** or, after this, not any more. */
void rp_choice_keep(const rp_choice_t *choice, rp_conn_t *conn);
void rp_choice_leave(const rp_choice_t *choice);

/** Tell how the try ended: the member may be left out for it, or be back. Logs what changes; only the first report counts. */
void rp_choice_report(const rp_request_t *rq, rp_choice_t *choice, rp_outcome_e outcome);

/** Nobody was chosen since all are busy: tell so in the log, in notes and fields, with a Retry-After. @return the status */
int rp_pool_refused(rp_request_t *rq, const rp_pool_t *pool);

/** Members may have places that they had not: one came back, was enabled, or its max= grew. Those who wait get them. */
void rp_pool_wake(rp_pool_t *pool);

/** Seconds (at least 1) until the first member that is out may be tried again. */
int rp_pool_retry_after(const rp_pool_t *pool, apr_time_t now);

/** What a reason is called in logs and status data. */
const char *rp_out_name(rp_out_e why);

/** Random bits, fast and for no secrets. */
apr_uint64_t rp_random(void);

/** Call fn for each pool of all servers once. */
void rp_each_pool(apr_pool_t *p, server_rec *main_server, void (*fn)(rp_pool_conf_t *conf, server_rec *s, void *data),
                  void *data);

/** Periodic work of one process per host: keeper.c. */
void rp_keeper_init(apr_pool_t *pconf, server_rec *main_server);

/** Nonzero when there is such a process. */
int rp_keeper_runs(void);

/**
 * Send the request to members of its route's pool until one answers with the head of a final response, which is then in
 * rq->response. Interim responses have gone to the client.
 * @return OK; DONE when the request is over (tunnelled, client gone); or an HTTP error, told in rq->failure and logged
 */
int rp_forward(rp_request_t *rq);

/** The client did not send the request as it should have, or is gone: what a handler returns of that. */
int rp_client_failed(rp_request_t *rq);

#endif

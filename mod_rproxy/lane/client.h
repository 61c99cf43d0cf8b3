/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A client's connection that a lane has, or may get; for the files of this room that know httpd. */
#ifndef RP_CLIENT_H
#define RP_CLIENT_H

#include <httpd.h>
#include <http_connection.h>
#include <scoreboard.h>
#include <util_filter.h>

#include "lane/loop.h"

struct rp_client_t;

/** One lane of this child, with what is httpd's about it. */
typedef struct rp_home_t {
    rp_lane_t *lane;
    apr_thread_t *thread;
    unsigned load;               /* connections given to it; atomic */
    int stopping;                /* no connection stays idle; the lane's own */
    int must_stop;               /* what child_stopping says: 1 gracefully, 2 at once; atomic */
    rp_task_t stop_task;
    struct rp_client_t *clients; /* the lane's own */
} rp_home_t;

typedef struct rp_client_t {
    conn_rec *c;
    int fd;
    rp_home_t *home;             /* NULL: a worker has it */
    struct rp_client_t *next, **link;
    rp_task_t task;
    rp_watch_t watch;            /* while no coroutine has it */
    rp_waitee_t waitee;
    int is_idle;
    apr_time_t idle_until;       /* rp_now() */
    apr_interval_time_t keep_alive; /* how long it may wait for the next request */

    /* Input: what was read and not asked for yet, from malloc(); NULL: nothing. */
    char *ahead;
    apr_size_t ahead_len;
    int is_drained;              /* the last read took all there was */
    apr_bucket_brigade *line;    /* what came of one that is waited for; NULL: there was none yet */

    apr_size_t unsent;           /* bytes, at most, that the network's filter has put aside */
    apr_bucket_brigade *rest;    /* behind the piece that it is given */

    /* The worker that gave it away, whose last touch must be over before the lane's first. */
    worker_score *giver;
    unsigned given;              /* rp_giver_count() when it did */
    unsigned tries;
    ap_sb_handle_t *counts;      /* where its requests are counted; NULL: not asked for yet */
} rp_client_t;

/** The client of a connection, or NULL when lanes have nothing to do with it. */
rp_client_t *rp_client_of(conn_rec *c);

/** How many connections the worker of this row of the scoreboard has given away. */
unsigned rp_giver_count(const worker_score *row);

/** On its lane, from the loop: it is ours from now on; its first request begins. */
void rp_client_begin(rp_client_t *client);

/** On its lane, from the loop: the child is to end, idle ones first; at_once: nobody waits for them. */
void rp_clients_stop(rp_home_t *home, int at_once);

/** input.c: put the network's bucket and our filters under a new connection. */
void rp_input_register(void);
void rp_input_add(rp_client_t *client);

/**
 * On its lane: read what there is into client->ahead, unless something is there already.
 * @return APR_SUCCESS, APR_EAGAIN, APR_EOF, or what the system says
 */
apr_status_t rp_client_fill(rp_client_t *client);

/** output.c */
void rp_output_register(void);
void rp_output_add(rp_client_t *client);

/** On a coroutine: have all of it written that filters have put aside. @return APR_TIMEUP after Timeout */
apr_status_t rp_client_drain(rp_client_t *client);

/** errand.c */
void rp_errand_register(int (*serves)(request_rec *r), const char *handler);

#endif

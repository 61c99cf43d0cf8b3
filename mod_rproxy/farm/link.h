/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the link is made of; private to farm/.
 *
 * A child process has nodes: servers by host and port, each with its idle connections.  The configured ones come first;
 * those that Sentinels or a cluster name are added as they become known, and their places are used again when nobody
 * needs them any more.  Breakers, figures and what has been logged lie in memory that all children share.
 *
 * farm->lock guards everything that changes; it is never held across a wait.  Who uses a node holds it (->users), so
 * that its place stays its own.
 */
#ifndef RP_LINK_H
#define RP_LINK_H

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include "farm/breaker.h"
#include "farm/farm.h"
#include "farm/redis_conn.h"
#include "farm/slots.h"

/** Servers that a child knows at a time. */
#define RP_FARM_NODES 64
/** Breakers that a host has room for. */
#define RP_FARM_BREAKERS 128
#define RP_NODE_NAME (RP_REDIS_HOST_MAX + 8)
#define RP_NODE_ADDRESSES 4
/** Idle connections kept to a server by a child, as many as a usual child has threads, and for how long. */
#define RP_NODE_KEEP 64
#define RP_NODE_IDLE apr_time_from_sec(60)

typedef struct rp_node_t {
    char name[RP_NODE_NAME]; /* "host:port", or a socket's path; "" when the place is free */
    char host[RP_REDIS_HOST_MAX];
    int port;
    int is_sentinel;
    int is_name;             /* the host is a name, which may come to mean something else */
    int is_stale;            /* it is to be looked up */
    apr_time_t looked_up;
    rp_address_t addresses[RP_NODE_ADDRESSES];
    int naddresses;
    unsigned users;
    rp_breaker_t *breaker;   /* shared, or own */
    rp_breaker_t own;
    rp_tls_t tls;            /* the farm's, with this host's name */
    rp_redis_conn_t *idle;   /* the one parked last, which is taken first */
    int nidle;
} rp_node_t;

/** Kinds of lines for the log. */
typedef enum rp_tell_e {
    RP_TELL_UNREACHED,
    RP_TELL_LOST,
    RP_TELL_NONSENSE,
    RP_TELL_AUTH,
    RP_TELL_OOM,
    RP_TELL_READONLY,
    RP_TELL_NOT_READY,
    RP_TELL_DENIED,
    RP_TELL_AGAIN,
    RP_TELL_MASTER,
    RP_TELL_NO_MASTER,
    RP_TELL_NO_MAP,
    RP_TELL_IS_CLUSTER,
    RP_TELL_KINDS
} rp_tell_e;

typedef struct rp_told_t {
    apr_int64_t next; /* rp_now() from which the next line is written */
    apr_uint32_t more; /* that were not */
} rp_told_t;

typedef struct rp_farm_shared_t {
    rp_farm_figures_t figures;
    rp_told_t told[RP_TELL_KINDS];
    rp_breaker_t search; /* of asking Sentinels, or for a cluster's map */
    rp_breaker_t breakers[RP_FARM_BREAKERS];
} rp_farm_shared_t;

struct rp_farm_t {
    const rp_farm_conf_t *conf;
    rp_farm_log_fn log;
    void *log_ctx;
    rp_tls_t *tls;
    rp_farm_shared_t *shared;
    apr_thread_mutex_t *lock;
    rp_node_t *nodes;      /* RP_FARM_NODES */
    int nseeds;            /* the configured ones, in the first places */
    int master;            /* Sentinels': a node's index, -1: not known */
    short *slots;          /* a cluster's: nodes' indexes by slot, -1: not known */
    int turn;              /* which seed is asked first */
    /* Atomics: */
    int doubt;             /* where things are may have changed */
    int searching;         /* a call is finding out */
    apr_int64_t searched;  /* when one last did */
    /* The thread that looks names up, once there is something to look up. */
    apr_pool_t *child_pool;
    apr_thread_t *resolver;
    apr_thread_cond_t *wake;
    int stop;
};

/** By when a call must be over: connecting moves the deadline on, never beyond the last. */
typedef struct rp_limit_t {
    apr_time_t deadline;
    apr_time_t last;
} rp_limit_t;

/** Bytes to send and replies to expect. */
typedef struct rp_visit_t {
    const char *bytes;
    size_t len;
    int n;
    apr_pool_t *p;
    rp_limit_t *limit;
    int insists; /* a search's: goes to a node that is left alone, too, since searches have a breaker of their own */
} rp_visit_t;

/* ---- node.c */

/** The configured servers. In the parent; looks names up. */
void rp_nodes_init(rp_farm_t *farm, apr_pool_t *p);
/** In a child: the lock, and what is to be done at its end. */
apr_status_t rp_nodes_child_init(rp_farm_t *farm, apr_pool_t *p);
/** A server that somebody has named, held. @return its index; -1 when there is no place */
int rp_node_find(rp_farm_t *farm, rp_str_t host, int port);
void rp_node_hold(rp_farm_t *farm, int index);
void rp_node_release(rp_farm_t *farm, int index);
/**
 * Send to a node that is held, unless it is left alone, and judge how it went.
 * @param replies  out: visit->n, with RP_FARM_OK
 */
rp_farm_outcome_e rp_node_visit(rp_farm_t *farm, int index, const rp_visit_t *visit, rp_reply_t **replies);
/** Nonzero when a visit would be tried now. */
int rp_node_is_open(const rp_farm_t *farm, int index);

/* ---- names.c */

/** Address of what needs no looking up; else look up now (wait) or leave it. @return 1 when there is an address */
int rp_name_resolve(rp_node_t *node, int wait);
/** Have a node's name looked up, by another thread; farm->lock is held. */
void rp_name_want(rp_farm_t *farm, rp_node_t *node);
/** Nonzero when it is a name that was not looked up just now. */
int rp_name_is_old(const rp_node_t *node);
/** At a child's end. */
void rp_names_stop(rp_farm_t *farm);

/* ---- search.c, sentinel.c, cluster.c */

/** Nonzero when things may be elsewhere than they were. */
int rp_farm_is_in_doubt(const rp_farm_t *farm);
/** Find out where things are, unless another call does, or it was just done, or led nowhere of late. */
void rp_farm_search(rp_farm_t *farm, rp_limit_t *limit, apr_pool_t *p);
/** @return 1 when the master is known now */
int rp_sentinel_search(rp_farm_t *farm, rp_limit_t *limit, apr_pool_t *p, char *why, size_t size);
/** @return 1 when the map of slots is known now */
int rp_cluster_search(rp_farm_t *farm, rp_limit_t *limit, apr_pool_t *p, char *why, size_t size);
/** Node index has this slot: as a redirection says. */
void rp_cluster_learn(rp_farm_t *farm, unsigned slot, int index);

/* ---- tell.c */

/** Write a line unless one of its kind has been written of late. */
void rp_farm_tell(rp_farm_t *farm, rp_tell_e kind, const char *who, const char *what);

#define rp_farm_count(farm, what) __atomic_fetch_add(&(farm)->shared->figures.what, 1, __ATOMIC_RELAXED)

#endif

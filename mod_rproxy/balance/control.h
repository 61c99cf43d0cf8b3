/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Pools as operators see and change them: for the management interface and the status page.
 *
 * What is changed here lies in shared memory: every child process goes by it from its next request on, and graceful
 * restarts keep it.
 */
#ifndef RP_CONTROL_H
#define RP_CONTROL_H

#include "balance/balance.h"

/** A member's id as text: the same in every process and after restarts, for it is made of the URL. */
#define RP_ID_TEXT 17

/** From request to response, of the last minute's; 0: there was none. */
typedef struct rp_latencies_t {
    apr_interval_time_t p50, p95, p99;
} rp_latencies_t;

/** A member at one moment. */
typedef struct rp_member_view_t {
    unsigned index;
    char id[RP_ID_TEXT];
    const char *url;
    const char *options;     /* of one added at run time, as behind RProxyMember; else "" */
    rp_origin_e origin;
    rp_admin_e admin;
    rp_out_e out;            /* why it is left out; RP_OUT_NOT when it is not */
    apr_interval_time_t out_for;     /* until it is tried; 0: that is due, or it is in */
    rp_check_e check;
    const char *check_cause; /* why the last check that failed did; "" when none did */
    const char *connect_cause; /* why the last connection to it that failed did; "" when none did */
    unsigned weight, conf_weight, level, max;
    unsigned inflight;
    apr_interval_time_t latency;     /* decayed to now; 0: nothing is known */
    apr_uint64_t picked;
    apr_uint64_t outcomes[RP_OUTCOMES];
    apr_uint64_t ejected;
    apr_interval_time_t unchanged;   /* since when it is in or out; -1: ever */
    apr_uint32_t last_ok, last_bad;  /* of the last whole interval */
    rp_tls_tally_t tls;
    rp_histogram_t latencies;
    rp_latencies_t recent;
} rp_member_view_t;

/** A pool at one moment. */
typedef struct rp_pool_view_t {
    const char *name;
    apr_uint32_t version;    /* grows with each change */
    unsigned slots;          /* that there are */
    unsigned room;           /* of them, those that are free */
    unsigned nlevels;
    struct {
        unsigned members, in;
        int panic;
    } levels[RP_LEVELS];
    apr_uint64_t retries;    /* and hedges, since the last restart */
    apr_uint64_t refused;    /* those that the pool's budget did not allow */
    unsigned waiting;        /* in the queue, now */
    unsigned queue_length;   /* so many may */
    rp_queue_counts_t queue;
    rp_latencies_t recent;   /* of all members */
    apr_array_header_t *members; /* of rp_member_view_t */
} rp_pool_view_t;

/** All pools of the host, of rp_pool_t *, by name; in p. */
apr_array_header_t *rp_control_pools(apr_pool_t *p, server_rec *main_server);

/** @return NULL when there is none of this name */
rp_pool_t *rp_control_pool(apr_pool_t *p, server_rec *main_server, const char *name);

/** What is known of a pool now; in p. */
rp_pool_view_t *rp_control_view(apr_pool_t *p, rp_pool_t *pool);

/** The member of this id in a view, or NULL. */
const rp_member_view_t *rp_view_member(const rp_pool_view_t *view, const char *id);

/** Nonzero when it gets requests: enabled, with a weight, and neither down nor left out. */
int rp_view_usable(const rp_member_view_t *member);

/** How many members a pool has, or only those that get requests. */
int rp_view_count(const rp_pool_view_t *view, int usable);

/** A member's id, as text. */
void rp_control_id(const rp_slot_t *slot, char id[RP_ID_TEXT]);

/** What is to be different with a member; -1 where nothing is. */
typedef struct rp_change_t {
    int admin;  /* rp_admin_e */
    int weight; /* 0 to RP_MAX_WEIGHT */
} rp_change_t;

/**
 * Change a member.  Logs it with who asked.
 * @return OK, or an HTTP status with *why, a sentence that says what to do
 */
int rp_control_change(const request_rec *r, rp_pool_t *pool, const char *id, const rp_change_t *change, const char **why);

/**
 * Add a member, as a line of RProxyMember would, for all child processes and until httpd is stopped.  One that stands in
 * the configuration and was removed comes back as it is configured.  May look a name up.
 * @param url   as behind RProxyMember; options: of const char *, each a word as there
 * @param id    out: its id
 * @return OK, or an HTTP status with *why
 */
int rp_control_add(const request_rec *r, rp_pool_t *pool, const char *url, const apr_array_header_t *options,
                   char id[RP_ID_TEXT], const char **why);

/** Remove a member: it gets no more requests, and finishes those that it has. @return OK, or an HTTP status with *why */
int rp_control_remove(const request_rec *r, rp_pool_t *pool, const char *id, const char **why);

/** What these are called towards operators. */
const char *rp_admin_name(rp_admin_e admin);
/** @return -1 when it is none */
int rp_admin_of(const char *name);
const char *rp_origin_name(rp_origin_e origin);
const char *rp_check_name(rp_check_e check);
const char *rp_outcome_name(rp_outcome_e outcome);

#endif

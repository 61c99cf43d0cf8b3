/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The link to the farm's Redis: commands out, replies back, within a deadline.
 *
 * One server, a master that Sentinels know, or a cluster: callers need not know which.  Redis is never in the way: a
 * call ends by its deadline whatever Redis does, and while Redis is known to be away it ends at once.  Callers take
 * every outcome but RP_FARM_OK, and every reply that is an error, for "not there" or "not done".
 *
 *     rp_str_t get[] = { RP_STR("GET"), key };
 *     rp_farm_command_t command = { get, 2, NULL };
 *     rp_reply_t *reply;
 *
 *     if (rp_farm_call(farm, p, key, &command, 1, 0, &reply) == RP_FARM_OK && reply->type == RP_REPLY_STRING) ...
 */
#ifndef RP_FARM_H
#define RP_FARM_H

#include <apr_pools.h>
#include <apr_time.h>

#include "farm/conf.h"
#include "farm/reply.h"
#include "farm/seal.h"
#include "http/http.h"

typedef struct rp_farm_t rp_farm_t;

/** Commands that may be sent in one call. */
#define RP_FARM_PIPELINE 64

/** A Lua script that Redis runs as one step; make it by rp_farm_script_init(). */
typedef struct rp_farm_script_t {
    const char *text;
    char sha[41];
} rp_farm_script_t;

typedef struct rp_farm_command_t {
    const rp_str_t *argv;
    int argc;
    /* NULL, or the script to run: argv is then the number of keys, the keys, and the arguments.  Redis gets the text
     * when it does not know it yet. */
    const rp_farm_script_t *script;
} rp_farm_command_t;

typedef enum rp_farm_outcome_e {
    RP_FARM_OK,        /* each command has a reply, which may be an error */
    RP_FARM_AWAY,      /* nothing was tried: Redis has failed of late, or nobody knows where it is */
    RP_FARM_UNREACHED, /* nothing was sent: there was no connection */
    RP_FARM_LOST       /* no reply in time, or none that can be understood: nobody knows what was carried out */
} rp_farm_outcome_e;

/** A line for the log: a level of httpd's and the text, which begins with its tag. Called on any thread. */
typedef void (*rp_farm_log_fn)(void *ctx, int level, const char *line);

/** What is counted of all processes of the host. */
typedef struct rp_farm_figures_t {
    apr_uint64_t calls;
    apr_uint64_t away;      /* of the calls: those by outcome */
    apr_uint64_t unreached;
    apr_uint64_t lost;
    apr_uint64_t connects;  /* connections made */
    apr_uint64_t redirects; /* a cluster's: MOVED and ASK */
    apr_uint64_t searches;  /* Sentinels asked, slot maps read */
    apr_uint64_t opened;    /* breakers, how often a server was found to be away */
} rp_farm_figures_t;

/**
 * Make the link: TLS, shared memory, names looked up. In the parent, at start; connects to nobody.
 * @param conf  stays as it is for as long as p
 * @return in p; NULL with *error
 */
rp_farm_t *rp_farm_create(apr_pool_t *p, const rp_farm_conf_t *conf, rp_farm_log_fn log, void *log_ctx,
                          const char **error);

/** In each child, before its first call. Connections are closed with p. */
apr_status_t rp_farm_child_init(rp_farm_t *farm, apr_pool_t *p);

/**
 * Send commands together and get their replies, in one round trip when all goes well.
 *
 * What is repeated (after a redirection, a fail-over, for a script that is not known) was refused before: no command is
 * carried out twice.  Commands of one call must not depend on one another's being carried out in order, and MULTI,
 * SUBSCRIBE and whatever else changes a connection's state are not for here.
 *
 * @param p        replies go there
 * @param route    a key: in a cluster, all keys of the commands must be in its slot, by a hash tag
 * @param n        1 to RP_FARM_PIPELINE
 * @param timeout  for the replies; 0: as the configuration says. Connecting may add what the configuration says for it.
 * @param replies  out: n of them, when the outcome is RP_FARM_OK
 */
rp_farm_outcome_e rp_farm_call(rp_farm_t *farm, apr_pool_t *p, rp_str_t route, const rp_farm_command_t *commands, int n,
                               apr_interval_time_t timeout, rp_reply_t **replies);

void rp_farm_script_init(rp_farm_script_t *script, const char *text);

/**
 * What to seal with for a purpose ("entries", ...), by the secrets that the configuration names.
 * @return 1; 0 when it names none, or OpenSSL fails
 */
int rp_farm_seal(const rp_farm_t *farm, const char *purpose, rp_seal_t *seal);

/** Nonzero when a call would not end at once as RP_FARM_AWAY, as far as can be told without one. Costs nothing. */
int rp_farm_is_there(rp_farm_t *farm, rp_str_t route);

void rp_farm_figures(const rp_farm_t *farm, rp_farm_figures_t *figures);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A call: which server, what to send, and what to do with commands that are sent elsewhere or refused. */

#include <stdlib.h>
#include <string.h>

#include <apr_shm.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "farm/link.h"
#include "lane/lane.h"

/* How often a call's commands may be sent: a slot that moves, a map that is old, a script to be told, a fail-over. */
#define ROUNDS 6

/* A command of a call, until it has its reply. */
typedef struct turn_t {
    int node;    /* held; -1 */
    int asking;  /* the node has been told by ASK */
    int is_text; /* the script's text goes with it */
    int is_done;
} turn_t;

typedef struct call_t {
    rp_farm_t *farm;
    apr_pool_t *p;
    const rp_farm_command_t *commands;
    int n;
    rp_reply_t **replies;
    turn_t turns[RP_FARM_PIPELINE];
    rp_limit_t limit;
    unsigned slot;
    int has_moved; /* to a new master, once */
} call_t;

/* ---------------------------------------------------------------- making */

rp_farm_t *rp_farm_create(apr_pool_t *p, const rp_farm_conf_t *conf, rp_farm_log_fn log, void *log_ctx,
                          const char **error)
{
    rp_farm_t *farm = apr_pcalloc(p, sizeof(*farm));
    apr_shm_t *shm;
    char text[120];
    apr_status_t rv;

    farm->conf = conf;
    farm->log = log;
    farm->log_ctx = log_ctx;
    farm->master = -1;
    farm->doubt = conf->url.kind != RP_REDIS_SINGLE;
    if (conf->use_tls) {
        farm->tls = rp_tls_make(p, &conf->tls, conf->url.hosts[0].host, error);
        if (!farm->tls) {
            return NULL;
        }
    }
    rv = apr_shm_create(&shm, sizeof(*farm->shared), NULL, p);
    if (rv != APR_SUCCESS) {
        *error = apr_psprintf(p, "no shared memory: %s", apr_strerror(rv, text, sizeof(text)));
        return NULL;
    }
    farm->shared = apr_shm_baseaddr_get(shm);
    memset(farm->shared, 0, sizeof(*farm->shared));
    rp_nodes_init(farm, p);
    return farm;
}

apr_status_t rp_farm_child_init(rp_farm_t *farm, apr_pool_t *p)
{
    if (farm->conf->url.kind == RP_REDIS_CLUSTER) {
        farm->slots = apr_palloc(p, RP_SLOTS * sizeof(*farm->slots));
        memset(farm->slots, 0xff, RP_SLOTS * sizeof(*farm->slots));
    }
    return rp_nodes_child_init(farm, p);
}

void rp_farm_script_init(rp_farm_script_t *script, const char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0, i;

    script->text = text;
    EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL);
    for (i = 0; i < 20; i++) {
        apr_snprintf(script->sha + 2 * i, 3, "%02x", digest[i]);
    }
}

int rp_farm_seal(const rp_farm_t *farm, const char *purpose, rp_seal_t *seal)
{
    const rp_farm_conf_t *conf = farm->conf;

    seal->n = 0;
    if (conf->secret.len == 0 || !rp_seal_key(&seal->keys[0], conf->secret, conf->name, purpose)) {
        return 0;
    }
    seal->n = 1;
    if (conf->old_secret.len > 0 && rp_seal_key(&seal->keys[1], conf->old_secret, conf->name, purpose)) {
        seal->n = 2;
    }
    return 1;
}

void rp_farm_figures(const rp_farm_t *farm, rp_farm_figures_t *figures)
{
    *figures = farm->shared->figures;
}

/* ---------------------------------------------------------------- which server */

/* A cluster's node for a slot, held. While the map is not known any node will do: it knows better. */
static int node_of_slot(rp_farm_t *farm, unsigned slot)
{
    int index, i;

    apr_thread_mutex_lock(farm->lock);
    index = farm->slots[slot];
    for (i = 0; i < farm->nseeds && index < 0; i++) {
        int seed = (farm->turn + i) % farm->nseeds;

        index = rp_node_is_open(farm, seed) ? seed : -1;
    }
    if (index >= farm->nseeds) {
        farm->nodes[index].users++;
    }
    apr_thread_mutex_unlock(farm->lock);
    return index;
}

static int node_of_master(rp_farm_t *farm)
{
    int index;

    apr_thread_mutex_lock(farm->lock);
    index = farm->master;
    if (index >= farm->nseeds) {
        farm->nodes[index].users++;
    }
    apr_thread_mutex_unlock(farm->lock);
    return index;
}

static void find_out(call_t *call)
{
    /* Half of the time is left for the call itself. */
    apr_time_t until = rp_now() + (call->limit.last - rp_now()) / 2;
    rp_limit_t limit = { until, until };
    apr_time_t begin = rp_now();

    rp_farm_search(call->farm, &limit, call->p);
    call->limit.deadline += rp_now() - begin;
    if (call->limit.deadline > call->limit.last) {
        call->limit.deadline = call->limit.last;
    }
}

/* The node for a call, held; -1: nobody knows. */
static int choose(call_t *call)
{
    rp_farm_t *farm = call->farm;

    if (farm->conf->url.kind == RP_REDIS_SINGLE) {
        rp_node_hold(farm, 0);
        return 0;
    }
    if (rp_farm_is_in_doubt(farm)) {
        find_out(call);
    }
    return farm->conf->url.kind == RP_REDIS_CLUSTER ? node_of_slot(farm, call->slot) : node_of_master(farm);
}

int rp_farm_is_there(rp_farm_t *farm, rp_str_t route)
{
    int index = 0;

    if (farm->conf->url.kind == RP_REDIS_SINGLE) {
        return rp_node_is_open(farm, 0);
    }
    apr_thread_mutex_lock(farm->lock);
    index = farm->conf->url.kind == RP_REDIS_CLUSTER ? farm->slots[rp_slot_of(route)] : farm->master;
    apr_thread_mutex_unlock(farm->lock);
    return index >= 0 ? rp_node_is_open(farm, index)
         : __atomic_load_n(&farm->shared->search.until, __ATOMIC_RELAXED) <= rp_now();
}

/* ---------------------------------------------------------------- sending */

/* A command's words as they are sent, in p. */
static const rp_str_t *words_of(call_t *call, int i, int *argc)
{
    const rp_farm_command_t *command = &call->commands[i];
    rp_str_t *argv;

    *argc = command->argc;
    if (!command->script) {
        return command->argv;
    }
    argv = apr_palloc(call->p, ((apr_size_t)command->argc + 2) * sizeof(*argv));
    argv[0] = call->turns[i].is_text ? RP_STR("EVAL") : RP_STR("EVALSHA");
    argv[1] = call->turns[i].is_text ? (rp_str_t){ command->script->text, strlen(command->script->text) }
                                     : (rp_str_t){ command->script->sha, 40 };
    memcpy(argv + 2, command->argv, (apr_size_t)command->argc * sizeof(*argv));
    *argc += 2;
    return argv;
}

/* The commands that go the way of the first which is not done. @return how many; which ones in group */
static int gather(const call_t *call, int *group)
{
    const turn_t *first = NULL;
    int i, n = 0;

    for (i = 0; i < call->n; i++) {
        const turn_t *turn = &call->turns[i];

        if (turn->is_done) {
            continue;
        }
        first = first ? first : turn;
        if (turn->node == first->node && turn->asking == first->asking) {
            group[n++] = i;
        }
    }
    return n;
}

static rp_farm_outcome_e send_group(call_t *call, const int *group, int n)
{
    static const rp_str_t asking = { "ASKING", 6 };
    const rp_str_t *argv[2 * RP_FARM_PIPELINE];
    rp_reply_t *replies[2 * RP_FARM_PIPELINE];
    int argc[2 * RP_FARM_PIPELINE];
    int each = call->turns[group[0]].asking ? 2 : 1, i;
    rp_visit_t visit = { NULL, 0, n * each, call->p, &call->limit, 0 };
    rp_farm_outcome_e outcome;
    char *bytes;

    for (i = 0; i < n; i++) {
        argv[i * each] = &asking;
        argc[i * each] = 1;
        argv[i * each + each - 1] = words_of(call, group[i], &argc[i * each + each - 1]);
    }
    bytes = rp_redis_format(argv, argc, n * each, &visit.len);
    if (!bytes) {
        return RP_FARM_UNREACHED;
    }
    visit.bytes = bytes;
    outcome = rp_node_visit(call->farm, call->turns[group[0]].node, &visit, replies);
    free(bytes);
    for (i = 0; i < n && outcome == RP_FARM_OK; i++) {
        call->replies[group[i]] = replies[i * each + each - 1];
    }
    return outcome;
}

/* ---------------------------------------------------------------- sent elsewhere */

static void go_to(call_t *call, turn_t *turn, int node, int asking)
{
    rp_node_release(call->farm, turn->node);
    turn->node = node;
    turn->asking = asking;
}

/* MOVED or ASK. @return 1 when the command is to be sent again */
static int redirect(call_t *call, turn_t *turn, const rp_reply_t *reply)
{
    const char *host = call->farm->nodes[turn->node].host;
    rp_slot_node_t to;
    unsigned slot;
    int kind = rp_slot_redirect(reply->str, &slot, &to), node;

    if (!kind || call->farm->conf->url.kind != RP_REDIS_CLUSTER) {
        return 0;
    }
    node = rp_node_find(call->farm, to.host.len ? to.host : (rp_str_t){ host, strlen(host) }, to.port);
    if (node < 0) {
        return 0;
    }
    rp_farm_count(call->farm, redirects);
    if (kind == 'M') {
        rp_cluster_learn(call->farm, slot, node);
    }
    go_to(call, turn, node, kind == 'A');
    return 1;
}

/* The master is one no more. @return 1 when another one is known now */
static int follow_failover(call_t *call, turn_t *turn)
{
    int node;

    if (call->farm->conf->url.kind != RP_REDIS_SENTINEL) {
        return 0;
    }
    if (!call->has_moved) {
        call->has_moved = 1;
        find_out(call);
    }
    node = node_of_master(call->farm);
    if (node < 0) {
        return 0;
    }
    if (node == turn->node) {
        rp_node_release(call->farm, node);
        return 0;
    }
    go_to(call, turn, node, 0);
    return 1;
}

/* Does a command have its reply now, or is it to be sent again? Only what was refused is. */
static int is_final(call_t *call, int i)
{
    turn_t *turn = &call->turns[i];

    switch (rp_reply_error(call->replies[i])) {
    case RP_ERROR_NOSCRIPT:
        if (!call->commands[i].script || turn->is_text) {
            return 1;
        }
        turn->is_text = 1;
        return 0;
    case RP_ERROR_MOVED:
    case RP_ERROR_ASK:
        return !redirect(call, turn, call->replies[i]);
    case RP_ERROR_READONLY:
        return !follow_failover(call, turn);
    default:
        return 1;
    }
}

/* ---------------------------------------------------------------- a call */

static rp_farm_outcome_e converse(call_t *call)
{
    int group[RP_FARM_PIPELINE], round, n, i, done = 0;

    for (round = 0; round < ROUNDS && (n = gather(call, group)) > 0; round++) {
        rp_farm_outcome_e outcome = send_group(call, group, n);

        if (outcome != RP_FARM_OK) {
            return done ? RP_FARM_LOST : outcome;
        }
        for (i = 0; i < n; i++) {
            call->turns[group[i]].is_done = is_final(call, group[i]);
            done += call->turns[group[i]].is_done;
        }
    }
    /* What is still sent elsewhere has that for its reply. */
    return RP_FARM_OK;
}

static rp_farm_outcome_e begin(call_t *call)
{
    int node = choose(call), i;
    rp_farm_outcome_e outcome;

    if (node < 0) {
        return RP_FARM_AWAY;
    }
    for (i = 0; i < call->n; i++) {
        call->turns[i] = (turn_t){ node, 0, 0, 0 };
        if (i > 0) {
            rp_node_hold(call->farm, node);
        }
    }
    outcome = converse(call);
    for (i = 0; i < call->n; i++) {
        rp_node_release(call->farm, call->turns[i].node);
    }
    return outcome;
}

rp_farm_outcome_e rp_farm_call(rp_farm_t *farm, apr_pool_t *p, rp_str_t route, const rp_farm_command_t *commands, int n,
                               apr_interval_time_t timeout, rp_reply_t **replies)
{
    apr_time_t now = rp_now();
    call_t call = { .farm = farm, .p = p, .commands = commands, .n = n, .replies = replies };
    rp_farm_outcome_e outcome;

    timeout = timeout ? timeout : farm->conf->timeout;
    call.limit.deadline = now + timeout;
    call.limit.last = call.limit.deadline + farm->conf->connect;
    call.slot = farm->conf->url.kind == RP_REDIS_CLUSTER ? rp_slot_of(route) : 0;
    outcome = n > 0 && n <= RP_FARM_PIPELINE ? begin(&call) : RP_FARM_UNREACHED;
    rp_farm_count(farm, calls);
    if (outcome == RP_FARM_AWAY) {
        rp_farm_count(farm, away);
    }
    else if (outcome == RP_FARM_UNREACHED) {
        rp_farm_count(farm, unreached);
    }
    else if (outcome == RP_FARM_LOST) {
        rp_farm_count(farm, lost);
    }
    return outcome;
}

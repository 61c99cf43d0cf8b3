/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The way of a request through the limits of its place. */

#include <string.h>
#include <unistd.h>

#include <httpd.h>
#include <http_log.h>
#include <http_request.h>
#include <ap_mpm.h>
#include <apr_optional.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <mod_watchdog.h>

#include "farm/host.h"
#include "farm/presence.h"
#include "lane/lane.h"
#include "limit/ask.h"
#include "limit/lease.h"
#include "limit/limit.h"
#include "limit/turn.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define WATCHDOG "_rproxy_limits_"
#define INTERVAL apr_time_from_sec(5)
/* Children of the generation before, which finish what they have. */
#define MORE_ROWS 16
/* Under which a request's pool keeps what has counted it. */
#define COUNTED "mod_rproxy:limited"

static rp_limit_memory_t *memory; /* NULL: nothing is limited */
static rp_limit_tally_t *tallies; /* by the limits' numbers */
static apr_array_header_t *all;   /* of const rp_limit_conf_t *, by their numbers */
static int row = -1;
static rp_str_t secret;           /* what clients are hashed with */
static rp_seal_t seal;            /* of the farm: its key is that */

/* ------------------------------------------------------------------ at start */

static void list(apr_pool_t *p, server_rec *main_server)
{
    server_rec *s;
    int i;

    all = apr_array_make(p, 4, sizeof(const rp_limit_conf_t *));
    for (s = main_server; s; s = s->next) {
        const rp_server_conf_t *conf = rp_server_conf(s);

        for (i = 0; i < conf->limits->nelts && (s == main_server || conf != rp_server_conf(main_server)); i++) {
            const rp_limit_conf_t *limit = APR_ARRAY_IDX(conf->limits, i, const rp_limit_conf_t *);

            if (limit->number == all->nelts) {
                APR_ARRAY_PUSH(all, const rp_limit_conf_t *) = limit;
            }
        }
    }
}

/* In one child of the host. */
static apr_status_t watch(int state, void *data, apr_pool_t *p)
{
    int i;

    (void)p;
    for (i = 0; state == AP_WATCHDOG_STATE_RUNNING && i < all->nelts; i++) {
        rp_limit_tell_rest(data, APR_ARRAY_IDX(all, i, const rp_limit_conf_t *), &tallies[i]);
    }
    return APR_SUCCESS;
}

static unsigned max_children(void)
{
    int n = 0;

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &n);
    return (unsigned)n + MORE_ROWS;
}

int rp_limit_init(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;
    apr_shm_t *shm;
    apr_status_t rv = APR_SUCCESS;

    memory = NULL;
    list(pconf, main_server);
    if (!all->nelts) {
        return OK;
    }
    memory = rp_limit_memory(main_server->process->pool, max_children(), &rv);
    rv = memory ? apr_shm_create(&shm, (apr_size_t)all->nelts * sizeof(rp_limit_tally_t), NULL, pconf) : rv;
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0803) "cannot get shared memory for RProxyLimit");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    tallies = apr_shm_baseaddr_get(shm);
    /* Without mod_watchdog the log is told when the next request is refused. */
    if (get && add && get(&watchdog, WATCHDOG, 0, 1, pconf) == APR_SUCCESS) {
        add(watchdog, INTERVAL, main_server, watch);
    }
    return OK;
}

void rp_limit_child_init(apr_pool_t *p, server_rec *main_server)
{
    rp_farm_t *farm = rp_farm_of_host();
    const rp_farm_conf_t *conf = rp_server_conf(main_server)->farm;
    apr_status_t rv;

    if (!memory) {
        return;
    }
    row = rp_places_claim(memory->places, getpid());
    if (row < 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server, RPLOGNO(0804) "more child processes than there is memory "
                     "for: the requests of this one do not count for concurrent= of RProxyLimit");
    }
    secret = (rp_str_t){ (const char *)memory->secret, sizeof(memory->secret) };
    if (!farm) {
        return;
    }
    /* All hosts have the same. */
    secret = rp_farm_seal(farm, "limits", &seal)
           ? (rp_str_t){ (const char *)seal.keys[0].key, sizeof(seal.keys[0].key) }
           : (rp_str_t){ conf->name, strlen(conf->name) };
    rp_limit_ask_init(conf);
    rv = rp_limit_leases_child_init(p, farm, conf->url.kind != RP_REDIS_CLUSTER);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0805) "no lock or no random bytes for concurrent= "
                     "of RProxyLimit: this child has its share of what the farm may have, as if Redis were away");
    }
}

void rp_limit_child_gone(apr_int64_t pid)
{
    if (memory) {
        rp_places_gone(memory->places, pid);
    }
}

/* ------------------------------------------------------------------ which limits count a request */

static int applies(request_rec *r, const rp_limit_conf_t *conf)
{
    const char *error = NULL;

    /* Where its condition cannot be evaluated, which httpd logs, a limit holds. */
    return !conf->expr || ap_expr_exec(r, conf->expr, &error) || error;
}

/* A request that was redirected within the server has the same pool: what has counted it does not count it twice. */
static apr_array_header_t *counted_by(request_rec *r)
{
    void *counted = NULL;

    apr_pool_userdata_get(&counted, COUNTED, r->pool);
    if (!counted) {
        counted = apr_array_make(r->pool, 4, sizeof(const rp_limit_conf_t *));
        apr_pool_userdata_setn(counted, COUNTED, NULL, r->pool);
    }
    return counted;
}

static int has_counted(const apr_array_header_t *counted, const rp_limit_conf_t *conf)
{
    int i;

    for (i = 0; i < counted->nelts; i++) {
        if (APR_ARRAY_IDX(counted, i, const rp_limit_conf_t *)->number == conf->number) {
            return 1;
        }
    }
    return 0;
}

/* @return how many there are */
static int collect(request_rec *r, const apr_array_header_t *limits, rp_turn_t *turns)
{
    apr_array_header_t *counted = counted_by(r);
    int i, n = 0;

    for (i = 0; i < limits->nelts; i++) {
        const rp_limit_conf_t *conf = APR_ARRAY_IDX(limits, i, const rp_limit_conf_t *);
        rp_turn_t *turn = &turns[n];

        if (has_counted(counted, conf)) {
            continue;
        }
        APR_ARRAY_PUSH(counted, const rp_limit_conf_t *) = conf;
        *turn = (rp_turn_t){ .conf = conf, .place = RP_PLACE_NONE };
        n += applies(r, conf) && rp_limit_key(r, conf, secret, turn->key);
    }
    return n;
}

/* ------------------------------------------------------------------ counting */

/* Places can be given back, rates cannot: first those. */
static void take_places(rp_turn_t *turns, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        rp_turn_t *turn = &turns[i];

        if (turn->conf->concurrent) {
            turn->together = rp_places_take(memory->places, row, turn->key, (unsigned)turn->conf->concurrent,
                                            &turn->place);
            turn->over = turn->together == 0;
        }
    }
}

static void leave_place(rp_turn_t *turn)
{
    if (turn->lease) {
        rp_limit_lease_end(turn->lease, !turn->asked || !turn->over);
        turn->lease = NULL;
    }
    if (turn->place != RP_PLACE_NONE) {
        rp_places_leave(memory->places, row, getpid(), turn->place);
        turn->place = RP_PLACE_NONE;
    }
}

const rp_turn_t *rp_limit_refusal(const rp_turn_t *turns, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        if (turns[i].over && !turns[i].conf->dry_run) {
            return &turns[i];
        }
    }
    return NULL;
}

/* What the farm has not judged, as there is none or its Redis is away: each host has its share then. */
static void take_shares(rp_turn_t *turns, int n, apr_int64_t now)
{
    unsigned hosts = rp_presence_hosts();
    apr_int64_t shares = hosts > RP_GCRA_SHARES_MAX ? RP_GCRA_SHARES_MAX : hosts;
    int i;

    for (i = 0; i < n && !rp_limit_refusal(turns, n); i++) {
        rp_turn_t *turn = &turns[i];

        if (turn->asked || turn->over) {
            continue;
        }
        if (turn->conf->concurrent) {
            turn->over = turn->together > ((unsigned)turn->conf->concurrent + shares - 1) / shares;
        }
        else {
            rp_gcra_t share = rp_gcra_share(&turn->conf->rate, shares);

            turn->over = !rp_rates_take(memory->rates, turn->key, &share, now, &turn->wait);
        }
    }
}

/* What the farm has said before spares asking it. */
static void look_at_rates(rp_turn_t *turns, int n, apr_int64_t now)
{
    int i;

    for (i = 0; i < n; i++) {
        rp_turn_t *turn = &turns[i];

        if (!turn->conf->concurrent) {
            turn->wait = rp_rates_learned_wait(memory->rates, turn->key, &turn->conf->rate, now);
            turn->over = turn->wait > 0;
        }
    }
}

static void begin_leases(apr_pool_t *p, rp_turn_t *turns, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        if (turns[i].conf->concurrent && !turns[i].over) {
            turns[i].lease = rp_limit_lease_begin(rp_limit_redis_key(p, &turns[i]));
        }
    }
}

static void count(request_rec *r, rp_turn_t *turns, int n)
{
    rp_farm_t *farm = rp_farm_of_host();

    take_places(turns, n);
    if (farm && !rp_limit_refusal(turns, n)) {
        look_at_rates(turns, n, rp_now() * 1000);
        if (!rp_limit_refusal(turns, n)) {
            begin_leases(r->pool, turns, n);
            rp_limit_ask(farm, r->pool, memory->rates, turns, n);
        }
    }
    take_shares(turns, n, rp_now() * 1000);
}

/* ------------------------------------------------------------------ what comes of it */

typedef struct held_t {
    rp_turn_t *turns;
    int n;
} held_t;

static apr_status_t leave(void *data)
{
    held_t *held = data;
    int i;

    for (i = 0; i < held->n; i++) {
        leave_place(&held->turns[i]);
    }
    return APR_SUCCESS;
}

static int refuse(request_rec *r, const rp_turn_t *turns, int n, const rp_turn_t *by)
{
    apr_int64_t wait = 0;
    int i;

    for (i = 0; i < n; i++) {
        if (turns[i].over && !turns[i].conf->dry_run && turns[i].wait > wait) {
            wait = turns[i].wait;
        }
    }
    apr_table_setn(r->notes, "rproxy-limit", by->conf->shown);
    apr_table_setn(r->err_headers_out, "Retry-After",
                   apr_psprintf(r->pool, "%" APR_INT64_T_FMT, wait > 0 ? (wait + 999999999) / 1000000000 : 1));
    return HTTP_TOO_MANY_REQUESTS;
}

static void tally(request_rec *r, const rp_turn_t *turns, int n, int refused)
{
    int i;

    for (i = 0; i < n; i++) {
        const rp_limit_conf_t *conf = turns[i].conf;
        rp_limit_tally_t *of = &tallies[conf->number];

        if (!turns[i].over) {
            __atomic_fetch_add(&of->passed, (apr_uint64_t)!refused, __ATOMIC_RELAXED);
            continue;
        }
        rp_limit_tell(r->server, conf, of);
        if (conf->dry_run) {
            apr_table_setn(r->notes, "rproxy-limit", apr_pstrcat(r->pool, conf->shown, " (dry run)", NULL));
        }
    }
}

static int judge(request_rec *r, const apr_array_header_t *limits)
{
    rp_turn_t *turns = apr_palloc(r->pool, (apr_size_t)limits->nelts * sizeof(*turns));
    int n = collect(r, limits, turns);
    /* A request's pool lives until its response has been sent, or its client is gone. */
    held_t *held = apr_pmemdup(r->pool, &(held_t){ turns, n }, sizeof(*held));
    const rp_turn_t *by;

    count(r, turns, n);
    by = rp_limit_refusal(turns, n);
    tally(r, turns, n, by != NULL);
    if (by) {
        leave(held);
        return refuse(r, turns, n, by);
    }
    apr_pool_cleanup_register(r->pool, held, leave, apr_pool_cleanup_null);
    return OK;
}

int rp_limit(request_rec *r)
{
    const apr_array_header_t *limits = rp_dir_conf(r)->limits;

    if (!limits || !memory || r->main || (r->prev && ap_is_HTTP_ERROR(r->prev->status))) {
        return OK;
    }
    return judge(r, limits);
}

int rp_limit_handler(request_rec *r)
{
    int status = rp_limit(r);

    return status == OK ? DECLINED : status;
}

int rp_limit_is_late(const request_rec *r)
{
    const apr_array_header_t *limits = rp_dir_conf(r)->limits;
    int i;

    for (i = 0; limits && i < limits->nelts; i++) {
        if (APR_ARRAY_IDX(limits, i, const rp_limit_conf_t *)->is_late) {
            return 1;
        }
    }
    return 0;
}

apr_array_header_t *rp_limit_figures(apr_pool_t *p)
{
    apr_array_header_t *figures = apr_array_make(p, 4, sizeof(rp_limit_figures_t));
    int i;

    for (i = 0; memory && i < all->nelts; i++) {
        const rp_limit_conf_t *conf = APR_ARRAY_IDX(all, i, const rp_limit_conf_t *);

        APR_ARRAY_PUSH(figures, rp_limit_figures_t) = (rp_limit_figures_t){
            conf->shown, conf->dry_run, __atomic_load_n(&tallies[i].passed, __ATOMIC_RELAXED),
            __atomic_load_n(&tallies[i].refused, __ATOMIC_RELAXED)
        };
    }
    return figures;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A child's lanes, and how a connection gets to one; lanes.h says how it goes on. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <apr_portable.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 102)
#include <http_ssl.h>
#else
#define ap_ssl_conn_is_ssl(c) 0
#endif
#include <mpm_common.h>

#include "config/config.h"
#include "lane/client.h"
#include "lane/coroutine.h"
#include "lane/lanes.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

static rp_home_t homes[RP_LANES_MAX];
static int nhomes; /* 0: this child has none */

/* How often each worker has given a connection away, by its row of the scoreboard. */
static unsigned *given_by;
static int nrows = 1;

static unsigned *count_of(const worker_score *row)
{
    return &given_by[(row - ap_get_scoreboard_worker_from_indexes(0, 0)) % nrows];
}

unsigned rp_giver_count(const worker_score *row)
{
    return __atomic_load_n(count_of(row), __ATOMIC_SEQ_CST);
}

/* ------------------------------------------------------------------ threads */

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    rp_lane_run(((rp_home_t *)data)->lane);
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

/* Signals are for the server's own threads: some of httpd's handlers end the process where they run. */
static apr_status_t start(rp_home_t *home, size_t stack, apr_pool_t *p)
{
    sigset_t all, before;
    apr_status_t rv;

    home->lane = rp_lane_create(stack);
    if (!home->lane) {
        return errno;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = ap_thread_create(&home->thread, NULL, run, home, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rv != APR_SUCCESS) {
        rp_lane_destroy(home->lane);
    }
    return rv;
}

/* Before anything that they use goes with the child's pool; their own memory goes with the process. */
static apr_status_t stop(void *unused)
{
    int i;

    (void)unused;
    for (i = 0; i < nhomes; i++) {
        rp_lane_stop(homes[i].lane);
    }
    for (i = 0; i < nhomes; i++) {
        apr_status_t rv;

        apr_thread_join(&rv, homes[i].thread);
    }
    nhomes = 0;
    return APR_SUCCESS;
}

static int lanes_of(const rp_server_conf_t *conf)
{
    long n = conf->lanes == RP_LANES_AUTO ? sysconf(_SC_NPROCESSORS_ONLN) : RP_OR_DEFAULT(conf->lanes, 0);

    return n > RP_LANES_MAX ? RP_LANES_MAX : (int)n;
}

static int most_lanes(server_rec *s)
{
    int most = 0;

    for (; s; s = s->next) {
        int n = lanes_of(rp_server_conf(s));

        most = n > most ? n : most;
    }
    return most;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    int is_async = 0;
    int n = most_lanes(s);
    apr_status_t rv = APR_SUCCESS;

    if (!n || ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async) != APR_SUCCESS || !is_async
        || ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &nrows) != APR_SUCCESS || nrows <= 0) {
        return;
    }
    given_by = apr_pcalloc(p, (apr_size_t)nrows * sizeof(*given_by));
    memset(homes, 0, sizeof(homes));
    while (nhomes < n && rv == APR_SUCCESS) {
        rv = start(&homes[nhomes], RP_OR_DEFAULT(rp_server_conf(s)->lane_stack, RP_DEFAULT_LANE_STACK), p);
        nhomes += rv == APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, RPLOGNO(0002) "only %d of %d lanes could be started", nhomes, n);
    }
    apr_pool_pre_cleanup_register(p, NULL, stop);
}

/* ------------------------------------------------------------------ the child is to end */

static void stop_clients(void *data)
{
    rp_home_t *home = data;

    rp_clients_stop(home, __atomic_load_n(&home->must_stop, __ATOMIC_SEQ_CST) > 1);
}

static void child_stopping(apr_pool_t *p, int graceful)
{
    int i;

    (void)p;
    for (i = 0; i < nhomes; i++) {
        int before = __atomic_exchange_n(&homes[i].must_stop, graceful ? 1 : 2, __ATOMIC_SEQ_CST);

        if (!before) {
            homes[i].stop_task = (rp_task_t){ NULL, stop_clients, &homes[i] };
            rp_lane_post(homes[i].lane, &homes[i].stop_task);
        }
    }
}

/* ------------------------------------------------------------------ connections */

/* Outgoing connections of other modules have no state of the MPM's. */
static int pre_connection(conn_rec *c, void *socket)
{
    rp_client_t *client;
    apr_os_sock_t fd;

    if (!nhomes || c->master || !c->cs || !lanes_of(rp_server_conf(c->base_server))
        || apr_os_sock_get(&fd, socket) != APR_SUCCESS) {
        return DECLINED;
    }
    client = apr_pcalloc(c->pool, sizeof(*client));
    client->c = c;
    client->fd = fd;
    rp_input_add(client);
    rp_output_add(client);
    return DECLINED;
}

/*
 * A child that is to end waits for the connections that it has counted.  The last ones may be in its workers' queue and
 * not be counted yet: a worker's own business, since it is workers that are waited for then.
 */
static int is_ending(void)
{
    int state;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS || state == AP_MPMQ_STOPPING;
}

/* HTTP/1 that can become HTTP/2 in mid-connection is mod_http2's, which waits by itself. */
static int may_take(conn_rec *c)
{
    return !strcmp(ap_get_protocol(c), AP_PROTOCOL_HTTP1) && !c->aborted
           && (ap_ssl_conn_is_ssl(c) || !ap_is_allowed_protocol(c, NULL, c->base_server, "h2c"));
}

static int process_connection(conn_rec *c)
{
    rp_client_t *client = nhomes && c->cs && !c->master && !rp_coroutine_current() ? rp_client_of(c) : NULL;
    rp_home_t *least = &homes[0];
    int i;

    if (!client || !c->sbh || is_ending() || !may_take(c)) {
        return DECLINED;
    }
    for (i = 1; i < nhomes; i++) {
        if (__atomic_load_n(&homes[i].load, __ATOMIC_RELAXED) < __atomic_load_n(&least->load, __ATOMIC_RELAXED)) {
            least = &homes[i];
        }
    }
    __atomic_fetch_add(&least->load, 1, __ATOMIC_RELAXED);
    client->home = least;
    c->cs->state = CONN_STATE_SUSPENDED;
    return OK;
}

static void begin(void *data)
{
    rp_client_begin(data);
}

/* The MPM has suspended it, and is about to let go of it. */
static void suspend_connection(conn_rec *c, request_rec *r)
{
    rp_client_t *client = c->cs && c->cs->state == CONN_STATE_SUSPENDED ? rp_client_of(c) : NULL;

    (void)r;
    if (!client || !client->home) {
        return;
    }
    client->giver = ap_get_scoreboard_worker(c->sbh);
    client->given = __atomic_add_fetch(count_of(client->giver), 1, __ATOMIC_SEQ_CST);
    ap_update_child_status(c->sbh, SERVER_CLOSING, NULL);
    client->task = (rp_task_t){ NULL, begin, client };
    rp_lane_post(client->home->lane, &client->task);
}

static int post_read_request(request_rec *r)
{
    rp_client_t *client = rp_coroutine_current() ? rp_client_of(r->connection) : NULL;

    if (client) {
        client->keep_alive = r->server->keep_alive_timeout_set ? r->server->keep_alive_timeout
                                                               : r->connection->base_server->keep_alive_timeout;
    }
    return DECLINED;
}

/*
 * A lane has no row of the scoreboard.  Its requests count in the row of the worker that accepted the connection, which
 * rarely counts one of its own in the same moment.
 */
static int count(request_rec *r)
{
    rp_client_t *client = ap_extended_status && rp_coroutine_current() ? rp_client_of(r->connection) : NULL;

    if (client) {
        long row = (long)(client->giver - ap_get_scoreboard_worker_from_indexes(0, 0));

        if (!client->counts) {
            ap_create_sb_handle(&client->counts, client->c->pool, (int)(row / nrows), (int)(row % nrows));
        }
        ap_increment_counts(client->counts, r);
    }
    return DECLINED;
}

void rp_lanes_register(int (*serves)(request_rec *r), const char *handler)
{
    /* Behind all who may have a protocol of their own, before HTTP/1. */
    static const char *const before[] = { "http_core.c", NULL };

    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_LAST);
    ap_hook_child_stopping(child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_pre_connection(pre_connection, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_process_connection(process_connection, NULL, before, APR_HOOK_REALLY_LAST);
    ap_hook_suspend_connection(suspend_connection, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_post_read_request(post_read_request, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(count, NULL, NULL, APR_HOOK_REALLY_LAST);
    rp_input_register();
    rp_output_register();
    rp_errand_register(serves, handler);
}

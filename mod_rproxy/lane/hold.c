/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The worker of an asynchronous MPM waits for the next request; hold.h says why. */

#include <httpd.h>
#include <ap_mpm.h>
#include <apr_atomic.h>
#include <apr_portable.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_protocol.h>
#include <scoreboard.h>
#include <util_filter.h>

#include "config/config.h"
#include "lane/coroutine.h"
#include "lane/hold.h"
#include "lane/lane.h"

/* How long it may take until a waiting worker notices that it is needed, or that the child is to end. */
#define SLICE apr_time_from_msec(10)

/** What is remembered of a client's connection. */
typedef struct memory_t {
    apr_time_t left; /* when the MPM got it back, in terms of rp_now(); 0: not yet */
} memory_t;

static apr_uint32_t threads; /* of this child; 0: the MPM is not asynchronous, and nothing is done */

/* In this child: workers with a connection, waiting ones included, and open connections. */
static volatile apr_uint32_t workers, connections;

/* The other hooks of process_connection are run from inside of ours. */
static __thread int inside;

static apr_status_t closed(void *unused)
{
    (void)unused;
    apr_atomic_dec32(&connections);
    return APR_SUCCESS;
}

static memory_t *memory_of(conn_rec *c)
{
    memory_t *memory = ap_get_module_config(c->conn_config, &rproxy_module);

    if (!memory) {
        memory = apr_pcalloc(c->pool, sizeof(*memory));
        ap_set_module_config(c->conn_config, &rproxy_module, memory);
        apr_atomic_inc32(&connections);
        apr_pool_cleanup_register(c->pool, NULL, closed, apr_pool_cleanup_null);
    }
    return memory;
}

/*
 * How long to wait for a next request.  A client that took longer than that for the last one is likely to do
 * so again, and waiting in vain costs more than the MPM's way: it is waited for again once it was quick.
 */
static apr_interval_time_t patience(conn_rec *c, const memory_t *memory)
{
    apr_interval_time_t wait = RP_OR_DEFAULT(rp_server_conf(c->base_server)->keep_alive_wait,
                                             RP_DEFAULT_KEEP_ALIVE_WAIT);

    if (wait > c->base_server->keep_alive_timeout) {
        wait = c->base_server->keep_alive_timeout;
    }
    return wait && memory->left && rp_now() - memory->left > wait ? 0 : wait;
}

/*
 * Whether a worker may wait.  Half of them always stay free.  And mpm_event accepts as many connections as it
 * has threads, and AsyncRequestWorkerFactor (2) more for each idle one: workers that wait only below one more
 * for each idle one are never what keeps it from accepting.
 */
static int can_spare_worker(void)
{
    apr_uint32_t busy = apr_atomic_read32(&workers);
    int state;

    return 2 * busy <= threads && apr_atomic_read32(&connections) < threads + (threads - busy)
           && ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS && state != AP_MPMQ_STOPPING;
}

/* Whether a response of HTTP/1 is done, and the MPM would only wait for what comes next. */
static int is_between_requests(conn_rec *c, int rc)
{
    return (rc == OK || rc == DONE) && c->cs->state == CONN_STATE_WRITE_COMPLETION
           && c->cs->sense == CONN_SENSE_DEFAULT && c->keepalive == AP_CONN_KEEPALIVE && !c->aborted
           && !c->clogging_input_filters && !strcmp(ap_get_protocol(c), AP_PROTOCOL_HTTP1);
}

/*
 * Write out what the network's filter has put off, which also ends the request and logs it.
 * @return nonzero when all of it went
 */
static int is_flushed(conn_rec *c)
{
    ap_filter_t *network = c->output_filters;

    while (network->next) {
        network = network->next;
    }
    return network->frec->filter_func.out_func(network, NULL) == APR_SUCCESS && !c->data_in_output_filters
           && !c->aborted;
}

/* An ungraceful stop closes the socket under its worker: so the descriptor is asked for anew each time. */
static int descriptor(conn_rec *c)
{
    apr_os_sock_t fd;

    return apr_os_sock_get(&fd, ap_get_conn_socket(c)) == APR_SUCCESS ? fd : -1;
}

/* Nonzero when there is something to read, be it the connection's end, before the wait is over. */
static int is_soon_readable(conn_rec *c, apr_interval_time_t wait)
{
    apr_time_t now = rp_now();
    apr_time_t deadline = now + wait;
    apr_status_t rv = APR_TIMEUP;

    ap_update_child_status(c->sbh, SERVER_BUSY_KEEPALIVE, NULL);
    while (APR_STATUS_IS_TIMEUP(rv) && now < deadline && can_spare_worker()) {
        rv = rp_wait(descriptor(c), RP_WANT_READ, now + SLICE < deadline ? now + SLICE : deadline);
        now = rp_now();
    }
    return rv == APR_SUCCESS;
}

/*
 * What is here already (data_in_input_filters: pipelined, or inside of TLS) is left to the MPM, which goes on
 * with it on this same thread.
 */
static int comes_another(conn_rec *c, int rc, apr_interval_time_t wait)
{
    if (!wait || !is_between_requests(c, rc) || !is_flushed(c) || c->data_in_input_filters
        || !is_soon_readable(c, wait)) {
        return 0;
    }
    c->cs->state = CONN_STATE_READ_REQUEST_LINE;
    return 1;
}

static int process_connection(conn_rec *c)
{
    memory_t *memory;
    apr_interval_time_t wait;
    int rc;

    if (!threads || inside || c->master || !c->cs || rp_coroutine_current()) {
        return DECLINED;
    }
    memory = memory_of(c);
    wait = patience(c, memory);
    inside = 1;
    apr_atomic_inc32(&workers);
    do {
        rc = ap_run_process_connection(c);
    } while (comes_another(c, rc, wait));
    apr_atomic_dec32(&workers);
    inside = 0;
    memory->left = rp_now();
    return rc;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    int is_async = 0;
    int max = 0;

    (void)p;
    (void)s;
    if (ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async) == APR_SUCCESS && is_async
        && ap_mpm_query(AP_MPMQ_MAX_THREADS, &max) == APR_SUCCESS && max > 0) {
        threads = (apr_uint32_t)max;
    }
}

void rp_hold_register(void)
{
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_process_connection(process_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The life of a connection on its lane: request, next request or pause, lingering close. */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <apr_allocator.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <mpm_common.h>

#include "config/config.h"
#include "lane/client.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* As httpd itself: until the client has closed as well, but not for longer. */
#define LINGER apr_time_from_sec(30)
#define SHORT_LINGER apr_time_from_sec(2)

/* A client that asks nothing for so long makes a pause. */
#define PAUSE apr_time_from_sec(1)
/* Pieces of memory that a connection gives back then, at most, each what APR takes from the system at least. */
#define TRIMMED 4
#define NODE 4096

/* So often is looked at once whether the worker that gave it away has let go; later each millisecond. */
#define QUICK_TRIES 50

static void serve(void *data);
static void say_goodbye(void *data);

/* ------------------------------------------------------------------ the end */

/* The MPM counts it as suspended until its pool is gone; the pool closes the socket. */
static void destroy(rp_client_t *client)
{
    conn_rec *c = client->c;
    rp_home_t *home = client->home;

    rp_lane_forget(home->lane, client->fd);
    *client->link = client->next;
    if (client->next) {
        client->next->link = client->link;
    }
    __atomic_fetch_sub(&home->load, 1, __ATOMIC_RELAXED);
    if (client->ahead) {
        free(client->ahead);
    }
    c->cs->state = CONN_STATE_SUSPENDED;
    apr_pool_destroy(c->pool);
}

/* Without a stack for its coroutine a connection cannot go on in any way. */
static void spawn(rp_client_t *client, void (*fn)(void *data))
{
    if (!rp_lane_spawn(client->home->lane, fn, client)) {
        ap_log_cerror(APLOG_MARK, APLOG_ERR, errno, client->c, RPLOGNO(0003) "no memory for a coroutine's stack");
        client->c->aborted = 1;
        destroy(client);
    }
}

static void linger(rp_watch_t *watch, apr_status_t rv)
{
    rp_client_t *client = watch->data;
    char nobody_reads[4096];
    ssize_t n = 1;

    while (rv == APR_SUCCESS && n > 0) {
        rp_lane_seen(client->home->lane, client->fd);
        n = recv(client->fd, nobody_reads, sizeof(nobody_reads), 0);
    }
    if (rv != APR_SUCCESS || n == 0 || !APR_STATUS_IS_EAGAIN(errno)
        || rp_lane_watch(client->home->lane, watch) != APR_SUCCESS) {
        destroy(client);
    }
}

/* On a coroutine: send what is left and a TLS connection's end, which may wait; then hear the client out. */
static void say_goodbye(void *data)
{
    rp_client_t *client = data;
    conn_rec *c = client->c;
    int is_short = apr_table_get(c->notes, "short-lingering-close") != NULL;

    if (ap_start_lingering_close(c)) {
        destroy(client);
        return;
    }
    client->waitee = (rp_waitee_t){ client->fd, RP_WANT_READ | RP_WANT_HANGUP, 0 };
    client->watch = (rp_watch_t){ .timer.at = rp_now() + (is_short ? SHORT_LINGER : LINGER),
                                  .waitees = &client->waitee, .n = 1, .edges = 1, .fn = linger, .data = client };
    linger(&client->watch, APR_SUCCESS);
}

/* ------------------------------------------------------------------ between requests */

/*
 * What requests needed lies in the connection's allocator for the next one, since Debian's APR would ask the system
 * anew each time.  A client that makes a pause leaves it to others: what is taken from there and given back under a
 * limit of nearly nothing goes to the system.
 */
static void trim(conn_rec *c)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(c->pool);
    apr_memnode_t *nodes[TRIMMED];
    int i;

    for (i = 0; i < TRIMMED; i++) {
        nodes[i] = apr_allocator_alloc(allocator, NODE);
    }
    apr_allocator_max_free_set(allocator, 1);
    for (i = 0; i < TRIMMED; i++) {
        if (nodes[i]) {
            apr_allocator_free(allocator, nodes[i]);
        }
    }
    apr_allocator_max_free_set(allocator, ap_max_mem_free);
}

static int wait_idle(rp_client_t *client, apr_time_t until)
{
    client->watch.timer.at = until < client->idle_until ? until : client->idle_until;
    client->is_idle = rp_lane_watch(client->home->lane, &client->watch) == APR_SUCCESS;
    return client->is_idle;
}

static void idle_is_over(rp_watch_t *watch, apr_status_t rv)
{
    rp_client_t *client = watch->data;

    client->is_idle = 0;
    if (rv == APR_SUCCESS) {
        rv = rp_client_fill(client);
        /* News of what had been read already. */
        if (APR_STATUS_IS_EAGAIN(rv) && wait_idle(client, watch->timer.at)) {
            return;
        }
    }
    else if (rp_now() < client->idle_until) {
        trim(client->c);
        if (wait_idle(client, client->idle_until)) {
            return;
        }
    }
    if (APR_STATUS_IS_TIMEUP(rv)) {
        apr_table_setn(client->c->notes, "short-lingering-close", "1");
    }
    spawn(client, rv == APR_SUCCESS ? serve : say_goodbye);
}

static void serve_next(void *data)
{
    spawn(data, serve);
}

typedef enum next_e {
    NEXT_REQUEST,
    NEXT_IDLE,
    NEXT_CLOSE,
    NEXT_NOTHING /* another module has it */
} next_e;

/* What mpm_event would do with what the hooks have left. */
static next_e what_next(rp_client_t *client, int rc)
{
    conn_rec *c = client->c;
    conn_state_e state = c->cs->state;

    if ((rc != OK && rc != DONE) || c->aborted) {
        return NEXT_CLOSE;
    }
    if (state == CONN_STATE_SUSPENDED) {
        return NEXT_NOTHING;
    }
    if ((state != CONN_STATE_WRITE_COMPLETION && state != CONN_STATE_CHECK_REQUEST_LINE_READABLE)
        || rp_client_drain(client) != APR_SUCCESS || c->keepalive != AP_CONN_KEEPALIVE) {
        return NEXT_CLOSE;
    }
    if (c->data_in_input_filters) {
        return NEXT_REQUEST;
    }
    if (client->home->stopping) {
        return NEXT_CLOSE;
    }
    switch (rp_client_fill(client)) {
    case APR_SUCCESS:
        return NEXT_REQUEST;
    case APR_EAGAIN:
        return NEXT_IDLE;
    default:
        return NEXT_CLOSE;
    }
}

static int become_idle(rp_client_t *client)
{
    client->waitee = (rp_waitee_t){ client->fd, RP_WANT_READ | RP_WANT_HANGUP, 0 };
    client->watch = (rp_watch_t){ .waitees = &client->waitee, .n = 1, .edges = 1, .fn = idle_is_over,
                                  .data = client };
    client->idle_until = rp_now() + client->keep_alive;
    return wait_idle(client, client->idle_until - client->keep_alive + PAUSE);
}

/* On a coroutine: one request, as an MPM's worker has it processed. */
static void serve(void *data)
{
    rp_client_t *client = data;
    conn_rec *c = client->c;
    next_e next;

    client->keep_alive = c->base_server->keep_alive_timeout;
    c->cs->state = CONN_STATE_READ_REQUEST_LINE;
    c->cs->sense = CONN_SENSE_DEFAULT;
    next = what_next(client, ap_run_process_connection(c));
    c->cs->state = CONN_STATE_SUSPENDED;
    switch (next) {
    case NEXT_REQUEST: /* behind those of others */
        client->task = (rp_task_t){ NULL, serve_next, client };
        rp_lane_later(client->home->lane, &client->task);
        break;
    case NEXT_IDLE:
        if (become_idle(client)) {
            break;
        }
        /* fall through */
    case NEXT_CLOSE:
        say_goodbye(client);
        break;
    case NEXT_NOTHING:
        break;
    }
}

/* ------------------------------------------------------------------ its beginning, and the child's end */

/*
 * The worker's last touch, behind the suspend_connection hook, is to take the scoreboard's handle away; then its row
 * changes, or it gives away another connection.
 */
static int is_let_go(const rp_client_t *client)
{
    return !__atomic_load_n(&client->c->sbh, __ATOMIC_ACQUIRE)
           && (__atomic_load_n(&client->giver->status, __ATOMIC_ACQUIRE) != SERVER_CLOSING
               || rp_giver_count(client->giver) != client->given);
}

static void begin(void *data)
{
    rp_client_begin(data);
}

static void try_again(rp_watch_t *watch, apr_status_t rv)
{
    (void)rv;
    rp_client_begin(watch->data);
}

static void wait_for_worker(rp_client_t *client)
{
    if (++client->tries < QUICK_TRIES) {
        sched_yield();
        client->task = (rp_task_t){ NULL, begin, client };
        rp_lane_later(client->home->lane, &client->task);
        return;
    }
    client->watch = (rp_watch_t){ .timer.at = rp_now() + apr_time_from_msec(1), .fn = try_again, .data = client };
    if (rp_lane_watch(client->home->lane, &client->watch) != APR_SUCCESS) {
        client->tries = 0;
        wait_for_worker(client);
    }
}

void rp_client_begin(rp_client_t *client)
{
    rp_home_t *home = client->home;
    apr_status_t rv;

    if (!is_let_go(client)) {
        wait_for_worker(client);
        return;
    }
    client->next = home->clients;
    client->link = &home->clients;
    if (client->next) {
        client->next->link = &client->next;
    }
    home->clients = client;
    client->c->current_thread = home->thread;
    rv = rp_lane_keep(home->lane, client->fd);
    if (rv != APR_SUCCESS) {
        ap_log_cerror(APLOG_MARK, APLOG_ERR, rv, client->c, RPLOGNO(0004) "a lane cannot watch a client's connection");
        destroy(client);
        return;
    }
    spawn(client, serve);
}

/* A request that has come meanwhile is answered yet. */
static void end_idle(rp_client_t *client)
{
    client->is_idle = 0;
    rp_lane_unwatch(client->home->lane, &client->watch);
    client->is_drained = 0;
    if (rp_client_fill(client) == APR_SUCCESS) {
        spawn(client, serve);
        return;
    }
    apr_table_setn(client->c->notes, "short-lingering-close", "1");
    spawn(client, say_goodbye);
}

void rp_clients_stop(rp_home_t *home, int at_once)
{
    rp_client_t *client = home->clients;

    home->stopping = 1;
    while (client) {
        rp_client_t *next = client->next;

        if (at_once) { /* whoever waits for it, on a worker too, sees its end */
            shutdown(client->fd, SHUT_RDWR);
        }
        else if (client->is_idle) {
            end_idle(client);
        }
        client = next;
    }
}

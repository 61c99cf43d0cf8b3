/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "lane/lane.h"
#include "upstream/conn.h"

static void unlink_idle(rp_peer_t *peer, rp_conn_t *conn)
{
    *(conn->prev ? &conn->prev->next : &peer->idle) = conn->next;
    *(conn->next ? &conn->next->prev : &peer->oldest) = conn->prev;
    conn->next = conn->prev = NULL;
    peer->nidle--;
}

static apr_status_t close_idle(void *data)
{
    rp_peer_t *peer = data;

    while (peer->idle) {
        rp_conn_t *conn = peer->idle;

        unlink_idle(peer, conn);
        rp_conn_close(conn);
    }
    return APR_SUCCESS;
}

apr_status_t rp_peer_child_init(rp_peer_t *peer, apr_pool_t *p)
{
    apr_status_t rv = apr_thread_mutex_create(&peer->lock, APR_THREAD_MUTEX_DEFAULT, p);

    if (rv == APR_SUCCESS) {
        apr_pool_pre_cleanup_register(p, peer, close_idle);
    }
    if (rv == APR_SUCCESS && peer->tls) {
        rv = rp_tls_sessions_open(&peer->tls->sessions, p);
    }
    return rv;
}

static rp_conn_t *pop_idle(rp_peer_t *peer)
{
    rp_conn_t *conn;

    apr_thread_mutex_lock(peer->lock);
    conn = peer->idle;
    if (conn) {
        unlink_idle(peer, conn);
    }
    apr_thread_mutex_unlock(peer->lock);
    return conn;
}

void rp_peer_close_idle(rp_peer_t *peer)
{
    rp_conn_t *conn;

    /* Bounded: nobody adds to the list of a member that is not used. */
    while ((conn = pop_idle(peer)) != NULL) {
        rp_conn_close(conn);
    }
}

/* A name may have moved since. */
static int leads_to(const rp_addresses_t *shared, rp_conn_t *conn)
{
    apr_uint32_t sequence = shared ? rp_addresses_sequence(shared) : conn->sequence;

    if (conn->sequence != sequence && !rp_addresses_have(shared, &conn->address)) {
        return 0;
    }
    conn->sequence = sequence;
    return 1;
}

/* Would it be used for another exchange? */
static int is_fit(const rp_peer_t *peer, rp_conn_t *conn, apr_time_t now)
{
    return now - conn->parked < peer->conf->idle && now - conn->made < peer->conf->lifetime
           && leads_to(peer->shared, conn) && rp_transport_is_idle(&conn->t);
}

rp_conn_t *rp_conn_take(rp_peer_t *peer)
{
    apr_time_t now = rp_now();
    rp_conn_t *conn;

    /* Bounded: each turn takes one off the list. */
    while ((conn = pop_idle(peer)) != NULL) {
        if (is_fit(peer, conn, now)) {
            return conn;
        }
        rp_conn_close(conn);
    }
    return NULL;
}

void rp_peer_close_unfit(rp_peer_t *peer)
{
    apr_time_t now = rp_now();
    rp_conn_t *conn, *next, *unfit = NULL;

    apr_thread_mutex_lock(peer->lock);
    for (conn = peer->idle; conn; conn = next) {
        next = conn->next;
        if (!is_fit(peer, conn, now)) {
            unlink_idle(peer, conn);
            conn->next = unfit;
            unfit = conn;
        }
    }
    apr_thread_mutex_unlock(peer->lock);
    for (conn = unfit; conn; conn = next) {
        next = conn->next;
        rp_conn_close(conn);
    }
}

/* The oldest connection, when there are too many or it is past its idle time: detached to be closed. */
static rp_conn_t *detach_oldest(rp_peer_t *peer, apr_time_t now)
{
    rp_conn_t *oldest = peer->oldest;

    if (!oldest || (peer->nidle < peer->conf->keep && now - oldest->parked < peer->conf->idle)) {
        return NULL;
    }
    unlink_idle(peer, oldest);
    return oldest;
}

/* The last that is done with the peer: it may be another member's from here on. */
static void end_use(rp_peer_t *peer, int in_use)
{
    if (in_use) {
        peer->leave(peer);
    }
}

void rp_conn_park(rp_conn_t *conn)
{
    rp_peer_t *peer = conn->peer;
    apr_time_t now = rp_now();
    int in_use = conn->in_use;
    rp_conn_t *oldest;

    if (peer->conf->keep == 0 || now - conn->made >= peer->conf->lifetime || conn->start != conn->end
        || rp_transport_pending(&conn->t)) {
        rp_conn_close(conn);
        return;
    }
    conn->start = conn->end = 0;
    conn->exchanges++;
    conn->parked = now;
    conn->in_use = 0;
    apr_thread_mutex_lock(peer->lock);
    oldest = detach_oldest(peer, now);
    conn->next = peer->idle;
    *(conn->next ? &conn->next->prev : &peer->oldest) = conn;
    peer->idle = conn;
    peer->nidle++;
    apr_thread_mutex_unlock(peer->lock);
    if (oldest) {
        rp_conn_close(oldest);
    }
    end_use(peer, in_use);
}

void rp_conn_close(rp_conn_t *conn)
{
    rp_peer_t *peer = conn->peer;
    int in_use = conn->in_use;

    rp_transport_close(&conn->t);
    free(conn);
    end_use(peer, in_use);
}

static const char *status_text(apr_pool_t *p, apr_status_t rv)
{
    char text[120];

    return apr_pstrdup(p, apr_strerror(rv, text, sizeof(text)));
}

static void connect_failed(rp_failure_t *failure, apr_status_t rv, apr_pool_t *p)
{
    int refused = APR_STATUS_IS_ECONNREFUSED(rv) || APR_STATUS_IS_ENOENT(rv);

    failure->phase = "connect";
    failure->status = APR_STATUS_IS_TIMEUP(rv) ? 504 : 502;
    failure->type = APR_STATUS_IS_TIMEUP(rv) ? "connection_timeout"
                  : refused ? "connection_refused" : "destination_ip_unroutable";
    failure->cause = APR_STATUS_IS_TIMEUP(rv) ? "no connection within RProxyTimeout connect="
                   : status_text(p, rv);
}

static void handshake_failed(rp_failure_t *failure, rp_tls_failure_e kind, const rp_transport_t *t, apr_status_t rv,
                             apr_pool_t *p)
{
    failure->phase = "tls";
    failure->status = APR_STATUS_IS_TIMEUP(rv) ? 504 : 502;
    failure->cause = t->error[0] ? apr_pstrdup(p, t->error)
                   : APR_STATUS_IS_TIMEUP(rv) ? "no handshake within RProxyTimeout connect=" : status_text(p, rv);
    switch (kind) {
    case RP_TLS_CERTIFICATE:
        failure->type = "tls_certificate_error";
        break;
    case RP_TLS_ALERT:
        failure->type = "tls_alert_received";
        break;
    case RP_TLS_IO:
        failure->type = APR_STATUS_IS_TIMEUP(rv) ? "connection_timeout" : "connection_terminated";
        break;
    default:
        failure->type = "tls_protocol_error";
    }
}

static rp_conn_t *new_conn(rp_peer_t *peer)
{
    rp_conn_t *conn = malloc(sizeof(*conn));

    if (conn) {
        rp_transport_init(&conn->t);
        conn->peer = peer;
        conn->next = conn->prev = NULL;
        conn->made = rp_now();
        conn->in_use = 0;
        conn->exchanges = 0;
        conn->start = conn->end = 0;
    }
    return conn;
}

/* Where a new connection may go to. */
typedef struct targets_t {
    rp_address_t addresses[RP_MAX_ADDRESSES];
    int n;
    apr_uint32_t sequence;
} targets_t;

/* A connection to one of the peer's addresses. */
static apr_status_t reach(rp_conn_t *conn, const targets_t *targets, apr_time_t deadline, const rp_endpoints_t *ends)
{
    apr_status_t rv = APR_EGENERAL;
    int i;

    for (i = 0; i < targets->n && rv != APR_SUCCESS && !APR_STATUS_IS_EINTR(rv); i++) {
        /* Each address gets its share of the time that is left, so that a dead one does not use up all of it. */
        rv = rp_transport_connect(&conn->t, &targets->addresses[i],
                                  rp_now() + (deadline - rp_now()) / (targets->n - i));
        conn->address = targets->addresses[i];
    }
    conn->sequence = targets->sequence;
    return rv == APR_SUCCESS && conn->peer->conf->proxy_protocol ? rp_transport_announce(&conn->t, ends) : rv;
}

static apr_status_t connect_and_shake(rp_conn_t *conn, const targets_t *targets, apr_time_t deadline,
                                      const rp_endpoints_t *ends, apr_pool_t *p, rp_failure_t *failure)
{
    const rp_peer_t *peer = conn->peer;
    rp_tls_failure_e kind = RP_TLS_OK;
    int tries, rival = conn->t.rival;
    apr_status_t rv;

    for (tries = 0; tries < 2; tries++) {
        rv = reach(conn, targets, deadline, ends);
        if (rv != APR_SUCCESS) {
            connect_failed(failure, rv, p);
            return rv;
        }
        rv = peer->tls ? rp_transport_tls(&conn->t, peer->tls, deadline, &kind) : APR_SUCCESS;
        if (rv == APR_SUCCESS) {
            return rv;
        }
        if (!conn->t.resuming || (kind != RP_TLS_ALERT && kind != RP_TLS_PROTOCOL)) {
            break;
        }
        /* It may be the session that it failed at; none is offered now. */
        rp_transport_close(&conn->t);
        rp_transport_init(&conn->t);
        conn->t.rival = rival;
    }
    handshake_failed(failure, kind, &conn->t, rv, p);
    return rv;
}

typedef struct look_up_t {
    const rp_peer_t *peer;
    targets_t *targets;
    apr_pool_t *p;
    const char **error;
} look_up_t;

static void look_up(void *data)
{
    look_up_t *l = data;

    l->targets->n = rp_resolve(l->peer->conf, l->targets->addresses, l->p, l->error);
}

static int find_targets(const rp_peer_t *peer, targets_t *targets, apr_pool_t *p, const char **error)
{
    targets->sequence = peer->shared ? rp_addresses_sequence(peer->shared) : 0;
    targets->n = rp_peer_addresses(peer, targets->addresses);
    if (targets->n == 0 && peer->looked_up) {
        *error = apr_pstrcat(p, "no address of ", peer->conf->host, " is known by now", NULL);
    }
    else if (targets->n == 0) {
        look_up_t l = { peer, targets, p, error };

        rp_blocking(look_up, &l);
    }
    return targets->n;
}

rp_conn_t *rp_conn_open(rp_peer_t *peer, apr_time_t deadline, const rp_endpoints_t *ends, int rival, apr_pool_t *p,
                        rp_failure_t *failure)
{
    rp_conn_t *conn;
    targets_t targets;

    if (!find_targets(peer, &targets, p, &failure->cause)) {
        failure->status = 502;
        failure->type = "dns_error";
        failure->phase = "resolve";
        return NULL;
    }
    conn = new_conn(peer);
    if (!conn) {
        failure->status = 503;
        failure->type = "proxy_internal_error";
        failure->phase = "connect";
        failure->cause = "out of memory";
        return NULL;
    }
    conn->t.rival = rival;
    if (connect_and_shake(conn, &targets, deadline, ends, p, failure) != APR_SUCCESS) {
        rp_conn_close(conn);
        return NULL;
    }
    if (peer->tls) {
        rp_peer_shook_hands(peer, &conn->t);
    }
    return conn;
}

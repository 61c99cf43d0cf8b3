/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Servers, their idle connections, and one exchange with one of them. */

#include <string.h>

#include <apr_strings.h>

#include "farm/link.h"
#include "lane/lane.h"

/* ---------------------------------------------------------------- places */

static void close_all(rp_redis_conn_t *conn)
{
    while (conn) {
        rp_redis_conn_t *next = conn->next;

        rp_redis_close(conn);
        conn = next;
    }
}

/* All idle connections of a node, for the caller to close when the lock is free. */
static rp_redis_conn_t *detach_idle(rp_node_t *node)
{
    rp_redis_conn_t *idle = node->idle;

    node->idle = NULL;
    node->nidle = 0;
    return idle;
}

static void name_node(char *name, const char *host, int port)
{
    apr_snprintf(name, RP_NODE_NAME, port == 0 ? "%s" : strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

static void fill(rp_farm_t *farm, rp_node_t *node, const char *host, int port)
{
    memset(node, 0, sizeof(*node));
    apr_cpystrn(node->host, host, sizeof(node->host));
    node->port = port;
    name_node(node->name, host, port);
    if (farm->tls) {
        node->tls = *farm->tls;
        node->tls.name = node->host;
    }
    node->breaker = rp_breaker_find(farm->shared->breakers, RP_FARM_BREAKERS, node->name);
    if (!node->breaker) {
        node->breaker = &node->own;
    }
}

void rp_nodes_init(rp_farm_t *farm, apr_pool_t *p)
{
    const rp_redis_url_t *url = &farm->conf->url;
    int i;

    farm->nodes = apr_pcalloc(p, RP_FARM_NODES * sizeof(*farm->nodes));
    farm->nseeds = url->nhosts;
    for (i = 0; i < url->nhosts; i++) {
        fill(farm, &farm->nodes[i], url->hosts[i].host, url->hosts[i].port);
        /* Theirs are never held, as they keep their places. */
        farm->nodes[i].is_sentinel = url->kind == RP_REDIS_SENTINEL;
        rp_name_resolve(&farm->nodes[i], 1);
    }
}

static apr_status_t end_child(void *data)
{
    rp_farm_t *farm = data;
    int i;

    rp_names_stop(farm);
    for (i = 0; i < RP_FARM_NODES; i++) {
        close_all(detach_idle(&farm->nodes[i]));
    }
    return APR_SUCCESS;
}

apr_status_t rp_nodes_child_init(rp_farm_t *farm, apr_pool_t *p)
{
    apr_status_t rv = apr_thread_mutex_create(&farm->lock, APR_THREAD_MUTEX_DEFAULT, p);

    rv = rv == APR_SUCCESS ? apr_thread_cond_create(&farm->wake, p) : rv;
    if (rv == APR_SUCCESS) {
        farm->child_pool = p;
        apr_pool_pre_cleanup_register(p, farm, end_child);
    }
    return rv;
}

static int is_mapped(const rp_farm_t *farm, int index)
{
    int i;

    for (i = 0; farm->slots && i < RP_SLOTS; i++) {
        if (farm->slots[i] == index) {
            return 1;
        }
    }
    return farm->master == index;
}

/* A place that is free, or that nobody needs; its idle connections go to *idle. */
static int free_place(rp_farm_t *farm, rp_redis_conn_t **idle)
{
    int i;

    for (i = farm->nseeds; i < RP_FARM_NODES; i++) {
        if (!farm->nodes[i].name[0]) {
            return i;
        }
    }
    for (i = farm->nseeds; i < RP_FARM_NODES; i++) {
        if (farm->nodes[i].users == 0 && !is_mapped(farm, i)) {
            *idle = detach_idle(&farm->nodes[i]);
            return i;
        }
    }
    return -1;
}

int rp_node_find(rp_farm_t *farm, rp_str_t host, int port)
{
    char text[RP_REDIS_HOST_MAX], name[RP_NODE_NAME];
    rp_redis_conn_t *idle = NULL;
    int i;

    if (host.len == 0 || host.len >= sizeof(text) || port < 1) {
        return -1;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    name_node(name, text, port);
    apr_thread_mutex_lock(farm->lock);
    for (i = 0; i < RP_FARM_NODES; i++) {
        if (!farm->nodes[i].is_sentinel && !strcmp(farm->nodes[i].name, name)) {
            break;
        }
    }
    if (i == RP_FARM_NODES) {
        i = free_place(farm, &idle);
        if (i >= 0) {
            fill(farm, &farm->nodes[i], text, port);
            if (!rp_name_resolve(&farm->nodes[i], 0)) {
                rp_name_want(farm, &farm->nodes[i]);
            }
        }
    }
    if (i >= farm->nseeds) {
        farm->nodes[i].users++;
    }
    apr_thread_mutex_unlock(farm->lock);
    close_all(idle);
    return i;
}

void rp_node_hold(rp_farm_t *farm, int index)
{
    if (index < farm->nseeds) {
        return;
    }
    apr_thread_mutex_lock(farm->lock);
    farm->nodes[index].users++;
    apr_thread_mutex_unlock(farm->lock);
}

void rp_node_release(rp_farm_t *farm, int index)
{
    if (index < farm->nseeds) {
        return;
    }
    apr_thread_mutex_lock(farm->lock);
    farm->nodes[index].users--;
    apr_thread_mutex_unlock(farm->lock);
}

/* ---------------------------------------------------------------- connections */

static rp_redis_conn_t *pop_idle(rp_farm_t *farm, rp_node_t *node)
{
    rp_redis_conn_t *conn;

    apr_thread_mutex_lock(farm->lock);
    conn = node->idle;
    if (conn) {
        node->idle = conn->next;
        node->nidle--;
        conn->next = NULL;
    }
    apr_thread_mutex_unlock(farm->lock);
    return conn;
}

static rp_redis_conn_t *take(rp_farm_t *farm, rp_node_t *node)
{
    apr_time_t now = rp_now();
    rp_redis_conn_t *conn;

    /* Bounded: each turn takes one off the list. */
    while ((conn = pop_idle(farm, node)) != NULL) {
        if (now - conn->parked < RP_NODE_IDLE && rp_redis_is_idle(conn)) {
            return conn;
        }
        rp_redis_close(conn);
    }
    return NULL;
}

/* The connections at the list's end that are past their time or too many. */
static rp_redis_conn_t *detach_old(rp_node_t *node, apr_time_t now)
{
    rp_redis_conn_t **link = &node->idle, *old;
    int n = 0;

    while (*link && n < RP_NODE_KEEP && now - (*link)->parked < RP_NODE_IDLE) {
        link = &(*link)->next;
        n++;
    }
    old = *link;
    *link = NULL;
    node->nidle = n;
    return old;
}

static void park(rp_farm_t *farm, rp_node_t *node, rp_redis_conn_t *conn)
{
    rp_redis_conn_t *old;

    conn->parked = rp_now();
    apr_thread_mutex_lock(farm->lock);
    conn->next = node->idle;
    node->idle = conn;
    old = detach_old(node, conn->parked);
    apr_thread_mutex_unlock(farm->lock);
    close_all(old);
}

/* What to log in with; addresses are copied, as the resolver's thread may change them. */
static void prepare_login(rp_farm_t *farm, rp_node_t *node, rp_address_t *addresses, rp_redis_login_t *login)
{
    const rp_farm_conf_t *conf = farm->conf;

    memset(login, 0, sizeof(*login));
    apr_thread_mutex_lock(farm->lock);
    memcpy(addresses, node->addresses, sizeof(node->addresses));
    login->naddresses = node->naddresses;
    apr_thread_mutex_unlock(farm->lock);
    login->addresses = addresses;
    login->tls = farm->tls ? &node->tls : NULL;
    login->user = node->is_sentinel ? NULL : conf->url.user;
    login->password = node->is_sentinel ? conf->sentinel_password : conf->password;
    login->db = node->is_sentinel ? 0 : conf->db;
}

static rp_redis_conn_t *open_new(rp_farm_t *farm, rp_node_t *node, const rp_visit_t *visit, rp_redis_trouble_t *trouble)
{
    rp_address_t addresses[RP_NODE_ADDRESSES];
    rp_redis_login_t login;
    rp_redis_conn_t *conn;
    apr_time_t begin = rp_now(), deadline = begin + farm->conf->connect;

    prepare_login(farm, node, addresses, &login);
    if (login.naddresses == 0) {
        trouble->kind = RP_REDIS_CONNECT;
        trouble->timed_out = 0;
        apr_cpystrn(trouble->why, "the address of its name is not known (yet)", sizeof(trouble->why));
        return NULL;
    }
    deadline = deadline < visit->limit->last ? deadline : visit->limit->last;
    conn = rp_redis_open(&login, deadline, visit->p, trouble);
    rp_farm_count(farm, connects);
    /* The time that it took is not the reply's. */
    visit->limit->deadline += rp_now() - begin;
    if (visit->limit->deadline > visit->limit->last) {
        visit->limit->deadline = visit->limit->last;
    }
    return conn;
}

/* ---------------------------------------------------------------- judging */

static uint32_t random_bits(void)
{
    return (uint32_t)(((apr_uint64_t)rp_now() * 0x9e3779b97f4a7c15u) >> 40);
}

/* A server that is of no use now: leave it alone, and look anew where things are. */
static void blame(rp_farm_t *farm, rp_node_t *node, rp_breaker_way_e way, rp_breaker_evidence_e evidence)
{
    int opened = rp_breaker_failed(node->breaker, way, evidence, rp_now(), farm->conf->trial, random_bits());
    rp_redis_conn_t *idle = NULL;

    __atomic_store_n(&farm->doubt, 1, __ATOMIC_RELAXED);
    if (opened) {
        rp_farm_count(farm, opened);
    }
    apr_thread_mutex_lock(farm->lock);
    /* The other connections are no better, and a trial is to be made on a new one. */
    idle = detach_idle(node);
    rp_name_want(farm, node);
    apr_thread_mutex_unlock(farm->lock);
    close_all(idle);
}

static void praise(rp_farm_t *farm, rp_node_t *node, rp_breaker_way_e way)
{
    apr_interval_time_t away = rp_breaker_ok(node->breaker, way, rp_now());
    char text[32];

    if (away) {
        apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT " ms", away / 1000);
        rp_farm_tell(farm, RP_TELL_AGAIN, node->name, text);
    }
}

static rp_farm_outcome_e failed(rp_farm_t *farm, rp_node_t *node, rp_breaker_way_e way,
                                const rp_redis_trouble_t *trouble, rp_farm_outcome_e outcome)
{
    static const rp_tell_e kinds[] = {
        [RP_REDIS_CONNECT] = RP_TELL_UNREACHED, [RP_REDIS_REFUSED] = RP_TELL_AUTH, [RP_REDIS_TIMEOUT] = RP_TELL_LOST,
        [RP_REDIS_BROKEN] = RP_TELL_LOST, [RP_REDIS_NONSENSE] = RP_TELL_NONSENSE
    };
    int is_soft = trouble->timed_out || trouble->kind == RP_REDIS_BROKEN;

    rp_farm_tell(farm, kinds[trouble->kind], node->name, trouble->why);
    blame(farm, node, way, is_soft ? RP_BREAKER_TIMEOUT : RP_BREAKER_DOWN);
    return outcome;
}

/* What an error reply says of the server. */
typedef enum verdict_e {
    FINE,
    USELESS, /* no command will do better for now */
    LOGGED_OUT
} verdict_e;

static verdict_e judge_reply(rp_farm_t *farm, const rp_node_t *node, const rp_reply_t *reply)
{
    rp_reply_error_e error = rp_reply_error(reply);

    switch (error) {
    case RP_ERROR_AUTH:
        rp_farm_tell(farm, RP_TELL_AUTH, node->name, reply->str.ptr);
        return LOGGED_OUT;
    case RP_ERROR_LOADING:
    case RP_ERROR_MASTERDOWN:
    case RP_ERROR_CLUSTERDOWN:
        rp_farm_tell(farm, RP_TELL_NOT_READY, node->name, reply->str.ptr);
        return USELESS;
    case RP_ERROR_OOM:
        rp_farm_tell(farm, RP_TELL_OOM, node->name, reply->str.ptr);
        return FINE;
    case RP_ERROR_READONLY:
        __atomic_store_n(&farm->doubt, 1, __ATOMIC_RELAXED);
        rp_farm_tell(farm, RP_TELL_READONLY, node->name, reply->str.ptr);
        return FINE;
    case RP_ERROR_DENIED:
        rp_farm_tell(farm, RP_TELL_DENIED, node->name, reply->str.ptr);
        return FINE;
    case RP_ERROR_MOVED:
    case RP_ERROR_ASK:
        if (farm->conf->url.kind != RP_REDIS_CLUSTER) {
            rp_farm_tell(farm, RP_TELL_IS_CLUSTER, node->name, reply->str.ptr);
        }
        return FINE;
    default:
        return FINE;
    }
}

/* A name that stands for the master may come to mean another server, and this one takes no writes: look it up, and
 * connect anew. @return 1 when connections are of no more use */
static int is_left(rp_farm_t *farm, rp_node_t *node, int n, rp_reply_t *const *replies)
{
    rp_redis_conn_t *idle = NULL;
    int i, left = 0;

    for (i = 0; i < n && rp_reply_error(replies[i]) != RP_ERROR_READONLY; i++) {
    }
    if (i == n || !node->is_name) {
        return 0;
    }
    apr_thread_mutex_lock(farm->lock);
    if (rp_name_is_old(node)) {
        rp_name_want(farm, node);
        idle = detach_idle(node);
        left = 1;
    }
    apr_thread_mutex_unlock(farm->lock);
    close_all(idle);
    return left;
}

static void answered(rp_farm_t *farm, rp_node_t *node, rp_breaker_way_e way, rp_redis_conn_t *conn, int n,
                     rp_reply_t *const *replies)
{
    verdict_e worst = FINE;
    int i;

    for (i = 0; i < n; i++) {
        if (replies[i]->type == RP_REPLY_ERROR) {
            verdict_e verdict = judge_reply(farm, node, replies[i]);

            worst = verdict > worst ? verdict : worst;
        }
    }
    if (worst == FINE) {
        praise(farm, node, way);
    }
    else {
        blame(farm, node, way, RP_BREAKER_DOWN);
    }
    if (worst == LOGGED_OUT || is_left(farm, node, n, replies)) {
        rp_redis_close(conn);
    }
    else {
        park(farm, node, conn);
    }
}

rp_farm_outcome_e rp_node_visit(rp_farm_t *farm, int index, const rp_visit_t *visit, rp_reply_t **replies)
{
    rp_node_t *node = &farm->nodes[index];
    rp_breaker_way_e way = rp_breaker_ask(node->breaker, rp_now(), farm->conf->connect + farm->conf->timeout);
    rp_redis_trouble_t trouble;
    rp_redis_conn_t *conn;

    if (way == RP_BREAKER_LEAVE && visit->insists) {
        way = RP_BREAKER_TRIAL;
    }
    if (way == RP_BREAKER_LEAVE) {
        __atomic_store_n(&farm->doubt, 1, __ATOMIC_RELAXED);
        return RP_FARM_AWAY;
    }
    conn = take(farm, node);
    conn = conn ? conn : open_new(farm, node, visit, &trouble);
    if (!conn) {
        return failed(farm, node, way, &trouble, RP_FARM_UNREACHED);
    }
    if (!rp_redis_exchange(conn, visit->bytes, visit->len, visit->n, visit->limit->deadline, visit->p, replies,
                           &trouble)) {
        rp_redis_close(conn);
        return failed(farm, node, way, &trouble, RP_FARM_LOST);
    }
    answered(farm, node, way, conn, visit->n, replies);
    return RP_FARM_OK;
}

int rp_node_is_open(const rp_farm_t *farm, int index)
{
    apr_int64_t until = __atomic_load_n(&farm->nodes[index].breaker->until, __ATOMIC_RELAXED);

    return until == 0 || rp_now() >= until;
}

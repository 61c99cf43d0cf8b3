/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <signal.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <apr_allocator.h>
#include <apr_strings.h>
#include <apr_thread_pool.h>

#include "cache/ask.h"
#include "cache/background.h"
#include "cache/collapse.h"
#include "cache/farm_fetch.h"
#include "cache/fetch.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* Backends that hang hold up so many threads of a child and no more; */
#define MAX_THREADS 8
/* what does not find a place behind them is left to the next request for it. */
#define MAX_WAITING 256

static apr_thread_pool_t *threads;

typedef struct task_t {
    apr_pool_t *p;
    rp_request_t *rq;
    rp_store_t *store;
    rp_flight_t flight;
} task_t;

void rp_background_child_init(apr_pool_t *p, server_rec *main_server)
{
    apr_pool_t *sub;
    apr_status_t rv;

    /* Destroyed before the store, whose cleanup is the parent pool's. */
    apr_pool_create(&sub, p);
    rv = apr_thread_pool_create(&threads, 0, MAX_THREADS, sub);
    if (rv != APR_SUCCESS) {
        threads = NULL;
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, main_server, RPLOGNO(0212) "no threads for refreshing in the background: "
                     "stale responses are revalidated while clients wait");
    }
}

/* ------------------------------------------------------------------ a request without a client */

static conn_rec *copy_connection(apr_pool_t *p, const conn_rec *c)
{
    conn_rec *copy = apr_pcalloc(p, sizeof(*copy));

    copy->pool = p;
    copy->base_server = c->base_server;
    copy->bucket_alloc = apr_bucket_alloc_create(p);
    copy->client_ip = apr_pstrdup(p, c->client_ip);
    copy->local_ip = apr_pstrdup(p, c->local_ip);
    apr_sockaddr_info_copy(&copy->client_addr, c->client_addr, p);
    apr_sockaddr_info_copy(&copy->local_addr, c->local_addr, p);
    copy->id = c->id;
    copy->log_id = apr_pstrdup(p, c->log_id);
    copy->conn_config = ap_create_conn_config(p);
    copy->notes = apr_table_make(p, 2);
    copy->keepalive = AP_CONN_CLOSE;
    return copy;
}

/* mod_remoteip may have made it another than the connection's. */
static void copy_useragent(request_rec *copy, const request_rec *r)
{
    copy->useragent_ip = apr_pstrdup(copy->pool, r->useragent_ip);
    apr_sockaddr_info_copy(&copy->useragent_addr, r->useragent_addr, copy->pool);
}

static request_rec *copy_httpd_request(apr_pool_t *p, const request_rec *r)
{
    request_rec *copy = apr_pcalloc(p, sizeof(*copy));

    copy->pool = p;
    copy->connection = copy_connection(p, r->connection);
    copy->server = r->server;
    copy->per_dir_config = r->server->lookup_defaults;
    copy->request_config = ap_create_request_config(p);
    copy->request_time = apr_time_now();
    copy->log_id = apr_pstrdup(p, r->log_id);
    copy->the_request = apr_pstrdup(p, r->the_request);
    /* Of a HEAD, which may be answered from what is stored but brings no body to store, it is the GET. */
    copy->method = "GET";
    copy->method_number = r->method_number;
    copy->protocol = apr_pstrdup(p, r->protocol);
    copy->proto_num = r->proto_num;
    copy->hostname = apr_pstrdup(p, r->hostname);
    copy->uri = apr_pstrdup(p, r->uri);
    copy->unparsed_uri = apr_pstrdup(p, r->unparsed_uri);
    copy->args = apr_pstrdup(p, r->args);
    copy->filename = apr_pstrdup(p, r->filename);
    copy->handler = r->handler ? apr_pstrdup(p, r->handler) : NULL;
    copy->user = apr_pstrdup(p, r->user);
    copy->ap_auth_type = apr_pstrdup(p, r->ap_auth_type);
    copy_useragent(copy, r);
    copy->status = HTTP_OK;
    copy->headers_in = apr_table_clone(p, r->headers_in);
    copy->headers_out = apr_table_make(p, 8);
    copy->err_headers_out = apr_table_make(p, 8);
    copy->trailers_in = apr_table_make(p, 1);
    copy->trailers_out = apr_table_make(p, 1);
    copy->subprocess_env = apr_table_clone(p, r->subprocess_env);
    copy->notes = apr_table_clone(p, r->notes);
    copy->allowed_methods = ap_make_method_list(p, 2);
    return copy;
}

static rp_request_t *copy_request(apr_pool_t *p, const rp_request_t *rq)
{
    rp_request_t *copy = apr_pcalloc(p, sizeof(*copy));

    copy->r = copy_httpd_request(p, rq->r);
    copy->sconf = rq->sconf;
    copy->dconf = rp_dir_conf_copy(p, rq->dconf);
    copy->route = rq->route;
    copy->name = rq->name;
    copy->public_scheme = apr_pstrdup(p, rq->public_scheme);
    copy->public_host = apr_pstrdup(p, rq->public_host);
    copy->host = apr_pstrdup(p, rq->host);
    copy->url = apr_pstrdup(p, rq->url);
    copy->target = apr_pstrdup(p, rq->target);
    copy->method = copy->r->method;
    copy->fields = apr_table_clone(p, rq->fields);
    copy->body = rq->body;
    copy->body_len = rq->body_len;
    copy->content_key = apr_pstrdup(p, rq->content_key);
    copy->content_whole = rq->content_whole;
    if (rq->content.ptr) {
        copy->content = (rp_str_t){ apr_pmemdup(p, rq->content.ptr, rq->content.len), rq->content.len };
    }
    copy->trusted = rq->trusted;
    copy->coding = rq->coding;
    /* Expressions may see less in the copy, and what is fetched is to be stored where it was found. */
    copy->key_own = apr_pstrdup(p, rp_cache_key_own(rq));
    rp_policy_request(copy);
    copy->detached = RP_DETACHED;
    /* The whole of it is wanted. */
    apr_table_unset(copy->fields, "Range");
    apr_table_unset(copy->fields, "If-Range");
    apr_table_unset(copy->r->headers_in, "Range");
    apr_table_unset(copy->r->headers_in, "If-Range");
    ap_set_module_config(copy->r->request_config, &rproxy_module, copy);
    return copy;
}

/* ------------------------------------------------------------------ tasks */

static int is_due(rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d)
{
    return lookup->found == RP_FOUND && !rp_is_usable(rq, lookup, d);
}

/* Once for the farm: what another host is at, or has just done, is not done here. */
static int is_ours(const task_t *task, rp_lookup_t *lookup, rp_decision_t *d)
{
    rp_lease_other_t other;
    struct rp_lease_t *lease;

    switch (rp_farm_fetch_take(task->rq, lookup, &other)) {
    case RP_LEASE_OTHERS:
        return 0;
    case RP_LEASE_AFTER:
        lease = lookup->lease;
        rp_look(task->rq, task->store, lookup, d);
        lookup->flight = task->flight;
        lookup->lease = lease;
        return is_due(task->rq, lookup, d);
    default:
        return 1;
    }
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    task_t *task = data;
    rp_lookup_t lookup;
    rp_decision_t d;

    (void)thread;
    rp_look(task->rq, task->store, &lookup, &d);
    lookup.flight = task->flight;
    if (is_due(task->rq, &lookup, &d) && is_ours(task, &lookup, &d)) {
        rp_refresh(task->rq, &lookup, &d);
    }
    rp_collapse_end(task->rq->r->pool, &lookup, RP_FLIGHT_STORED, 0);
    apr_pool_destroy(task->p);
    return NULL;
}

apr_pool_t *rp_background_pool(void)
{
    apr_allocator_t *allocator;
    apr_pool_t *p;

    if (apr_allocator_create(&allocator) != APR_SUCCESS) {
        return NULL;
    }
    if (apr_pool_create_ex(&p, NULL, NULL, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return NULL;
    }
    apr_allocator_owner_set(allocator, p);
    return p;
}

apr_status_t rp_background_push(apr_thread_pool_t *to, apr_thread_start_t begin, void *task)
{
    sigset_t all, before;
    apr_status_t rv;

    if (!to && (!threads || apr_thread_pool_tasks_count(threads) >= MAX_WAITING)) {
        return APR_ENOMEM;
    }
    to = to ? to : threads;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = apr_thread_pool_push(to, begin, task, APR_THREAD_TASK_PRIORITY_NORMAL, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv;
}

void rp_refresh_later(rp_request_t *rq, rp_lookup_t *lookup)
{
    apr_pool_t *p;
    task_t *task;

    if (!threads || apr_thread_pool_tasks_count(threads) >= MAX_WAITING || rp_fetch_fields(rq) != OK
        || !rp_collapse_lead(rq, lookup)) {
        return;
    }
    p = rp_background_pool();
    task = p ? apr_pcalloc(p, sizeof(*task)) : NULL;
    if (task) {
        task->p = p;
        task->rq = copy_request(p, rq);
        task->store = lookup->store;
        task->flight = lookup->flight;
    }
    if (!task || rp_background_push(threads, run, task) != APR_SUCCESS) {
        rp_collapse_end(rq->r->pool, lookup, RP_FLIGHT_LEFT, 0);
        if (p) {
            apr_pool_destroy(p);
        }
    }
    lookup->flight.token = 0;
}

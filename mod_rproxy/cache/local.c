/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The local store's life in httpd: prepared by the parent, opened by each child, sealed when all is over. */

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <mod_watchdog.h>
#include <unixd.h>

#include "cache/background.h"
#include "cache/cache.h"
#include "cache/collapse.h"
#include "cache/farm_log.h"
#include "cache/host_store.h"
#include "cache/local.h"
#include "cache/variant.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define DEFAULT_DIR "rproxy-cache"
/* With RProxyCacheLocal off: for what is being fetched or on its way to Redis, and for what is known of purges. */
#define SIZE_WHEN_OFF ((apr_uint64_t)64 * 1024 * 1024)
#define WATCHDOG "_rproxy_store_"
#define HOUSEKEEPING_INTERVAL apr_time_from_sec(5)

static rp_store_t *local;
/* mod_watchdog's thread goes on while the child's pool is cleaned up: the store must not be closed under its sweep. */
static pthread_mutex_t sweeping = PTHREAD_MUTEX_INITIALIZER;
/* Of the configuration that is running; NULL when nothing is cached or the folder is of no use. */
static rp_store_local_conf_t *running;
static int wanted; /* something is cached */
static pid_t parent;

rp_store_t *rp_local_store(void)
{
    return local;
}

static void log_store(void *ctx, int level, apr_status_t rv, const char *text)
{
    ap_log_error(APLOG_MARK, level, rv, (server_rec *)ctx, RPLOGNO(0203) "local store: %s", text);
}

static int is_wanted(server_rec *main_server)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        if (rp_server_conf(s)->caches) {
            return 1;
        }
    }
    return 0;
}

/* In one child of the host, on a thread of its own. */
static apr_status_t housekeeping(int state, void *data, apr_pool_t *pool)
{
    (void)data;
    (void)pool;
    if (state == AP_WATCHDOG_STATE_RUNNING) {
        pthread_mutex_lock(&sweeping);
        if (local) {
            rp_store_local_sweep(local, apr_time_now());
        }
        pthread_mutex_unlock(&sweeping);
    }
    return APR_SUCCESS;
}

static void start_housekeeping(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    if (!get || !add || get(&watchdog, WATCHDOG, 0, 1, pconf) != APR_SUCCESS
        || add(watchdog, HOUSEKEEPING_INTERVAL, main_server, housekeeping) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server, RPLOGNO(0206) "mod_watchdog is not loaded: what is expired leaves "
                     "the local store only when room is needed");
    }
}

static apr_status_t seal(void *conf)
{
    /* Children run the configuration pool's cleanups too, when they exit. */
    if (getpid() == parent) {
        rp_store_local_seal(conf);
    }
    return APR_SUCCESS;
}

void rp_cache_prepare(apr_pool_t *pconf, server_rec *main_server)
{
    rp_store_local_conf_t *conf = &rp_server_conf(main_server)->local;
    const char *error = NULL;
    apr_status_t rv;

    running = NULL;
    wanted = is_wanted(main_server);
    if (!wanted) {
        return;
    }
    if (!conf->dir) {
        conf->dir = ap_runtime_dir_relative(pconf, DEFAULT_DIR);
    }
    if (rp_server_conf(main_server)->local_off) {
        conf->size = SIZE_WHEN_OFF;
        conf->largest = SIZE_WHEN_OFF / 2;
    }
    rv = rp_store_local_prepare(conf, geteuid() == 0 ? (int)ap_unixd_config.user_id : -1,
                                geteuid() == 0 ? (int)ap_unixd_config.group_id : -1, pconf, &error, log_store, main_server);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0204) "RProxyCacheLocal: %s; serving without a cache",
                     error);
        return;
    }
    running = conf;
    parent = getpid();
    start_housekeeping(pconf, main_server);
    rp_host_store_prepare(pconf, main_server);
    rp_collapse_prepare(pconf, main_server);
    rp_farm_log_prepare(pconf, main_server);
    rp_variant_prepare(pconf, main_server);
    apr_pool_cleanup_register(pconf, conf, seal, apr_pool_cleanup_null);
}

void rp_cache_figures(rp_cache_figures_t *figures)
{
    rp_store_local_stats_t stats;

    memset(figures, 0, sizeof(*figures));
    figures->wanted = wanted;
    /* Not while the child's end closes it. */
    pthread_mutex_lock(&sweeping);
    if (local && rp_store_local_stats(local, &stats) == APR_SUCCESS) {
        figures->up = 1;
        figures->objects = stats.entries;
        figures->bytes = stats.bytes;
        figures->size = running->size;
        figures->evictions = stats.evictions;
    }
    pthread_mutex_unlock(&sweeping);
}

int rp_cache_farm_figures(rp_store_farm_figures_t *figures)
{
    return rp_host_store_figures(figures);
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&sweeping);
    local = NULL;
    pthread_mutex_unlock(&sweeping);
    return APR_SUCCESS;
}

void rp_cache_child_init(apr_pool_t *p, server_rec *main_server)
{
    apr_status_t rv;

    if (!running) {
        return;
    }
    rv = rp_store_local_open(running, p, log_store, main_server, &local);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0205) "cannot open the local store in %s; this child "
                     "process serves without a cache", running->dir);
        local = NULL;
        return;
    }
    apr_pool_pre_cleanup_register(p, NULL, forget);
    rp_farm_log_child_init(p, main_server, local);
    rp_host_store_child_init(p, main_server, local);
    rp_collapse_child_init(p, main_server);
    rp_background_child_init(p, main_server);
    rp_variant_child_init(p, main_server);
}

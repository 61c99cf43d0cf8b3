/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_shm.h>

#include "cache/host_store.h"
#include "config/config.h"
#include "farm/host.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* How long what is on its way to Redis stays in the local store with RProxyCacheLocal off. */
#define PASSING apr_time_from_sec(60)

static rp_store_t *store;
static void *shared; /* NULL: there is no farm, or no memory */
static rp_seal_t seal;

static void log_store(void *ctx, int level, apr_status_t rv, const char *text)
{
    ap_log_error(APLOG_MARK, level, rv, (server_rec *)ctx, "%s", text);
}

void rp_host_store_prepare(apr_pool_t *pconf, server_rec *main_server)
{
    apr_shm_t *shm;
    apr_status_t rv;

    shared = NULL;
    if (!rp_farm_of_host()) {
        return;
    }
    if (rp_farm_is_sealed() && !rp_farm_seal(rp_farm_of_host(), "entries", &seal)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server, RPLOGNO(0230) "no key could be made of the farm's secret: "
                     "nothing is kept in Redis");
        return;
    }
    rv = apr_shm_create(&shm, rp_store_farm_shared_size(), NULL, pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0237) "no shared memory for the store in Redis: "
                     "nothing is kept there");
        return;
    }
    shared = apr_shm_baseaddr_get(shm);
    memset(shared, 0, rp_store_farm_shared_size());
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    store = NULL;
    return APR_SUCCESS;
}

void rp_host_store_child_init(apr_pool_t *p, server_rec *main_server, rp_store_t *local)
{
    const rp_server_conf_t *server = rp_server_conf(main_server);
    rp_store_farm_conf_t conf;
    apr_status_t rv;

    store = local;
    apr_pool_cleanup_register(p, NULL, forget, apr_pool_cleanup_null);
    if (!shared || !rp_farm_of_host()) {
        return;
    }
    conf = (rp_store_farm_conf_t){
        .name = server->farm->name, .largest = server->farm->largest, .seal = rp_farm_is_sealed() ? &seal : NULL,
        .passing = server->local_off ? PASSING : 0,
    };
    rv = rp_store_farm_open(&conf, local, rp_farm_of_host(), shared, p, log_store, main_server, &store);
    if (rv != APR_SUCCESS) {
        store = local;
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0238) "this child process does without the store in "
                     "Redis");
    }
}

rp_store_t *rp_host_store(void)
{
    return store;
}

int rp_host_store_figures(rp_store_farm_figures_t *figures)
{
    if (!shared) {
        return 0;
    }
    rp_store_farm_figures(shared, figures);
    return 1;
}

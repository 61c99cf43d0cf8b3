/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What one process of a host does about once a second for all pools. */

#include <httpd.h>
#include <http_log.h>
#include <apr_optional.h>
#include <mod_watchdog.h>

#include "balance/balance.h"
#include "balance/check.h"
#include "balance/discover.h"
#include "balance/member.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define WATCHDOG "_rproxy_balance_"
#define INTERVAL apr_time_from_sec(1)

static int runs; /* periodic work is done, by some process */

typedef struct news_t {
    const rp_pool_t *pool;
    server_rec *s;
} news_t;

static void tell_ejected(void *data, unsigned i, rp_out_e why)
{
    const news_t *news = data;

    (void)why;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, news->s, RPLOGNO(0310) "pool %s, member %s: of its last requests %u failed and "
                 "%u did not, which is worse than the others; it is left out for a while", news->pool->conf->name,
                 news->pool->members[i].info->url, rp_get(news->pool->state.slots[i].last_bad),
                 rp_get(news->pool->state.slots[i].last_ok));
}

static void keep(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    news_t news = { conf->pool, s };

    (void)data;
    rp_state_review(&conf->pool->state, rp_now(), tell_ejected, &news);
    rp_discover(conf->pool, s, rp_now());
}

static apr_status_t watch(int state, void *data, apr_pool_t *p)
{
    if (state == AP_WATCHDOG_STATE_STOPPING) {
        rp_checks_stop();
        return APR_SUCCESS;
    }
    rp_checks_start(data, p);
    if (state == AP_WATCHDOG_STATE_RUNNING) {
        rp_each_pool(p, data, keep, NULL);
    }
    return APR_SUCCESS;
}

static void tidy(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    unsigned i;

    (void)s;
    (void)data;
    for (i = 0; i < conf->pool->state.nslots; i++) {
        rp_member_tidy(&conf->pool->members[i]);
    }
}

/* In each child: what is its own. */
static apr_status_t watch_child(int state, void *data, apr_pool_t *p)
{
    if (state == AP_WATCHDOG_STATE_RUNNING) {
        rp_each_pool(p, data, tidy, NULL);
    }
    return APR_SUCCESS;
}

int rp_keeper_runs(void)
{
    return runs;
}

void rp_keeper_init(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    runs = get && add && get(&watchdog, WATCHDOG, 0, 1, pconf) == APR_SUCCESS
           && add(watchdog, INTERVAL, main_server, watch) == APR_SUCCESS
           && get(&watchdog, AP_WATCHDOG_DEFAULT, 0, 0, pconf) == APR_SUCCESS
           && add(watchdog, INTERVAL, main_server, watch_child) == APR_SUCCESS;
    if (!runs) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server, RPLOGNO(0311) "mod_watchdog is not loaded: members are not "
                     "compared with one another, and names not looked up again");
    }
}

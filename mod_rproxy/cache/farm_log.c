/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Writing the farm's log of purges, and what its hosts know by it. */

#include <stdio.h>
#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <mod_watchdog.h>
#include <unixd.h>
#include <apr_shm.h>
#include <apr_strings.h>

#include "cache/farm_shared.h"
#include "config/config.h"
#include "farm/kept.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define WATCHDOG "_rproxy_farm_"
/* Of rp_farm_shared_memory_t. */
#define LAYOUT 1
#define WATCH_INTERVAL apr_time_from_sec(1)
/* A follower that has been at work within this time goes on through a graceful restart. */
#define TENDED apr_time_from_sec(2)

/* Of the configuration that is running; NULL: no farm, or this process has no store. */
static const rp_farm_conf_t *conf;
static rp_farm_shared_memory_t *shared;
static rp_store_t *store;
static const char *key;
static rp_str_t fetch_key;

rp_str_t rp_farm_log_key(void)
{
    return (rp_str_t){ key, strlen(key) };
}

int rp_farm_doubts(rp_secs_t fetched)
{
    return shared && rp_doubt_covers(&shared->doubt, fetched, rp_now(), apr_time_sec(apr_time_now()), conf->lost);
}

rp_str_t rp_farm_fetch_key(void)
{
    return fetch_key;
}

/* ------------------------------------------------------------------ writing */

rp_str_t rp_farm_log_seal(apr_pool_t *p, rp_str_t order)
{
    rp_seal_place_t place = { rp_farm_log_key(), 0 };
    rp_str_t sealed = { NULL, 0 };
    rp_seal_t seal;
    unsigned char *out;

    if (!rp_farm_is_sealed()) {
        return order;
    }
    out = apr_palloc(p, order.len + RP_SEAL_OVERHEAD);
    if (rp_farm_seal(rp_farm_of_host(), "purges", &seal) && rp_seal(&seal, &place, order, out)) {
        sealed = (rp_str_t){ (const char *)out, order.len + RP_SEAL_OVERHEAD };
    }
    return sealed;
}

int rp_farm_log_unseal(apr_pool_t *p, rp_str_t sealed, rp_str_t *order)
{
    rp_seal_place_t place = { rp_farm_log_key(), 0 };
    rp_seal_t seal;
    unsigned char *out;
    size_t len;

    if (!rp_farm_is_sealed()) {
        *order = sealed;
        return 1;
    }
    if (sealed.len > RP_ORDER_BYTES + RP_SEAL_OVERHEAD || !rp_farm_seal(rp_farm_of_host(), "purges", &seal)) {
        return 0;
    }
    out = apr_palloc(p, sealed.len + 1);
    if (rp_unseal(&seal, &place, sealed, out, &len) != RP_UNSEAL_OK) {
        return 0;
    }
    *order = (rp_str_t){ (const char *)out, len };
    return 1;
}

void rp_farm_log_append(rp_str_t words[RP_LOG_APPEND], const char *id, rp_str_t bytes)
{
    words[0] = RP_STR("XADD");
    words[1] = rp_farm_log_key();
    words[2] = RP_STR("MAXLEN");
    words[3] = RP_STR("~");
    words[4] = RP_STR(RP_LOG_LENGTH);
    words[5] = (rp_str_t){ id, strlen(id) };
    words[6] = RP_STR("o");
    words[7] = bytes;
}

int rp_farm_log_write(apr_pool_t *p, rp_str_t order, const char *id, rp_position_t *position)
{
    rp_farm_t *farm = rp_farm_of_host();
    rp_str_t words[RP_LOG_APPEND], sealed = rp_farm_log_seal(p, order);
    rp_farm_command_t command = { words, RP_LOG_APPEND, NULL };
    rp_reply_t *reply;

    if (!farm || sealed.len == 0) {
        return 0;
    }
    rp_farm_log_append(words, id, sealed);
    return rp_farm_call(farm, p, rp_farm_log_key(), &command, 1, 0, &reply) == RP_FARM_OK
           && reply->type == RP_REPLY_STRING && rp_position_parse(reply->str, position);
}

/* An order of this host: noted, carried out, written. */
static apr_status_t purge_everywhere(rp_store_t *where, const rp_purge_order_t *order, apr_uint64_t *count,
                                     rp_purged_e *how)
{
    apr_pool_t *p = order->steps->pool;
    rp_position_t position;
    rp_log_own_t own;
    apr_status_t noted = rp_log_own_add(store, p, order, &own), done = rp_purge_run(where, order, count);

    *how = RP_PURGED_PENDING;
    if (noted != APR_SUCCESS) {
        return noted;
    }
    /* What failed here is tried again when it is read in the log. */
    if (done == APR_SUCCESS) {
        rp_log_own_sent(store, own.number);
    }
    if (rp_farm_log_write(p, own.bytes, "*", &position)) {
        __atomic_fetch_add(&shared->logged, 1, __ATOMIC_RELAXED);
        *how = RP_PURGED_LOGGED;
    }
    else if (done == APR_SUCCESS) {
        rp_log_own_kept(store, own.number);
    }
    return done;
}

apr_status_t rp_purge_everywhere(rp_store_t *where, const rp_purge_order_t *order, apr_uint64_t *count,
                                 rp_purged_e *how)
{
    if (!store || order->steps->nelts == 0) {
        *how = RP_PURGED_HERE;
        return rp_purge_run(where, order, count);
    }
    return purge_everywhere(where, order, count, how);
}

/* ------------------------------------------------------------------ its life */

static apr_status_t watch(int state, void *data, apr_pool_t *p)
{
    (void)p;
    if (state == AP_WATCHDOG_STATE_STOPPING) {
        rp_follow_stop();
    }
    else if (store) {
        rp_follow_start(data, store, shared);
    }
    return APR_SUCCESS;
}

static int watched(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    return get && add && get(&watchdog, WATCHDOG, 0, 1, pconf) == APR_SUCCESS
           && add(watchdog, WATCH_INTERVAL, main_server, watch) == APR_SUCCESS;
}

/* Kept through graceful restarts: an old configuration's children and the new one's see the same. */
typedef struct kept_t {
    rp_farm_shared_memory_t *memory;
} kept_t;

static apr_status_t make(void *made, apr_pool_t *process_pool)
{
    kept_t *kept = made;
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, sizeof(*kept->memory), NULL, process_pool);

    if (rv == APR_SUCCESS) {
        kept->memory = apr_shm_baseaddr_get(shm);
        memset(kept->memory, 0, sizeof(*kept->memory));
    }
    return rv;
}

static int goes_on(const rp_farm_shared_memory_t *memory)
{
    const ap_unixd_mpm_retained_data *mpm = ap_unixd_mpm_get_retained_data();

    return mpm && mpm->was_graceful && rp_doubt_is_tended(&memory->doubt, rp_now(), TENDED);
}

void rp_farm_log_prepare(apr_pool_t *pconf, server_rec *main_server)
{
    const kept_t *kept;
    apr_status_t rv;

    conf = NULL;
    shared = NULL;
    store = NULL;
    rp_farm_fetch_prepare(pconf, main_server);
    if (!rp_farm_of_host()) {
        return;
    }
    if (!watched(pconf, main_server)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server, RPLOGNO(0730) "mod_watchdog is not loaded: this host does "
                     "not hear of the farm's purges, and doubts what it had before its start");
    }
    conf = rp_server_conf(main_server)->farm;
    key = apr_pstrcat(pconf, conf->name, ":{log}:purges", NULL);
    fetch_key = rp_farm_fetch_stream(pconf, conf->name);
    kept = rp_kept(main_server->process->pool, WATCHDOG, LAYOUT, sizeof(*kept), make, &rv);
    shared = kept ? kept->memory : NULL;
    if (!shared) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0731) "no shared memory for the farm's log of "
                     "purges: this host does not take part in it");
    }
    else if (!goes_on(shared)) {
        rp_doubt_begin(&shared->doubt, apr_time_sec(apr_time_now()));
    }
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    rp_follow_stop();
    rp_farm_position_use(NULL);
    store = NULL;
    return APR_SUCCESS;
}

void rp_farm_log_child_init(apr_pool_t *p, server_rec *main_server, rp_store_t *local)
{
    rp_log_state_t state;
    apr_status_t rv;

    rp_farm_fetch_child_init(p, main_server, shared && rp_farm_of_host() ? &shared->fetched : NULL);
    if (!shared || !rp_farm_of_host()) {
        return;
    }
    rv = rp_log_open(local, apr_pstrcat(p, conf->shown, " ", conf->name, NULL), &state);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0732) "the local store cannot be written to: this "
                     "child process sends its purges to no other host of the farm");
        return;
    }
    store = local;
    rp_farm_position_use(local);
    rp_follow_child_init();
    apr_pool_pre_cleanup_register(p, NULL, forget);
}

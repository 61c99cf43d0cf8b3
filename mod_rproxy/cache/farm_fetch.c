/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <mod_watchdog.h>
#include <apr_strings.h>

#include "cache/farm_fetch.h"
#include "cache/farm_value.h"
#include "cache/store_farm.h"
#include "config/config.h"
#include "farm/host.h"
#include "lane/bell.h"
#include "log.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

#define WATCHDOG "_rproxy_lease_"
#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_SEQ_CST)

/* Of this child; NULL without a farm. */
static rp_leases_t *leases;
static rp_fetched_t *fetched;
static rp_bell_t *bell;
static const rp_farm_conf_t *conf;

rp_str_t rp_farm_fetch_stream(apr_pool_t *p, const char *farm)
{
    const char *key = apr_pstrcat(p, farm, ":{log}:fetched", NULL);

    return (rp_str_t){ key, strlen(key) };
}

/* The two halves are hashes, or the second is zero. */
static uint64_t hash_of(const unsigned char key[RP_KEY_LEN])
{
    uint64_t words[2];

    memcpy(&words[0], key, sizeof(words[0]));
    memcpy(&words[1], key + RP_KEY_HALF, sizeof(words[1]));
    return words[0] ^ words[1];
}

/* ------------------------------------------------------------------ news */

void rp_fetched_note(rp_fetched_t *table, uint64_t what, rp_leased_e how)
{
    uint64_t *word = &table->words[what % RP_FETCHED_WORDS];
    uint64_t count = (LOAD(*word) + 1) & 0xFFFFFF;

    __atomic_store_n(word, (what & 0xFFFFFFFF00000000u) | (uint64_t)how << 24 | count, __ATOMIC_SEQ_CST);
    rp_bell_ring(&table->bell);
}

uint64_t rp_farm_fetch_news(const unsigned char key[RP_KEY_LEN])
{
    return fetched ? LOAD(fetched->words[hash_of(key) % RP_FETCHED_WORDS]) : 0;
}

typedef struct wish_t {
    const uint64_t *word;
    uint64_t seen;
} wish_t;

static int has_news(const void *data)
{
    const wish_t *wish = data;

    return LOAD(*wish->word) != wish->seen;
}

apr_status_t rp_farm_fetch_wait(rp_request_t *rq, const unsigned char key[RP_KEY_LEN], uint64_t seen,
                                apr_time_t deadline, rp_leased_e *how)
{
    uint64_t hash = hash_of(key), word;
    wish_t wish = { &fetched->words[hash % RP_FETCHED_WORDS], seen };
    apr_status_t rv = rp_bell_wait(bell, has_news, &wish, rp_client_fd(rq), deadline);

    word = LOAD(*wish.word);
    *how = word >> 32 == hash >> 32 ? (rp_leased_e)(word >> 24 & 0xFF) : RP_LEASED_DONE;
    return rv;
}

/* ------------------------------------------------------------------ leases */

rp_lease_e rp_farm_fetch_take(rp_request_t *rq, rp_lookup_t *lookup, rp_lease_other_t *other)
{
    apr_pool_t *p = rq->r->pool;

    return leases ? rp_lease_take(leases, p, rp_farm_key_lease(p, conf->name, lookup->key), hash_of(lookup->key),
                                  &lookup->lease, other)
                  : RP_LEASE_WITHOUT;
}

static void end_stored(void *lease, apr_pool_t *p)
{
    rp_lease_end(lease, p, RP_LEASED_DONE);
}

void rp_farm_fetch_end(rp_lookup_t *lookup, apr_pool_t *p, rp_flight_phase_e phase)
{
    rp_lease_t *lease = lookup->lease;

    if (!lease) {
        return;
    }
    lookup->lease = NULL;
    switch (phase) {
    case RP_FLIGHT_STORED:
        rp_store_farm_then(lookup->store, end_stored, lease, p);
        break;
    case RP_FLIGHT_PRIVATE:
        rp_lease_end(lease, p, RP_LEASED_PRIVATE);
        break;
    case RP_FLIGHT_FAILED:
        rp_lease_end(lease, p, RP_LEASED_FAILED);
        break;
    default:
        rp_lease_end(lease, p, RP_LEASED_LEFT);
    }
}

void rp_farm_fetch_comes(rp_lookup_t *lookup, apr_pool_t *p, uint64_t len)
{
    if (lookup->lease && len != UINT64_MAX && len > conf->largest) {
        /* As when it had failed: each host for itself, at once. */
        rp_farm_fetch_end(lookup, p, RP_FLIGHT_FAILED);
    }
    else if (lookup->lease) {
        rp_lease_answers(lookup->lease);
    }
}

/* ------------------------------------------------------------------ its life */

static apr_status_t renew(int state, void *data, apr_pool_t *p)
{
    apr_pool_t *sub;

    (void)data;
    if (state == AP_WATCHDOG_STATE_RUNNING && leases && apr_pool_create(&sub, p) == APR_SUCCESS) {
        rp_leases_renew(leases, sub);
        apr_pool_destroy(sub);
    }
    return APR_SUCCESS;
}

void rp_farm_fetch_prepare(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    conf = rp_server_conf(main_server)->farm;
    leases = NULL;
    fetched = NULL;
    /* In each child. Without it fetches that take longer than a lease are not the farm's only ones. */
    if (get && add && get(&watchdog, WATCHDOG, 0, 0, pconf) == APR_SUCCESS) {
        add(watchdog, RP_LEASE_RENEW, main_server, renew);
    }
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    leases = NULL;
    return APR_SUCCESS;
}

void rp_farm_fetch_child_init(apr_pool_t *p, server_rec *main_server, rp_fetched_t *table)
{
    apr_status_t rv;

    fetched = table;
    if (!fetched) {
        return;
    }
    rv = rp_bell_create(&fetched->bell, p, &bell);
    if (rv == APR_SUCCESS) {
        rv = rp_leases_create(rp_farm_of_host(), rp_farm_fetch_stream(p, conf->name), p, &leases);
    }
    if (rv != APR_SUCCESS) {
        leases = NULL;
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, main_server, RPLOGNO(0736) "this child process cannot wait for "
                     "other hosts' fetches: it fetches for itself");
        return;
    }
    apr_pool_cleanup_register(p, NULL, forget, apr_pool_cleanup_null);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <mod_watchdog.h>

#include "cache/cache.h"
#include "log.h"
#include "route/route.h"
#include "status/account.h"
#include "status/counters.h"

APLOG_USE_MODULE(rproxy);

/* Under which the process's pool keeps the memory. */
#define KEY "mod_rproxy:counters"
#define WATCHDOG "_rproxy_status_"
#define LOOK_EVERY apr_time_from_sec(1)

/* ------------------------------------------------------------------ the memory */

typedef struct kept_t {
    apr_size_t size; /* these two come first in every version */
    char version[32];
    void *memory;
} kept_t;

/* What is counted in the order of another version's table is of no use. */
static void *find_memory(apr_pool_t *process_pool)
{
    void *found = NULL;
    kept_t *kept;

    apr_pool_userdata_get(&found, KEY, process_pool);
    kept = found;
    return kept && kept->size == rp_counters_size() && !strcmp(kept->version, RP_VERSION) ? kept->memory : NULL;
}

static void *make_memory(apr_pool_t *process_pool, apr_status_t *rv)
{
    apr_size_t size = rp_counters_size();
    apr_shm_t *shm;
    kept_t *kept;

    *rv = apr_shm_create(&shm, size + 64, NULL, process_pool);
    if (*rv != APR_SUCCESS) {
        return NULL;
    }
    kept = apr_pcalloc(process_pool, sizeof(*kept));
    kept->size = size;
    apr_cpystrn(kept->version, RP_VERSION, sizeof(kept->version));
    kept->memory = (void *)APR_ALIGN((apr_uintptr_t)apr_shm_baseaddr_get(shm), 64);
    apr_pool_userdata_set(kept, KEY, apr_pool_cleanup_null, process_pool);
    return kept->memory;
}

/* ------------------------------------------------------------------ samples */

static apr_status_t keep_sample(int state, void *data, apr_pool_t *p)
{
    apr_time_t now = apr_time_now();
    rp_cache_figures_t cache;
    rp_counts_t counts;
    rp_sample_t sample;

    (void)data;
    (void)p;
    if (state != AP_WATCHDOG_STATE_RUNNING || !rp_sample_is_due(now)) {
        return APR_SUCCESS;
    }
    rp_counters_sum(&counts);
    rp_cache_figures(&cache);
    sample.time = now;
    memcpy(sample.n, counts.n, sizeof(sample.n));
    sample.objects = cache.objects;
    sample.bytes = cache.bytes;
    sample.evictions = cache.evictions;
    rp_sample_add(&sample);
    return APR_SUCCESS;
}

void rp_account_init(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    apr_pool_t *process_pool = main_server->process->pool;
    void *memory = find_memory(process_pool);
    apr_status_t rv = APR_SUCCESS;
    ap_watchdog_t *watchdog;

    if (!memory) {
        memory = make_memory(process_pool, &rv);
    }
    rp_counters_use(memory, apr_time_now());
    if (!memory) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, main_server, RPLOGNO(0901) "no shared memory for counters: nothing is "
                     "counted");
    }
    else if (!get || !add || get(&watchdog, WATCHDOG, 0, 1, pconf) != APR_SUCCESS
             || add(watchdog, LOOK_EVERY, main_server, keep_sample) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server, RPLOGNO(0902) "mod_watchdog is not loaded: the status page has no "
                     "figures of the last hour");
    }
}

/* ------------------------------------------------------------------ a request's end */

/* The one that was served: others of the chain led to it (mod_rewrite), or make up its error page. */
static rp_request_t *served(request_rec *r)
{
    rp_request_t *rq = NULL;

    for (; r && !(rq && rq->account.served); r = r->next) {
        rq = rp_request_get(r);
    }
    return rq && rq->account.served ? rq : NULL;
}

/* The word behind "fwd=", when the cache had to say one. */
static void count_forward(const char *said)
{
    static const char fwd[] = "fwd=";

    if (said && !strncmp(said, fwd, sizeof(fwd) - 1)) {
        said += sizeof(fwd) - 1;
        rp_count(rp_counter_of(RP_COUNT_FORWARDS_URI, said, strcspn(said, ";")), 1);
    }
}

static void count(const rp_request_t *rq, const request_rec *last)
{
    const char *cache = rq->account.cache ? rq->account.cache : "none";
    rp_counter_e result = rp_counter_of(RP_COUNT_REQUESTS_HIT, cache, strlen(cache));
    int digit = last->status / 100;
    int is_stored = result <= RP_COUNT_REQUESTS_COLLAPSED;

    rp_count(result, 1);
    rp_count((rp_counter_e)(RP_COUNT_RESPONSES_1XX + (digit >= 1 && digit <= 5 ? digit : 5) - 1), 1);
    rp_count(is_stored ? RP_COUNT_SENT_CACHE : RP_COUNT_SENT_BACKEND, (apr_uint64_t)last->bytes_sent);
    count_forward(rq->account.said);
    if (last->status != HTTP_SWITCHING_PROTOCOLS) {
        rp_count_duration(result, apr_time_now() - last->request_time);
    }
}

/* Microseconds, as %D has them. */
static void note_time(request_rec *r, const char *name, apr_interval_time_t time)
{
    apr_table_setn(r->notes, name, apr_psprintf(r->pool, "%" APR_TIME_T_FMT, time));
}

static void note(const rp_request_t *rq, request_rec *last)
{
    const rp_account_t *account = &rq->account;
    const char *age = account->cache ? apr_table_get(last->headers_out, "Age") : NULL;
    const char *coding = apr_table_get(last->headers_out, "Content-Encoding");

    if (age) {
        apr_table_setn(last->notes, "rproxy-age", age);
    }
    if (coding) {
        apr_table_setn(last->notes, "rproxy-encoding", coding);
    }
    if (!account->asked) {
        return;
    }
    note_time(last, "rproxy-connect", account->connect);
    if (account->head) {
        note_time(last, "rproxy-first-byte", account->head);
    }
    if (account->ended) {
        note_time(last, "rproxy-upstream", account->ended - account->asked);
    }
}

int rp_account_request(request_rec *r)
{
    rp_request_t *rq = served(r);

    if (rq) {
        request_rec *last = r;

        while (last->next) {
            last = last->next;
        }
        count(rq, last);
        note(rq, last);
    }
    return DECLINED;
}

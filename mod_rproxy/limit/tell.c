/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the log is told of limits: how many requests were over them, once a minute by all children together. */

#include <httpd.h>
#include <http_log.h>

#include "lane/lane.h"
#include "limit/turn.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define PAUSE apr_time_from_sec(60)

void rp_limit_tell_rest(server_rec *s, const rp_limit_conf_t *conf, rp_limit_tally_t *tally)
{
    apr_time_t now = rp_now();
    apr_int64_t at = __atomic_load_n(&tally->tell_at, __ATOMIC_RELAXED);
    apr_uint64_t refused = __atomic_load_n(&tally->refused, __ATOMIC_RELAXED);
    apr_uint64_t n;

    if (now < at || refused == __atomic_load_n(&tally->told, __ATOMIC_RELAXED)
        || !__atomic_compare_exchange_n(&tally->tell_at, &at, now + PAUSE, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return;
    }
    n = refused - __atomic_exchange_n(&tally->told, refused, __ATOMIC_RELAXED);
    if (conf->dry_run) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, RPLOGNO(0802) "limit %s, dry run: %" APR_UINT64_T_FMT
                     " request%s more would have been refused", conf->shown, n, n == 1 ? "" : "s");
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, RPLOGNO(0801) "limit %s: %" APR_UINT64_T_FMT
                     " request%s more refused with 429", conf->shown, n, n == 1 ? "" : "s");
    }
}

void rp_limit_tell(server_rec *s, const rp_limit_conf_t *conf, rp_limit_tally_t *tally)
{
    __atomic_fetch_add(&tally->refused, 1, __ATOMIC_RELAXED);
    rp_limit_tell_rest(s, conf, tally);
}

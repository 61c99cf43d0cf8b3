/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What is noted of a handshake with a peer: whether it was resumed, and when the peer's certificate ends. */

#include <time.h>

#include <httpd.h>
#include <http_log.h>
#include <http_main.h>

#include "log.h"
#include "upstream/conn.h"

APLOG_USE_MODULE(rproxy);

#define DAY ((apr_int64_t)86400)
#define WARN_AHEAD (14 * DAY)

/* In one process each peer's is told once a day. */
static int is_to_be_told(rp_tls_t *tls, apr_int64_t now)
{
    apr_int64_t told = __atomic_load_n(&tls->warned, __ATOMIC_RELAXED);

    return now - told >= DAY
           && __atomic_compare_exchange_n(&tls->warned, &told, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void warn_of_end(rp_peer_t *peer, apr_int64_t not_after)
{
    apr_int64_t now = (apr_int64_t)time(NULL);
    char date[APR_RFC822_DATE_LEN];

    if (not_after == 0 || not_after - now > WARN_AHEAD || !is_to_be_told(peer->tls, now)) {
        return;
    }
    apr_rfc822_date(date, apr_time_from_sec(not_after));
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf, RPLOGNO(0420) "member %s: its certificate %s on %s",
                 peer->conf->url, not_after <= now ? "ended" : "ends", date);
}

void rp_peer_shook_hands(rp_peer_t *peer, const rp_transport_t *t)
{
    apr_int64_t not_after = rp_tls_not_after(t->ssl);

    if (peer->tally) {
        __atomic_fetch_add(&peer->tally->handshakes, 1, __ATOMIC_RELAXED);
        if (SSL_session_reused(t->ssl)) {
            __atomic_fetch_add(&peer->tally->resumed, 1, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&peer->tally->not_after, not_after, __ATOMIC_RELAXED);
    }
    warn_of_end(peer, not_after);
}

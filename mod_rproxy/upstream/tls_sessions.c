/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A peer's TLS sessions, kept in order to be resumed. */

#include <string.h>
#include <time.h>

#include <openssl/x509.h>

#include "upstream/tls.h"

/* A resumed handshake shows no certificate.  Once in so many seconds one is looked at all the same: it may have been
 * replaced, and what it is replaced for should not go on to be believed. */
#define LOOK_AGAIN 3600

static void drop_all(rp_tls_sessions_t *s)
{
    while (s->n > 0) {
        SSL_SESSION_free(s->kept[--s->n]);
    }
}

static apr_status_t close_sessions(void *data)
{
    rp_tls_sessions_t *s = data;

    apr_thread_mutex_lock(s->lock);
    drop_all(s);
    apr_thread_mutex_unlock(s->lock);
    s->lock = NULL;
    return APR_SUCCESS;
}

apr_status_t rp_tls_sessions_open(rp_tls_sessions_t *s, apr_pool_t *p)
{
    apr_status_t rv = apr_thread_mutex_create(&s->lock, APR_THREAD_MUTEX_DEFAULT, p);

    if (rv == APR_SUCCESS) {
        apr_pool_pre_cleanup_register(p, s, close_sessions);
    }
    return rv;
}

static int is_ticket_for_once(const SSL_SESSION *session)
{
    return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
}

int rp_tls_sessions_put(rp_tls_sessions_t *s, SSL_SESSION *session)
{
    if (!s->lock || !SSL_SESSION_is_resumable(session)) {
        return 0;
    }
    apr_thread_mutex_lock(s->lock);
    if (!is_ticket_for_once(session)) {
        /* One is good for any number of connections. */
        drop_all(s);
    }
    else if (s->n == RP_TLS_SESSIONS) {
        SSL_SESSION_free(s->kept[0]);
        memmove(&s->kept[0], &s->kept[1], (RP_TLS_SESSIONS - 1) * sizeof(s->kept[0]));
        s->n--;
    }
    s->kept[s->n++] = session;
    apr_thread_mutex_unlock(s->lock);
    return 1;
}

/* In seconds: ours, or the server's where that is shorter. With TLS 1.2 its 0 says nothing (RFC 5077 §3.3). */
static apr_int64_t lifetime(const SSL_SESSION *session)
{
    apr_int64_t ours = (apr_int64_t)SSL_SESSION_get_timeout(session);
    apr_int64_t hint = (apr_int64_t)SSL_SESSION_get_ticket_lifetime_hint(session);

    return hint < ours && (hint > 0 || is_ticket_for_once(session)) ? hint : ours;
}

static int is_of_use(const SSL_SESSION *session, apr_int64_t now)
{
    apr_int64_t age = now - (apr_int64_t)SSL_SESSION_get_time(session);
    X509 *certificate = SSL_SESSION_get0_peer((SSL_SESSION *)session);
    time_t at = (time_t)now;

    return SSL_SESSION_is_resumable(session) && age >= 0 && age < lifetime(session) && certificate
           && X509_cmp_time(X509_get0_notAfter(certificate), &at) > 0;
}

SSL_SESSION *rp_tls_sessions_take(rp_tls_sessions_t *s, apr_int64_t now)
{
    SSL_SESSION *found = NULL;

    if (!s->lock) {
        return NULL;
    }
    apr_thread_mutex_lock(s->lock);
    if (now < s->verified || now - s->verified > LOOK_AGAIN || now < s->avoid) {
        drop_all(s);
    }
    /* Bounded: each turn takes one off, or ends. */
    while (!found && s->n > 0) {
        SSL_SESSION *session = s->kept[s->n - 1];

        if (!is_of_use(session, now)) {
            SSL_SESSION_free(session);
            s->n--;
            continue;
        }
        found = session;
        if (is_ticket_for_once(session)) {
            s->n--;
        }
        else {
            SSL_SESSION_up_ref(session);
        }
    }
    apr_thread_mutex_unlock(s->lock);
    return found;
}

void rp_tls_sessions_verified(rp_tls_sessions_t *s, apr_int64_t now)
{
    if (s->lock) {
        apr_thread_mutex_lock(s->lock);
        s->verified = now;
        apr_thread_mutex_unlock(s->lock);
    }
}

void rp_tls_sessions_drop(rp_tls_sessions_t *s, apr_int64_t now, apr_int64_t seconds)
{
    if (s->lock) {
        apr_thread_mutex_lock(s->lock);
        drop_all(s);
        s->avoid = now + seconds;
        apr_thread_mutex_unlock(s->lock);
    }
}

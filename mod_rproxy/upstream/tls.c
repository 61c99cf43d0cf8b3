/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A peer's TLS made of its settings, and the handshake. */

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lane/lane.h"
#include "upstream/transport.h"

/* A peer that fails when a session is to be resumed is offered none for so many seconds. */
#define AVOID_RESUMING 3600

static apr_status_t free_context(void *ctx)
{
    SSL_CTX_free(ctx);
    return APR_SUCCESS;
}

static const char *last_tls_error(apr_pool_t *p)
{
    char text[160];

    ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
    return apr_pstrdup(p, text);
}

/* Nobody is there to be asked for a passphrase. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    (void)buf;
    (void)size;
    (void)writing;
    *(int *)asked = 1;
    return -1;
}

static apr_status_t free_store(void *store)
{
    X509_STORE_free(store);
    return APR_SUCCESS;
}

static const char *fill_store(X509_STORE *store, const char *ca, apr_pool_t *p)
{
    if (ca && access(ca, R_OK) != 0) {
        return apr_psprintf(p, "ca=%s cannot be read: name a PEM file", ca);
    }
    if (ca) {
        return X509_STORE_load_file(store, ca) == 1 ? NULL
             : apr_psprintf(p, "ca=%s holds no certificates: name a PEM file (%s)", ca, last_tls_error(p));
    }
    return X509_STORE_set_default_paths(store) == 1 ? NULL
         : apr_psprintf(p, "the system's trust store cannot be read: name a PEM file in ca= (%s)", last_tls_error(p));
}

/* A system's trust store takes a good part of a megabyte and of a tenth of a second: members that name the same one share
 * it, by p or one of its ancestors. */
static const char *load_authorities(SSL_CTX *ctx, const char *ca, apr_pool_t *p)
{
    const char *key = apr_pstrcat(p, "rproxy-authorities:", ca, NULL);
    const char *error;
    apr_pool_t *owner;
    void *store = NULL;

    for (owner = p; owner && !store; owner = apr_pool_parent_get(owner)) {
        apr_pool_userdata_get(&store, key, owner);
    }
    if (!store) {
        store = X509_STORE_new();
        error = store ? fill_store(store, ca, p) : "out of memory";
        if (error) {
            X509_STORE_free(store);
            return error;
        }
        apr_pool_userdata_set(store, key, free_store, p);
    }
    SSL_CTX_set1_cert_store(ctx, store);
    return NULL;
}

static const char *load_key(SSL_CTX *ctx, const char *key, apr_pool_t *p)
{
    int asked = 0, loaded;

    if (access(key, R_OK) != 0) {
        return apr_psprintf(p, "key=%s cannot be read: name a PEM file with the private key of cert=", key);
    }
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
    loaded = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, NULL);
    if (loaded == 1) {
        return NULL;
    }
    if (asked) {
        return apr_psprintf(p, "key=%s is encrypted, and nobody is there to be asked for a passphrase: write it without "
                            "one (openssl pkey -in %s -out NEW), for root's eyes alone", key, key);
    }
    return ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH
         ? apr_psprintf(p, "key=%s is not the key of the certificate in cert=: name the one that it was made with", key)
         : apr_psprintf(p, "key=%s holds no private key: name a PEM file, or leave key= out when it is in cert='s (%s)",
                        key, last_tls_error(p));
}

static const char *load_certificate(SSL_CTX *ctx, const char *cert, const char *key, apr_pool_t *p)
{
    const char *error;

    if (!cert) {
        return key ? "key= is of no use without cert=: name the certificate's PEM file there" : NULL;
    }
    if (access(cert, R_OK) != 0) {
        return apr_psprintf(p, "cert=%s cannot be read: name a PEM file with the certificate to show to the member",
                            cert);
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        return apr_psprintf(p, "cert=%s holds no certificate: name a PEM file (%s)", cert, last_tls_error(p));
    }
    error = load_key(ctx, key ? key : cert, p);
    if (error) {
        return error;
    }
    return SSL_CTX_check_private_key(ctx) == 1 ? NULL
         : apr_psprintf(p, "key=%s is not the key of the certificate in cert=: name the one that it was made with",
                        key ? key : cert);
}

static const char *set_least_version(SSL_CTX *ctx, const char *min, apr_pool_t *p)
{
    if (min && strcmp(min, "1.2") && strcmp(min, "1.3")) {
        return apr_psprintf(p, "tls-min=%s is not accepted; write 1.2 or 1.3", min);
    }
    return SSL_CTX_set_min_proto_version(ctx, min && !strcmp(min, "1.3") ? TLS1_3_VERSION : TLS1_2_VERSION) == 1
         ? NULL : last_tls_error(p);
}

static const char *read_pins(const rp_tls_conf_t *conf, rp_pins_t *pins, apr_pool_t *p)
{
    const char *bad;

    pins->n = 0;
    if (!conf->pin || rp_pins_parse(p, conf->pin, pins, &bad)) {
        return NULL;
    }
    return apr_psprintf(p, "pin=%s is no pin: write sha256// and the base64 of the SHA-256 of the member's public key, "
                        "several with commas", bad);
}

const char *rp_tls_check(apr_pool_t *p, const rp_tls_conf_t *conf)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    rp_pins_t pins;
    const char *error;

    if (!ctx) {
        return last_tls_error(p);
    }
    error = set_least_version(ctx, conf->min, p);
    error = error ? error : read_pins(conf, &pins, p);
    error = error || !conf->ca ? error : load_authorities(ctx, conf->ca, p);
    error = error ? error : load_certificate(ctx, conf->cert, conf->key, p);
    SSL_CTX_free(ctx);
    return error;
}

/* Instead of OpenSSL's own verifying where there are pins, so that a peer that has not the key is left before anything
 * is said to it. */
static int verify_pinned(X509_STORE_CTX *store, void *data)
{
    const rp_tls_t *tls = data;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    rp_transport_t *t = SSL_get_app_data(ssl);
    unsigned char pin[RP_PIN_LEN];
    char text[RP_PIN_TEXT] = "unknown";

    if (tls->verify && X509_verify_cert(store) <= 0) {
        return 0;
    }
    if (rp_pin_of(X509_STORE_CTX_get0_cert(store), pin)) {
        if (rp_pins_have(&tls->pins, pin)) {
            X509_STORE_CTX_set_error(store, X509_V_OK);
            return 1;
        }
        rp_pin_text(pin, text);
    }
    apr_snprintf(t->error, sizeof(t->error), "certificate not accepted: its key is none of pin=; it is %s", text);
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    rp_tls_t *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    return rp_tls_sessions_put(&tls->sessions, session);
}

static void set_modes(rp_tls_t *tls)
{
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                               | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(tls->ctx, tls->verify || tls->pins.n ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (tls->pins.n) {
        SSL_CTX_set_cert_verify_callback(tls->ctx, verify_pinned, tls);
    }
    SSL_CTX_set_app_data(tls->ctx, tls);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                             | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(tls->ctx, keep_session);
}

rp_tls_t *rp_tls_make(apr_pool_t *p, const rp_tls_conf_t *conf, const char *host, const char **error)
{
    rp_tls_t *tls = apr_pcalloc(p, sizeof(*tls));

    tls->ctx = SSL_CTX_new(TLS_client_method());
    if (!tls->ctx) {
        *error = last_tls_error(p);
        return NULL;
    }
    apr_pool_cleanup_register(p, tls->ctx, free_context, apr_pool_cleanup_null);
    tls->name = conf->sni ? conf->sni : host;
    tls->verify = conf->verify;
    *error = set_least_version(tls->ctx, conf->min, p);
    *error = *error ? *error : read_pins(conf, &tls->pins, p);
    *error = *error || !conf->verify ? *error : load_authorities(tls->ctx, conf->ca, p);
    *error = *error ? *error : load_certificate(tls->ctx, conf->cert, conf->key, p);
    if (*error) {
        return NULL;
    }
    set_modes(tls);
    return tls;
}

apr_int64_t rp_tls_not_after(const SSL *ssl)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    struct tm tm;

    if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1) {
        return 0;
    }
    return (apr_int64_t)timegm(&tm);
}

static int is_ip_address(const char *host)
{
    unsigned char raw[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

/* An IP address is matched by the certificate's iPAddress and never sent as SNI (RFC 6066 §3). */
static int set_peer_name(SSL *ssl, const char *host, int verify)
{
    if (is_ip_address(host)) {
        return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    if (SSL_set_tlsext_host_name(ssl, host) != 1) {
        return 0;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return !verify || SSL_set1_host(ssl, host) == 1;
}

static void offer_session(rp_transport_t *t, rp_tls_t *tls)
{
    SSL_SESSION *session = rp_tls_sessions_take(&tls->sessions, (apr_int64_t)time(NULL));

    t->resuming = session && SSL_set_session(t->ssl, session) == 1;
    SSL_SESSION_free(session);
}

apr_status_t rp_transport_tls_start(rp_transport_t *t, rp_tls_t *tls, rp_tls_failure_e *failure)
{
    *failure = RP_TLS_PROTOCOL;
    t->ssl = SSL_new(tls->ctx);
    if (!t->ssl || SSL_set_fd(t->ssl, t->fd) != 1 || !set_peer_name(t->ssl, tls->name, tls->verify)) {
        apr_cpystrn(t->error, "cannot set up TLS", sizeof(t->error));
        return APR_EGENERAL;
    }
    SSL_set_app_data(t->ssl, t);
    offer_session(t, tls);
    return APR_SUCCESS;
}

static rp_tls_failure_e classify(rp_transport_t *t, int ssl_error)
{
    long verified = SSL_get_verify_result(t->ssl);
    unsigned long code = ERR_peek_error();

    if (verified != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE) {
        if (!t->error[0]) {
            apr_snprintf(t->error, sizeof(t->error), "certificate not accepted: %s",
                         X509_verify_cert_error_string(verified));
        }
        return RP_TLS_CERTIFICATE;
    }
    if (ssl_error == SSL_ERROR_SSL) {
        ERR_error_string_n(code, t->error, sizeof(t->error));
        return ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET ? RP_TLS_ALERT : RP_TLS_PROTOCOL;
    }
    return RP_TLS_IO;
}

/* A session may be what the peer failed at: all of them go, and where it said so, no others come for a while. */
static void doubt_sessions(const rp_transport_t *t, rp_tls_failure_e failure)
{
    rp_tls_t *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(t->ssl));

    if (t->resuming) {
        rp_tls_sessions_drop(&tls->sessions, (apr_int64_t)time(NULL), failure == RP_TLS_IO ? 0 : AVOID_RESUMING);
    }
}

static void shook_hands(const rp_transport_t *t)
{
    rp_tls_t *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(t->ssl));

    if (!SSL_session_reused(t->ssl)) {
        rp_tls_sessions_verified(&tls->sessions, (apr_int64_t)time(NULL));
    }
}

apr_status_t rp_transport_tls_step(rp_transport_t *t, rp_tls_failure_e *failure)
{
    apr_status_t rv;
    int rc, err;

    ERR_clear_error();
    errno = 0;
    rc = SSL_connect(t->ssl);
    if (rc == 1) {
        *failure = RP_TLS_OK;
        shook_hands(t);
        return APR_SUCCESS;
    }
    rv = errno;
    err = SSL_get_error(t->ssl, rc);
    if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE) {
        t->want = err == SSL_ERROR_WANT_READ ? RP_WANT_READ : RP_WANT_WRITE;
        return APR_EAGAIN;
    }
    *failure = classify(t, err);
    doubt_sessions(t, *failure);
    /* An errno left over from a read that would have blocked says nothing of a failure. */
    return rv && !APR_STATUS_IS_EAGAIN(rv) ? rv : APR_ECONNRESET;
}

apr_status_t rp_transport_tls(rp_transport_t *t, rp_tls_t *tls, apr_time_t deadline, rp_tls_failure_e *failure)
{
    apr_status_t rv = rp_transport_tls_start(t, tls, failure);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while (APR_STATUS_IS_EAGAIN(rv = rp_transport_tls_step(t, failure))) {
        rv = rp_transport_await(t, deadline);
        if (rv != APR_SUCCESS) {
            *failure = RP_TLS_IO;
            break;
        }
    }
    return rv;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <arpa/inet.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lane/lane.h"
#include "upstream/transport.h"

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

SSL_CTX *rp_tls_context(apr_pool_t *p, const char *ca_file, int verify, const char **error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!ctx) {
        *error = last_tls_error(p);
        return NULL;
    }
    apr_pool_cleanup_register(p, ctx, free_context, apr_pool_cleanup_null);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                          | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (!verify) {
        return ctx;
    }
    if (ca_file ? SSL_CTX_load_verify_file(ctx, ca_file) != 1 : SSL_CTX_set_default_verify_paths(ctx) != 1) {
        *error = last_tls_error(p);
        return NULL;
    }
    return ctx;
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

static rp_tls_failure_e classify(rp_transport_t *t, int ssl_error)
{
    long verified = SSL_get_verify_result(t->ssl);
    unsigned long code = ERR_peek_error();

    if (verified != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE) {
        apr_snprintf(t->error, sizeof(t->error), "certificate not accepted: %s",
                     X509_verify_cert_error_string(verified));
        return RP_TLS_CERTIFICATE;
    }
    if (ssl_error == SSL_ERROR_SSL) {
        ERR_error_string_n(code, t->error, sizeof(t->error));
        return ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET ? RP_TLS_ALERT : RP_TLS_PROTOCOL;
    }
    return RP_TLS_IO;
}

apr_status_t rp_transport_tls_start(rp_transport_t *t, SSL_CTX *ctx, const char *host, int verify,
                                    rp_tls_failure_e *failure)
{
    *failure = RP_TLS_PROTOCOL;
    t->ssl = SSL_new(ctx);
    if (!t->ssl || SSL_set_fd(t->ssl, t->fd) != 1 || !set_peer_name(t->ssl, host, verify)) {
        apr_cpystrn(t->error, "cannot set up TLS", sizeof(t->error));
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
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
        return APR_SUCCESS;
    }
    rv = errno;
    err = SSL_get_error(t->ssl, rc);
    if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE) {
        t->want = err == SSL_ERROR_WANT_READ ? RP_WANT_READ : RP_WANT_WRITE;
        return APR_EAGAIN;
    }
    *failure = classify(t, err);
    /* An errno left over from a read that would have blocked says nothing of a failure. */
    return rv && !APR_STATUS_IS_EAGAIN(rv) ? rv : APR_ECONNRESET;
}

apr_status_t rp_transport_tls(rp_transport_t *t, SSL_CTX *ctx, const char *host, int verify, apr_time_t deadline,
                              rp_tls_failure_e *failure)
{
    apr_status_t rv = rp_transport_tls_start(t, ctx, host, verify, failure);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while (APR_STATUS_IS_EAGAIN(rv = rp_transport_tls_step(t, failure))) {
        rv = rp_wait(t->fd, t->want, deadline);
        if (rv != APR_SUCCESS) {
            *failure = RP_TLS_IO;
            break;
        }
    }
    return rv;
}

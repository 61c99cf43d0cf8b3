/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <openssl/err.h>

#include "lane/lane.h"
#include "upstream/transport.h"

void rp_transport_init(rp_transport_t *t)
{
    t->fd = t->rival = -1;
    t->ssl = NULL;
    t->resuming = t->alerted = 0;
    t->want = 0;
    t->error[0] = '\0';
}

apr_status_t rp_transport_connect_start(rp_transport_t *t, const rp_address_t *address)
{
    apr_status_t rv = APR_SUCCESS;
    int on = 1;

    t->fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0) {
        return errno;
    }
    if (address->sa.ss_family != AF_UNIX) {
        setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(t->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    if (connect(t->fd, (const struct sockaddr *)&address->sa, address->len) < 0) {
        if (errno == EINPROGRESS || errno == EINTR) {
            t->want = RP_WANT_WRITE;
            return APR_EAGAIN;
        }
        /* A Unix socket with a full backlog says EAGAIN and cannot be waited for: a refusal, the next member is tried. */
        rv = errno == EAGAIN ? ECONNREFUSED : errno;
        rp_transport_close(t);
    }
    return rv;
}

apr_status_t rp_transport_connect_finish(rp_transport_t *t)
{
    int err = 0;
    socklen_t len = sizeof(err);

    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) {
        err = errno;
    }
    if (err) {
        rp_transport_close(t);
    }
    return err;
}

apr_status_t rp_transport_await(rp_transport_t *t, apr_time_t deadline)
{
    rp_waitee_t waitees[2] = { { t->fd, t->want, 0 }, { t->rival, RP_WANT_READ, 0 } };
    apr_status_t rv = rp_wait_any(waitees, 2, deadline);

    return rv == APR_SUCCESS && !waitees[0].got ? APR_EINTR : rv;
}

apr_status_t rp_transport_connect(rp_transport_t *t, const rp_address_t *address, apr_time_t deadline)
{
    apr_status_t rv = rp_transport_connect_start(t, address);

    if (!APR_STATUS_IS_EAGAIN(rv)) {
        return rv;
    }
    rv = rp_transport_await(t, deadline);
    if (rv != APR_SUCCESS) {
        rp_transport_close(t);
        return rv;
    }
    return rp_transport_connect_finish(t);
}

apr_status_t rp_transport_announce(rp_transport_t *t, const rp_endpoints_t *ends)
{
    char header[RP_PROXY_HEADER_MAX];
    apr_size_t size = rp_proxy_header(ends, header), len = size;
    apr_status_t rv = rp_transport_write(t, header, &len);

    return rv == APR_SUCCESS && len < size ? APR_ECONNRESET : rv;
}

static apr_status_t tls_status(rp_transport_t *t, int rc, int io_errno)
{
    unsigned long code;

    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        t->want = RP_WANT_READ;
        return APR_EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        t->want = RP_WANT_WRITE;
        return APR_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return APR_EOF;
    case SSL_ERROR_SYSCALL:
        return io_errno ? io_errno : APR_ECONNRESET;
    default:
        code = ERR_peek_error();
        ERR_error_string_n(code, t->error, sizeof(t->error));
        t->alerted = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET;
        return ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? APR_ECONNRESET : APR_EGENERAL;
    }
}

/* OpenSSL's queue of errors and errno must be clean before a call, so that what is in them afterwards is the call's. */
static SSL *tls_ready(rp_transport_t *t)
{
    ERR_clear_error();
    errno = 0;
    return t->ssl;
}

static int tls_len(apr_size_t len)
{
    return len > INT_MAX ? INT_MAX : (int)len;
}

static apr_status_t tls_outcome(rp_transport_t *t, int rc, apr_size_t *len)
{
    int io_errno = errno;

    *len = rc > 0 ? (apr_size_t)rc : 0;
    return rc > 0 ? APR_SUCCESS : tls_status(t, rc, io_errno);
}

apr_status_t rp_transport_read(rp_transport_t *t, char *buf, apr_size_t *len)
{
    ssize_t n;

    t->error[0] = '\0';
    if (t->ssl) {
        return tls_outcome(t, SSL_read(tls_ready(t), buf, tls_len(*len)), len);
    }
    do {
        n = recv(t->fd, buf, *len, 0);
    } while (n < 0 && errno == EINTR);
    *len = n > 0 ? (apr_size_t)n : 0;
    if (n > 0) {
        return APR_SUCCESS;
    }
    if (n == 0) {
        return APR_EOF;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        t->want = RP_WANT_READ;
        return APR_EAGAIN;
    }
    return errno;
}

apr_status_t rp_transport_write(rp_transport_t *t, const char *buf, apr_size_t *len)
{
    ssize_t n;

    t->error[0] = '\0';
    if (t->ssl) {
        return tls_outcome(t, SSL_write(tls_ready(t), buf, tls_len(*len)), len);
    }
    do {
        n = send(t->fd, buf, *len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    *len = n > 0 ? (apr_size_t)n : 0;
    if (n >= 0) {
        return APR_SUCCESS;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        t->want = RP_WANT_WRITE;
        return APR_EAGAIN;
    }
    return errno;
}

int rp_transport_pending(const rp_transport_t *t)
{
    return t->ssl && SSL_pending(t->ssl) > 0;
}

int rp_transport_is_idle(rp_transport_t *t)
{
    char byte;
    ssize_t n;

    if (rp_transport_pending(t)) {
        return 0;
    }
    n = recv(t->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return 1;
    }
    if (n <= 0 || !t->ssl) {
        return 0;
    }
    /* TLS 1.3 servers send session tickets when they please: those are no data of a response. */
    ERR_clear_error();
    n = SSL_peek(t->ssl, &byte, 1);
    return n <= 0 && SSL_get_error(t->ssl, (int)n) == SSL_ERROR_WANT_READ;
}

void rp_transport_close(rp_transport_t *t)
{
    if (t->ssl) {
        ERR_clear_error();
        SSL_shutdown(t->ssl);
        SSL_free(t->ssl);
        t->ssl = NULL;
    }
    if (t->fd >= 0) {
        close(t->fd);
        t->fd = -1;
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "balance/resolving.h"
#include "balance/probe.h"
#include "http/http.h"
#include "lane/lane.h"

/* So much of a response's content is read, and looked at. */
#define MAX_BODY 65536
/* So many bytes are taken for it, whatever chunks it comes in. */
#define MAX_RAW (4 * MAX_BODY)
#define MAX_INTERIM 16
#define MAX_CAUSE 160
#define USER_AGENT "mod_rproxy/" RP_VERSION " (health check)"

typedef enum phase_e {
    PHASE_RESOLVE,
    PHASE_CONNECT,
    PHASE_TLS,
    PHASE_SEND,
    PHASE_HEAD,
    PHASE_BODY
} phase_e;

struct rp_probe_t {
    const rp_check_conf_t *conf;
    rp_peer_t *peer;
    phase_e phase;
    rp_transport_t t;
    rp_resolving_t **lookup;        /* of a name that is not known */
    rp_address_t addresses[RP_MAX_ADDRESSES]; /* the peer's or the lookup's */
    int naddresses;
    int tried;                   /* of the addresses */
    int reconnected;
    apr_time_t deadline;
    apr_time_t address_deadline; /* each address has its share */
    char cause[MAX_CAUSE];

    char *request;
    apr_size_t request_len;
    apr_size_t sent;

    int interim;
    rp_framing_t framing;
    rp_chunked_t chunked;
    apr_size_t raw;              /* bytes of content, with their chunks' framing */
    apr_size_t len;              /* of content */
    char *body;                  /* NULL: nobody looks at it */
    apr_size_t end;              /* bytes in buf */
    apr_size_t seen;             /* of a head that is not whole yet */
    char buf[RP_CONN_BUF];
};

static rp_probe_e failed(rp_probe_t *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static rp_probe_e failed(rp_probe_t *p, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    apr_vsnprintf(p->cause, sizeof(p->cause), format, ap);
    va_end(ap);
    return RP_PROBE_BAD;
}

static rp_probe_e failed_with(rp_probe_t *p, const char *what, apr_status_t rv)
{
    char text[120];

    return failed(p, "%s: %s", what, p->t.error[0] ? p->t.error : apr_strerror(rv, text, sizeof(text)));
}

static rp_probe_e too_late(rp_probe_t *p, const char *what)
{
    apr_interval_time_t timeout = p->conf->timeout;

    return timeout % APR_USEC_PER_SEC
        ? failed(p, "%s within %" APR_INT64_T_FMT "ms", what, (apr_int64_t)apr_time_as_msec(timeout))
        : failed(p, "%s within %" APR_INT64_T_FMT "s", what, (apr_int64_t)apr_time_sec(timeout));
}

rp_probe_t *rp_probe_new(const rp_check_conf_t *conf, rp_peer_t *peer, rp_resolving_t **lookup, apr_time_t now)
{
    rp_probe_t *p = malloc(sizeof(*p));

    if (!p) {
        return NULL;
    }
    memset(p, 0, offsetof(rp_probe_t, buf));
    p->conf = conf;
    p->peer = peer;
    p->naddresses = rp_peer_addresses(peer, p->addresses);
    p->lookup = lookup;
    p->deadline = now + conf->timeout;
    rp_transport_init(&p->t);
    rp_chunked_init(&p->chunked);
    return p;
}

void rp_probe_free(rp_probe_t *p)
{
    rp_transport_close(&p->t);
    free(p->request);
    free(p->body);
    free(p);
}

int rp_probe_fd(const rp_probe_t *p, int *want)
{
    *want = p->t.want;
    return p->phase == PHASE_RESOLVE ? -1 : p->t.fd;
}

apr_time_t rp_probe_deadline(const rp_probe_t *p)
{
    return p->phase == PHASE_CONNECT ? p->address_deadline : p->deadline;
}

const char *rp_probe_cause(const rp_probe_t *p)
{
    return p->cause;
}

/* ------------------------------------------------------------------ the way there */

static rp_probe_e begin_tls(rp_probe_t *p)
{
    rp_tls_failure_e kind;
    apr_status_t rv = rp_transport_tls_start(&p->t, p->peer->tls, &kind);

    p->phase = PHASE_TLS;
    return rv == APR_SUCCESS ? RP_PROBE_RUNNING : failed_with(p, "no TLS", rv);
}

static rp_probe_e begin_request(rp_probe_t *p)
{
    const rp_check_conf_t *conf = p->conf;
    int needs_length = conf->method && (!strcmp(conf->method, "POST") || !strcmp(conf->method, "PUT"));
    const char *host, *format = "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: " USER_AGENT
                                "\r\nAccept: */*\r\n%sConnection: close\r\n\r\n";
    int size;

    if (!conf->method) {
        return RP_PROBE_GOOD;
    }
    host = conf->host ? conf->host : p->peer->conf->authority;
    size = (int)(strlen(format) + strlen(conf->method) + strlen(conf->path) + strlen(host) + 32);
    p->request = malloc((size_t)size);
    p->body = conf->body_regex ? malloc(MAX_BODY) : NULL;
    if (!p->request || (conf->body_regex && !p->body)) {
        return failed(p, "out of memory");
    }
    p->request_len = (apr_size_t)apr_snprintf(p->request, (apr_size_t)size, format, conf->method, conf->path, host,
                                              needs_length ? "Content-Length: 0\r\n" : "");
    p->phase = PHASE_SEND;
    return RP_PROBE_RUNNING;
}

static rp_probe_e connected(rp_probe_t *p)
{
    apr_status_t rv = p->peer->conf->proxy_protocol ? rp_transport_announce(&p->t, NULL) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        return failed_with(p, "cannot send the PROXY header", rv);
    }
    return p->peer->tls ? begin_tls(p) : begin_request(p);
}

static void set_port(rp_address_t *address, int port)
{
    if (address->sa.ss_family == AF_INET) {
        ((struct sockaddr_in *)&address->sa)->sin_port = htons((apr_uint16_t)port);
    }
    else if (address->sa.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&address->sa)->sin6_port = htons((apr_uint16_t)port);
    }
}

/* Try addresses until one takes its time, which is bounded so that those behind it have theirs. */
static rp_probe_e next_address(rp_probe_t *p, apr_time_t now)
{
    while (p->tried < p->naddresses) {
        rp_address_t address = p->addresses[p->tried++];
        apr_status_t rv;

        if (p->conf->port) {
            set_port(&address, p->conf->port);
        }
        rv = rp_transport_connect_start(&p->t, &address);
        if (rv == APR_SUCCESS) {
            return connected(p);
        }
        if (APR_STATUS_IS_EAGAIN(rv)) {
            p->phase = PHASE_CONNECT;
            p->address_deadline = now + (p->deadline - now) / (p->naddresses - p->tried + 1);
            return RP_PROBE_RUNNING;
        }
        failed_with(p, "cannot connect", rv);
    }
    return RP_PROBE_BAD;
}

static rp_probe_e resolve(rp_probe_t *p, apr_time_t now)
{
    const char *error = NULL;

    if (p->naddresses == 0) {
        if (!*p->lookup) {
            *p->lookup = rp_resolving_begin(p->peer->conf);
        }
        if (!*p->lookup || !rp_resolving_done(*p->lookup, p->addresses, &p->naddresses, &error)) {
            return RP_PROBE_RUNNING;
        }
        if (p->naddresses == 0) {
            failed(p, "%s", error);
        }
        rp_resolving_release(*p->lookup);
        *p->lookup = NULL;
    }
    return next_address(p, now);
}

static rp_probe_e finish_connect(rp_probe_t *p, apr_time_t now)
{
    apr_status_t rv = rp_transport_connect_finish(&p->t);

    if (rv == APR_SUCCESS) {
        return connected(p);
    }
    failed_with(p, "cannot connect", rv);
    return next_address(p, now);
}

/* It may be the session of an earlier handshake that this one failed at; none is offered now. */
static rp_probe_e reconnect(rp_probe_t *p, apr_time_t now)
{
    rp_transport_close(&p->t);
    rp_transport_init(&p->t);
    p->reconnected = 1;
    p->tried--;
    return next_address(p, now);
}

static rp_probe_e shake_hands(rp_probe_t *p, apr_time_t now, int *blocked)
{
    rp_tls_failure_e kind;
    apr_status_t rv = rp_transport_tls_step(&p->t, &kind);

    *blocked = APR_STATUS_IS_EAGAIN(rv);
    if (*blocked) {
        return RP_PROBE_RUNNING;
    }
    if (rv == APR_SUCCESS) {
        rp_peer_shook_hands(p->peer, &p->t);
        return begin_request(p);
    }
    failed_with(p, "TLS handshake failed", rv);
    if (p->t.resuming && !p->reconnected && (kind == RP_TLS_ALERT || kind == RP_TLS_PROTOCOL)) {
        rp_probe_e e = reconnect(p, now);

        *blocked = p->phase == PHASE_CONNECT;
        return e;
    }
    return RP_PROBE_BAD;
}

/* ------------------------------------------------------------------ request and response */

static rp_probe_e send_request(rp_probe_t *p, int *blocked)
{
    apr_size_t len = p->request_len - p->sent;
    apr_status_t rv = rp_transport_write(&p->t, p->request + p->sent, &len);

    *blocked = APR_STATUS_IS_EAGAIN(rv);
    if (*blocked) {
        return RP_PROBE_RUNNING;
    }
    if (rv != APR_SUCCESS) {
        return failed_with(p, "the request could not be sent", rv);
    }
    p->sent += len;
    if (p->sent == p->request_len) {
        p->phase = PHASE_HEAD;
    }
    return RP_PROBE_RUNNING;
}

/* Nothing more comes, or all that is wanted has: what to think of it. */
static rp_probe_e judge_body(rp_probe_t *p)
{
    if (p->body && ap_regexec_len(p->conf->body_regex, p->body, p->len, 0, NULL, 0)) {
        return failed(p, "%s: the content does not match body=%s", p->conf->what, p->conf->body);
    }
    return RP_PROBE_GOOD;
}

/* @return nonzero when no more is wanted */
static int take_content(rp_probe_t *p, rp_str_t data)
{
    apr_size_t take = data.len < MAX_BODY - p->len ? data.len : MAX_BODY - p->len;

    if (p->body && take) {
        memcpy(p->body + p->len, data.ptr, take);
    }
    p->len += take;
    return p->len == MAX_BODY;
}

static rp_probe_e take_chunks(rp_probe_t *p, rp_str_t in)
{
    rp_parse_e parsed;
    rp_str_t data;

    /* Bounded: every turn uses some of in up. */
    do {
        parsed = rp_chunked_next(&p->chunked, &in, &data);
        if (parsed == RP_PARSE_BAD) {
            return failed(p, "%s: %s", p->conf->what, p->chunked.error);
        }
        if (parsed == RP_PARSE_DONE || take_content(p, data)) {
            return judge_body(p);
        }
    } while (in.len);
    return RP_PROBE_RUNNING;
}

/* What is in the buffer is content. */
static rp_probe_e take_body(rp_probe_t *p)
{
    rp_str_t in = { p->buf, p->end };

    p->end = 0;
    p->raw += in.len;
    if (p->framing.body == RP_BODY_CHUNKED) {
        rp_probe_e e = take_chunks(p, in);

        return e == RP_PROBE_RUNNING && p->raw > MAX_RAW ? judge_body(p) : e;
    }
    if (p->framing.body == RP_BODY_LENGTH && in.len > p->framing.length - p->len) {
        in.len = p->framing.length - p->len;
    }
    if (take_content(p, in) || p->framing.body == RP_BODY_NONE
        || (p->framing.body == RP_BODY_LENGTH && p->len == p->framing.length)) {
        return judge_body(p);
    }
    return RP_PROBE_RUNNING;
}

static rp_probe_e take_head(rp_probe_t *p, const rp_head_t *head)
{
    apr_size_t rest = p->end - head->length;
    int status = head->status;

    if (status >= 200 || status == 101) {
        if (status > 999 || !RP_CHECK_EXPECTS(p->conf, status)) {
            return failed(p, "%s said %d, expected %s", p->conf->what, status, p->conf->expect);
        }
        if (!rp_response_framing(&p->framing, head, !strcmp(p->conf->method, "HEAD"))) {
            return failed(p, "%s: %s", p->conf->what, p->framing.error);
        }
        p->phase = PHASE_BODY;
    }
    else if (++p->interim > MAX_INTERIM) {
        return failed(p, "%s: too many interim responses", p->conf->what);
    }
    memmove(p->buf, p->buf + head->length, rest);
    p->end = rest;
    p->seen = 0;
    return p->phase == PHASE_BODY ? take_body(p) : RP_PROBE_RUNNING;
}

static rp_probe_e parse_heads(rp_probe_t *p)
{
    rp_head_t head;
    rp_probe_e e = RP_PROBE_RUNNING;

    /* Bounded by MAX_INTERIM. */
    while (e == RP_PROBE_RUNNING && p->phase == PHASE_HEAD) {
        rp_parse_e parsed = rp_head_parse(&head, p->buf, p->end, p->seen);

        if (parsed == RP_PARSE_BAD) {
            return failed(p, "%s: %s", p->conf->what, head.error);
        }
        if (parsed == RP_PARSE_MORE) {
            p->seen = p->end;
            return p->end < sizeof(p->buf) ? RP_PROBE_RUNNING
                 : failed(p, "%s: the response's head is larger than %d bytes", p->conf->what, (int)sizeof(p->buf));
        }
        e = take_head(p, &head);
    }
    return e;
}

static rp_probe_e receive(rp_probe_t *p, int *blocked)
{
    apr_size_t len = sizeof(p->buf) - p->end;
    apr_status_t rv = rp_transport_read(&p->t, p->buf + p->end, &len);

    *blocked = APR_STATUS_IS_EAGAIN(rv);
    if (*blocked) {
        return RP_PROBE_RUNNING;
    }
    if (APR_STATUS_IS_EOF(rv)) {
        if (p->phase == PHASE_BODY && p->framing.body == RP_BODY_UNTIL_CLOSE) {
            return judge_body(p);
        }
        return failed(p, "%s: the connection was closed before the end of a response", p->conf->what);
    }
    if (rv != APR_SUCCESS) {
        return failed_with(p, p->conf->what, rv);
    }
    p->end += len;
    return p->phase == PHASE_HEAD ? parse_heads(p) : take_body(p);
}

/* ------------------------------------------------------------------ as a whole */

rp_probe_e rp_probe_step(rp_probe_t *p, apr_time_t now)
{
    rp_probe_e e = RP_PROBE_RUNNING;
    int blocked = 0;

    /* Bounded: each turn ends a phase, blocks, or moves bytes, of which there are only so many. */
    while (e == RP_PROBE_RUNNING && !blocked) {
        switch (p->phase) {
        case PHASE_RESOLVE:
            e = resolve(p, now);
            blocked = p->phase == PHASE_RESOLVE || p->phase == PHASE_CONNECT;
            break;
        case PHASE_CONNECT:
            e = finish_connect(p, now);
            blocked = p->phase == PHASE_CONNECT;
            break;
        case PHASE_TLS:
            e = shake_hands(p, now, &blocked);
            break;
        case PHASE_SEND:
            e = send_request(p, &blocked);
            break;
        default:
            e = receive(p, &blocked);
        }
    }
    return e;
}

rp_probe_e rp_probe_expire(rp_probe_t *p, apr_time_t now)
{
    switch (p->phase) {
    case PHASE_RESOLVE:
        return too_late(p, "the member's name was not found");
    case PHASE_CONNECT:
        rp_transport_close(&p->t);
        if (p->tried < p->naddresses && now < p->deadline) {
            rp_probe_e e = next_address(p, now);

            /* What is connected already goes on when its descriptor is ready, which it is. */
            p->t.want = p->phase == PHASE_CONNECT ? p->t.want : RP_WANT_WRITE;
            return e;
        }
        return too_late(p, "no connection");
    case PHASE_TLS:
        return too_late(p, "no TLS handshake");
    case PHASE_BODY:
        return too_late(p, "the response did not end");
    default:
        return too_late(p, "no answer");
    }
}

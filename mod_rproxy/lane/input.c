/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What a client sends: the network's bucket under all input filters, and the one filter above those that poll. */

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <apr_portable.h>
#include <http_core.h>
#include <http_protocol.h>

#include "lane/client.h"
#include "lane/coroutine.h"

/* mod_reqtimeout's clock is looked at so often while a line is waited for. */
#define SLICE apr_time_from_sec(1)

static ap_filter_rec_t *line_filter;

static apr_interval_time_t timeout_of(conn_rec *c)
{
    apr_interval_time_t timeout = -1;

    apr_socket_timeout_get(ap_get_conn_socket(c), &timeout);
    return timeout >= 0 ? timeout : apr_time_from_sec(86400);
}

/* ------------------------------------------------------------------ reading */

/* @return how many bytes came into buf, or -1 with errno */
static ssize_t receive(int fd, char *buf)
{
    ssize_t n;

    do {
        n = recv(fd, buf, APR_BUCKET_BUFF_SIZE, 0);
    } while (n < 0 && errno == EINTR);
    return n;
}

apr_status_t rp_client_fill(rp_client_t *client)
{
    char *buf;
    ssize_t n;
    int error;

    if (client->ahead) {
        return APR_SUCCESS;
    }
    if (client->is_drained && !rp_lane_has_news(client->home->lane, client->fd)) {
        return APR_EAGAIN;
    }
    rp_lane_seen(client->home->lane, client->fd);
    buf = malloc(APR_BUCKET_BUFF_SIZE);
    if (!buf) {
        return APR_ENOMEM;
    }
    n = receive(client->fd, buf);
    error = errno;
    /* Less than there was room for is all there was; what comes later is news (epoll(7)). */
    client->is_drained = n < 0 || (n > 0 && n < APR_BUCKET_BUFF_SIZE);
    if (n > 0) {
        client->ahead = buf;
        client->ahead_len = (apr_size_t)n;
        return APR_SUCCESS;
    }
    free(buf);
    return n == 0 ? APR_EOF : APR_STATUS_IS_EAGAIN(error) ? APR_EAGAIN : error;
}

static apr_status_t read_on_lane(rp_client_t *client, apr_read_type_e block)
{
    apr_status_t rv = rp_client_fill(client);

    while (APR_STATUS_IS_EAGAIN(rv) && block == APR_BLOCK_READ) {
        rv = rp_lane_wait_news(client->home->lane, client->fd, rp_now() + timeout_of(client->c));
        rv = rv == APR_SUCCESS ? rp_client_fill(client) : rv;
    }
    return rv;
}

/* On a worker, before a lane has it or while it does something for one.  Its socket may be closed meanwhile. */
static apr_status_t read_on_worker(rp_client_t *client, apr_read_type_e block)
{
    apr_time_t deadline = rp_now() + timeout_of(client->c);
    apr_socket_t *socket = ap_get_conn_socket(client->c);
    char *buf;
    apr_status_t rv = APR_SUCCESS;

    if (client->ahead) {
        return APR_SUCCESS;
    }
    buf = malloc(APR_BUCKET_BUFF_SIZE);
    if (!buf) {
        return APR_ENOMEM;
    }
    while (rv == APR_SUCCESS) {
        apr_os_sock_t fd = -1;
        ssize_t n;

        apr_os_sock_get(&fd, socket);
        n = receive(fd, buf);
        if (n > 0) {
            client->ahead = buf;
            client->ahead_len = (apr_size_t)n;
            return APR_SUCCESS;
        }
        rv = n == 0 ? APR_EOF : errno;
        if (APR_STATUS_IS_EAGAIN(rv) && block == APR_BLOCK_READ) {
            rv = rp_wait(fd, RP_WANT_READ, deadline);
        }
    }
    free(buf);
    return rv;
}

/* ------------------------------------------------------------------ the network's bucket */

static const apr_bucket_type_t bucket_type;

static apr_bucket *create_bucket(rp_client_t *client, apr_bucket_alloc_t *list)
{
    apr_bucket *b = apr_bucket_alloc(sizeof(*b), list);

    APR_BUCKET_INIT(b);
    b->free = apr_bucket_free;
    b->list = list;
    b->type = &bucket_type;
    b->length = (apr_size_t)-1;
    b->start = -1;
    b->data = client;
    return b;
}

/* As APR's socket bucket: it becomes what was read, with another one behind it; at the end it becomes nothing. */
static apr_status_t read_bucket(apr_bucket *b, const char **str, apr_size_t *len, apr_read_type_e block)
{
    rp_client_t *client = b->data;
    apr_status_t rv = rp_coroutine_current() ? read_on_lane(client, block) : read_on_worker(client, block);
    apr_bucket_heap *heap;

    *str = NULL;
    *len = 0;
    if (rv == APR_EOF) {
        b = apr_bucket_immortal_make(b, "", 0);
        *str = b->data;
        return APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *str = client->ahead;
    *len = client->ahead_len;
    client->ahead = NULL;
    b = apr_bucket_heap_make(b, *str, *len, free);
    heap = b->data;
    heap->alloc_len = APR_BUCKET_BUFF_SIZE;
    APR_BUCKET_INSERT_AFTER(b, create_bucket(client, b->list));
    return APR_SUCCESS;
}

static const apr_bucket_type_t bucket_type = {
    "RPCLIENT", 5, APR_BUCKET_DATA, apr_bucket_destroy_noop, read_bucket,
    apr_bucket_setaside_notimpl, apr_bucket_split_notimpl, apr_bucket_copy_notimpl
};

static apr_status_t insert_network_bucket(conn_rec *c, apr_bucket_brigade *bb, apr_socket_t *socket)
{
    rp_client_t *client = rp_client_of(c);

    (void)socket;
    if (!client) {
        return AP_DECLINED;
    }
    APR_BRIGADE_INSERT_TAIL(bb, create_bucket(client, c->bucket_alloc));
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ lines */

/* Nonzero when bb ends with a line's end, or with what ends all lines. */
static int is_whole(apr_bucket_brigade *bb)
{
    apr_bucket *last = APR_BRIGADE_LAST(bb);
    const char *str;
    apr_size_t len;

    if (APR_BUCKET_IS_METADATA(last)) {
        return 1;
    }
    return apr_bucket_read(last, &str, &len, APR_BLOCK_READ) != APR_SUCCESS || (len > 0 && str[len - 1] == '\n');
}

/* Put aside what came of a line. @return its length */
static apr_off_t keep(rp_client_t *client, apr_bucket_brigade *bb)
{
    apr_pool_t *p = client->c->pool;
    apr_off_t length = 0;
    apr_bucket *e;

    if (!client->line) {
        client->line = apr_brigade_create(p, client->c->bucket_alloc);
    }
    apr_brigade_length(bb, 1, &length);
    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        apr_bucket_setaside(e, p);
    }
    APR_BRIGADE_CONCAT(client->line, bb);
    return length;
}

/*
 * A line that is waited for.  mod_reqtimeout's filter, below, would do that by apr_poll(), and the lane would stand:
 * so it is only ever asked for what there is, which makes it look at its clock as well.
 */
static apr_status_t wait_for_line(ap_filter_t *f, apr_bucket_brigade *bb, apr_off_t most)
{
    rp_client_t *client = f->ctx;
    apr_time_t deadline = rp_now() + timeout_of(f->c);
    apr_off_t left = most > 0 ? most : HUGE_STRING_LEN;
    apr_status_t rv;

    for (;;) {
        apr_time_t now;

        rv = ap_get_brigade(f->next, bb, AP_MODE_GETLINE, APR_NONBLOCK_READ, left);
        if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv)) {
            break;
        }
        if (!APR_BRIGADE_EMPTY(bb)) {
            rv = APR_SUCCESS;
            if (is_whole(bb)) {
                break;
            }
            left -= keep(client, bb);
            if (left <= 0) {
                break;
            }
            deadline = rp_now() + timeout_of(f->c);
        }
        now = rp_now();
        if (now >= deadline) {
            rv = APR_TIMEUP;
            break;
        }
        rv = rp_lane_wait_news(client->home->lane, client->fd, now + SLICE < deadline ? now + SLICE : deadline);
        if (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv)) {
            break;
        }
    }
    if (client->line) {
        APR_BRIGADE_PREPEND(bb, client->line);
    }
    return rv;
}

static apr_status_t read_line(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                              apr_off_t readbytes)
{
    if (mode != AP_MODE_GETLINE || block != APR_BLOCK_READ || !rp_coroutine_current()) {
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    return wait_for_line(f, bb, readbytes);
}

void rp_input_add(rp_client_t *client)
{
    ap_add_input_filter_handle(line_filter, client, NULL, client->c);
}

rp_client_t *rp_client_of(conn_rec *c)
{
    ap_filter_t *f;

    for (f = c->input_filters; f; f = f->next) {
        if (f->frec == line_filter) {
            return f->ctx;
        }
    }
    return NULL;
}

void rp_input_register(void)
{
    /* Before mod_ssl's and mod_reqtimeout's. */
    line_filter = ap_register_input_filter("RPROXY_LANE_IN", read_line, NULL, AP_FTYPE_CONNECTION);
    ap_hook_insert_network_bucket(insert_network_bucket, NULL, NULL, APR_HOOK_MIDDLE);
}

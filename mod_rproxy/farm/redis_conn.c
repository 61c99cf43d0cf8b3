/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <hiredis/hiredis.h>

#include "farm/redis_conn.h"
#include "lane/lane.h"

#define NO_REPLY "no reply within timeout="
#define READ_SIZE 16384
#define ARGS_ON_STACK 32

static int fail(rp_redis_trouble_t *trouble, rp_redis_failure_e kind, const char *why)
{
    trouble->kind = kind;
    trouble->timed_out = kind == RP_REDIS_TIMEOUT;
    apr_cpystrn(trouble->why, why, sizeof(trouble->why));
    return 0;
}

/* A failure of the transport. */
static int fail_by_status(rp_redis_trouble_t *trouble, rp_redis_failure_e kind, const rp_transport_t *t,
                          apr_status_t rv)
{
    char text[120];

    if (APR_STATUS_IS_TIMEUP(rv) && kind == RP_REDIS_BROKEN) {
        return fail(trouble, RP_REDIS_TIMEOUT, NO_REPLY);
    }
    if (APR_STATUS_IS_TIMEUP(rv)) {
        fail(trouble, kind, "nothing within connect=");
        trouble->timed_out = 1;
        return 0;
    }
    return fail(trouble, kind, t->error[0] ? t->error : APR_STATUS_IS_EOF(rv) ? "it closed the connection"
                : apr_strerror(rv, text, sizeof(text)));
}

static char *format_one(const rp_str_t *argv, int argc, size_t *len)
{
    const char *ptrs_room[ARGS_ON_STACK] = { NULL }, **ptrs = ptrs_room;
    size_t lens_room[ARGS_ON_STACK] = { 0 }, *lens = lens_room;
    char *bytes = NULL;
    int i, rc = -1;

    if (argc > ARGS_ON_STACK) {
        ptrs = malloc((size_t)argc * sizeof(*ptrs));
        lens = malloc((size_t)argc * sizeof(*lens));
    }
    if (ptrs && lens) {
        for (i = 0; i < argc; i++) {
            ptrs[i] = argv[i].len ? argv[i].ptr : "";
            lens[i] = argv[i].len;
        }
        rc = redisFormatCommandArgv(&bytes, argc, ptrs, lens);
    }
    if (argc > ARGS_ON_STACK) {
        free(ptrs);
        free(lens);
    }
    *len = rc > 0 ? (size_t)rc : 0;
    return rc > 0 ? bytes : NULL;
}

char *rp_redis_format(const rp_str_t *const *argv, const int *argc, int n, size_t *len)
{
    char *all = format_one(argv[0], argc[0], len);
    int i;

    for (i = 1; i < n && all; i++) {
        size_t more;
        char *one = format_one(argv[i], argc[i], &more);
        char *longer = one ? realloc(all, *len + more) : NULL;

        if (!longer) {
            free(one);
            free(all);
            return NULL;
        }
        all = longer;
        memcpy(all + *len, one, more);
        *len += more;
        free(one);
    }
    return all;
}

/* A connection to one of the addresses, each with its share of the time that is left. */
static apr_status_t reach(rp_redis_conn_t *conn, const rp_redis_login_t *login, apr_time_t deadline)
{
    apr_status_t rv = APR_EGENERAL;
    int i;

    for (i = 0; i < login->naddresses && rv != APR_SUCCESS; i++) {
        rv = rp_transport_connect(&conn->t, &login->addresses[i],
                                  rp_now() + (deadline - rp_now()) / (login->naddresses - i));
    }
    return rv;
}

static int send_all(rp_redis_conn_t *conn, const char *bytes, size_t len, apr_time_t deadline,
                    rp_redis_trouble_t *trouble)
{
    apr_status_t rv = APR_SUCCESS;

    while (len > 0 && rv == APR_SUCCESS) {
        apr_size_t sent = len;

        rv = rp_transport_write(&conn->t, bytes, &sent);
        if (rv == APR_SUCCESS) {
            bytes += sent;
            len -= sent;
        }
        else if (APR_STATUS_IS_EAGAIN(rv)) {
            rv = rp_wait(conn->t.fd, conn->t.want, deadline);
        }
    }
    return rv == APR_SUCCESS ? 1 : fail_by_status(trouble, RP_REDIS_BROKEN, &conn->t, rv);
}

/* Wait for bytes and give them to the reader. @param asked  just now: there is nothing to read yet */
static int receive(rp_redis_conn_t *conn, int asked, apr_time_t deadline, rp_redis_trouble_t *trouble)
{
    char buf[READ_SIZE];
    apr_size_t len = sizeof(buf);
    apr_status_t rv;

    if (asked && !rp_transport_pending(&conn->t)) {
        rv = rp_wait(conn->t.fd, RP_WANT_READ, deadline);
        if (rv != APR_SUCCESS) {
            return fail_by_status(trouble, RP_REDIS_BROKEN, &conn->t, rv);
        }
    }
    rv = rp_transport_read(&conn->t, buf, &len);

    if (rv == APR_SUCCESS) {
        return rp_reader_feed(conn->reader, buf, len) == APR_SUCCESS ? 1
             : fail(trouble, RP_REDIS_NONSENSE, "a reply is too large");
    }
    if (APR_STATUS_IS_EAGAIN(rv)) {
        rv = rp_wait(conn->t.fd, conn->t.want, deadline);
    }
    return rv == APR_SUCCESS ? 1 : fail_by_status(trouble, RP_REDIS_BROKEN, &conn->t, rv);
}

static int not_understood(rp_redis_conn_t *conn, rp_redis_trouble_t *trouble)
{
    fail(trouble, RP_REDIS_NONSENSE, "");
    apr_snprintf(trouble->why, sizeof(trouble->why), "what came is no reply of Redis: %s", rp_reader_why(conn->reader));
    return 0;
}

int rp_redis_exchange(rp_redis_conn_t *conn, const char *bytes, size_t len, int n, apr_time_t deadline, apr_pool_t *p,
                      rp_reply_t **replies, rp_redis_trouble_t *trouble)
{
    int got = 0, asked = 1;

    rp_reader_into(conn->reader, p);
    if (!send_all(conn, bytes, len, deadline, trouble)) {
        return 0;
    }
    /* Ends: with the replies, with the deadline, or with more bytes than one reply may have. */
    while (got < n) {
        apr_status_t rv = rp_reader_next(conn->reader, &replies[got]);

        if (rv == APR_SUCCESS) {
            got++;
        }
        else if (!APR_STATUS_IS_EAGAIN(rv)) {
            return not_understood(conn, trouble);
        }
        else if (rp_now() >= deadline) {
            return fail(trouble, RP_REDIS_TIMEOUT, NO_REPLY);
        }
        else if (!receive(conn, asked, deadline, trouble)) {
            return 0;
        }
        else {
            asked = 0;
        }
    }
    rp_reader_into(conn->reader, NULL);
    if (rp_reader_has_rest(conn->reader) || rp_transport_pending(&conn->t)) {
        return fail(trouble, RP_REDIS_NONSENSE, "more came than was asked for");
    }
    rp_reader_trim(conn->reader);
    return 1;
}

/* A server's own words for the log, but not where it repeats ours, as it does of a command that it does not know: our
 * password would be among them. */
static void quote(char *out, size_t size, const char *before, rp_str_t text)
{
    const char *ours = strstr(text.ptr, "with args");
    size_t len = ours ? (size_t)(ours - text.ptr) : strlen(text.ptr);

    apr_snprintf(out, size, "%s%.*s", before, (int)(len < RP_REDIS_WHY ? len : RP_REDIS_WHY), text.ptr);
}

/* The reply to a command of log_in()'s is not as it should be. */
static int refused(rp_redis_trouble_t *trouble, const char *what, const rp_reply_t *reply)
{
    /* A server that reads its data says so before it looks at the password. */
    fail(trouble, rp_reply_error(reply) == RP_ERROR_LOADING ? RP_REDIS_CONNECT : RP_REDIS_REFUSED, "");
    quote(trouble->why, sizeof(trouble->why), what,
          reply->type == RP_REPLY_ERROR ? reply->str : RP_STR("another reply than OK"));
    return 0;
}

static int log_in(rp_redis_conn_t *conn, const rp_redis_login_t *login, apr_time_t deadline, apr_pool_t *scratch,
                  rp_redis_trouble_t *trouble)
{
    char number[16];
    rp_str_t auth[3] = { RP_STR("AUTH") }, choose[2] = { RP_STR("SELECT"), { number, 0 } };
    const rp_str_t *argv[2];
    int argc[2], n = 0, i, ok;
    rp_reply_t *replies[2];
    size_t len;
    char *bytes;

    if (login->password) {
        argc[n] = login->user ? 3 : 2;
        auth[1] = login->user ? (rp_str_t){ login->user, strlen(login->user) } : auth[1];
        auth[argc[n] - 1] = (rp_str_t){ login->password, strlen(login->password) };
        argv[n++] = auth;
    }
    if (login->db > 0) {
        choose[1].len = (size_t)snprintf(number, sizeof(number), "%d", login->db);
        argc[n] = 2;
        argv[n++] = choose;
    }
    bytes = n ? rp_redis_format(argv, argc, n, &len) : NULL;
    if (!bytes) {
        return n == 0 || fail(trouble, RP_REDIS_CONNECT, "out of memory");
    }
    ok = rp_redis_exchange(conn, bytes, len, n, deadline, scratch, replies, trouble);
    free(bytes);
    if (!ok && trouble->kind == RP_REDIS_TIMEOUT) {
        fail(trouble, RP_REDIS_CONNECT, "no answer to logging in within connect=");
        trouble->timed_out = 1;
    }
    for (i = 0; i < n && ok; i++) {
        if (!rp_reply_is(replies[i], "OK")) {
            return refused(trouble, argv[i] == auth ? "user and password: " : "database: ", replies[i]);
        }
    }
    return ok;
}

static int make(rp_redis_conn_t *conn, const rp_redis_login_t *login, apr_time_t deadline, apr_pool_t *scratch,
                rp_redis_trouble_t *trouble)
{
    rp_tls_failure_e failure;
    apr_status_t rv = reach(conn, login, deadline);

    if (rv == APR_SUCCESS && login->tls) {
        rv = rp_transport_tls(&conn->t, login->tls, deadline, &failure);
    }
    if (rv != APR_SUCCESS) {
        return fail_by_status(trouble, RP_REDIS_CONNECT, &conn->t, rv);
    }
    return log_in(conn, login, deadline, scratch, trouble);
}

rp_redis_conn_t *rp_redis_open(const rp_redis_login_t *login, apr_time_t deadline, apr_pool_t *scratch,
                               rp_redis_trouble_t *trouble)
{
    rp_redis_conn_t *conn = calloc(1, sizeof(*conn));

    if (!conn || !(conn->reader = rp_reader_new())) {
        free(conn);
        fail(trouble, RP_REDIS_CONNECT, "out of memory");
        return NULL;
    }
    rp_transport_init(&conn->t);
    if (!make(conn, login, deadline, scratch, trouble)) {
        rp_redis_close(conn);
        return NULL;
    }
    return conn;
}

int rp_redis_is_idle(rp_redis_conn_t *conn)
{
    return rp_transport_is_idle(&conn->t);
}

void rp_redis_close(rp_redis_conn_t *conn)
{
    rp_transport_close(&conn->t);
    rp_reader_free(conn->reader);
    free(conn);
}

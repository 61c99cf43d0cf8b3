/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What went wrong, for the log, for CustomLog and for the client. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <apr_portable.h>
#include <apr_strings.h>

#include "lane/lane.h"
#include "log.h"
#include "status/counters.h"
#include "upstream/upstream.h"

APLOG_USE_MODULE(rproxy);

void rp_failure_set(rp_request_t *rq, int status, const char *type, const char *phase, const char *cause)
{
    rq->failure.status = status;
    rq->failure.type = type;
    rq->failure.phase = phase;
    rq->failure.cause = cause;
}

static int fail(rp_request_t *rq, int level)
{
    request_rec *r = rq->r;
    const rp_failure_t *f = &rq->failure;

    ap_log_rerror(APLOG_MARK, level, 0, r, RPLOGNO(0401) "pool %s, member %s, phase %s: %s (%s, %d for the client)",
                  rq->route->pool_name, rq->member ? rq->member : "none", f->phase, f->cause, f->type, f->status);
    rp_failure_tell(rq);
    return f->status;
}

int rp_fail(rp_request_t *rq)
{
    return fail(rq, APLOG_ERR);
}

int rp_fail_quietly(rp_request_t *rq)
{
    return fail(rq, APLOG_INFO);
}

void rp_failure_tell(rp_request_t *rq)
{
    request_rec *r = rq->r;
    const rp_failure_t *f = &rq->failure;

    rp_count(rp_counter_of(RP_COUNT_ERRORS_DNS, f->type, strlen(f->type)), 1);
    apr_table_setn(r->notes, "rproxy-error", f->type);
    apr_table_setn(r->subprocess_env, "RPROXY_ERROR", f->type);
    /* After the head went out this reaches nobody, and does no harm. */
    apr_table_setn(r->err_headers_out, "Proxy-Status", apr_pstrcat(r->pool, rq->sconf->item, "; error=", f->type, NULL));
}

void rp_drop_conn(rp_request_t *rq)
{
    if (rq->conn) {
        rp_conn_close(rq->conn);
        rq->conn = NULL;
        rq->account.ended = rp_now();
    }
}

int rp_client_fd(const rp_request_t *rq)
{
    apr_socket_t *socket = rq->detached || rq->r->connection->master ? NULL : ap_get_conn_socket(rq->r->connection);
    apr_os_sock_t fd;

    return socket && apr_os_sock_get(&fd, socket) == APR_SUCCESS ? fd : -1;
}

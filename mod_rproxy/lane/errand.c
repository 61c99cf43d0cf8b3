/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What other modules do, and what may block in it, is a worker's of the MPM, while the request's coroutine waits.
 *
 * A worker is a thread as any other: what it reads from the client, or waits for, it waits for by itself.  The
 * coroutine touches nothing of the connection meanwhile.
 */

#include <string.h>

#include <ap_mpm.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

#include "lane/client.h"
#include "lane/coroutine.h"

/* At once: the MPM takes what is due before its present time. */
#define NOW (-apr_time_from_msec(1))

static int (*is_ours)(request_rec *r);
static const char *our_handler;

typedef struct errand_t {
    request_rec *r;
    int (*fn)(request_rec *r);
    int result;
} errand_t;

static apr_status_t by_worker(void (*fn)(void *), void *data)
{
    return ap_mpm_register_timed_callback(NOW, fn, data);
}

static void run(void *data)
{
    errand_t *errand = data;

#if AP_MODULE_MAGIC_AT_LEAST(20120211, 122)
    errand->r->connection->current_thread = ap_thread_current();
#endif
    errand->result = errand->fn(errand->r);
}

/* On a coroutine. @return what fn(r) does on a worker */
static int send_out(request_rec *r, int (*fn)(request_rec *r))
{
    errand_t errand = { r, fn, DECLINED };
    rp_client_t *client = rp_client_of(r->connection);

    rp_blocking(run, &errand);
    client->is_drained = 0; /* what it has read, it has not told */
    r->connection->current_thread = client->home->thread;
    return errand.result;
}

/* As httpd's own ap_process_async_request() has it between its beginning and its end. */
static int process(request_rec *r)
{
    int status = ap_run_quick_handler(r, 0);

    if (status == DECLINED) {
        status = ap_process_request_internal(r);
        status = status == OK ? ap_invoke_handler(r) : status;
    }
    return status;
}

/* Which requests are not for a lane is known when their line has been read. */
static int go_as_a_whole(request_rec *r, int is_lookup)
{
    if (is_lookup || r->main || r->prev || !rp_coroutine_current() || is_ours(r)) {
        return DECLINED;
    }
    return send_out(r, process);
}

/* What has become another module's on its way: an error document, a rewritten URL, a handler set by hand. */
static int go_for_content(request_rec *r)
{
    if (!rp_coroutine_current() || !r->handler || !strcmp(r->handler, our_handler)) {
        return DECLINED;
    }
    return send_out(r, ap_run_handler);
}

/* Authentication and authorisation may ask files, databases, directories. */
static int go_for_user(request_rec *r)
{
    return rp_coroutine_current() ? send_out(r, ap_run_check_user_id) : DECLINED;
}

static int go_for_authorization(request_rec *r)
{
    return rp_coroutine_current() ? send_out(r, ap_run_auth_checker) : DECLINED;
}

void rp_errand_register(int (*serves)(request_rec *r), const char *handler)
{
    is_ours = serves;
    our_handler = handler;
    rp_blocking_by(by_worker);
    ap_hook_quick_handler(go_as_a_whole, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(go_for_content, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_check_authn(go_for_user, NULL, NULL, APR_HOOK_REALLY_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authz(go_for_authorization, NULL, NULL, APR_HOOK_REALLY_FIRST, AP_AUTH_INTERNAL_PER_CONF);
}

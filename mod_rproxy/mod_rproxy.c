/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The module: which of httpd's hooks it takes part in, and where each is carried out. */

#include <string.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include "balance/balance.h"
#include "cache/cache.h"
#include "config/config.h"
#include "encode/encode.h"
#include "farm/host.h"
#include "farm/presence.h"
#include "farm/tickets.h"
#include "http/digest.h"
#include "lane/hold.h"
#include "lane/lanes.h"
#include "limit/limit.h"
#include "log.h"
#include "route/route.h"
#include "status/account.h"
#include "status/manage.h"
#include "status/status.h"
#include "upstream/upstream.h"

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    int result;

    (void)plog;
    (void)ptemp;
    /* httpd runs this twice at start: what takes locks or memory waits for the second time. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    result = rp_farm_host_init(pconf, s);
    result = result == OK ? rp_tickets_init(pconf, s) : result;
    if (result != OK) {
        return result;
    }
    rp_presence_init(pconf, s);
    rp_cache_prepare(pconf, s);
    rp_account_init(pconf, s);
    return rp_limit_init(pconf, s) == OK ? rp_balance_init(pconf, s) : HTTP_INTERNAL_SERVER_ERROR;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    rp_digest_init(p);
    rp_balance_child_init(p, s);
    rp_farm_host_child_init(p, s);
    rp_tickets_child_init(p, s);
    rp_cache_child_init(p, s);
    rp_limit_child_init(p, s);
}

static void child_status(server_rec *s, pid_t pid, ap_generation_t generation, int slot, mpm_child_status status)
{
    (void)generation;
    (void)slot;
    if (status != MPM_CHILD_STARTED) {
        rp_balance_child_gone(s, pid);
        rp_limit_child_gone(pid);
    }
}

static int quick_handler(request_rec *r, int lookup_uri)
{
    rp_request_t *rq = lookup_uri ? NULL : rp_request_early(r);
    int result = rq ? rp_serve_early(rq) : DECLINED;

    if (rq && result == DECLINED) {
        r->per_dir_config = r->server->lookup_defaults;
    }
    else if (rq) {
        rq->account.served = 1;
        ap_set_module_config(r->request_config, &rproxy_module, rq);
    }
    return result;
}

static int handler(request_rec *r)
{
    rp_request_t *rq = strcmp(r->handler, RP_HANDLER) ? NULL : rp_request_get(r);

    if (!rq) {
        return DECLINED;
    }
    rq->account.served = 1;
    return rp_serve(rq);
}

static void register_hooks(apr_pool_t *p)
{
    /* URLs that mod_rewrite has changed are routed by what they became. */
    static const char *const after[] = { "mod_rewrite.c", NULL };
    /* Its threads call ours as soon as they are there. */
    static const char *const before[] = { "mod_watchdog.c", NULL };

    (void)p;
    ap_hook_pre_config(rp_log_json_register, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(rp_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, before, APR_HOOK_MIDDLE);
    ap_hook_child_status(child_status, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_quick_handler(quick_handler, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_translate_name(rp_route_translate, after, NULL, APR_HOOK_FIRST);
    ap_hook_map_to_storage(rp_route_map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_type_checker(rp_route_type, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(rp_limit_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_log_transaction(rp_account_request, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(rp_manage_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(rp_status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    rp_mod_status_register();
    rp_encode_register();
    rp_tickets_register();
    rp_trailers_register();
    rp_hold_register();
    rp_lanes_register(rp_route_serves, RP_HANDLER);
}

AP_DECLARE_MODULE(rproxy) = {
    STANDARD20_MODULE_STUFF,
    rp_create_dir_conf,
    rp_merge_dir_conf,
    rp_create_server_conf,
    rp_merge_server_conf,
    rp_directives,
    register_hooks,
    0
};

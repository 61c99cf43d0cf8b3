/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <httpd.h>
#include <http_log.h>

#include "config/config.h"
#include "farm/host.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* Of the configuration that is running. */
static rp_farm_t *farm;
static const rp_farm_conf_t *conf;

static void log_line(void *main_server, int level, const char *line)
{
    ap_log_error(APLOG_MARK, level, 0, (server_rec *)main_server, "%s", line);
}

int rp_farm_host_init(apr_pool_t *pconf, server_rec *main_server)
{
    const char *error = NULL;

    farm = NULL;
    conf = rp_server_conf(main_server)->farm;
    if (!conf) {
        return OK;
    }
    farm = rp_farm_create(pconf, conf, log_line, main_server, &error);
    if (!farm) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server, RPLOGNO(0714) "RProxyFarm %s: %s", conf->shown, error);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (!rp_farm_is_sealed()) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server, RPLOGNO(0715) "RProxyFarm %s has no secret=: whoever can "
                     "write to that Redis decides on what all proxies of the farm serve", conf->shown);
    }
    return OK;
}

void rp_farm_host_child_init(apr_pool_t *p, server_rec *main_server)
{
    apr_status_t rv = farm ? rp_farm_child_init(farm, p) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0716) "RProxyFarm %s: this child process does "
                     "without the farm", conf->shown);
        farm = NULL;
    }
}

rp_farm_t *rp_farm_of_host(void)
{
    return farm;
}

int rp_farm_is_sealed(void)
{
    return conf && conf->secret.len > 0;
}

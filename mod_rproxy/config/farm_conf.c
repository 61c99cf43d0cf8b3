/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyFarm: where the farm's Redis is. */

#include "config/directives.h"
#include "farm/conf.h"

const char *rp_cmd_farm(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_server_conf_t *conf = rp_server_conf(cmd->server);
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (error) {
        return error;
    }
    if (conf->farm) {
        return "RProxyFarm stands more than once: a host is in one farm; remove one of the lines";
    }
    conf->farm = rp_farm_conf_parse(cmd->pool, argc, argv, ap_server_root_relative, &error);
    return error;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyLanes and RProxyLaneStack. */

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"
#include "lane/lanes.h"

const char *rp_cmd_lanes(cmd_parms *cmd, void *dir, const char *count)
{
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    char *end;
    long n = strtol(count, &end, 10);

    (void)dir;
    if (error) {
        return error;
    }
    if (!strcasecmp(count, "off")) {
        n = 0;
    }
    else if (!strcasecmp(count, "auto")) {
        n = RP_LANES_AUTO;
    }
    else if (end == count || *end || n < 1 || n > RP_LANES_MAX) {
        return apr_psprintf(cmd->pool, "RProxyLanes %s: write auto, off, or a number from 1 to %d such as 4", count,
                            RP_LANES_MAX);
    }
    rp_server_conf(cmd->server)->lanes = (int)n;
    return NULL;
}

const char *rp_cmd_lane_stack(cmd_parms *cmd, void *dir, const char *size)
{
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_uint64_t bytes = 0;

    (void)dir;
    if (error) {
        return error;
    }
    if (!rp_parse_size(size, &bytes) || bytes < 64 * 1024 || bytes > 8 * 1024 * 1024) {
        return apr_psprintf(cmd->pool, "RProxyLaneStack %s: write a size from 64K to 8M such as 512K", size);
    }
    rp_server_conf(cmd->server)->lane_stack = (int)bytes;
    return NULL;
}

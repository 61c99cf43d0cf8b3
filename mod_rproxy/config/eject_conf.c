/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyEject. */

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_eject_conf_t, field), dflt, sentence },

const rp_option_t rp_eject_options[] = {
#include "config/eject_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

void rp_eject_conf_init(rp_eject_conf_t *conf)
{
    rp_option_defaults(rp_eject_options, conf);
    conf->on = 1;
}

const char *rp_cmd_eject(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    int i;

    (void)dir;
    if (!pool) {
        return error;
    }
    if (argc == 0) {
        return "RProxyEject needs off or options: write RProxyEject errors=5 time=30s or the like";
    }
    if (argc == 1 && !strcasecmp(argv[0], "off")) {
        pool->eject.on = 0;
        return NULL;
    }
    for (i = 0; i < argc; i++) {
        error = rp_option_set(cmd->pool, rp_eject_options, &pool->eject, argv[i]);
        if (error) {
            return apr_pstrcat(cmd->pool, "RProxyEject: ", error, NULL);
        }
    }
    return pool->eject.longest >= pool->eject.time ? NULL
         : "RProxyEject: longest= is shorter than time=: write a longer one";
}

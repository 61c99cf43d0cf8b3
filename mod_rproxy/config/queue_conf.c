/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyQueue. */

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_queue_conf_t, field), dflt, sentence },

const rp_option_t rp_queue_options[] = {
#include "config/queue_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

void rp_queue_conf_init(rp_queue_conf_t *conf)
{
    rp_option_defaults(rp_queue_options, conf);
}

const char *rp_cmd_queue(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    int i;

    (void)dir;
    if (!pool) {
        return error;
    }
    if (argc == 0) {
        return "RProxyQueue needs off or options: write RProxyQueue length=200 wait=5s or the like";
    }
    if (argc == 1 && !strcasecmp(argv[0], "off")) {
        pool->queue.length = 0;
        return NULL;
    }
    for (i = 0; i < argc; i++) {
        error = rp_option_set(cmd->pool, rp_queue_options, &pool->queue, argv[i]);
        if (error) {
            return apr_pstrcat(cmd->pool, "RProxyQueue: ", error, NULL);
        }
    }
    return NULL;
}

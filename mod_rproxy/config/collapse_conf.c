/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Who waits for whom, and what becomes of downloads that their clients give up. */

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_dir_conf_t, field), dflt, sentence },

const rp_option_t rp_collapse_options[] = {
#include "config/collapse_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

void rp_collapse_conf_init(rp_dir_conf_t *conf)
{
    conf->collapse.on = RP_UNSET;
    conf->collapse.wait = RP_UNSET;
    conf->collapse.stall = RP_UNSET;
    conf->aborted_share = RP_UNSET;
}

#define MERGE(field) merged->field = add->field != RP_UNSET ? add->field : base->field

void rp_collapse_conf_merge(rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add)
{
    MERGE(collapse.on);
    MERGE(collapse.wait);
    MERGE(collapse.stall);
    MERGE(aborted_share);
}

const char *rp_cmd_cache_collapse(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_dir_conf_t *conf = dir;
    int i;

    if (argc == 1 && (!strcasecmp(argv[0], "off") || !strcasecmp(argv[0], "on"))) {
        conf->collapse.on = !strcasecmp(argv[0], "on");
        return NULL;
    }
    if (argc < 1) {
        return "RProxyCacheCollapse: write off, on, or one or both of wait=TIME and stall=TIME";
    }
    for (i = 0; i < argc; i++) {
        const char *error = rp_option_set(cmd->pool, rp_collapse_options, dir, argv[i]);

        if (error) {
            return apr_psprintf(cmd->pool, "RProxyCacheCollapse: %s", error);
        }
    }
    conf->collapse.on = 1;
    return NULL;
}

const char *rp_cmd_cache_aborted(cmd_parms *cmd, void *dir, const char *word)
{
    rp_dir_conf_t *conf = dir;
    apr_size_t digits = strspn(word, "0123456789");
    int share = atoi(word);

    if (!strcasecmp(word, "drop")) {
        conf->aborted_share = 101;
        return NULL;
    }
    if (digits == 0 || digits > 3 || share > 100 || strcmp(word + digits, "%")) {
        return apr_psprintf(cmd->pool, "RProxyCacheAborted %s: write a share from 0%% to 100%%, or drop", word);
    }
    conf->aborted_share = share;
    return NULL;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyCompress and its companions. */

#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"

void rp_compress_init(rp_dir_conf_t *conf)
{
    int i;

    conf->compress.nprefer = RP_UNSET;
    conf->compress.min_size = RP_UNSET;
    for (i = 0; i < RP_NCODINGS; i++) {
        conf->compress.level[i] = RP_UNSET;
    }
}

void rp_compress_merge(rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add)
{
    const rp_encode_conf_t *from = add->compress.nprefer != RP_UNSET ? &add->compress : &base->compress;
    rp_encode_conf_t *to = &merged->compress;
    int i;

    *to = *from;
    to->types = add->compress.types ? add->compress.types : base->compress.types;
    to->min_size = add->compress.min_size != RP_UNSET ? add->compress.min_size : base->compress.min_size;
    for (i = 0; i < RP_NCODINGS; i++) {
        to->level[i] = add->compress.level[i] != RP_UNSET ? add->compress.level[i] : base->compress.level[i];
    }
}

const char *rp_cmd_compress(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;
    int i, j;

    conf->nprefer = 0;
    if (argc == 1 && !strcasecmp(argv[0], "off")) {
        return NULL;
    }
    for (i = 0; i < argc; i++) {
        int coding = rp_coding_by_name(argv[i]);

        if (coding <= RP_CODING_IDENTITY) {
            return apr_psprintf(cmd->pool, "RProxyCompress %s: write off, or zstd, br, gzip in the order of "
                                "preference", argv[i]);
        }
        for (j = 0; j < conf->nprefer; j++) {
            if ((int)conf->prefer[j] == coding) {
                return apr_psprintf(cmd->pool, "RProxyCompress: %s stands twice", argv[i]);
            }
        }
        conf->prefer[conf->nprefer++] = (rp_coding_e)coding;
    }
    return argc ? NULL : "RProxyCompress: write off, or zstd, br, gzip in the order of preference";
}

const char *rp_cmd_compress_types(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;
    int i;

    conf->types = apr_array_make(cmd->pool, argc, sizeof(const char *));
    for (i = 0; i < argc; i++) {
        char *type = apr_pstrdup(cmd->pool, argv[i]);

        if (*type != '+' && !strchr(type, '/')) {
            return apr_psprintf(cmd->pool, "RProxyCompressTypes %s: write media types such as text/html, text/* or "
                                "+json", type);
        }
        ap_str_tolower(type);
        APR_ARRAY_PUSH(conf->types, const char *) = type;
    }
    return argc ? NULL : "RProxyCompressTypes: write media types such as text/html, text/* or +json";
}

const char *rp_cmd_compress_min(cmd_parms *cmd, void *dir, const char *size)
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;
    apr_uint64_t n;

    if (!rp_parse_size(size, &n) || n > APR_INT32_MAX) {
        return apr_psprintf(cmd->pool, "RProxyCompressMin %s: write a size such as 256 or 1K", size);
    }
    conf->min_size = (apr_off_t)n;
    return NULL;
}

const char *rp_cmd_compress_level(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;
    int i;

    for (i = 0; i < argc; i++) {
        const char *eq = ap_strchr_c(argv[i], '=');
        int coding = eq ? rp_coding_by_name(apr_pstrmemdup(cmd->temp_pool, argv[i], (apr_size_t)(eq - argv[i]))) : -1;
        int min, max, dflt;
        apr_uint64_t level;

        if (coding <= RP_CODING_IDENTITY) {
            return apr_psprintf(cmd->pool, "RProxyCompressLevel %s: write gzip=N, br=N, zstd=N", argv[i]);
        }
        rp_encode_levels((rp_coding_e)coding, &min, &max, &dflt);
        if (!rp_parse_size(eq + 1, &level) || (apr_int64_t)level < min || (apr_int64_t)level > max) {
            return apr_psprintf(cmd->pool, "RProxyCompressLevel %s: write %s=%d to %s=%d", argv[i],
                                rp_coding_name((rp_coding_e)coding), min, rp_coding_name((rp_coding_e)coding), max);
        }
        conf->level[coding] = (int)level;
    }
    return argc ? NULL : "RProxyCompressLevel: write gzip=N, br=N, zstd=N";
}

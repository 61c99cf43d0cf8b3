/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyCompress and its companions. */

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"

void rp_compress_init(rp_dir_conf_t *conf)
{
    int i;

    conf->compress.nprefer = RP_UNSET;
    conf->compress.min_size = RP_UNSET;
    conf->compress.ask_gzip = conf->compress.pad = conf->compress.adapt = RP_UNSET;
    for (i = 0; i < RP_NCODINGS; i++) {
        conf->compress.level[i] = RP_UNSET;
        conf->compress.stored.level[i] = RP_UNSET;
    }
    conf->compress.stored.on = RP_UNSET;
    conf->compress.stored.budget = RP_UNSET;
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
    to->exceptions = add->compress.exceptions ? add->compress.exceptions : base->compress.exceptions;
    to->pad = add->compress.pad != RP_UNSET ? add->compress.pad : base->compress.pad;
    to->adapt = add->compress.adapt != RP_UNSET ? add->compress.adapt : base->compress.adapt;
    to->ask_gzip = add->compress.ask_gzip != RP_UNSET ? add->compress.ask_gzip : base->compress.ask_gzip;
    to->use = add->compress.use ? add->compress.use : base->compress.use;
    to->external = add->compress.external ? add->compress.external : base->compress.external;
    /* What one place says of it stands together. */
    to->stored = add->compress.stored.on != RP_UNSET ? add->compress.stored : base->compress.stored;
}

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_encode_conf_t, field), dflt, sentence },

const rp_option_t rp_stored_options[] = {
#include "config/stored_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

const char *rp_cmd_compress_stored(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;
    int i;

    if (argc == 1 && (!strcasecmp(argv[0], "off") || !strcasecmp(argv[0], "on"))) {
        conf->stored.on = !strcasecmp(argv[0], "on");
        return NULL;
    }
    for (i = 0; i < argc; i++) {
        const char *error = rp_option_set(cmd->pool, rp_stored_options, conf, argv[i]);

        if (error) {
            return apr_psprintf(cmd->pool, "RProxyCompressStored: %s", error);
        }
    }
    conf->stored.on = 1;
    return argc ? NULL : "RProxyCompressStored: write off, on, or some of gzip=9 br=11 zstd=19 budget=50 largest=16M";
}

const char *rp_cmd_compress(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;
    int i, j;

    conf->nprefer = 0;
    conf->dictionaries = 0;
    if (argc == 1 && !strcasecmp(argv[0], "off")) {
        return NULL;
    }
    for (i = 0; i < argc; i++) {
        int coding = rp_coding_by_name(argv[i]);

        if (coding <= RP_CODING_IDENTITY) {
            return apr_psprintf(cmd->pool, "RProxyCompress %s: write off, or dcz, zstd, br, gzip in the order "
                                "of preference", argv[i]);
        }
        for (j = 0; j < conf->nprefer; j++) {
            if ((int)conf->prefer[j] == coding) {
                return apr_psprintf(cmd->pool, "RProxyCompress: %s stands twice", argv[i]);
            }
        }
        if (!rp_coding_is_there((rp_coding_e)coding)) {
            return apr_psprintf(cmd->pool, "RProxyCompress %s: the installed libbrotli has no dictionaries, version 1.1 is "
                                "the first one: write dcz", argv[i]);
        }
        conf->dictionaries |= rp_coding_has_dictionary((rp_coding_e)coding);
        conf->prefer[conf->nprefer++] = (rp_coding_e)coding;
    }
    return argc ? NULL : "RProxyCompress: write off, or dcz, zstd, br, gzip in the order of preference";
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

const char *rp_cmd_compress_except(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;
    apr_array_header_t *exceptions = apr_array_make(cmd->pool, argc, sizeof(rp_encode_exception_t));
    int i;

    for (i = 0; i < argc; i++) {
        rp_encode_exception_t e = { NULL, NULL, 0 };
        rp_expr_t expr;

        if (argc == 1 && !strcasecmp(argv[i], "none")) {
            break;
        }
        if (!strncasecmp(argv[i], "cookie=", 7) && argv[i][7]) {
            e.cookie = apr_pstrdup(cmd->pool, argv[i] + 7);
        }
        else if (!strncasecmp(argv[i], "expr=", 5)) {
            const char *error = rp_expr_parse(cmd, argv[i] + 5, &expr);

            if (error || expr.of_response) {
                return apr_pstrcat(cmd->pool, "RProxyCompressExcept: ", error ? error : argv[i], error ? NULL
                                   : ": the response is not known yet: write a condition on the request", NULL);
            }
            e.expr = expr.info;
            e.is_late = expr.is_late;
        }
        else {
            return apr_psprintf(cmd->pool, "RProxyCompressExcept %s: write none, cookie=NAME or \"expr=EXPRESSION\"", argv[i]);
        }
        APR_ARRAY_PUSH(exceptions, rp_encode_exception_t) = e;
    }
    conf->exceptions = exceptions;
    return argc ? NULL : "RProxyCompressExcept: write none, cookie=NAME or \"expr=EXPRESSION\"";
}

const char *rp_cmd_compress_pad(cmd_parms *cmd, void *dir, const char *size)
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;
    apr_uint64_t n = 0;

    if (strcasecmp(size, "off") && (!rp_parse_size(size, &n) || n < 1 || n > RP_ENCODE_PAD_MOST)) {
        return apr_psprintf(cmd->pool, "RProxyCompressPad %s: write off, or a number of bytes from 1 to %d", size,
                            RP_ENCODE_PAD_MOST);
    }
    conf->pad = (int)n;
    return NULL;
}

const char *rp_cmd_compress_adapt(cmd_parms *cmd, void *dir, int on)
{
    (void)cmd;
    ((rp_dir_conf_t *)dir)->compress.adapt = on;
    return NULL;
}

const char *rp_cmd_compress_backend(cmd_parms *cmd, void *dir, const char *what)
{
    rp_encode_conf_t *conf = &((rp_dir_conf_t *)dir)->compress;

    if (strcasecmp(what, "gzip") && strcasecmp(what, "identity")) {
        return apr_psprintf(cmd->pool, "RProxyCompressBackend %s: write identity or gzip", what);
    }
    conf->ask_gzip = !strcasecmp(what, "gzip");
    return NULL;
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

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What each Location says of caching, but for its rules. */

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"

const char *rp_cmd_cache(cmd_parms *cmd, void *dir, int on)
{
    rp_server_conf(cmd->server)->caches |= on;
    ((rp_dir_conf_t *)dir)->cache = on;
    return NULL;
}

const char *rp_cmd_cache_early(cmd_parms *cmd, void *dir, int on)
{
    (void)cmd;
    ((rp_dir_conf_t *)dir)->cache_early = on;
    return NULL;
}

static const struct {
    const char *word;
    int leave;
} leaves[] = {
    { "none", 0 },
    { "authorization", RP_ALLOW_AUTHORIZATION },
    { "shared-cookie", RP_ALLOW_SHARED_COOKIE },
    { "anonymous-cookie", RP_ALLOW_ANONYMOUS_COOKIE },
    { "set-cookie", RP_ALLOW_SET_COOKIE },
    { "language", RP_ALLOW_LANGUAGE },
    { "plain-parts", RP_ALLOW_PLAIN_PARTS },
};

#define NLEAVES (sizeof(leaves) / sizeof(*leaves))
#define ALLOW_WANTED "none, or some of authorization, shared-cookie, anonymous-cookie, set-cookie, language and " \
    "plain-parts"

const char *rp_cmd_cache_allow(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_dir_conf_t *conf = dir;
    apr_size_t which;
    int i;

    conf->cache_allow = 0;
    for (i = 0; i < argc; i++) {
        for (which = 0; which < NLEAVES && strcasecmp(argv[i], leaves[which].word); which++) {
        }
        if (which == NLEAVES || (leaves[which].leave == 0 && argc > 1)) {
            return apr_psprintf(cmd->pool, "RProxyCacheAllow %s: write " ALLOW_WANTED, argv[i]);
        }
        conf->cache_allow |= leaves[which].leave;
    }
    return argc ? NULL : "RProxyCacheAllow: write " ALLOW_WANTED;
}

const char *rp_cmd_ignore_client(cmd_parms *cmd, void *dir, int on)
{
    (void)cmd;
    ((rp_dir_conf_t *)dir)->ignore_client = on;
    return NULL;
}

const char *rp_cmd_cache_hints(cmd_parms *cmd, void *dir, int on)
{
    (void)cmd;
    ((rp_dir_conf_t *)dir)->cache_hints = on;
    return NULL;
}

const char *rp_cmd_purge(cmd_parms *cmd, void *dir, int on)
{
    (void)cmd;
    ((rp_dir_conf_t *)dir)->purge = on;
    return NULL;
}

/* It is in memory while the request lasts. */
#define QUERY_MOST ((apr_uint64_t)16 << 20)

const char *rp_cmd_cache_query(cmd_parms *cmd, void *dir, const char *size)
{
    rp_dir_conf_t *conf = dir;
    apr_uint64_t n;

    if (!strcasecmp(size, "off")) {
        conf->cache_query = RP_CACHE_QUERY_OFF;
        return NULL;
    }
    if (!rp_parse_size(size, &n) || n > QUERY_MOST) {
        return apr_psprintf(cmd->pool, "RProxyCacheQuery %s: write off, or a size of at most 16M, such as 64K", size);
    }
    conf->cache_query = (apr_off_t)n;
    return NULL;
}

const char *rp_cmd_cache_status(cmd_parms *cmd, void *dir, const char *what)
{
    rp_dir_conf_t *conf = dir;

    if (!strcasecmp(what, "off")) {
        conf->cache_status = RP_CACHE_STATUS_OFF;
    }
    else if (!strcasecmp(what, "on")) {
        conf->cache_status = RP_CACHE_STATUS_ON;
    }
    else if (!strcasecmp(what, "full")) {
        conf->cache_status = RP_CACHE_STATUS_FULL;
    }
    else {
        return apr_psprintf(cmd->pool, "RProxyCacheStatus %s: write off, on, or full", what);
    }
    return NULL;
}

/* "10%" @return 1..100, or 0 when it is none */
static int parse_percent(const char *s)
{
    size_t digits = strspn(s, "0123456789");
    int n = digits > 0 && digits <= 3 && !strcmp(s + digits, "%") ? atoi(s) : 0;

    return n <= 100 ? n : 0;
}

const char *rp_cmd_heuristic(cmd_parms *cmd, void *dir, const char *part, const char *max)
{
    rp_dir_conf_t *conf = dir;
    int off = !strcasecmp(part, "off");
    int percent = off ? 0 : parse_percent(part);

    if (!off && percent == 0) {
        return apr_psprintf(cmd->pool, "RProxyCacheHeuristic %s: write off, or a part of 1%% to 100%%, such as 10%%", part);
    }
    conf->heuristic_max = RP_DEFAULT_HEURISTIC_MAX;
    if (max && (off || strncasecmp(max, "max=", 4) || !rp_parse_duration(max + 4, &conf->heuristic_max))) {
        return apr_psprintf(cmd->pool, "RProxyCacheHeuristic %s: write nothing behind off, and behind a part at most a time "
                            "such as max=1d", max);
    }
    conf->heuristic_percent = percent;
    return NULL;
}

/* A reverse proxy is what CDN-Cache-Control is meant for: a cache on behalf of the origin (RFC 9213 §3). */
static const char *const default_targets[] = { "CDN-Cache-Control", NULL };

const char *const *rp_cache_targets(const rp_dir_conf_t *conf)
{
    return conf->cache_targets ? conf->cache_targets : default_targets;
}

#define TARGETS_WANTED "write none, or names of fields such as CDN-Cache-Control, the most important one first"

const char *rp_cmd_cache_targets(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const char **names = apr_pcalloc(cmd->pool, ((apr_size_t)argc + 1) * sizeof(*names));
    int i;

    if (argc < 1) {
        return "RProxyCacheTargets: " TARGETS_WANTED;
    }
    ((rp_dir_conf_t *)dir)->cache_targets = names;
    if (argc == 1 && !strcasecmp(argv[0], "none")) {
        return NULL;
    }
    for (i = 0; i < argc; i++) {
        rp_str_t name = { argv[i], strlen(argv[i]) };

        /* These two have a syntax of their own: as Dictionaries they would be misread. */
        if (!rp_is_token(name) || rp_str_is(name, "none") || rp_str_is(name, "Cache-Control")
            || rp_str_is(name, "Expires")) {
            return apr_psprintf(cmd->pool, "RProxyCacheTargets %s: " TARGETS_WANTED, argv[i]);
        }
        names[i] = apr_pstrdup(cmd->pool, argv[i]);
    }
    return NULL;
}

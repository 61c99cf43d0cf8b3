/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyMethod. */

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "config/directives.h"
#include "mod_rproxy.h"

#define LEAST_BOUND 101
#define GREATEST_BOUND 1000

static const char *const known[] = {
    [RP_METHOD_P2C] = "p2c",
    [RP_METHOD_ROUND_ROBIN] = "round-robin",
    [RP_METHOD_LEAST] = "least-connections",
    [RP_METHOD_RANDOM] = "random",
    [RP_METHOD_HASH] = "hash",
};

#define NKNOWN (sizeof(known) / sizeof(*known))
#define WHAT_BY "uri, header:NAME, cookie:NAME or client"

static int is_token(const char *s)
{
    const char *c;

    for (c = s; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("!#$%&'*+-.^_`|~", *c)) {
            return 0;
        }
    }
    return c > s;
}

static const char *read_key(cmd_parms *cmd, rp_method_conf_t *method, const char *word)
{
    if (!strcasecmp(word, "uri")) {
        method->by = RP_HASH_URI;
    }
    else if (!strcasecmp(word, "client")) {
        method->by = RP_HASH_CLIENT;
    }
    else if (!strncasecmp(word, "header:", 7) && is_token(word + 7)) {
        method->by = RP_HASH_HEADER;
        method->field = word + 7;
    }
    else if (!strncasecmp(word, "cookie:", 7) && is_token(word + 7)) {
        method->by = RP_HASH_COOKIE;
        method->field = word + 7;
    }
    else {
        return apr_psprintf(cmd->pool, "RProxyMethod hash: '%s' is nothing to hash by: write " WHAT_BY, word);
    }
    return NULL;
}

static const char *read_bound(cmd_parms *cmd, rp_method_conf_t *method, const char *word)
{
    char *end = NULL;
    long percent = !strncasecmp(word, "bound=", 6) && apr_isdigit(word[6]) ? strtol(word + 6, &end, 10) : 0;

    if (!strcasecmp(word, "bound=off")) {
        method->bound = 0;
        return NULL;
    }
    if (!end || strcmp(end, "%") || percent < LEAST_BOUND || percent > GREATEST_BOUND) {
        return apr_psprintf(cmd->pool, "RProxyMethod hash: '%s' is not understood: write bound=125%% (%d%% to %d%%) or "
                            "bound=off", word, LEAST_BOUND, GREATEST_BOUND);
    }
    method->bound = (unsigned)percent;
    return NULL;
}

static const char *read_hash(cmd_parms *cmd, rp_method_conf_t *method, int argc, char *const argv[])
{
    const char *error;

    if (argc < 2) {
        return "RProxyMethod hash needs to know what by: write RProxyMethod hash uri, or " WHAT_BY;
    }
    error = read_key(cmd, method, argv[1]);
    if (!error && argc > 2) {
        error = read_bound(cmd, method, argv[2]);
    }
    return error ? error : argc > 3 ? apr_psprintf(cmd->pool, "RProxyMethod hash: '%s' is one word too many: write "
                                                   "RProxyMethod hash KEY [bound=125%%]", argv[3]) : NULL;
}

const char *rp_cmd_method(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    rp_method_conf_t *method;
    unsigned i;

    (void)dir;
    if (!pool) {
        return error;
    }
    method = &pool->method;
    if (method->name) {
        return apr_psprintf(cmd->pool, "RProxyMethod %s: pool %s has RProxyMethod %s already: remove one of them",
                            argc ? argv[0] : "", pool->name, method->name);
    }
    if (argc == 0) {
        return "RProxyMethod needs a method: write RProxyMethod p2c, round-robin, least-connections, random or "
               "hash KEY";
    }
    method->name = argv[0];
    method->where = rp_where(cmd);
    method->kind = RP_METHOD_OTHER;
    for (i = 0; i < NKNOWN; i++) {
        if (!strcasecmp(argv[0], known[i])) {
            method->kind = (rp_method_e)i;
        }
    }
    if (method->kind == RP_METHOD_HASH) {
        return read_hash(cmd, method, argc, argv);
    }
    return argc == 1 ? NULL : apr_psprintf(cmd->pool, "RProxyMethod %s: '%s' is one word too many", argv[0], argv[1]);
}

static const char *known_methods(apr_pool_t *p)
{
    apr_array_header_t *others = ap_list_provider_names(p, RPROXY_METHOD_GROUP, RPROXY_METHOD_VERSION);
    const char *names = "p2c, round-robin, least-connections, random, hash KEY";
    int i;

    for (i = 0; i < others->nelts; i++) {
        names = apr_pstrcat(p, names, ", ", APR_ARRAY_IDX(others, i, ap_list_provider_names_t).provider_name, NULL);
    }
    return names;
}

const char *rp_method_check(apr_pool_t *p, rp_method_conf_t *method)
{
    const rproxy_method_t *provider;

    if (method->kind != RP_METHOD_OTHER) {
        return NULL;
    }
    provider = ap_lookup_provider(RPROXY_METHOD_GROUP, method->name, RPROXY_METHOD_VERSION);
    if (!provider) {
        return apr_psprintf(p, "RProxyMethod %s: no module that is loaded provides this; known methods are: %s",
                            method->name, known_methods(p));
    }
    if (provider->size < APR_OFFSETOF(rproxy_method_t, pick) + sizeof(provider->pick) || !provider->pick) {
        return apr_psprintf(p, "RProxyMethod %s: its module does not say how to pick: that module needs mending",
                            method->name);
    }
    method->provider = provider;
    return NULL;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyLimit: how many requests there may be. */

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>
#include <openssl/evp.h>

#include "config/directives.h"

#define NAME_MAX_LEN 63

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_limit_conf_t, field), dflt, sentence },

const rp_option_t rp_limit_options[] = {
#include "config/limit_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

/* ------------------------------------------------------------------ single options */

static const char *read_rate(apr_pool_t *p, rp_limit_conf_t *limit)
{
    static const struct { const char *name; apr_interval_time_t period; } units[] = {
        { "/s", APR_USEC_PER_SEC }, { "/m", 60 * APR_USEC_PER_SEC }, { "/h", 3600 * APR_USEC_PER_SEC }, { NULL, 0 }
    };
    const char *text = limit->rate_text;
    const char *slash = text ? strchr(text, '/') : NULL;
    uint64_t n = 0;
    int i;

    if (!text) {
        return NULL;
    }
    for (i = 0; slash && units[i].name && strcasecmp(slash, units[i].name); i++) {
    }
    if (!slash || !units[i].name
        || !rp_parse_uint((rp_str_t){ text, (size_t)(slash - text) }, RP_GCRA_COUNT_MAX, &n) || !n) {
        return apr_psprintf(p, "rate=%s is not accepted; write a number from 1 to %d and its unit, such as 10/s, 100/m "
                            "or 1000/h", text, RP_GCRA_COUNT_MAX);
    }
    limit->rate = rp_gcra_make((apr_int64_t)n, units[i].period, limit->burst ? limit->burst : (apr_int64_t)n);
    return NULL;
}

static const char *read_key_expr(cmd_parms *cmd, const char *text, rp_limit_conf_t *limit)
{
    rp_expr_t expr;
    const char *error = rp_expr_parse_text(cmd, text, &expr);

    if (!error && expr.of_response) {
        error = "key=expr: requests are counted before there is a response: write an expression without %{resp:...} "
                "and %{REQUEST_STATUS}";
    }
    limit->by = RP_LIMIT_BY_EXPR;
    limit->value = expr.info;
    limit->is_late |= expr.is_late;
    return error;
}

static const char *read_key(cmd_parms *cmd, rp_limit_conf_t *limit)
{
    const char *text = limit->key_text;
    const char *colon = text ? strchr(text, ':') : NULL;

    if (!text || !strcasecmp(text, "address") || !strcasecmp(text, "none")) {
        limit->by = text && !strcasecmp(text, "none") ? RP_LIMIT_BY_NOTHING : RP_LIMIT_BY_ADDRESS;
        return NULL;
    }
    if (!strncasecmp(text, "expr:", 5)) {
        return read_key_expr(cmd, text + 5, limit);
    }
    limit->by = !strncasecmp(text, "header:", 7) ? RP_LIMIT_BY_HEADER : RP_LIMIT_BY_COOKIE;
    limit->field = colon ? colon + 1 : "";
    if ((limit->by == RP_LIMIT_BY_COOKIE && strncasecmp(text, "cookie:", 7))
        || !rp_is_token((rp_str_t){ limit->field, strlen(limit->field) })) {
        return apr_psprintf(cmd->pool, "key=%s is not accepted; write key=address, key=header:NAME, key=cookie:NAME, "
                            "\"key=expr:EXPRESSION\" or key=none", text);
    }
    return NULL;
}

static const char *read_condition(cmd_parms *cmd, const char *text, rp_limit_conf_t *limit)
{
    rp_expr_t expr;
    const char *error = rp_expr_parse(cmd, text, &expr);

    if (error) {
        return error;
    }
    limit->expr = expr.info;
    limit->is_late |= expr.is_late;
    return expr.of_response ? "requests are counted before there is a response: write an expression without "
                              "%{resp:...} and %{REQUEST_STATUS}" : NULL;
}

static const char *check_name(apr_pool_t *p, const char *name)
{
    const char *c;

    for (c = name; c && (isalnum((unsigned char)*c) || (*c && strchr("._-", *c))); c++) {
    }
    return name && (*c || strlen(name) > NAME_MAX_LEN)
         ? apr_psprintf(p, "name=%s is not accepted; write at most %d letters, digits, '.', '_' and '-'", name,
                        NAME_MAX_LEN) : NULL;
}

static const char *check_limit(apr_pool_t *p, const rp_limit_conf_t *limit)
{
    if (!limit->rate.interval == !limit->concurrent) {
        return limit->concurrent ? "rate= and concurrent= are two limits: write an RProxyLimit for each"
                                 : "write rate=N/s, rate=N/m or rate=N/h, or concurrent=N, to say what is limited";
    }
    if (limit->concurrent && limit->burst) {
        return "burst= belongs to rate=: leave it out where concurrent= limits requests at a time";
    }
    return check_name(p, limit->name);
}

/* ------------------------------------------------------------------ the directive */

/* What it says but for its name, which is what its name stands for. */
static const char *text_of(apr_pool_t *p, int argc, char *const argv[])
{
    const char *text = NULL;
    int i;

    for (i = 0; i < argc; i++) {
        if (strncasecmp(argv[i], "name=", 5)) {
            text = text ? apr_pstrcat(p, text, " ", argv[i], NULL) : argv[i];
        }
    }
    return text;
}

/* All sections around it: what it counts is told from what others count by that. */
static const char *section_of(const cmd_parms *cmd)
{
    const ap_directive_t *section;
    const char *text = "";

    for (section = cmd->directive ? cmd->directive->parent : NULL; section; section = section->parent) {
        text = apr_pstrcat(cmd->pool, section->directive, " ", section->args, text, NULL);
    }
    return text;
}

static const char *read_options(cmd_parms *cmd, int argc, char *const argv[], rp_limit_conf_t *limit)
{
    const char *error = NULL;
    int i;

    for (i = 0; i < argc && !error; i++) {
        error = strncasecmp(argv[i], "expr=", 5) ? rp_option_set(cmd->pool, rp_limit_options, limit, argv[i])
                                                 : read_condition(cmd, argv[i] + 5, limit);
    }
    error = error ? error : read_rate(cmd->pool, limit);
    error = error ? error : read_key(cmd, limit);
    return error ? error : check_limit(cmd->pool, limit);
}

const char *rp_cmd_limit(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_dir_conf_t *conf = dir;
    rp_limit_conf_t *limit;
    const char *error;

    if (rp_is_in_if(cmd)) {
        return "RProxyLimit does not stand inside of <If>, which RProxyCacheEarly passes over: write its condition as "
               "\"expr=...\" in it";
    }
    if (argc == 1 && !strcasecmp(argv[0], "off")) {
        conf->limits_alone = 1;
        conf->limits = NULL;
        return NULL;
    }
    limit = apr_pcalloc(cmd->pool, sizeof(*limit));
    error = read_options(cmd, argc, argv, limit);
    if (error) {
        return apr_psprintf(cmd->pool, "RProxyLimit: %s", error);
    }
    limit->text = text_of(cmd->pool, argc, argv);
    limit->section = section_of(cmd);
    limit->shown = limit->name ? limit->name : limit->text;
    limit->where = rp_where(cmd);
    if (!conf->limits) {
        conf->limits = apr_array_make(cmd->pool, 2, sizeof(const rp_limit_conf_t *));
    }
    APR_ARRAY_PUSH(conf->limits, const rp_limit_conf_t *) = limit;
    APR_ARRAY_PUSH(rp_server_conf(cmd->server)->limits, rp_limit_conf_t *) = limit;
    return NULL;
}

void rp_limits_merge(apr_pool_t *p, rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add)
{
    merged->limits_alone = base->limits_alone || add->limits_alone;
    if (add->limits_alone || !base->limits) {
        merged->limits = add->limits;
    }
    else {
        merged->limits = add->limits ? apr_array_append(p, base->limits, add->limits) : base->limits;
    }
}

/* ------------------------------------------------------------------ what is counted together */

static void make_id(apr_pool_t *p, const server_rec *s, rp_limit_conf_t *limit, int nth)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    const char *what = limit->name ? apr_pstrcat(p, "name ", limit->name, NULL)
        : apr_psprintf(p, "place %s:%d\n%s\n%s\n%d", s->server_hostname ? s->server_hostname : "", (int)s->port,
                       limit->section, limit->text, nth);

    EVP_Digest(what, strlen(what), digest, NULL, EVP_sha256(), NULL);
    memcpy(limit->id, digest, RP_LIMIT_ID);
}

/* Another one that counts the same. */
static const rp_limit_conf_t *other_of(apr_pool_t *p, const server_rec *s, rp_limit_conf_t *limit, apr_hash_t *seen)
{
    const rp_limit_conf_t *other;
    int nth = 0;

    /* Without a name, one that is written twice counts twice. */
    do {
        make_id(p, s, limit, nth++);
        other = apr_hash_get(seen, limit->id, RP_LIMIT_ID);
    } while (other && !limit->name);
    return other;
}

const char *rp_limits_check(apr_pool_t *p, const server_rec *s, const rp_server_conf_t *conf, apr_hash_t *seen,
                            const rp_where_t **where)
{
    int i;

    for (i = 0; i < conf->limits->nelts; i++) {
        rp_limit_conf_t *limit = APR_ARRAY_IDX(conf->limits, i, rp_limit_conf_t *);
        const rp_limit_conf_t *other = other_of(p, s, limit, seen);

        if (!other) {
            limit->number = (int)apr_hash_count(seen);
            apr_hash_set(seen, limit->id, RP_LIMIT_ID, limit);
            continue;
        }
        limit->number = other->number;
        if (strcmp(other->text, limit->text)) {
            *where = &limit->where;
            return apr_psprintf(p, "RProxyLimit name=%s says something else than at %s line %d, and limits of one name "
                                "count together: write the same, or another name", limit->name, other->where.file,
                                other->where.line);
        }
    }
    return NULL;
}

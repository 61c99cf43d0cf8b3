/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxySticky. */

#include <stddef.h>
#include <string.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "config/directives.h"
#include "http/http.h"

#define SECRET_MIN 32
#define SECRET_MAX 4096
#define LEARN_LIFETIME apr_time_from_sec(30 * 60)

/* As written; NULL or 0 where nothing was said. */
typedef struct words_t {
    const char *cookie, *route, *learn, *param, *gone, *path, *domain, *samesite, *secure, *secret;
    apr_interval_time_t lifetime;
    int size;
} words_t;

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(words_t, field), dflt, sentence },

const rp_option_t rp_sticky_options[] = {
#include "config/sticky_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

static int is_one_of(const char *word, const char *const *words)
{
    while (*words && strcasecmp(word, *words)) {
        words++;
    }
    return *words != NULL;
}

static const char *misplaced(apr_pool_t *p, const char *option, const char *modes)
{
    return apr_psprintf(p, "RProxySticky: %s= is for %s only: leave it away", option, modes);
}

static const char *check_mode(apr_pool_t *p, const words_t *w)
{
    const char *name = w->cookie ? w->cookie : w->route ? w->route : w->learn;

    if (!name || !!w->cookie + !!w->route + !!w->learn != 1) {
        return "RProxySticky: write one of cookie=NAME (a cookie of the proxy's own), route=NAME (an application's "
               "cookie that ends in .ROUTE) and learn=NAME (an application's cookie to learn from)";
    }
    if (!rp_is_token((rp_str_t){ name, strlen(name) })) {
        return apr_psprintf(p, "RProxySticky: '%s' is no name of a cookie: write one word such as RPSESSION", name);
    }
    if (w->param && !rp_is_token((rp_str_t){ w->param, strlen(w->param) })) {
        return apr_psprintf(p, "RProxySticky: param=%s is no name of a parameter: write one word such as jsessionid",
                            w->param);
    }
    return w->gone && strcasecmp(w->gone, "rebalance") && strcasecmp(w->gone, "refuse")
         ? apr_psprintf(p, "RProxySticky: gone=%s is not accepted; write gone=rebalance or gone=refuse", w->gone)
         : NULL;
}

static const char *check_places(apr_pool_t *p, const words_t *w)
{
    if (w->param && w->cookie) {
        return misplaced(p, "param", "route= and learn=");
    }
    if (w->size && !w->learn) {
        return misplaced(p, "size", "learn=");
    }
    if (w->lifetime && w->route) {
        return misplaced(p, "lifetime", "cookie= and learn=");
    }
    if (!w->cookie && (w->path || w->domain || w->samesite || w->secure || w->secret)) {
        return misplaced(p, w->path ? "path" : w->domain ? "domain" : w->samesite ? "samesite" : w->secure ? "secure"
                         : "secret", "cookie=");
    }
    return NULL;
}

/* Browsers drop cookies with such names and without what the names promise (RFC 6265bis §4.1.3). */
static const char *check_prefix(apr_pool_t *p, const words_t *w)
{
    int host = !strncasecmp(w->cookie, "__Host-", 7);

    if (!host && strncasecmp(w->cookie, "__Secure-", 9)) {
        return NULL;
    }
    if (!w->secure || strcasecmp(w->secure, "on")) {
        return apr_psprintf(p, "RProxySticky: browsers take a cookie named %s only when it is Secure: write secure=on, "
                            "or another name", w->cookie);
    }
    return host && (w->domain || (w->path && strcmp(w->path, "/")))
         ? apr_psprintf(p, "RProxySticky: browsers take a cookie named %s only with path=/ and without domain=: leave "
                        "them away, or write another name", w->cookie) : NULL;
}

static const char *check_attributes(apr_pool_t *p, const words_t *w)
{
    static const char *const sites[] = { "lax", "strict", "none", NULL };
    static const char *const secures[] = { "auto", "on", "off", NULL };

    if (w->path && (*w->path != '/' || strpbrk(w->path, "; \t\"\\"))) {
        return apr_psprintf(p, "RProxySticky: path=%s is not accepted; write a path such as path=/shop", w->path);
    }
    if (w->domain && w->domain[strspn(w->domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")]) {
        return apr_psprintf(p, "RProxySticky: domain=%s is not accepted; write a name such as domain=example.org",
                            w->domain);
    }
    if (w->samesite && !is_one_of(w->samesite, sites)) {
        return apr_psprintf(p, "RProxySticky: samesite=%s is not accepted; write lax, strict or none", w->samesite);
    }
    if (w->secure && !is_one_of(w->secure, secures)) {
        return apr_psprintf(p, "RProxySticky: secure=%s is not accepted; write auto, on or off", w->secure);
    }
    if (w->samesite && !strcasecmp(w->samesite, "none") && w->secure && !strcasecmp(w->secure, "off")) {
        return "RProxySticky: browsers drop cookies with samesite=none and secure=off: write secure=on, or "
               "samesite=lax";
    }
    return check_prefix(p, w);
}

static const char *check(apr_pool_t *p, const words_t *w)
{
    const char *error = check_mode(p, w);

    error = error ? error : check_places(p, w);
    return error || !w->cookie ? error : check_attributes(p, w);
}

static const char *attributes(apr_pool_t *p, const words_t *w, int https)
{
    int none = w->samesite && !strcasecmp(w->samesite, "none");
    int secure = w->secure && !strcasecmp(w->secure, "on") ? 1
               : w->secure && !strcasecmp(w->secure, "off") ? 0 : https;
    const char *site = !w->samesite || !strcasecmp(w->samesite, "lax") ? "; SameSite=Lax"
                     : !none ? "; SameSite=Strict"
                     : secure ? "; SameSite=None" : "";

    return apr_pstrcat(p, "; Path=", w->path ? w->path : "/", w->domain ? "; Domain=" : "", w->domain ? w->domain : "",
                       w->lifetime ? apr_psprintf(p, "; Max-Age=%" APR_INT64_T_FMT, apr_time_sec(w->lifetime)) : "",
                       "; HttpOnly", site, secure ? "; Secure" : "", NULL);
}

static const char *read_secret(apr_pool_t *p, const char *path, rp_str_t *secret)
{
    char *bytes = apr_palloc(p, SECRET_MAX + 1);
    apr_size_t len = SECRET_MAX + 1;
    apr_file_t *file;
    apr_finfo_t info;
    apr_status_t rv;
    char why[120];

    path = ap_server_root_relative(p, path);
    rv = apr_file_open(&file, path, APR_READ | APR_BINARY, 0, p);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "RProxySticky: secret=%s cannot be read: %s", path, apr_strerror(rv, why, sizeof(why)));
    }
    rv = apr_file_info_get(&info, APR_FINFO_PROT | APR_FINFO_TYPE, file);
    if (rv == APR_SUCCESS && (info.protection & (APR_FPROT_WREAD | APR_FPROT_WWRITE))) {
        return apr_psprintf(p, "RProxySticky: anybody on this host may read or write secret=%s: run chmod 600 on it, "
                            "and make another secret if somebody may have read it", path);
    }
    rv = apr_file_read_full(file, bytes, len, &len);
    apr_file_close(file);
    if ((rv != APR_SUCCESS && rv != APR_EOF) || len < SECRET_MIN || len > SECRET_MAX) {
        return apr_psprintf(p, "RProxySticky: secret=%s is not a file of %d to %d bytes: make one with head -c 32 "
                            "/dev/urandom", path, SECRET_MIN, SECRET_MAX);
    }
    *secret = (rp_str_t){ bytes, len };
    return NULL;
}

static const char *fill(apr_pool_t *p, const words_t *w, rp_sticky_conf_t *conf)
{
    conf->mode = w->cookie ? RP_STICKY_COOKIE : w->route ? RP_STICKY_ROUTE : RP_STICKY_LEARN;
    conf->name = w->cookie ? w->cookie : w->route ? w->route : w->learn;
    conf->param = w->param;
    conf->refuse = w->gone && !strcasecmp(w->gone, "refuse");
    conf->lifetime = w->lifetime ? w->lifetime : w->learn ? LEARN_LIFETIME : 0;
    conf->size = (unsigned)(w->size ? w->size : 100000);
    if (w->cookie) {
        conf->attributes[0] = attributes(p, w, 0);
        conf->attributes[1] = attributes(p, w, 1);
    }
    return w->secret ? read_secret(p, w->secret, &conf->secret) : NULL;
}

const char *rp_cmd_sticky(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    rp_sticky_conf_t *conf = apr_pcalloc(cmd->pool, sizeof(*conf));
    words_t words = { NULL };
    int i;

    (void)dir;
    if (!pool) {
        return error;
    }
    if (pool->sticky) {
        return apr_psprintf(cmd->pool, "RProxySticky stands already on line %d of %s: a pool has one",
                            pool->sticky->where.line, pool->sticky->where.file);
    }
    for (i = 0; i < argc; i++) {
        error = rp_option_set(cmd->pool, rp_sticky_options, &words, argv[i]);
        if (error) {
            return apr_pstrcat(cmd->pool, "RProxySticky: ", error, NULL);
        }
    }
    error = check(cmd->pool, &words);
    if (error) {
        return error;
    }
    conf->where = rp_where(cmd);
    pool->sticky = conf;
    return fill(cmd->pool, &words, conf);
}

static const char *check_route(apr_pool_t *p, const rp_pool_conf_t *pool, int i)
{
    const rp_member_conf_t *m = APR_ARRAY_IDX(pool->members, i, rp_member_conf_t *);
    int j;

    if (strlen(m->route) > RP_ROUTE_MAX || strpbrk(m->route, ".;,\" \t&/?#")) {
        return apr_psprintf(p, "RProxyMember %s: route=%s is not accepted; write what its sessions' ids have behind "
                            "their last dot, such as node1, at most %d bytes", m->url, m->route, RP_ROUTE_MAX);
    }
    for (j = 0; j < i; j++) {
        const rp_member_conf_t *other = APR_ARRAY_IDX(pool->members, j, rp_member_conf_t *);

        if (other->route && !strcmp(other->route, m->route)) {
            return apr_psprintf(p, "RProxyMember %s has route=%s, and so has %s: sessions could not tell them apart; "
                                "give each a route of its own", m->url, m->route, other->url);
        }
    }
    return NULL;
}

const char *rp_sticky_conf_check(apr_pool_t *p, const rp_pool_conf_t *pool, const rp_where_t **where)
{
    const char *error = NULL;
    int i, routes = 0;

    for (i = 0; i < pool->members->nelts && !error; i++) {
        const rp_member_conf_t *m = APR_ARRAY_IDX(pool->members, i, rp_member_conf_t *);

        if (m->route) {
            *where = &m->where;
            error = check_route(p, pool, i);
            routes++;
        }
    }
    if (!error && pool->sticky && pool->sticky->mode == RP_STICKY_ROUTE && !routes) {
        *where = &pool->sticky->where;
        error = apr_psprintf(p, "RProxySticky route=%s, but no member of pool %s has a route: write what each backend "
                             "appends to its sessions, as in RProxyMember http://HOST:PORT route=node1",
                             pool->sticky->name, pool->name);
    }
    return error;
}

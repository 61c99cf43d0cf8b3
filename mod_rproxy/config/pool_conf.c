/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** <RProxyPool> and RProxyMember. */

#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_uri.h>

#include "config/directives.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_member_conf_t, field), dflt, sentence },

const rp_option_t rp_member_options[] = {
#include "config/member_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

/* The pool whose section is being read. */
static rp_pool_conf_t *open_pool;

static int is_pool_name(const char *s)
{
    const char *c;

    for (c = s; *c; c++) {
        if (!apr_isalnum(*c) && *c != '-' && *c != '_' && *c != '.') {
            return 0;
        }
    }
    return c > s;
}

const char *rp_cmd_pool(cmd_parms *cmd, void *dir, const char *args)
{
    rp_server_conf_t *conf = rp_server_conf(cmd->server);
    const char *end = ap_strrchr_c(args, '>');
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    rp_pool_conf_t *pool, *other;

    (void)dir;
    if (error) {
        return error;
    }
    if (!end) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, "> is not closed: write <RProxyPool NAME>", NULL);
    }
    pool = apr_pcalloc(cmd->pool, sizeof(*pool));
    args = apr_pstrmemdup(cmd->pool, args, (apr_size_t)(end - args));
    pool->name = ap_getword_conf(cmd->pool, &args);
    pool->where = rp_where(cmd);
    pool->members = apr_array_make(cmd->pool, 4, sizeof(rp_member_conf_t *));
    if (!is_pool_name(pool->name) || *args || !strcasecmp(pool->name, "none")) {
        return apr_psprintf(cmd->pool, "<RProxyPool %s>: write one name of letters, digits, '-', '_' and '.', "
                            "other than 'none'", pool->name);
    }
    other = apr_hash_get(conf->pools, pool->name, APR_HASH_KEY_STRING);
    if (other) {
        return apr_psprintf(cmd->pool, "<RProxyPool %s> stands already at %s line %d: give this one another name or "
                            "put its members there", pool->name, other->where.file, other->where.line);
    }
    open_pool = pool;
    error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
    open_pool = NULL;
    if (error) {
        return error;
    }
    apr_hash_set(conf->pools, pool->name, APR_HASH_KEY_STRING, pool);
    return NULL;
}

static const char *parse_unix(cmd_parms *cmd, rp_member_conf_t *m, const char *path)
{
    if (*path != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return apr_psprintf(cmd->pool, "%s: write unix: and an absolute path of at most %d bytes", m->url,
                            (int)sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    }
    m->scheme = RP_SCHEME_UNIX;
    m->host = path;
    m->authority = "localhost";
    return NULL;
}

static const char *parse_url(cmd_parms *cmd, rp_member_conf_t *m)
{
    apr_uri_t uri;
    uint64_t port = 0;

    if (!strncasecmp(m->url, "unix:", 5)) {
        return parse_unix(cmd, m, m->url + 5);
    }
    if (apr_uri_parse(cmd->pool, m->url, &uri) != APR_SUCCESS || !uri.scheme || !uri.hostname || !*uri.hostname
        || (strcasecmp(uri.scheme, "http") && strcasecmp(uri.scheme, "https"))) {
        return apr_psprintf(cmd->pool, "%s is not a member's URL: write http://HOST[:PORT], https://HOST[:PORT] or "
                            "unix:/PATH", m->url);
    }
    if ((uri.path && strcmp(uri.path, "/")) || uri.query || uri.fragment || uri.user) {
        return apr_psprintf(cmd->pool, "%s has more than scheme, host and port: write %s://%s, and put a base path "
                            "into RProxyPass (RProxyPass /PATH POOL%s)", m->url, uri.scheme, uri.hostinfo,
                            uri.path ? uri.path : "/BASE");
    }
    m->scheme = strcasecmp(uri.scheme, "https") ? RP_SCHEME_HTTP : RP_SCHEME_HTTPS;
    m->host = uri.hostname;
    m->authority = uri.hostinfo;
    if (uri.port_str && *uri.port_str
        && (!rp_parse_uint((rp_str_t){ uri.port_str, strlen(uri.port_str) }, 65536, &port) || port == 0 || port > 65535)) {
        return apr_psprintf(cmd->pool, "%s: write a port from 1 to 65535", m->url);
    }
    m->port = (apr_port_t)(port ? port : m->scheme == RP_SCHEME_HTTPS ? 443 : 80);
    m->url = apr_psprintf(cmd->pool, "%s://%s", uri.scheme, uri.hostinfo);
    return NULL;
}

static const char *check_tls_options(cmd_parms *cmd, const rp_member_conf_t *m)
{
    if (m->scheme != RP_SCHEME_HTTPS && (m->ca || !m->verify)) {
        return apr_psprintf(cmd->pool, "RProxyMember %s: ca= and verify= are for https:// members", m->url);
    }
    if (m->ca && access(m->ca, R_OK) != 0) {
        return apr_psprintf(cmd->pool, "RProxyMember %s: ca=%s cannot be read: name a PEM file", m->url, m->ca);
    }
    return NULL;
}

const char *rp_cmd_member(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_member_conf_t *m = apr_pcalloc(cmd->pool, sizeof(*m));
    const char *error;
    int i;

    (void)dir;
    if (!open_pool) {
        return "RProxyMember stands inside of <RProxyPool NAME> ... </RProxyPool>";
    }
    if (argc < 1) {
        return "RProxyMember needs a URL: write RProxyMember http://HOST[:PORT]";
    }
    m->url = argv[0];
    m->where = rp_where(cmd);
    rp_option_defaults(rp_member_options, m);
    error = parse_url(cmd, m);
    for (i = 1; i < argc && !error; i++) {
        error = rp_option_set(cmd->pool, rp_member_options, m, argv[i]);
        if (error) {
            return apr_psprintf(cmd->pool, "RProxyMember %s: %s", m->url, error);
        }
    }
    if (!error && m->ca) {
        m->ca = ap_server_root_relative(cmd->pool, m->ca);
    }
    if (!error) {
        error = check_tls_options(cmd, m);
    }
    if (error) {
        return error;
    }
    for (i = 0; i < open_pool->members->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(open_pool->members, i, rp_member_conf_t *)->url, m->url)) {
            return apr_psprintf(cmd->pool, "RProxyMember %s stands twice in pool %s: use weight= to give it more "
                                "requests", m->url, open_pool->name);
        }
    }
    APR_ARRAY_PUSH(open_pool->members, rp_member_conf_t *) = m;
    return NULL;
}

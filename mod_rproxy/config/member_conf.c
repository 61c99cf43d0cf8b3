/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What is said of a member: its URL and options, in the configuration or at run time. */

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <apr_strings.h>
#include <apr_uri.h>

#include "config/directives.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_member_conf_t, field), dflt, sentence },

const rp_option_t rp_member_options[] = {
#include "config/member_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

static const char *parse_unix(apr_pool_t *p, rp_member_conf_t *m, const char *path)
{
    if (*path != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return apr_psprintf(p, "%s: write unix: and an absolute path of at most %d bytes", m->url,
                            (int)sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    }
    m->scheme = RP_SCHEME_UNIX;
    m->host = path;
    m->authority = "localhost";
    return NULL;
}

static const char *parse_url(apr_pool_t *p, rp_member_conf_t *m)
{
    const char *url = m->url;
    apr_uri_t uri;
    uint64_t port = 0;

    if (!strncasecmp(m->url, "unix:", 5)) {
        return parse_unix(p, m, m->url + 5);
    }
    if (!strncasecmp(url, "srv+", 4)) {
        m->srv = 1;
        url += 4;
    }
    if (apr_uri_parse(p, url, &uri) != APR_SUCCESS || !uri.scheme || !uri.hostname || !*uri.hostname
        || (strcasecmp(uri.scheme, "http") && strcasecmp(uri.scheme, "https"))) {
        return apr_psprintf(p, "%s is not a member's URL: write http://HOST[:PORT], https://HOST[:PORT], "
                            "unix:/PATH or srv+http://NAME", m->url);
    }
    if ((uri.path && strcmp(uri.path, "/")) || uri.query || uri.fragment || uri.user) {
        return apr_psprintf(p, "%s has more than scheme, host and port: write %s://%s, and put a base path "
                            "into RProxyPass (RProxyPass /PATH POOL%s)", m->url, uri.scheme, uri.hostinfo,
                            uri.path ? uri.path : "/BASE");
    }
    m->scheme = strcasecmp(uri.scheme, "https") ? RP_SCHEME_HTTP : RP_SCHEME_HTTPS;
    m->host = uri.hostname;
    m->authority = uri.hostinfo;
    if (uri.port_str && *uri.port_str
        && (!rp_parse_uint((rp_str_t){ uri.port_str, strlen(uri.port_str) }, 65536, &port) || port == 0 || port > 65535)) {
        return apr_psprintf(p, "%s: write a port from 1 to 65535", m->url);
    }
    m->port = (apr_port_t)(port ? port : m->scheme == RP_SCHEME_HTTPS ? 443 : 80);
    m->url = apr_psprintf(p, "%s%s://%s", m->srv ? "srv+" : "", uri.scheme, uri.hostinfo);
    return m->srv && uri.port_str ? apr_psprintf(p, "%s: SRV records say the port: write srv+%s://%s", m->url, uri.scheme,
                                                 uri.hostname) : NULL;
}

/* What its members have from a name: all options but those that are the name's own or said anew for each. */
static const char *inherited(apr_pool_t *p, int argc, char *const argv[])
{
    static const char *const own[] = { "resolve=", "expand", "weight=", "priority=", "backup" };
    const char *text = "";
    int i;

    for (i = 1; i < argc; i++) {
        size_t j = 0;

        while (j < sizeof(own) / sizeof(*own) && strncasecmp(argv[i], own[j], strlen(own[j]))) {
            j++;
        }
        if (j == sizeof(own) / sizeof(*own)) {
            text = apr_pstrcat(p, text, *text ? " " : "", rp_member_word(p, argv[i]), NULL);
        }
    }
    return text;
}

const char *rp_member_word(apr_pool_t *p, const char *word)
{
    char *out = apr_palloc(p, 2 * strlen(word) + 3), *at = out;

    if (*word && !strpbrk(word, " \t\"'\\")) {
        return word;
    }
    for (*at++ = '"'; *word; word++) {
        if (*word == '"' || *word == '\\') {
            *at++ = '\\';
        }
        *at++ = *word;
    }
    *at++ = '"';
    *at = '\0';
    return out;
}

/* The name that the members of an SRV name are known by: that of the service's domain (RFC 6125 §B.2), as targets are
 * nobody's word but the name server's. */
static const char *domain_of(const char *service)
{
    while (*service == '_' && strchr(service, '.')) {
        service = strchr(service, '.') + 1;
    }
    return service;
}

static int is_address(const char *host)
{
    unsigned char raw[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, raw) == 1 || strchr(host, ':') != NULL;
}

/* @return what is wrong, or NULL */
static const char *check_name(apr_pool_t *p, rp_member_conf_t *m)
{
    if (m->resolve > 0 && m->resolve < APR_USEC_PER_SEC) {
        return apr_psprintf(p, "RProxyMember %s: resolve= is less than a second: write 1s or more", m->url);
    }
    if (m->scheme == RP_SCHEME_UNIX && (m->expand || m->resolve > 0)) {
        return apr_psprintf(p, "RProxyMember %s: resolve= and expand are for names: leave them out", m->url);
    }
    if (!RP_IS_NAME(m)) {
        m->resolve = m->resolve == RP_UNSET ? 0 : m->resolve;
        return NULL;
    }
    m->resolve = m->resolve == RP_UNSET ? RP_DEFAULT_RESOLVE : m->resolve;
    if (m->srv && m->expand) {
        return apr_psprintf(p, "RProxyMember %s: srv+ has a member for each target anyway: leave expand out", m->url);
    }
    if (m->route) {
        return apr_psprintf(p, "RProxyMember %s: route= would be the same for all that the name leads to: leave it out, and "
                            "use RProxySticky cookie= or learn=", m->url);
    }
    if (is_address(m->host)) {
        return apr_psprintf(p, "RProxyMember %s: %s is for names, not addresses: leave it out", m->url,
                            m->srv ? "srv+" : "expand");
    }
    if (m->srv) {
        m->authority = domain_of(m->host);
    }
    if (m->scheme == RP_SCHEME_HTTPS && !m->tls.sni) {
        m->inherited = apr_pstrcat(p, m->inherited, *m->inherited ? " " : "", "sni=",
                                   m->srv ? m->authority : m->host, NULL);
    }
    return strlen(m->inherited) <= RP_INHERITED_MAX ? NULL
         : apr_psprintf(p, "RProxyMember %s: its options are too long for members that come and go: use shorter paths "
                        "(%d bytes at most)", m->url, RP_INHERITED_MAX);
}

static const char *check_tls_options(apr_pool_t *p, const rp_member_conf_t *m)
{
    const rp_tls_conf_t *tls = &m->tls;
    const char *error;

    if (m->scheme != RP_SCHEME_HTTPS
        && (tls->ca || !tls->verify || tls->pin || tls->sni || tls->cert || tls->key || tls->min)) {
        return apr_psprintf(p, "RProxyMember %s: ca=, verify=, pin=, sni=, cert=, key= and tls-min= are for https:// "
                            "members", m->url);
    }
    error = m->scheme == RP_SCHEME_HTTPS ? rp_tls_check(p, tls) : NULL;
    return error ? apr_psprintf(p, "RProxyMember %s: %s", m->url, error) : NULL;
}

static void tls_files(apr_pool_t *p, rp_tls_conf_t *tls)
{
    const char **const files[] = { &tls->ca, &tls->cert, &tls->key };
    size_t i;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (*files[i]) {
            *files[i] = ap_server_root_relative(p, *files[i]);
        }
    }
}

rp_member_conf_t *rp_member_parse(apr_pool_t *p, int argc, char *const argv[], const char **error)
{
    rp_member_conf_t *m = apr_pcalloc(p, sizeof(*m));
    int i;

    *error = NULL;
    if (argc < 1) {
        *error = "RProxyMember needs a URL: write RProxyMember http://HOST[:PORT]";
        return NULL;
    }
    m->url = argv[0];
    rp_option_defaults(rp_member_options, m);
    m->resolve = RP_UNSET;
    *error = parse_url(p, m);
    for (i = 1; i < argc && !*error; i++) {
        *error = rp_option_set(p, rp_member_options, m, argv[i]);
        if (*error) {
            *error = apr_psprintf(p, "RProxyMember %s: %s", m->url, *error);
        }
    }
    if (!*error && strlen(m->url) >= RP_MEMBER_URL_MAX) {
        *error = apr_psprintf(p, "RProxyMember %s: write a URL of at most %d bytes", m->url, RP_MEMBER_URL_MAX - 1);
    }
    if (!*error && m->backup && m->level > 1) {
        *error = apr_psprintf(p, "RProxyMember %s: backup means priority=1; write one of them", m->url);
    }
    if (!*error && m->backup) {
        m->level = 1;
    }
    if (!*error) {
        tls_files(p, &m->tls);
        *error = check_tls_options(p, m);
    }
    if (!*error) {
        m->inherited = inherited(p, argc, argv);
        *error = check_name(p, m);
    }
    if (m->proxy_protocol) {
        m->keep = 0;
    }
    return *error ? NULL : m;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <ctype.h>
#include <string.h>
#include <sys/un.h>

#include <apr_strings.h>

#include "farm/redis_url.h"
#include "http/http.h"

#define HOW "write redis://HOST[:PORT][/DB], rediss://HOST[:PORT][/DB], unix:/PATH, " \
            "sentinel://HOST[:PORT],HOST[:PORT]/MASTER-NAME or cluster://HOST[:PORT],HOST[:PORT]"

typedef struct scheme_t {
    const char *prefix;
    rp_redis_kind_e kind;
    int tls;
    int port;
} scheme_t;

static const scheme_t schemes[] = {
    { "redis://", RP_REDIS_SINGLE, 0, RP_REDIS_PORT },
    { "rediss://", RP_REDIS_SINGLE, 1, RP_REDIS_PORT },
    { "sentinel://", RP_REDIS_SENTINEL, 0, RP_SENTINEL_PORT },
    { "cluster://", RP_REDIS_CLUSTER, 0, RP_REDIS_PORT },
    { NULL, RP_REDIS_SINGLE, 0, 0 }
};

const char *rp_redis_url_shown(apr_pool_t *p, const char *text)
{
    const char *slashes = strstr(text, "://");
    const char *at = strncasecmp(text, "unix:", 5) ? strrchr(text, '@') : NULL;

    /* The last one, whatever stands before it: a password with an unescaped '/' or '@' is not shown either. */
    if (!slashes || !at || at < slashes) {
        return at ? apr_pstrcat(p, "***", at, NULL) : apr_pstrdup(p, text);
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, text, (apr_size_t)(slashes + 3 - text)), "***", at, NULL);
}

static const scheme_t *find_scheme(const char *text)
{
    const scheme_t *s;

    for (s = schemes; s->prefix; s++) {
        if (!strncasecmp(text, s->prefix, strlen(s->prefix))) {
            return s;
        }
    }
    return NULL;
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

/* What percent-encoding stands for; NULL when it is none, has a NUL in it, or is too long. */
static const char *decode(apr_pool_t *p, rp_str_t s)
{
    char *out, *to;
    size_t i;

    if (s.len > 3 * RP_REDIS_SECRET_MAX) {
        return NULL;
    }
    to = out = apr_palloc(p, s.len + 1);
    for (i = 0; i < s.len; i++) {
        int high = 0, low = 0;

        if (s.ptr[i] != '%') {
            *to++ = s.ptr[i];
            continue;
        }
        high = i + 2 < s.len ? hex(s.ptr[i + 1]) : -1;
        low = i + 2 < s.len ? hex(s.ptr[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            return NULL;
        }
        *to++ = (char)(high * 16 + low);
        i += 2;
    }
    *to = '\0';
    return to - out > RP_REDIS_SECRET_MAX ? NULL : out;
}

/* "user:password", ":password" or "user" */
static const char *parse_user(apr_pool_t *p, rp_str_t s, rp_redis_url_t *url)
{
    const char *colon = memchr(s.ptr, ':', s.len);
    rp_str_t user = { s.ptr, colon ? (size_t)(colon - s.ptr) : s.len };
    rp_str_t password = { colon ? colon + 1 : NULL, colon ? s.len - user.len - 1 : 0 };

    url->user = user.len ? decode(p, user) : NULL;
    url->password = password.len ? decode(p, password) : NULL;
    if ((user.len && !url->user) || (password.len && !url->password)) {
        return "its user or password has a % that is not followed by two hexadecimal digits, or is too long: write a "
               "% itself as %25";
    }
    return NULL;
}

static int is_host(rp_str_t s)
{
    size_t i;

    for (i = 0; i < s.len; i++) {
        if (!isalnum((unsigned char)s.ptr[i]) && !strchr(".-_", s.ptr[i])) {
            return 0;
        }
    }
    return s.len > 0 && s.len < RP_REDIS_HOST_MAX;
}

static int is_ipv6(rp_str_t s)
{
    size_t i;

    for (i = 0; i < s.len; i++) {
        if (!isxdigit((unsigned char)s.ptr[i]) && s.ptr[i] != ':' && s.ptr[i] != '.') {
            return 0;
        }
    }
    return s.len > 1 && s.len < 46 && memchr(s.ptr, ':', s.len);
}

static int parse_port(rp_str_t s, int *port)
{
    uint64_t n;

    if (!rp_parse_uint(s, 65536, &n) || n == 0 || n > 65535) {
        return 0;
    }
    *port = (int)n;
    return 1;
}

/* "host", "host:port", "[::1]" or "[::1]:port" */
static const char *parse_host(apr_pool_t *p, rp_str_t s, int port, rp_redis_url_t *url)
{
    rp_redis_host_t *h = &url->hosts[url->nhosts];
    int bracket = s.len && s.ptr[0] == '[';
    const char *close = bracket ? memchr(s.ptr, ']', s.len) : NULL;
    const char *colon = close ? (close + 1 < s.ptr + s.len ? close + 1 : NULL) : memchr(s.ptr, ':', s.len);
    rp_str_t name = { s.ptr + bracket, (size_t)((close ? close : colon ? colon : s.ptr + s.len) - s.ptr) - bracket };
    rp_str_t digits;

    if (url->nhosts == RP_REDIS_HOSTS) {
        return apr_psprintf(p, "it names more than %d hosts: some of them are enough, the others are asked for",
                            RP_REDIS_HOSTS);
    }
    if ((bracket && !close) || !(bracket ? is_ipv6(name) : is_host(name))) {
        return "it has no host where one belongs: write a name, an IPv4 address, or an IPv6 address in brackets";
    }
    h->port = port;
    digits = colon ? (rp_str_t){ colon + 1, (size_t)(s.ptr + s.len - colon - 1) } : RP_STR("");
    if (colon && (*colon != ':' || !parse_port(digits, &h->port))) {
        return "write a port from 1 to 65535";
    }
    h->host = apr_pstrmemdup(p, name.ptr, name.len);
    url->nhosts++;
    return NULL;
}

static const char *parse_hosts(apr_pool_t *p, rp_str_t list, const scheme_t *scheme, rp_redis_url_t *url)
{
    const char *error = NULL;

    /* Bounded: each turn takes a part off the list. */
    while (!error) {
        const char *comma = scheme->kind == RP_REDIS_SINGLE ? NULL : memchr(list.ptr, ',', list.len);
        size_t len = comma ? (size_t)(comma - list.ptr) : list.len;

        error = parse_host(p, (rp_str_t){ list.ptr, len }, scheme->port, url);
        if (!comma) {
            break;
        }
        list.ptr += len + 1;
        list.len -= len + 1;
    }
    return error;
}

static int is_master_name(const char *s)
{
    size_t len = strlen(s), i;

    for (i = 0; i < len; i++) {
        if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i])) {
            return 0;
        }
    }
    return len > 0 && len <= 128;
}

static const char *parse_path(apr_pool_t *p, const char *path, rp_redis_url_t *url)
{
    uint64_t db;

    switch (url->kind) {
    case RP_REDIS_SENTINEL:
        if (!path || !is_master_name(path + 1)) {
            return "it lacks the name by which the Sentinels know the master: write sentinel://HOST,HOST/MASTER-NAME";
        }
        url->master = apr_pstrdup(p, path + 1);
        return NULL;
    case RP_REDIS_CLUSTER:
        return path && path[1] ? "a cluster has one database only: leave out what follows the hosts" : NULL;
    default:
        if (!path || !path[1]) {
            return NULL;
        }
        if (!rp_parse_uint((rp_str_t){ path + 1, strlen(path + 1) }, 1000000, &db) || db > 65535) {
            return "what follows the host is no number of a database: write one from 0 to 65535";
        }
        url->db = (int)db;
        return NULL;
    }
}

static const char *parse_unix(apr_pool_t *p, const char *path, rp_redis_url_t *url)
{
    size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (*path != '/' || strlen(path) > max) {
        return apr_psprintf(p, "write unix: and an absolute path of at most %d bytes", (int)max);
    }
    url->hosts[0].host = apr_pstrdup(p, path);
    url->hosts[0].port = 0;
    url->nhosts = 1;
    return NULL;
}

const char *rp_redis_url_parse(apr_pool_t *p, const char *text, rp_redis_url_t *url)
{
    const scheme_t *scheme;
    const char *rest, *at, *path, *error = NULL;
    rp_str_t hosts;

    memset(url, 0, sizeof(*url));
    url->db = -1;
    if (!strncasecmp(text, "unix:", 5)) {
        return parse_unix(p, text + 5, url);
    }
    scheme = find_scheme(text);
    if (!scheme) {
        return "it is no URL of a Redis: " HOW;
    }
    url->kind = scheme->kind;
    url->tls = scheme->tls;
    rest = text + strlen(scheme->prefix);
    if (strpbrk(rest, "?#")) {
        return "it has a ? or # in it: options follow the URL as words, and in a password write %3F and %23";
    }
    at = strchr(rest, '@');
    if (at && (strchr(at + 1, '@') || memchr(rest, '/', (size_t)(at - rest)))) {
        return "its user or password has a / or @ in it: write %2F and %40";
    }
    if (at) {
        error = parse_user(p, (rp_str_t){ rest, (size_t)(at - rest) }, url);
        rest = at + 1;
    }
    path = strchr(rest, '/');
    hosts = (rp_str_t){ rest, path ? (size_t)(path - rest) : strlen(rest) };
    error = error ? error : parse_hosts(p, hosts, scheme, url);
    return error ? error : parse_path(p, path, url);
}

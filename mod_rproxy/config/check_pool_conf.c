/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyCheck: what a pool's members are asked. */

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

#include "config/directives.h"
#include "http/http.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_check_conf_t, field), dflt, sentence },

const rp_option_t rp_check_options[] = {
#include "config/check_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

#define DEFAULT_EXPECT "200-399"
#define DEFAULT_JITTER 10
#define MAX_JITTER 50
/* Somebody's expression must not keep the other members waiting: the matcher gives up after so many steps. */
#define MATCH_LIMIT "(*LIMIT_MATCH=200000)"

static const char *read_target(apr_pool_t *p, rp_check_conf_t *check, const char *word)
{
    int anything = check->method && !strcmp(check->method, "OPTIONS") && !strcmp(word, "*");

    if (!anything && (*word != '/' || !rp_target_is_safe(word))) {
        return apr_psprintf(p, "RProxyCheck: '%s' is no path to ask for; write GET and a path that begins with '/', "
                            "such as RProxyCheck GET /healthz, or tcp", word);
    }
    check->path = word;
    check->what = apr_psprintf(p, "%s %s", check->method, check->path);
    return NULL;
}

static const char *read_method(apr_pool_t *p, rp_check_conf_t *check, const char *word)
{
    const char *c;

    for (c = word; *c >= 'A' && *c <= 'Z'; c++) {
    }
    if (*c || c == word || !strcmp(word, "CONNECT")) {
        return apr_psprintf(p, "RProxyCheck %s: write a method in capitals and a path, such as GET /healthz, or tcp",
                            word);
    }
    check->method = word;
    return NULL;
}

/* "tcp", "PATH" or "METHOD PATH"; *used is how many words that is. */
static const char *read_request(apr_pool_t *p, rp_check_conf_t *check, int argc, char *const argv[], int *used)
{
    const char *error;

    if (argc < 1 || strchr(argv[0], '=')) {
        return "RProxyCheck: write first what to ask, such as RProxyCheck GET /healthz, or RProxyCheck tcp";
    }
    *used = 1;
    if (!strcasecmp(argv[0], "tcp")) {
        check->what = "tcp";
        return NULL;
    }
    check->method = "GET";
    if (*argv[0] == '/') {
        return read_target(p, check, argv[0]);
    }
    error = read_method(p, check, argv[0]);
    if (error) {
        return error;
    }
    if (argc < 2) {
        return apr_psprintf(p, "RProxyCheck %s: a path is missing; write RProxyCheck %s /PATH", argv[0], argv[0]);
    }
    *used = 2;
    return read_target(p, check, argv[1]);
}

/* "404" or "500-599" */
static int expect_span(rp_check_conf_t *check, rp_str_t item)
{
    const char *dash = memchr(item.ptr, '-', item.len);
    rp_str_t first = { item.ptr, dash ? (size_t)(dash - item.ptr) : item.len };
    rp_str_t last = dash ? (rp_str_t){ dash + 1, item.len - first.len - 1 } : first;
    uint64_t from, to, status;

    if (!rp_parse_uint(first, 1000, &from) || !rp_parse_uint(last, 1000, &to) || from < 200 || to > 599 || from > to) {
        return 0;
    }
    for (status = from; status <= to; status++) {
        check->expected[status / 8] |= (unsigned char)(1 << (status % 8));
    }
    return 1;
}

static const char *read_expect(apr_pool_t *p, rp_check_conf_t *check)
{
    const char *text = check->expect ? check->expect : DEFAULT_EXPECT;
    rp_str_t list = { text, strlen(text) };
    rp_str_t item;
    int n = 0;

    check->expect = text;
    while (rp_list_next(&list, &item)) {
        if (!expect_span(check, item)) {
            return apr_psprintf(p, "RProxyCheck: expect=%s: '%.*s' is no status; write statuses from 200 to 599 and spans "
                                "of them with commas, such as 200-299,401", text, (int)item.len, item.ptr);
        }
        n++;
    }
    return n ? NULL : apr_psprintf(p, "RProxyCheck: expect=%s: write statuses and spans of them with commas, such as "
                                   "200-299,401", text);
}

static const char *read_jitter(apr_pool_t *p, rp_check_conf_t *check)
{
    apr_size_t digits = check->jitter_text ? strspn(check->jitter_text, "0123456789") : 0;
    uint64_t percent;

    if (!check->jitter_text) {
        check->jitter = DEFAULT_JITTER;
        return NULL;
    }
    if (!rp_parse_uint((rp_str_t){ check->jitter_text, digits }, 1000, &percent) || percent > MAX_JITTER
        || strcmp(check->jitter_text + digits, "%")) {
        return apr_psprintf(p, "RProxyCheck: jitter=%s is not accepted; write a share from 0%% to %d%%",
                            check->jitter_text, MAX_JITTER);
    }
    check->jitter = (int)percent;
    return NULL;
}

static const char *read_body(apr_pool_t *p, rp_check_conf_t *check)
{
    if (!check->body) {
        return NULL;
    }
    if (!strcmp(check->method, "HEAD")) {
        return "RProxyCheck: a response to HEAD has no content; write GET, or leave out body=";
    }
    check->body_regex = ap_pregcomp(p, apr_pstrcat(p, MATCH_LIMIT, check->body, NULL), AP_REG_EXTENDED | AP_REG_NOSUB);
    if (!check->body_regex) {
        return apr_psprintf(p, "RProxyCheck: body=%s is not a regular expression; write one such as \"body=all is well\"",
                            check->body);
    }
    return NULL;
}

/* What depends on the request, or on more than one option. */
static const char *complete(apr_pool_t *p, rp_check_conf_t *check)
{
    const char *error = read_jitter(p, check);

    if (error) {
        return error;
    }
    if (!check->method) {
        return check->host || check->expect || check->body
            ? "RProxyCheck tcp: host=, expect= and body= are about a request; write one, such as RProxyCheck GET /healthz"
            : NULL;
    }
    if (check->host && (!rp_is_field_value((rp_str_t){ check->host, strlen(check->host) })
                        || strpbrk(check->host, " \t/,@"))) {
        return apr_psprintf(p, "RProxyCheck: host=%s is no host; write one such as www.example.org", check->host);
    }
    error = read_expect(p, check);
    return error ? error : read_body(p, check);
}

const char *rp_cmd_check(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_check_conf_t *check = apr_pcalloc(cmd->pool, sizeof(*check));
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    int i;

    (void)dir;
    if (!pool) {
        return error;
    }
    if (pool->check) {
        return apr_psprintf(cmd->pool, "RProxyCheck stands twice in pool %s: remove one of them", pool->name);
    }
    rp_option_defaults(rp_check_options, check);
    error = read_request(cmd->pool, check, argc, argv, &i);
    for (; !error && i < argc; i++) {
        error = rp_option_set(cmd->pool, rp_check_options, check, argv[i]);
        if (error) {
            error = apr_psprintf(cmd->pool, "RProxyCheck %s: %s", check->what, error);
        }
    }
    if (!error) {
        error = complete(cmd->pool, check);
    }
    pool->check = error ? NULL : check;
    return error;
}

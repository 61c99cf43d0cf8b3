/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Expressions of httpd's (ap_expr) as conditions of directives. */

#include <string.h>
#include <strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <apr_strings.h>

#include "config/directives.h"

APLOG_USE_MODULE(rproxy);

/* What looks at the response. */
static const char *const of_response[] = { "resp", "REQUEST_STATUS", "CONTENT_TYPE", "LAST_MODIFIED", NULL };

/* What is the same in the quick handler and in the handler: all else may be settled by phases in between, or be another
 * module's. */
static const char *const known_early[] = {
    "req", "http", "req_novary", "osenv", "tolower", "toupper", "escape", "unescape", "base64", "unbase64", "sha1",
    "md5", "HTTP_USER_AGENT", "HTTP_PROXY_CONNECTION", "HTTP_REFERER", "HTTP_COOKIE", "HTTP_FORWARDED", "HTTP_HOST",
    "HTTP_ACCEPT",
    "HTTPS", "IPV6", "HTTP2", "CONN_REMOTE_ADDR", "REMOTE_ADDR", "REMOTE_PORT",
    "REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI", "QUERY_STRING", "THE_REQUEST", "SERVER_NAME", "SERVER_PORT",
    "SERVER_PROTOCOL", "SERVER_ADMIN", "SERVER_SOFTWARE", "API_VERSION", "IS_SUBREQ",
    "TIME", "TIME_YEAR", "TIME_MON", "TIME_DAY", "TIME_HOUR", "TIME_MIN", "TIME_SEC", "TIME_WDAY",
    "n", "z", "R", "T", "ipmatch", "fnmatch", "strmatch", "strcmatch", NULL
};

static int is_one_of(const char *const *names, const char *name)
{
    for (; *names && strcasecmp(*names, name); names++) {
    }
    return *names != NULL;
}

/* The parser hands no argument to its callback; configuration is read by one thread. */
static rp_expr_t *being_read;

static int look_up(ap_expr_lookup_parms *parms)
{
    int asks_response = is_one_of(of_response, parms->name)
                        && (parms->type == AP_EXPR_FUNC_VAR || parms->type == AP_EXPR_FUNC_STRING);

    being_read->of_response |= asks_response;
    /* Operators on files and subrequests are -e and -F: case tells -F from nothing that is known early. */
    being_read->is_late |= !is_one_of(known_early, parms->name);
    return ap_run_expr_lookup(parms);
}

/* @return NULL, or what the parser does not like */
static const char *parse(cmd_parms *cmd, const char *text, unsigned flags, rp_expr_t *expr)
{
    const char *error = NULL;

    memset(expr, 0, sizeof(*expr));
    being_read = expr;
    expr->info = ap_expr_parse_cmd(cmd, text, flags | AP_EXPR_FLAG_DONT_VARY, &error, look_up);
    being_read = NULL;
    return error || expr->info ? error : "it is no expression";
}

const char *rp_expr_parse(cmd_parms *cmd, const char *text, rp_expr_t *expr)
{
    const char *error;

    if (!*text) {
        return "expr= needs an expression: write \"expr=%{HTTP_COOKIE} =~ /session=/\" or the like";
    }
    error = parse(cmd, text, 0, expr);
    return error ? apr_psprintf(cmd->pool, "expr=%s cannot be read: %s; write \"expr=...\" with what httpd's <If> "
                                "takes, in quotes as a whole", text, error) : NULL;
}

const char *rp_expr_parse_text(cmd_parms *cmd, const char *text, rp_expr_t *expr)
{
    const char *error = *text ? parse(cmd, text, AP_EXPR_FLAG_STRING_RESULT, expr) : "there is none";

    return error ? apr_psprintf(cmd->pool, "key=expr:%s cannot be read: %s; write a text with variables of httpd's "
                                "expressions, such as \"key=expr:%%{REMOTE_USER}\", in quotes as a whole", text, error)
                 : NULL;
}

int rp_is_in_if(const cmd_parms *cmd)
{
    const ap_directive_t *section;

    for (section = cmd->directive ? cmd->directive->parent : NULL; section; section = section->parent) {
        const char *name = section->directive;

        if (!strcasecmp(name, "<If") || !strcasecmp(name, "<ElseIf") || !strcasecmp(name, "<Else")) {
            return 1;
        }
    }
    return 0;
}

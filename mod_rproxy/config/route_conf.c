/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyPass, and the table of prefixes that it fills. */

#include <stdlib.h>
#include <string.h>

#include <apr_fnmatch.h>
#include <apr_strings.h>

#include "config/directives.h"

rp_where_t rp_where(const cmd_parms *cmd)
{
    rp_where_t where = { cmd->directive->filename, cmd->directive->line_num };

    return where;
}

static const char *without_trailing_slash(apr_pool_t *p, const char *path)
{
    apr_size_t len = strlen(path);

    while (len > 0 && path[len - 1] == '/') {
        len--;
    }
    return apr_pstrmemdup(p, path, len);
}

/* The innermost section around a directive, such as "<Location", or NULL. */
static const ap_directive_t *section_of(const cmd_parms *cmd)
{
    const ap_directive_t *d = cmd->directive->parent;

    while (d && (!strcasecmp(d->directive, "<VirtualHost") || !strncasecmp(d->directive, "<IfModule", 9)
                 || !strncasecmp(d->directive, "<IfDefine", 9) || !strncasecmp(d->directive, "<IfVersion", 10)
                 || !strncasecmp(d->directive, "<IfFile", 7) || !strncasecmp(d->directive, "<IfDirective", 12)
                 || !strncasecmp(d->directive, "<IfSection", 10))) {
        d = d->parent;
    }
    return d;
}

/* Only <Location "/plain/path"> directly in a server can be compared by length with other prefixes. */
static int is_plain_location(const ap_directive_t *section, const char *path)
{
    const char *args = section->args;

    while (*args == ' ' || *args == '\t') {
        args++;
    }
    return !strcasecmp(section->directive, "<Location") && *args != '~' && path && *path == '/'
           && !apr_fnmatch_test(path);
}

static const char *parse_target(cmd_parms *cmd, rp_route_t *route, const char *target)
{
    const char *slash = ap_strchr_c(target, '/');
    const char *c;

    if (!strcasecmp(target, "none")) {
        return NULL;
    }
    if (ap_strstr_c(target, "://")) {
        return apr_psprintf(cmd->pool, "RProxyPass takes a pool's name, not a URL: put %s into an RProxyMember of a "
                            "<RProxyPool NAME> and write RProxyPass NAME here", target);
    }
    if (slash == target) {
        return apr_psprintf(cmd->pool, "RProxyPass %s: the pool's name is missing; write POOL%s", target, target);
    }
    route->pool_name = slash ? apr_pstrmemdup(cmd->pool, target, (apr_size_t)(slash - target)) : target;
    if (!slash) {
        return NULL;
    }
    for (c = slash; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == '?' || *c == '#' || *c == '\\') {
            return apr_psprintf(cmd->pool, "RProxyPass %s: the base path may have no '%c' and must be "
                                "percent-encoded", target, *c);
        }
    }
    route->base = without_trailing_slash(cmd->pool, slash);
    return NULL;
}

static const char *add_to_table(cmd_parms *cmd, rp_route_t *route, const char *path)
{
    rp_server_conf_t *conf = rp_server_conf(cmd->server);

    if (*path != '/') {
        return apr_psprintf(cmd->pool, "RProxyPass %s: the path begins with '/'", path);
    }
    if (ap_strchr_c(path, '%') || ap_strchr_c(path, '?') || ap_strstr_c(path, "//") || ap_strstr_c(path, "/./")
        || ap_strstr_c(path, "/../")) {
        return apr_psprintf(cmd->pool, "RProxyPass %s: write the path decoded, without '//', './', '../' and query",
                            path);
    }
    route->path = without_trailing_slash(cmd->pool, path);
    route->path_len = strlen(route->path);
    APR_ARRAY_PUSH(conf->routes, rp_route_t *) = route;
    return NULL;
}

const char *rp_cmd_pass(cmd_parms *cmd, void *dir, const char *one, const char *two)
{
    rp_dir_conf_t *dconf = dir;
    const ap_directive_t *section = section_of(cmd);
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIRECTORY | NOT_IN_FILES | NOT_IN_HTACCESS);
    rp_route_t *route = apr_pcalloc(cmd->pool, sizeof(*route));

    if (error) {
        return error;
    }
    route->where = rp_where(cmd);
    error = parse_target(cmd, route, two ? two : one);
    if (error) {
        return error;
    }
    if (!section) {
        return two ? add_to_table(cmd, route, one)
                   : "RProxyPass outside of <Location> needs a path: write RProxyPass /PATH POOL[/BASE]";
    }
    if (two) {
        return "RProxyPass in a section takes its path from the section: write RProxyPass POOL[/BASE]";
    }
    if (is_plain_location(section, cmd->path)) {
        return add_to_table(cmd, route, cmd->path);
    }
    if (route->base) {
        return "RProxyPass with a base path needs a plain <Location \"/path\"> around it, so that it is clear what the "
               "base replaces; write RProxyPass POOL here";
    }
    APR_ARRAY_PUSH(rp_server_conf(cmd->server)->routes, rp_route_t *) = route;
    dconf->route = route;
    return NULL;
}

/* Longest first; of equal paths the one said first comes first. */
static int compare_routes(const void *a, const void *b)
{
    const rp_route_t *x = *(rp_route_t *const *)a;
    const rp_route_t *y = *(rp_route_t *const *)b;
    int order;

    if (!x->path || !y->path) {
        return (y->path != NULL) - (x->path != NULL);
    }
    if (x->path_len != y->path_len) {
        return x->path_len < y->path_len ? 1 : -1;
    }
    order = strcmp(x->path, y->path);
    return order ? order : x->where.line - y->where.line;
}

/* Sort; @return 0 and the two routes when two are for one path. */
int rp_routes_sort(apr_array_header_t *routes, const rp_route_t **first, const rp_route_t **second)
{
    int i;

    qsort(routes->elts, (size_t)routes->nelts, sizeof(rp_route_t *), compare_routes);
    for (i = 1; i < routes->nelts; i++) {
        *first = APR_ARRAY_IDX(routes, i - 1, rp_route_t *);
        *second = APR_ARRAY_IDX(routes, i, rp_route_t *);
        if ((*first)->path && (*second)->path && !strcmp((*first)->path, (*second)->path)) {
            return 0;
        }
    }
    return 1;
}

const rp_route_t *rp_route_find(const rp_server_conf_t *conf, const char *path)
{
    int i;

    for (i = 0; i < conf->routes->nelts; i++) {
        const rp_route_t *route = APR_ARRAY_IDX(conf->routes, i, const rp_route_t *);

        if (route->path && !strncmp(path, route->path, route->path_len)
            && (path[route->path_len] == '/' || path[route->path_len] == '\0')) {
            return route;
        }
    }
    return NULL;
}

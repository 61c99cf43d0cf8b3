/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * SetHandler rproxy-manage.
 *
 * Who may is httpd's business, which has settled it before the handler runs; who writes no Require lets everybody in, so
 * that is refused.  A browser of somebody who may sends requests of other sites as well: what changes something has to say
 * application/json, which no form can and no script of another site may without being asked for leave, and what the
 * browser says of where it comes from has to fit.
 */

#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <apr_uri.h>

#include "log.h"
#include "route/route.h"
#include "status/manage.h"
#include "status/manage_path.h"

APLOG_USE_MODULE(rproxy);

#define MAX_CONTENT 65536

/* ------------------------------------------------------------------ answers */

static int answer(request_rec *r, int status, json_t *json)
{
    char *text;

    json_object_set_new(json, "version", json_integer(RP_MANAGE_VERSION));
    text = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS);
    json_decref(json);
    if (!text) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    r->status = status;
    ap_set_content_type(r, "application/json");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    ap_set_content_length(r, (apr_off_t)strlen(text) + 1);
    ap_rputs(text, r);
    ap_rputs("\n", r);
    free(text);
    return OK;
}

static int refuse(request_rec *r, int status, const char *why)
{
    json_t *json = json_object();
    json_t *said = json_string(why);

    /* What was sent may be quoted, and need not be UTF-8. */
    json_object_set_new(json, "error", said ? said : json_string("the request is malformed: write UTF-8"));
    return answer(r, status, json);
}

static int answer_member(request_rec *r, int status, rp_pool_t *pool, const char *id)
{
    const rp_member_view_t *member = rp_view_member(rp_control_view(r->pool, pool), id);

    return member ? answer(r, status, rp_json_member(member))
         : refuse(r, HTTP_NOT_FOUND, apr_psprintf(r->pool, "pool %s has no member %s: look for its id in the list of its "
                                                  "members", pool->conf->name, id));
}

/* ------------------------------------------------------------------ guards */

/* The host and port that a browser's Origin names is the one that it asks: whichever scheme it says, a TLS front may differ. */
static int is_own_origin(request_rec *r, const char *origin)
{
    const char *host = apr_table_get(r->headers_in, "Host");
    const char *authority = strstr(origin, "://");

    return host && authority && !strcasecmp(authority + 3, host);
}

/*
 * Somebody else's name that leads to this host makes his pages same-origin with it (DNS rebinding): a name has to be the
 * server's. Addresses and localhost are nobody's to give away.
 */
static int is_own_name(const request_rec *r)
{
    const char *host = r->hostname ? r->hostname : "";
    size_t len = strlen(host);
    unsigned char raw[sizeof(struct in6_addr)];

    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host = apr_pstrmemdup(r->pool, host + 1, len - 2);
    }
    return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1 || !strcasecmp(host, "localhost")
           || rp_server_has_name(r->server, host);
}

/* @return what speaks against it, or NULL */
static const char *foreign(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");

    if (site && strcasecmp(site, "same-origin") && strcasecmp(site, "none")) {
        return "a page of another site asks for this (Sec-Fetch-Site): changes are taken from pages of this one, and from "
               "programs";
    }
    if (origin && !is_own_origin(r, origin)) {
        return "a page of another origin asks for this (Origin does not match Host): changes are taken from pages of this "
               "one, and from programs";
    }
    if (origin && !is_own_name(r)) {
        return "a page under a name that is not this server's asks for this: write the name as its ServerName or ServerAlias "
               "if it is";
    }
    return NULL;
}

static int is_json(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    size_t len = type ? strcspn(type, "; \t") : 0;

    return len == sizeof("application/json") - 1 && !strncasecmp(type, "application/json", len);
}

/* ------------------------------------------------------------------ content */

/* @return OK with *content, or an HTTP status */
static int read_content(request_rec *r, char **content, apr_size_t *len)
{
    int status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);
    long got = 0;

    *content = NULL;
    *len = 0;
    if (status != OK || !ap_should_client_block(r)) {
        return status;
    }
    *content = apr_palloc(r->pool, MAX_CONTENT + 1);
    /* Bounded: each turn reads at least a byte, or ends. */
    while (*len <= MAX_CONTENT
           && (got = ap_get_client_block(r, *content + *len, MAX_CONTENT + 1 - *len)) > 0) {
        *len += (apr_size_t)got;
    }
    if (got < 0) {
        return HTTP_BAD_REQUEST;
    }
    return *len > MAX_CONTENT ? HTTP_REQUEST_ENTITY_TOO_LARGE : OK;
}

/* ------------------------------------------------------------------ what is asked */

typedef struct asked_t {
    rp_manage_path_t path;
    const char *base;   /* of the interface, as a path */
    rp_pool_t *pool;    /* NULL for all of them */
} asked_t;

/* The <Location> that the handler is set in, when that is how it was set. */
static size_t location_len(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    size_t len = core->d && !core->d_is_fnmatch && !core->r ? strlen(core->d) : 0;

    while (len > 0 && core->d[len - 1] == '/') {
        len--;
    }
    return len && !strncmp(r->uri, core->d, len) && (r->uri[len] == '/' || !r->uri[len]) ? len : 0;
}

static int is_section_of(const request_rec *r, const core_dir_config *section)
{
    size_t len = strlen(section->d);

    if (section->r) {
        return !ap_regexec(section->r, r->uri, 0, NULL, 0);
    }
    if (section->d_is_fnmatch) {
        return apr_fnmatch(section->d, r->uri, APR_FNM_PATHNAME) == APR_SUCCESS;
    }
    len -= len > 0 && section->d[len - 1] == '/';
    return !strncmp(r->uri, section->d, len) && (r->uri[len] == '/' || !r->uri[len]);
}

/* Does the section say, for itself, who may use the request's method? */
static int has_require(const request_rec *r, ap_conf_vector_t *section)
{
    request_rec alone = *r;

    alone.per_dir_config = ap_merge_per_dir_configs(r->pool, r->server->lookup_defaults, section);
    return ap_some_auth_required(&alone);
}

/*
 * Somebody has said who may.  Set in a <Location>, it is not enough that something is required of all files, as nearly
 * each httpd.conf does: there it is "all granted".
 */
static int is_guarded(request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    int i;

    /* Deprecated for telling nothing of authentication; whether a Require applies to the method is what it tells. */
    if (!ap_some_auth_required(r)) {
        return 0;
    }
    if (!location_len(r)) {
        return 1;
    }
    for (i = 0; i < core->sec_url->nelts; i++) {
        ap_conf_vector_t *section = APR_ARRAY_IDX(core->sec_url, i, ap_conf_vector_t *);

        if (is_section_of(r, ap_get_core_module_config(section)) && has_require(r, section)) {
            return 1;
        }
    }
    return 0;
}

const char *rp_manage_place(request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    int i;

    for (i = 0; i < core->sec_url->nelts; i++) {
        const core_dir_config *section = ap_get_core_module_config(APR_ARRAY_IDX(core->sec_url, i, ap_conf_vector_t *));
        request_rec *there;
        int may;

        /* Which handler it is an expression may say. */
        if ((!section->handler && !section->expr_handler) || section->d_is_fnmatch || section->r) {
            continue;
        }
        there = ap_sub_req_lookup_uri(section->d, r, NULL);
        may = there->status == HTTP_OK && there->handler && !strcmp(there->handler, RP_MANAGE_HANDLER) && is_guarded(there);
        ap_destroy_sub_req(there);
        if (may) {
            return section->d;
        }
    }
    return NULL;
}

static rp_resource_e read_path(request_rec *r, asked_t *asked)
{
    size_t len = location_len(r);

    if (len) {
        rp_manage_path(r->uri + len, &asked->path);
    }
    else {
        rp_manage_path_tail(r->uri, &asked->path, &len);
    }
    asked->base = apr_pstrmemdup(r->pool, r->uri, len);
    return asked->path.resource;
}

static const char *allowed(rp_resource_e resource)
{
    switch (resource) {
    case RP_RESOURCE_PURGE:
        return "POST";
    case RP_RESOURCE_MEMBERS:
        return "GET, HEAD, POST";
    case RP_RESOURCE_MEMBER:
        return "GET, HEAD, PATCH, DELETE";
    default:
        return "GET, HEAD";
    }
}

static int not_allowed(request_rec *r, rp_resource_e resource)
{
    apr_table_setn(r->headers_out, "Allow", allowed(resource));
    return refuse(r, HTTP_METHOD_NOT_ALLOWED, apr_psprintf(r->pool, "this resource takes %s", allowed(resource)));
}

static int show(request_rec *r, const asked_t *asked)
{
    switch (asked->path.resource) {
    case RP_RESOURCE_ALL:
        return answer(r, HTTP_OK, rp_json_all(r->pool, ap_server_conf));
    case RP_RESOURCE_MEMBER:
        return answer_member(r, HTTP_OK, asked->pool, asked->path.member);
    default:
        return answer(r, HTTP_OK, rp_json_pool(rp_control_view(r->pool, asked->pool)));
    }
}

static int add(request_rec *r, const asked_t *asked, const rp_manage_wish_t *wish)
{
    char id[RP_ID_TEXT];
    const char *why = NULL;
    int status = rp_control_add(r, asked->pool, wish->url, wish->options, id, &why);

    if (status != OK) {
        return refuse(r, status, why);
    }
    apr_table_setn(r->headers_out, "Location",
                   apr_psprintf(r->pool, "%s/pools/%s/members/%s", asked->base, asked->pool->conf->name, id));
    return answer_member(r, HTTP_CREATED, asked->pool, id);
}

static int change(request_rec *r, const asked_t *asked, const rp_manage_wish_t *wish)
{
    const char *why = NULL;
    int status = rp_control_change(r, asked->pool, asked->path.member, &wish->change, &why);

    return status == OK ? answer_member(r, HTTP_OK, asked->pool, asked->path.member) : refuse(r, status, why);
}

static int take_away(request_rec *r, const asked_t *asked)
{
    const char *why = NULL;
    int status = rp_control_remove(r, asked->pool, asked->path.member, &why);
    json_t *json;

    if (status != OK) {
        return refuse(r, status, why);
    }
    json = json_object();
    json_object_set_new(json, "removed", json_string(asked->path.member));
    return answer(r, HTTP_OK, json);
}

static int purge(request_rec *r, const char *content, apr_size_t len)
{
    rp_purge_wish_t wish;
    apr_uint64_t count = 0;
    const char *why = rp_purge_wish_read(r->pool, content, len, &wish);
    int status = why ? HTTP_BAD_REQUEST : rp_purge_command(r, &wish, &count, &why);
    json_t *json;

    if (status != OK) {
        return refuse(r, status, why);
    }
    json = json_object();
    json_object_set_new(json, "purged", rp_json_number(count));
    return answer(r, HTTP_OK, json);
}

static int is_change(const request_rec *r, rp_resource_e resource)
{
    return ((resource == RP_RESOURCE_MEMBERS || resource == RP_RESOURCE_PURGE) && r->method_number == M_POST)
           || (resource == RP_RESOURCE_MEMBER && (r->method_number == M_PATCH || r->method_number == M_DELETE));
}

static int act(request_rec *r, const asked_t *asked)
{
    const char *why = foreign(r);
    char *content;
    apr_size_t len;
    rp_manage_wish_t wish;
    int status;

    if (why) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, RPLOGNO(0601) "a change was refused: %s", why);
        return refuse(r, HTTP_FORBIDDEN, why);
    }
    if (!is_json(r)) {
        return refuse(r, HTTP_UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json with every change");
    }
    status = read_content(r, &content, &len);
    if (status != OK) {
        return refuse(r, status, status == HTTP_REQUEST_ENTITY_TOO_LARGE ? "the content is too large: write at most 64 KiB"
                                                                         : "the content could not be read");
    }
    if (r->method_number == M_DELETE) {
        return take_away(r, asked);
    }
    if (asked->path.resource == RP_RESOURCE_PURGE) {
        return purge(r, content ? content : "", len);
    }
    why = rp_wish_read(r->pool, content ? content : "", len, r->method_number == M_POST, &wish);
    if (why) {
        return refuse(r, HTTP_BAD_REQUEST, why);
    }
    return r->method_number == M_POST ? add(r, asked, &wish) : change(r, asked, &wish);
}

int rp_manage_handler(request_rec *r)
{
    asked_t asked = { 0 };
    rp_resource_e resource;

    if (strcmp(r->handler, RP_MANAGE_HANDLER)) {
        return DECLINED;
    }
    if (!is_guarded(r)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, RPLOGNO(0602) "refused: no Require says who may use SetHandler "
                      RP_MANAGE_HANDLER ", and it would be everybody; write one beside it, for example Require ip ADDRESS");
        return HTTP_FORBIDDEN;
    }
    resource = read_path(r, &asked);
    if (resource == RP_RESOURCE_NONE) {
        return refuse(r, HTTP_NOT_FOUND, "there is no such resource: ask for /pools, /pools/NAME, /pools/NAME/members, "
                      "/pools/NAME/members/ID or /purge below the place of this interface");
    }
    if (resource > RP_RESOURCE_ALL) {
        asked.pool = rp_control_pool(r->pool, ap_server_conf, asked.path.pool);
        if (!asked.pool) {
            return refuse(r, HTTP_NOT_FOUND, apr_psprintf(r->pool, "there is no pool %s: look for its name in the list of "
                                                          "pools", asked.path.pool));
        }
    }
    if (is_change(r, resource)) {
        return act(r, &asked);
    }
    return r->method_number == M_GET && resource != RP_RESOURCE_PURGE ? show(r, &asked) : not_allowed(r, resource);
}

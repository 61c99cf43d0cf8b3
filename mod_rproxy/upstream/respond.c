/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A backend's response to httpd's request_rec. */

#include <string.h>

#include <httpd.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_strings.h>

#include "upstream/upstream.h"

typedef struct map_t {
    rp_mapping_t mapping;
    apr_pool_t *p;
    apr_table_t *out;
    int changed;
} map_t;

static const char *mapped_value(map_t *m, const char *name, const char *value)
{
    if (!ap_cstr_casecmp(name, "Location") || !ap_cstr_casecmp(name, "Content-Location")) {
        return rp_map_reference(m->p, &m->mapping, value);
    }
    if (!ap_cstr_casecmp(name, "Set-Cookie")) {
        return rp_map_cookie(m->p, &m->mapping, value);
    }
    if (!ap_cstr_casecmp(name, "Refresh")) {
        return rp_map_refresh(m->p, &m->mapping, value);
    }
    return value;
}

static int map_field(void *rec, const char *name, const char *value)
{
    map_t *m = rec;
    const char *mapped = mapped_value(m, name, value);

    m->changed |= mapped != value;
    apr_table_addn(m->out, name, mapped);
    return 1;
}

void rp_map_response(rp_request_t *rq)
{
    const rp_member_conf_t *member = rq->conn->peer->conf;
    map_t m = {
        .mapping = {
            .public_scheme = rq->public_scheme,
            .public_host = rq->public_host,
            .public_path = rq->route->path ? rq->route->path : "",
            .backend_scheme = member->scheme == RP_SCHEME_HTTPS ? "https" : "http",
            .backend_host = member->authority,
        },
        .p = rq->r->pool,
    };

    m.mapping.backend_path = rq->route->base ? rq->route->base : m.mapping.public_path;
    m.mapping.paths_differ = strcmp(m.mapping.backend_path, m.mapping.public_path) != 0;
    m.out = apr_table_make(rq->r->pool, apr_table_elts(rq->response.fields)->nelts + 8);
    apr_table_do(map_field, &m, rq->response.fields, NULL);
    if (m.changed) {
        rq->response.fields = m.out;
    }
}

/* Names to purge by are for caches: here the last one that has use for them is told by RProxyTrust. */
static void keep_from_client(const rp_request_t *rq)
{
    if (!rq->trusted && RP_OR_DEFAULT(rq->dconf->cache, 0)) {
        apr_table_unset(rq->response.fields, "Surrogate-Key");
        apr_table_unset(rq->response.fields, "Cache-Tag");
    }
}

void rp_respond(rp_request_t *rq)
{
    request_rec *r = rq->r;
    rp_response_t *response = &rq->response;
    const char *type = apr_table_get(response->fields, "Content-Type");

    /* A backend's page that stands in for an error has the error's status (ErrorDocument). */
    if (rq->is_part && ap_is_HTTP_ERROR(r->status)) {
        response->status = r->status;
        response->reason = "";
    }
    r->status = response->status;
    r->status_line = *response->reason ? apr_psprintf(r->pool, "%d %s", response->status, response->reason) : NULL;
    /* Headers that others have set already (mod_headers early, cookies of mod_usertrack) are in err_headers_out. */
    keep_from_client(rq);
    r->headers_out = response->fields;
    if (rq->close_client) {
        /* In this way httpd still chunks the body, so that its end can be told from a break. */
        apr_table_setn(r->headers_out, "Connection", "close");
        r->expecting_100 = 0;
    }
    if (type) {
        ap_set_content_type(r, type);
        apr_table_unset(r->headers_out, "Content-Type");
    }
    if (apr_table_get(r->headers_out, "Via")) {
        rp_via_add(r->pool, r->headers_out, 1, rq->name);
    }
    else {
        apr_table_addn(r->headers_out, "Via", rq->sconf->via);
    }
}

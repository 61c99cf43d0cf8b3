/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** SetHandler rproxy-status. Who may see it is httpd's business, as with mod_status. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>

#include "status/manage.h"
#include "status/status.h"

static int answer_json(request_rec *r, const rp_figures_t *figures, const char *manage)
{
    json_t *json = rp_json_status(r->pool, figures, manage);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

    json_decref(json);
    if (!text) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)strlen(text) + 1);
    ap_rputs(text, r);
    ap_rputs("\n", r);
    free(text);
    return OK;
}

/* As "?json", or "?openmetrics=": so Prometheus writes it. */
static int asks_for(const request_rec *r, const char *form)
{
    size_t len = strlen(form);

    return r->args && !strncmp(r->args, form, len) && (!r->args[len] || strchr("=&", r->args[len]));
}

/* Prometheus says in Accept what it reads. */
static int reads_openmetrics(const request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    return !r->args && accept && strstr(accept, "application/openmetrics-text");
}

int rp_status_handler(request_rec *r)
{
    const rp_figures_t *figures;

    if (strcmp(r->handler, RP_STATUS_HANDLER)) {
        return DECLINED;
    }
    if (r->method_number != M_GET) {
        ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
        return HTTP_METHOD_NOT_ALLOWED;
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    figures = rp_figures(r->pool, ap_server_conf);
    if (asks_for(r, "json")) {
        return answer_json(r, figures, rp_manage_place(r));
    }
    if (asks_for(r, "openmetrics") || reads_openmetrics(r)) {
        rp_openmetrics(r, figures, 1);
    }
    else if (asks_for(r, "prometheus")) {
        rp_openmetrics(r, figures, 0);
    }
    else {
        rp_page(r, figures);
    }
    return OK;
}

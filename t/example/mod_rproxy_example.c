/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * A method of one's own: RProxyMethod by-path-digit sends a request whose path ends in a digit to the candidate of that
 * place, and others to the fastest one.  Build it with "apxs -c -I/path/to/include mod_rproxy_example.c".
 */

#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "mod_rproxy.h"

static int fastest(const rproxy_choice_t *choice)
{
    unsigned i, best = 0;

    for (i = 1; i < choice->n; i++) {
        if (choice->candidates[i]->latency < choice->candidates[best]->latency) {
            best = i;
        }
    }
    return (int)best;
}

/* What was seen, for whoever wants it in a response. */
static void tell(const rproxy_choice_t *choice)
{
    const char *seen = apr_psprintf(choice->r->pool, "pool=%s n=%u tries=%u", choice->pool, choice->n, choice->tries);
    unsigned i;

    for (i = 0; i < choice->n; i++) {
        const rproxy_candidate_t *c = choice->candidates[i];

        seen = apr_psprintf(choice->r->pool, "%s; %s slot=%u weight=%u inflight=%u known=%d", seen, c->url, c->slot,
                            c->weight, c->inflight, c->latency > 0);
    }
    apr_table_setn(choice->r->err_headers_out, "X-Candidates", seen);
}

static int by_path_digit(const rproxy_choice_t *choice)
{
    const char *path = choice->r->uri;
    char last = path[strlen(path) - 1];

    tell(choice);
    if (!strcmp(path, "/chance")) {
        return -1;
    }
    return apr_isdigit(last) && (unsigned)(last - '0') < choice->n ? last - '0' : fastest(choice);
}

static const rproxy_method_t method = { sizeof(method), by_path_digit };
static const rproxy_method_t wild = { sizeof(wild), NULL };

static void register_hooks(apr_pool_t *p)
{
    ap_register_provider(p, RPROXY_METHOD_GROUP, "by-path-digit", RPROXY_METHOD_VERSION, &method);
    ap_register_provider(p, RPROXY_METHOD_GROUP, "without-pick", RPROXY_METHOD_VERSION, &wild);
}

AP_DECLARE_MODULE(rproxy_example) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0 };

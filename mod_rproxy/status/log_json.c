/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** %^RP in a LogFormat: a request as one line of JSON, which no format made of strings can promise for every URL. */

#include <stdlib.h>
#include <string.h>

#include <httpd.h>
#include <util_time.h>
#include <apr_strings.h>
#include <mod_log_config.h>

#include "status/account.h"
#include "status/manage.h"

/* What is noted of a request: by which name, as what, and whether it is a number. */
static const struct {
    const char *note, *name;
    int is_number;
} notes[] = {
    { "rproxy-cache", "cache", 0 }, { "rproxy-age", "age", 1 }, { "rproxy-not-stored", "not_stored", 0 },
    { "rproxy-encoding", "encoding", 0 }, { "rproxy-member", "member", 0 }, { "rproxy-attempts", "attempts", 1 },
    { "rproxy-session", "session", 0 }, { "rproxy-queued", "queued_ms", 1 }, { "rproxy-connect", "connect_us", 1 },
    { "rproxy-first-byte", "first_byte_us", 1 }, { "rproxy-upstream", "upstream_us", 1 }, { "rproxy-hints", "hints", 0 },
    { "rproxy-limit", "limit", 0 }, { "rproxy-error", "error", 0 },
};

static void set_text(json_t *json, const char *name, const char *text)
{
    if (text && *text) {
        json_object_set_new(json, name, rp_json_text(text));
    }
}

static void set_request(json_t *json, request_rec *first, request_rec *last)
{
    apr_time_t began = first->request_time;

    set_text(json, "time", apr_psprintf(first->pool, "%s.%03dZ", ap_ht_time(first->pool, began, "%Y-%m-%dT%H:%M:%S", 1),
                                        (int)apr_time_as_msec(began % APR_USEC_PER_SEC)));
    set_text(json, "client", first->useragent_ip);
    set_text(json, "user", last->user);
    set_text(json, "host", apr_table_get(first->headers_in, "Host"));
    set_text(json, "method", first->method);
    set_text(json, "url", first->unparsed_uri);
    set_text(json, "protocol", first->protocol);
    json_object_set_new(json, "status", json_integer(last->status));
    json_object_set_new(json, "bytes", json_integer((json_int_t)last->bytes_sent));
    json_object_set_new(json, "duration_us", json_integer((json_int_t)(apr_time_now() - began)));
    set_text(json, "referer", apr_table_get(first->headers_in, "Referer"));
    set_text(json, "agent", apr_table_get(first->headers_in, "User-Agent"));
}

static const char *line(request_rec *r, char *unused)
{
    request_rec *last = r;
    json_t *json = json_object();
    const char *text;
    char *dumped;
    size_t i;

    (void)unused;
    while (last->next) {
        last = last->next;
    }
    /* mod_log_config hands over the last of a chain, or the first: whatever it is, the first knows what was asked. */
    while (r->prev) {
        r = r->prev;
    }
    set_request(json, r, last);
    for (i = 0; i < sizeof(notes) / sizeof(*notes); i++) {
        const char *value = apr_table_get(last->notes, notes[i].note);

        if (value && notes[i].is_number) {
            json_object_set_new(json, notes[i].name, json_integer((json_int_t)apr_atoi64(value)));
        }
        else {
            set_text(json, notes[i].name, value);
        }
    }
    dumped = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(json);
    text = apr_pstrdup(r->pool, dumped ? dumped : "{}");
    free(dumped);
    return text;
}

int rp_log_json_register(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *add = APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);

    (void)plog;
    (void)ptemp;
    if (add) {
        add(pconf, "^RP", line, 0);
    }
    return OK;
}

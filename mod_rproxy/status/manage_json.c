/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Pools as JSON, and wishes from it. */

#include <math.h>
#include <string.h>

#include <apr_strings.h>

#include "status/manage.h"

/* A path of a socket need not be UTF-8. */
json_t *rp_json_text(const char *s)
{
    json_t *json = json_string(s);
    char *copy, *c;

    if (json) {
        return json;
    }
    copy = strdup(s);
    for (c = copy; c && *c; c++) {
        if ((unsigned char)*c >= 0x80) {
            *c = '?';
        }
    }
    json = json_string(copy ? copy : "");
    free(copy);
    return json;
}

json_t *rp_json_number(apr_uint64_t n)
{
    return json_integer((json_int_t)n);
}

json_t *rp_json_msec(apr_interval_time_t time)
{
    return json_real(round((double)time / 100) / 10);
}

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static json_t *health_of(const rp_member_view_t *member)
{
    json_t *health = json_object();

    set(health, "in", json_boolean(member->out == RP_OUT_NOT && member->check != RP_CHECK_DOWN));
    set(health, "usable", json_boolean(rp_view_usable(member)));
    set(health, "reason", member->out == RP_OUT_NOT ? json_null() : rp_json_text(rp_out_name(member->out)));
    set(health, "retry_in_ms", member->out == RP_OUT_NOT ? json_null() : rp_json_msec(member->out_for));
    set(health, "check", rp_json_text(rp_check_name(member->check)));
    set(health, "check_failed", *member->check_cause ? rp_json_text(member->check_cause) : json_null());
    set(health, "connect_failed", *member->connect_cause ? rp_json_text(member->connect_cause) : json_null());
    set(health, "unchanged_ms", member->unchanged < 0 ? json_null() : rp_json_msec(member->unchanged));
    set(health, "ejected", rp_json_number(member->ejected));
    return health;
}

static json_t *recent_of(const rp_latencies_t *recent)
{
    json_t *json = json_object();

    set(json, "p50", recent->p50 ? rp_json_msec(recent->p50) : json_null());
    set(json, "p95", recent->p95 ? rp_json_msec(recent->p95) : json_null());
    set(json, "p99", recent->p99 ? rp_json_msec(recent->p99) : json_null());
    return json;
}

static json_t *requests_of(const rp_member_view_t *member)
{
    json_t *requests = json_object();
    int i;

    set(requests, "inflight", rp_json_number(member->inflight));
    set(requests, "picked", rp_json_number(member->picked));
    for (i = 0; i < RP_OUTCOMES; i++) {
        set(requests, rp_outcome_name((rp_outcome_e)i), rp_json_number(member->outcomes[i]));
    }
    set(requests, "last_interval_ok", rp_json_number(member->last_ok));
    set(requests, "last_interval_failed", rp_json_number(member->last_bad));
    set(requests, "latency_ms", member->latency ? rp_json_msec(member->latency) : json_null());
    set(requests, "last_minute_ms", recent_of(&member->recent));
    return requests;
}

static json_t *tls_of(const rp_tls_tally_t *tally)
{
    json_t *tls = json_object();

    set(tls, "handshakes", rp_json_number(tally->handshakes));
    set(tls, "resumed", rp_json_number(tally->resumed));
    set(tls, "certificate_ends", tally->not_after ? json_integer((json_int_t)tally->not_after) : json_null());
    return tls;
}

json_t *rp_json_member(const rp_member_view_t *member)
{
    json_t *json = json_object();

    set(json, "id", rp_json_text(member->id));
    set(json, "url", rp_json_text(member->url));
    set(json, "origin", rp_json_text(rp_origin_name(member->origin)));
    set(json, "options", rp_json_text(member->options));
    set(json, "state", rp_json_text(rp_admin_name(member->admin)));
    set(json, "weight", rp_json_number(member->weight));
    set(json, "configured_weight", rp_json_number(member->conf_weight));
    set(json, "priority", rp_json_number(member->level));
    set(json, "max", member->max ? rp_json_number(member->max) : json_null());
    set(json, "health", health_of(member));
    set(json, "requests", requests_of(member));
    set(json, "tls", strncmp(member->url, "https:", 6) ? json_null() : tls_of(&member->tls));
    return json;
}

static json_t *priorities_of(const rp_pool_view_t *pool)
{
    json_t *levels = json_array();
    unsigned i;

    for (i = 0; i < pool->nlevels; i++) {
        if (pool->levels[i].members) {
            json_t *level = json_object();

            set(level, "priority", rp_json_number(i));
            set(level, "members", rp_json_number(pool->levels[i].members));
            set(level, "in", rp_json_number(pool->levels[i].in));
            set(level, "panic", json_boolean(pool->levels[i].panic));
            json_array_append_new(levels, level);
        }
    }
    return levels;
}

static json_t *queue_of(const rp_pool_view_t *pool)
{
    const rp_queue_counts_t *counts = &pool->queue;
    json_t *queue = json_object();

    set(queue, "waiting", rp_json_number(pool->waiting));
    set(queue, "length", rp_json_number(pool->queue_length));
    set(queue, "waited", rp_json_number(counts->waited));
    set(queue, "timed_out", rp_json_number(counts->timed_out));
    set(queue, "refused", rp_json_number(counts->refused));
    set(queue, "clients_gone", rp_json_number(counts->gone));
    set(queue, "longest_ms", rp_json_msec(counts->longest));
    return queue;
}

json_t *rp_json_pool(const rp_pool_view_t *pool)
{
    json_t *json = json_object(), *members = json_array(), *retries = json_object();
    int i;

    set(retries, "granted", rp_json_number(pool->retries));
    set(retries, "denied", rp_json_number(pool->refused));
    for (i = 0; i < pool->members->nelts; i++) {
        json_array_append_new(members, rp_json_member(&APR_ARRAY_IDX(pool->members, i, rp_member_view_t)));
    }
    set(json, "name", rp_json_text(pool->name));
    set(json, "revision", rp_json_number(pool->version));
    set(json, "room", rp_json_number(pool->room));
    set(json, "priorities", priorities_of(pool));
    set(json, "last_minute_ms", recent_of(&pool->recent));
    set(json, "retries", retries);
    set(json, "queue", queue_of(pool));
    set(json, "members", members);
    return json;
}

json_t *rp_json_all(apr_pool_t *p, server_rec *main_server)
{
    apr_array_header_t *pools = rp_control_pools(p, main_server);
    json_t *json = json_object(), *list = json_array();
    int i;

    for (i = 0; i < pools->nelts; i++) {
        json_array_append_new(list, rp_json_pool(rp_control_view(p, APR_ARRAY_IDX(pools, i, rp_pool_t *))));
    }
    set(json, "pools", list);
    return json;
}

/* ------------------------------------------------------------------ wishes */

static const char *read_option(apr_pool_t *p, const char *key, const json_t *value, rp_manage_wish_t *wish)
{
    const char *word;

    if (json_is_string(value)) {
        word = apr_pstrcat(p, key, "=", json_string_value(value), NULL);
    }
    else if (json_is_integer(value)) {
        word = apr_psprintf(p, "%s=%" APR_INT64_T_FMT, key, (apr_int64_t)json_integer_value(value));
    }
    else if (json_is_boolean(value)) {
        word = apr_pstrcat(p, key, "=", json_is_true(value) ? "on" : "off", NULL);
    }
    else {
        return apr_psprintf(p, "options: write the value of %s as a string, a whole number, true or false", key);
    }
    APR_ARRAY_PUSH(wish->options, const char *) = word;
    return NULL;
}

static const char *read_options(apr_pool_t *p, json_t *options, rp_manage_wish_t *wish)
{
    const char *key, *error = NULL;
    json_t *value;

    if (!json_is_object(options)) {
        return "options: write an object, such as {\"weight\": 2, \"ca\": \"/etc/ssl/ca.pem\"}";
    }
    json_object_foreach(options, key, value) {
        error = error ? error : read_option(p, key, value, wish);
    }
    return error;
}

static const char *read_field(apr_pool_t *p, const char *key, json_t *value, int adding, rp_manage_wish_t *wish)
{
    if (adding && !strcmp(key, "url")) {
        wish->url = json_is_string(value) ? apr_pstrdup(p, json_string_value(value)) : NULL;
        return wish->url ? NULL : "url: write a string, such as \"http://10.0.0.14:8080\"";
    }
    if (adding && !strcmp(key, "options")) {
        return read_options(p, value, wish);
    }
    if (!adding && !strcmp(key, "state")) {
        wish->change.admin = json_is_string(value) ? rp_admin_of(json_string_value(value)) : -1;
        return wish->change.admin >= 0 ? NULL : "state: write \"enabled\", \"draining\" or \"disabled\"";
    }
    if (!adding && !strcmp(key, "weight")) {
        json_int_t weight = json_is_integer(value) ? json_integer_value(value) : -1;

        wish->change.weight = weight >= 0 && weight <= RP_MAX_WEIGHT ? (int)weight : -1;
        return wish->change.weight >= 0 ? NULL : "weight: write a whole number from 0 to 256";
    }
    return apr_psprintf(p, "%s is not known here: write %s", key, adding ? "url, and options" : "state, weight, or both");
}

static const char *read_object(apr_pool_t *p, json_t *json, int adding, rp_manage_wish_t *wish)
{
    const char *key, *error = NULL;
    json_t *value;

    json_object_foreach(json, key, value) {
        error = error ? error : read_field(p, key, value, adding, wish);
    }
    if (!error && adding && !wish->url) {
        error = "url is missing: write {\"url\": \"http://10.0.0.14:8080\"} or the like";
    }
    if (!error && !adding && wish->change.admin < 0 && wish->change.weight < 0) {
        error = "nothing to change: write {\"state\": \"draining\"}, {\"weight\": 5} or the like";
    }
    return error;
}

const char *rp_wish_read(apr_pool_t *p, const char *content, apr_size_t len, int adding, rp_manage_wish_t *wish)
{
    json_error_t where;
    json_t *json = json_loadb(content, len, JSON_REJECT_DUPLICATES, &where);
    const char *error = "the content is no JSON object: write one, such as {\"state\": \"draining\"}";

    memset(wish, 0, sizeof(*wish));
    wish->change.admin = wish->change.weight = -1;
    wish->options = apr_array_make(p, 8, sizeof(const char *));
    if (!json) {
        return apr_psprintf(p, "the content is no JSON: %s, on line %d", where.text, where.line);
    }
    if (json_is_object(json)) {
        error = read_object(p, json, adding, wish);
    }
    json_decref(json);
    return error;
}

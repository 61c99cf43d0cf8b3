/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * status/: what operators see of pools, and how they change them while httpd runs.
 *
 * manage.c answers the requests of "SetHandler rproxy-manage": it says who may and what is malformed; balance/control.h
 * does what is asked; manage_json.c is how that looks as JSON.
 */
#ifndef RP_MANAGE_H
#define RP_MANAGE_H

#include <httpd.h>
#include <jansson.h>

#include "balance/control.h"
#include "cache/purge_command.h"

#define RP_MANAGE_HANDLER "rproxy-manage"
/** Grows when something that was there becomes something else; what is added later makes no difference. */
#define RP_MANAGE_VERSION 1

/** The handler; declines what is not RP_MANAGE_HANDLER. */
int rp_manage_handler(request_rec *r);

/**
 * The place of the interface, as a path, when the server that r was sent to has it in a <Location> and r's client may use it
 * there; else NULL.
 */
const char *rp_manage_place(request_rec *r);

/** Text that may be no UTF-8, with '?' for what is not ASCII then. For the caller to json_decref(), as all below. */
json_t *rp_json_text(const char *text);
json_t *rp_json_number(apr_uint64_t n);
/** Milliseconds with one decimal. */
json_t *rp_json_msec(apr_interval_time_t time);
json_t *rp_json_member(const rp_member_view_t *member);
json_t *rp_json_pool(const rp_pool_view_t *pool);
/** All pools. */
json_t *rp_json_all(apr_pool_t *p, server_rec *main_server);

/** What a request's content asks for; NULL or -1 for what it does not say. */
typedef struct rp_manage_wish_t {
    rp_change_t change;
    const char *url;
    apr_array_header_t *options; /* of const char *, as behind RProxyMember */
} rp_manage_wish_t;

/**
 * Read a request's content.
 * @param adding  it is about a new member: url, and options; else about one that is there: state and weight
 * @return NULL, or a sentence that says what to write instead; in p
 */
const char *rp_wish_read(apr_pool_t *p, const char *content, apr_size_t len, int adding, rp_manage_wish_t *wish);

/** The same of an order to purge. */
const char *rp_purge_wish_read(apr_pool_t *p, const char *content, apr_size_t len, rp_purge_wish_t *wish);

#endif

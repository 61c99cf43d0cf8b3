/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * route/: which RProxyPass serves a URL, what the client calls it, and what the backend will be asked for.
 */
#ifndef RP_ROUTE_H
#define RP_ROUTE_H

#include "request.h"

/** The handler's name in r->handler. */
#define RP_HANDLER "rproxy"

/** Before httpd has processed it: is there a route for its path as it came? What others make of the URL may differ. */
int rp_route_serves(request_rec *r);

/** translate_name: claim URLs that have a route, so that nothing looks for files. */
int rp_route_translate(request_rec *r);

/** map_to_storage: no directory walk for what is not a file. */
int rp_route_map_to_storage(request_rec *r);

/** type_checker: the backend knows the type; r->handler becomes RP_HANDLER. */
int rp_route_type(request_rec *r);

/** The request as made by rp_route_translate(), or NULL when it is not ours. */
rp_request_t *rp_request_get(request_rec *r);

/**
 * A request that httpd has not processed yet, for answering hits early: finds the route and the per-directory
 * configuration of a GET or HEAD.
 * @return NULL when it is not ours, or its URL is not plain enough to be looked up without httpd's own normalisation
 */
rp_request_t *rp_request_early(request_rec *r);

/**
 * A request that nobody has sent, for a URL as clients of one of the servers would ask for it: as far as its routes and
 * what <Location> sections say, for the keys of the cache.
 * @param r     where it lives, and whose connection it has
 * @param host  lower case, with the port that clients write; url: path and query
 * @return NULL when the server has no route for it
 */
rp_request_t *rp_request_for(request_rec *r, server_rec *server, const char *scheme, const char *host, const char *url);

/** Is that one of the server's names (ServerName, ServerAlias)? Without a port. */
int rp_server_has_name(const server_rec *server, const char *host);

/**
 * Fill rq->target: the URL as the client sent it, its prefix replaced when the route has a base path.
 * @return OK, or 400 (logged) when that cannot be sent without doubt about what it means
 */
int rp_route_target(rp_request_t *rq);

/** Fill rq's public view: scheme, host, and whether the peer is trusted. */
void rp_route_public(rp_request_t *rq);

#endif

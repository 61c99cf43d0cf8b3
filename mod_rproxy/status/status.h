/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** SetHandler rproxy-status: what is going on, as a page, as JSON and for Prometheus. */
#ifndef RP_STATUS_H
#define RP_STATUS_H

#include <httpd.h>
#include <jansson.h>

#include "status/figures.h"

#define RP_STATUS_HANDLER "rproxy-status"
/** Grows when something that was there becomes something else; what is added later makes no difference. */
#define RP_STATUS_VERSION 1

/** The handler; declines what is not RP_STATUS_HANDLER. */
int rp_status_handler(request_rec *r);

/**
 * All of it, for the caller to json_decref().
 * @param manage  where whoever asks may change things, as a path; NULL: nowhere
 */
json_t *rp_json_status(apr_pool_t *p, const rp_figures_t *figures, const char *manage);

/**
 * All of it as Prometheus reads it, to r's client.
 * @param open  OpenMetrics 1.0; else the older text format
 */
void rp_openmetrics(request_rec *r, const rp_figures_t *figures, int open);

/** The page, to r's client. */
void rp_page(request_rec *r, const rp_figures_t *figures);

/** A block in mod_status's page, if that is loaded. */
void rp_mod_status_register(void);

#endif

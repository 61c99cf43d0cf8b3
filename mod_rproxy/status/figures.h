/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** All that is shown of a host at one moment, whatever the form. */
#ifndef RP_FIGURES_H
#define RP_FIGURES_H

#include <httpd.h>

#include "balance/control.h"
#include "cache/cache.h"
#include "farm/farm.h"
#include "status/counters.h"

typedef struct rp_figures_t {
    apr_time_t now, since;     /* wall clock */
    rp_counts_t counts;
    rp_cache_figures_t cache;
    apr_array_header_t *pools; /* of rp_pool_view_t * */
    int in_farm;               /* there is a link to a Redis; else what follows is zeros */
    int farm_up;               /* it answers, as far as is known */
    rp_farm_figures_t farm;
    rp_store_farm_figures_t far;
} rp_figures_t;

/** Requests of an interval by what the cache did. */
typedef struct rp_traffic_t {
    apr_uint64_t requests;
    apr_uint64_t cached;       /* answered from it, revalidated and collapsed ones among them */
    apr_uint64_t asked;        /* those that it was asked for: cached, and missed */
    apr_uint64_t failed;       /* 5xx */
    apr_uint64_t sent;         /* bytes of content to clients, */
    apr_uint64_t sent_cached;  /* of them, those from the cache */
    apr_uint64_t received;     /* bytes from backends */
    apr_uint64_t encoded_in, encoded_out;
    apr_uint64_t disk_full;    /* how often the store found its disk to be */
} rp_traffic_t;

/** In a child; in p. */
rp_figures_t *rp_figures(apr_pool_t *p, server_rec *main_server);

/** What came between two readings; from may be NULL: since counting began. */
void rp_traffic(const apr_uint64_t *from, const apr_uint64_t *to, rp_traffic_t *traffic);

/** The same for the last so many seconds; samples are n of the last hour. */
void rp_traffic_of_last(const rp_figures_t *figures, const rp_sample_t *samples, int n, int seconds, rp_traffic_t *traffic);

/** Bytes that compression has saved. */
apr_uint64_t rp_traffic_squeezed(const rp_traffic_t *traffic);

/** A member's exchanges that went wrong, of all that ended: 0 to 1; -1: none has. */
double rp_member_error_share(const rp_member_view_t *member);

#endif

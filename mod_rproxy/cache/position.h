/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A position in the farm's log of purges. Pure. */
#ifndef RP_POSITION_H
#define RP_POSITION_H

#include <stdint.h>
#include <apr_pools.h>

#include "http/http.h"

/** An id of a Redis stream; 0-0 is before all. */
typedef struct rp_position_t {
    uint64_t ms, seq;
} rp_position_t;

/** A position as Redis writes it, "MS-SEQ"; in p. */
rp_str_t rp_position_text(apr_pool_t *p, rp_position_t position);
/** Read one. @return 1, or 0 when it is none */
int rp_position_parse(rp_str_t text, rp_position_t *position);

/** < 0 when a is before b, 0 when they are the same, > 0. */
int rp_position_compare(rp_position_t a, rp_position_t b);

#endif

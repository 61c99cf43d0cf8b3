/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What Cache-Control and the fields that stand in for it share: private to http/. */
#ifndef RP_HTTP_CACHE_CONTROL_H
#define RP_HTTP_CACHE_CONTROL_H

#include "http/http.h"

typedef enum rp_directive_e {
    CC_UNKNOWN,
    CC_IMMUTABLE,
    CC_MAX_AGE,
    CC_MAX_STALE,
    CC_MIN_FRESH,
    CC_MUST_REVALIDATE,
    CC_MUST_UNDERSTAND,
    CC_NO_CACHE,
    CC_NO_STORE,
    CC_NO_TRANSFORM,
    CC_ONLY_IF_CACHED,
    CC_PRIVATE,
    CC_PROXY_REVALIDATE,
    CC_PUBLIC,
    CC_S_MAXAGE,
    CC_STALE_IF_ERROR,
    CC_STALE_WHILE_REVALIDATE
} rp_directive_e;

typedef enum rp_cc_argument_e {
    RP_CC_NONE, /* no "=" at all */
    RP_CC_GOOD,
    RP_CC_BAD   /* there is one, but it cannot be read */
} rp_cc_argument_e;

typedef struct rp_cc_argument_t {
    rp_cc_argument_e kind;
    rp_str_t text; /* when RP_CC_GOOD: without the quotes that it may have had */
} rp_cc_argument_t;

/** ASCII case is ignored. */
rp_directive_e rp_cc_directive(rp_str_t name);

/** Set *cc to what it is where nothing is said. */
void rp_cc_begin(rp_cc_t *cc);

/** Add a directive to *cc: of several the most restrictive counts. */
void rp_cc_apply(apr_pool_t *p, rp_cc_t *cc, rp_directive_e directive, const rp_cc_argument_t *argument);

#endif

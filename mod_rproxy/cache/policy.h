/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the operator's rules (RProxyCacheRule) make of one request and its response, resolved: everything that reads a
 * policy finds an answer in it and never a rule.
 *
 * It lies in rq->policy.  Without rules filling it costs a few assignments and nothing is evaluated.
 */
#ifndef RP_POLICY_H
#define RP_POLICY_H

#include <apr_tables.h>

#include "http/http.h"

struct rp_request_t;

typedef struct rp_policy_t {
    /* Of the request: rp_policy_request(). */
    int bypass;               /* neither look up nor store */
    int no_collapse;          /* do not wait for another request's fetch of the same */

    /* Of the response: rp_policy_response(). */
    int no_store;
    int strict_age;           /* an Age that is not one number ends freshness */
    rp_secs_t fresh;          /* freshness lifetime from its arrival, whatever it says; RP_NO_TIME: no word */
    rp_secs_t default_fresh;  /* the same, when it says nothing of freshness */
    rp_secs_t stale_while_revalidate; /* when it does not say (RFC 5861), counted from the end of its freshness; */
    rp_secs_t stale_if_error;         /* RP_NO_TIME: no word */
    rp_secs_t keep;           /* kept this long beyond freshness when it has a validator; RP_NO_TIME: the default */
    uint64_t largest;         /* a larger body is not stored; UINT64_MAX: no word */
    const apr_array_header_t *ignore; /* of const char *: its fields that the cache does not heed; NULL for none */
    const apr_array_header_t *strip;  /* of const char *: taken out of what is stored, and of this answer then too */
} rp_policy_t;

/** Fill the request's part of rq->policy and put the response's part to "no word". Call it before a look-up. */
void rp_policy_request(struct rp_request_t *rq);

/**
 * Fill the response's part of rq->policy.  May be called again for another response: rq->response as it came, or a
 * stored one.
 * @param fields  the response's, as conditions see them in %{resp:NAME}
 */
void rp_policy_response(struct rp_request_t *rq, int status, apr_table_t *fields);

/**
 * The fields that decide: fields without those that rq->policy ignores or strips; fields itself when that is none.
 */
const apr_table_t *rp_policy_heeded(const struct rp_request_t *rq, const apr_table_t *fields);

/** Put the policy's freshness into facts, which rp_response_facts() has made of rp_policy_heeded(). */
void rp_policy_facts(const struct rp_request_t *rq, rp_response_facts_t *facts);

/** Take what rq->policy strips out of fields. */
void rp_policy_strip(const struct rp_request_t *rq, apr_table_t *fields);

/** Nonzero when a condition that decides on a hit asks for what is not known in the quick handler. */
int rp_policy_is_late(const struct rp_request_t *rq);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What a stored response is good for; private to cache/. */
#ifndef RP_DECIDE_H
#define RP_DECIDE_H

#include "cache/lookup.h"

typedef struct rp_decision_t {
    rp_cc_t request_cc;
    rp_cc_t response_cc; /* of what was found */
    rp_usable_e usable;
    int later;           /* stale, but it may answer now and be revalidated afterwards */
    rp_secs_t age;
    rp_secs_t ttl;       /* negative when stale */
} rp_decision_t;

/**
 * What the client asks of caches, unless that is ignored.
 * @return nonzero for a Pragma that counts (RFC 9111 §5.4)
 */
int rp_read_client(const rp_request_t *rq, rp_cc_t *request_cc);

/** Has what was found all that is asked for, be it fresh or not? */
int rp_has_answer(const rp_request_t *rq, const rp_lookup_t *lookup);

/** Decide on what was found, if anything. */
void rp_decide(rp_request_t *rq, const rp_lookup_t *lookup, rp_decision_t *d);

/** Look up and decide, in what other hosts have as well when what is here is stale. */
void rp_look(rp_request_t *rq, rp_store_t *store, rp_lookup_t *lookup, rp_decision_t *d);

/** May it answer without asking a backend first? */
int rp_is_usable(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d);

/**
 * May what was found, stale as it is, stand in for a failure with this status? Backends that gave no answer fail with
 * 502 to 504.
 */
int rp_covers_failure(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d);
int rp_covers_status(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d, int status);

/** The reason to ask a backend, as Cache-Status says it (RFC 9211 §2.2). */
const char *rp_forward_reason(const rp_request_t *rq, const rp_lookup_t *lookup, const rp_decision_t *d);

#endif

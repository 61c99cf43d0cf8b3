/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "http/http.h"

/* What forbids stale answers whatever else is said (RFC 9111 §4.2.4). */
static int forbids_stale(const rp_cc_t *cc)
{
    return cc->must_revalidate || cc->proxy_revalidate || cc->no_cache;
}

static int wants_fresher(const rp_cc_t *request_cc, rp_secs_t age)
{
    return request_cc->no_cache || request_cc->min_fresh != RP_NO_TIME
           || (request_cc->max_age != RP_NO_TIME && age > request_cc->max_age);
}

/* How long after its lifetime: as the response says, else as configured.  s-maxage forbids stale answers as well
 * (RFC 9111 §5.2.2.10), so configuration alone does not allow them; together with a directive of RFC 5861 it would make
 * that one meaningless for just those caches that it is written for, which cannot be meant. */
static rp_secs_t grace(const rp_cc_t *cc, rp_secs_t said, rp_secs_t configured)
{
    if (forbids_stale(cc)) {
        return 0;
    }
    if (said != RP_NO_TIME) {
        return said;
    }
    return cc->s_maxage != RP_NO_TIME || configured == RP_NO_TIME ? 0 : configured;
}

rp_secs_t rp_stale_while_revalidate(const rp_cc_t *response_cc, rp_secs_t configured)
{
    return grace(response_cc, response_cc->stale_while_revalidate, configured);
}

rp_secs_t rp_stale_if_error(const rp_cc_t *response_cc, rp_secs_t configured)
{
    return grace(response_cc, response_cc->stale_if_error, configured);
}

int rp_may_revalidate_later(const rp_cc_t *response_cc, const rp_cc_t *request_cc, rp_secs_t configured,
                            rp_secs_t lifetime, rp_secs_t age)
{
    return !forbids_stale(response_cc) && !wants_fresher(request_cc, age)
           && age - lifetime < rp_stale_while_revalidate(response_cc, configured);
}

int rp_may_cover_error(const rp_cc_t *response_cc, const rp_cc_t *request_cc, rp_secs_t configured, rp_secs_t lifetime,
                       rp_secs_t age)
{
    rp_secs_t allowed = rp_stale_if_error(response_cc, configured);

    /* A client may ask for it, too, but not against the origin's word (RFC 5861 §4). */
    if (allowed == 0 && response_cc->s_maxage == RP_NO_TIME && request_cc->stale_if_error != RP_NO_TIME) {
        allowed = request_cc->stale_if_error;
    }
    /* What no-cache forbids is forbidden within the lifetime, too. */
    return !forbids_stale(response_cc) && !wants_fresher(request_cc, age) && age - lifetime < allowed;
}

int rp_may_use_disconnected(const rp_cc_t *response_cc, const rp_cc_t *request_cc, rp_secs_t age)
{
    return !forbids_stale(response_cc) && response_cc->s_maxage == RP_NO_TIME && !wants_fresher(request_cc, age);
}

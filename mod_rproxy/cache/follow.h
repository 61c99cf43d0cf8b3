/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Answering from a body that another request is still storing; private to cache/. */
#ifndef RP_FOLLOW_H
#define RP_FOLLOW_H

#include "cache/decide.h"

/**
 * Answer with the object that news of a flight names, as far as it is there, and with the rest as it comes.
 * @param params  for Cache-Status
 * @return nonzero when *result is the handler's result; 0 when the object is not, or not yet, an answer to this request
 */
int rp_follow(rp_request_t *rq, rp_lookup_t *lookup, rp_decision_t *d, rp_flights_t *flights, rp_bell_t *bell,
              const rp_flight_t *flight, rp_flight_news_t *news, const char *params, int *result);

#endif

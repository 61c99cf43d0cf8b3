/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Differences between queries that make none, by No-Vary-Search (draft-ietf-httpbis-no-vary-search); private to cache/.
 *
 * A response with that field lies under a key of its own kind: its path, the canonical query, and the rules that made it
 * canonical, so that it answers only who applies the very same rules.  Two markers (RP_RECORD_SEARCH) lead there: one
 * of the path, from which URLs that nobody has asked for yet learn the rules, and one in the place of the URL's own
 * entry.  The latter is what a purge of the URL hits while the response is still coming in.
 *
 * A marker's text are the rules and, in front, a token: who finds no marker for a path begins with a new token, so that
 * nothing that an unsafe request could not find is found later on.
 */
#ifndef RP_SEARCH_H
#define RP_SEARCH_H

#include "cache/lookup.h"
#include "cache/purge.h"

/** A path's newest rules, as its marker has them; NULL when there are none. */
const char *rp_search_known(const rp_request_t *rq, rp_store_t *store);

/** The rules that a response with these fields wants heeded (rp_policy_heeded), as text; NULL for none. */
const char *rp_search_rules(const rp_request_t *rq, const apr_table_t *fields);

/** Are those of a marker the same? Either may be NULL. */
int rp_search_is(const char *known, const char *rules);

/** A marker's text for rules: the one that the request was looked up with or the path has, when it is of the same. */
const char *rp_search_choose(const rp_request_t *rq, const rp_lookup_t *lookup, const char *rules);

/**
 * Put both markers for a response with that record, before it is stored itself.
 * @return 0 when the URL was purged since the look-up: the response must not be stored
 */
int rp_search_store(const rp_request_t *rq, const rp_lookup_t *lookup, const char *known, const rp_record_t *record,
                    apr_time_t expires);

/**
 * Is key_text, of a response that is coming in for the same URL or another, one that this request would find it by?  Who
 * looked up the URL's own key cannot know yet under which one the response is going to lie.
 */
int rp_search_leads_to(const rp_request_t *rq, const rp_lookup_t *lookup, const char *key_text);

/**
 * Add to an order what answers the request's URL, for all clients: under the URL's own key and under those that
 * No-Vary-Search leads to.
 */
void rp_search_add(rp_purge_order_t *order, const rp_request_t *rq, rp_store_t *store);

#endif

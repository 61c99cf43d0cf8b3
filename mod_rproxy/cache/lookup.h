/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Finding what is stored for a request; private to cache/. */
#ifndef RP_LOOKUP_H
#define RP_LOOKUP_H

#include "cache/flight.h"
#include "cache/record.h"
#include "cache/store.h"
#include "request.h"

typedef enum rp_found_e {
    RP_FOUND_NOTHING,  /* no response for this URL */
    RP_FOUND_OTHERS,   /* only for other values of the fields named in Vary */
    RP_FOUND_PART,     /* an incomplete response: of use to ranges within it, and to be completed */
    RP_FOUND
} rp_found_e;

typedef struct rp_lookup_t {
    rp_store_t *store;
    const char *url_key;            /* the key of the URL itself, ... */
    const char *key_text;           /* ... and the one that was looked up: with search another one */
    const char *search;             /* the rules that led to it, as search.h has them; NULL for none */
    unsigned char key[RP_KEY_LEN];  /* of the entry found, or of key_text */
    uint64_t since;                 /* the store's stamp of before, for what comes of it */
    rp_found_e found;
    rp_entry_t entry;
    rp_record_t record;
    const char *vary;               /* names known for this URL, or NULL */
    int joined;                     /* the part found became the whole with what came in, ... */
    rp_splice_t splice;             /* ... in this way */
    rp_flight_t flight;             /* when this request fetches for others, too */
    struct rp_lease_t *lease;       /* and for other hosts of the farm; or NULL */
} rp_lookup_t;

/**
 * The text that a response is known by: scheme, host and URL as the client sees them, and where it comes from; what the
 * operator's RProxyCacheKey makes of them; behind a line feed what it takes of the request besides.
 */
const char *rp_cache_key(const rp_request_t *rq);

/** A request as for another URL (path and query) of the request's host, as far as its keys are concerned. */
rp_request_t rp_cache_request_of(const rp_request_t *rq, const char *url);

/** Not the URL's own key, but those that search.h speaks of: of the path alone, and of what known leads to. */
const char *rp_cache_key_path(const rp_request_t *rq);
const char *rp_cache_key_search(const rp_request_t *rq, const char *known);

/** What the request itself adds to its keys by RProxyCacheKey; "" for nothing. */
const char *rp_cache_key_own(const rp_request_t *rq);

/**
 * What the keys of all URLs begin with that begin with url: scheme, host and the path's beginning, as the keys have them.
 * @param url  "" for all of the host; a query is left as it is, whatever RProxyCacheKey makes of queries
 */
const char *rp_cache_key_prefix(const rp_request_t *rq, const char *url);

/** Nonzero when a key rests on what is not known in the quick handler. */
int rp_cache_key_is_late(const rp_request_t *rq);

/**
 * Both halves of a key: the first of what all clients have in common, the other of what is the request's own in
 * key_text, and of selection (may be NULL).
 */
void rp_cache_hash(const char *key_text, const char *selection, unsigned char key[RP_KEY_LEN]);

/** The key of what lies beside what has this key, and goes when that is purged by key, under a name of its own. */
void rp_cache_hash_beside(const unsigned char key[RP_KEY_LEN], const char *name, unsigned char beside[RP_KEY_LEN]);

/**
 * The request fields that variants are selected by: those that backends get (RFC 9111 §4.1 with our normalisation).
 * Makes rq->fields when needed. @return NULL when the request cannot be forwarded at all
 */
const apr_table_t *rp_cache_selecting_fields(rp_request_t *rq);

/** Look up in store; everything found lives in the request's pool. */
void rp_lookup(rp_request_t *rq, rp_store_t *store, rp_lookup_t *lookup);

/**
 * What was found is stale: has another host of the farm a later one of the same key?  That is then what was found.
 * @return 1 when it is
 */
int rp_lookup_later(rp_request_t *rq, rp_lookup_t *lookup);

#endif

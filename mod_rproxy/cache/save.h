/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Storing what a backend sent; private to cache/. */
#ifndef RP_SAVE_H
#define RP_SAVE_H

#include "cache/lookup.h"
#include "cache/partial.h"

/** A response on its way into a store. */
typedef struct rp_save_t {
    rp_request_t *rq;
    rp_store_t *store;
    rp_lookup_t *lookup;      /* whose flight, if any, hears of it */
    rp_store_writer_t *writer;
    rp_record_t record;
    const char *search;       /* of rp_search_choose(), or NULL */
    const rp_entry_t *found;  /* what incoming.before and .after are of */
    rp_incoming_t incoming;
    unsigned char key[RP_KEY_LEN];
    apr_time_t expires;
    uint64_t left;        /* bytes of body that it may still have */
    int dropped;          /* it had more */
    int usable;           /* without asking first */
    uint64_t since;
    uint64_t written;     /* bytes that came in */
    uint64_t told;        /* bytes that those who wait know of */
    int is_told;
    uint64_t held;        /* the object that a slow client gets the rest from */
    rp_put_t put;         /* for them; made when first needed */
    rp_tee_t tee;
} rp_save_t;

/** What RProxyCacheAllow allows. */
rp_store_rules_t rp_store_rules(const rp_request_t *rq);

/**
 * May rq->response, to a GET or a POST, be stored under the request's URL?  Then begin to.
 * @param lookup  stays where it is until the tee has seen the end
 * @return the tee for rp_relay(), or NULL when it is not stored
 */
const rp_tee_t *rp_save_begin(rp_request_t *rq, rp_lookup_t *lookup, const rp_cc_t *request_cc, rp_save_t *save);

/**
 * A 304 has confirmed the entry: freshen its fields, and its lifetime (RFC 9111 §4.3.4), in lookup->record and in the store.
 * When it says that the response is to be stored no more, the entry goes; this client still gets it.
 * @return 0 when the 304 is not about this entry
 */
int rp_save_freshened(rp_request_t *rq, rp_lookup_t *lookup, const rp_cc_t *request_cc);

/**
 * A 200 to a HEAD has come for what is stored: when it speaks of the same response, freshen that, else let it be stale
 * (RFC 9111 §4.3.5).  Uses up lookup->record.
 */
void rp_save_head(rp_request_t *rq, rp_lookup_t *lookup, const rp_cc_t *request_cc);

/**
 * A successful unsafe request makes doubtful what is stored for its URL, and for those of this host that Location and
 * Content-Location name, or that is in a group of this origin that Cache-Group-Invalidation names: remove it (RFC 9111
 * §4.4, RFC 9875 §3).
 */
void rp_save_invalidate(rp_request_t *rq, rp_store_t *store);

#endif

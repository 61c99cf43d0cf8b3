/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Responses as dictionaries for others (RFC 9842); private to cache/.
 *
 * A response with Use-As-Dictionary is copied, by a thread in the background, to an entry of its own whose key is made of
 * the origin and of its SHA-256.  There it stays when the response itself has been replaced by its next version; which
 * clients that have the old one then get as a difference.
 */
#ifndef RP_CACHE_DICTIONARY_H
#define RP_CACHE_DICTIONARY_H

#include "cache/lookup.h"
#include "encode/codec.h"

/** Choose a coding with a dictionary in place of rq->coding, with rq->dictionary, when the client has and wants one. */
void rp_dictionary_choose(rp_request_t *rq);

/** Choose again among codings that need none. */
void rp_dictionary_forgo(rp_request_t *rq);

/**
 * Keep a coding with a dictionary only when this response may go out so, and the dictionary is not known by another id.
 * @param store  where it may be; NULL when there is none
 */
void rp_dictionary_match(rp_request_t *rq, rp_store_t *store, const apr_table_t *response);

/** The same, and only when the dictionary is known here: it has its bytes then. */
void rp_dictionary_settle(rp_request_t *rq, rp_store_t *store, const apr_table_t *response);

/** What rq's dictionaries are known under besides their hash; in its pool. */
const char *rp_dictionary_origin(const rp_request_t *rq);

/** The dictionary's bytes, in p. @return 0 when they are not known */
int rp_dictionary_read(rp_store_t *store, const char *origin, apr_pool_t *p, rp_dictionary_t *dictionary);

/** Lower-case hexadecimal digits of a hash. */
const char *rp_dictionary_hex(apr_pool_t *p, const unsigned char hash[RP_DICTIONARY_HASH]);

/** A response is about to be stored, and sent: let it say that it is to be a dictionary, where RProxyDictionary wants it. */
void rp_dictionary_offer(const rp_request_t *rq, int status, apr_table_t *fields);

/**
 * What is stored says that it is to be a dictionary: see that it is kept as one.
 * @param is_new  it was stored just now
 */
void rp_dictionary_keep(rp_request_t *rq, rp_lookup_t *lookup, const unsigned char key[RP_KEY_LEN],
                        const rp_record_t *record, uint64_t body_len, int is_new);

/** Tell browsers of the dictionary for this part of the site, in an answer that is an HTML page. */
void rp_dictionary_announce(rp_request_t *rq);

/** Is it the URL of that dictionary? Then answer. @return DECLINED when it is not */
int rp_dictionary_serve(rp_request_t *rq);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What is stored of a response in other codings: made once, thoroughly, by a thread in the background, and sent to all who
 * take it; private to cache/.
 *
 * A variant is an entry of its own beside the response's, under the same first half of the key.  It has the bytes, and
 * names by a random number the bytes that it was made of; status, fields and freshness are those of the response, which
 * is looked up first.  So whatever happens to the response (validated, purged, softly too, replaced) has happened to its
 * variants.  An empty variant says that this coding makes the response no shorter: it goes out as it is.
 */
#ifndef RP_VARIANT_H
#define RP_VARIANT_H

#include "cache/lookup.h"
#include "encode/codec.h"

/** In the parent: memory that the children share. */
void rp_variant_prepare(apr_pool_t *pconf, server_rec *main_server);

/** In each child, after the store has been opened: its thread ends before the store closes. */
void rp_variant_child_init(apr_pool_t *p, server_rec *main_server);

/**
 * Put the stored variant in the request's coding in the place of the response that was found, if there is one: entry
 * and fields.  When there is none, have it made.  When there cannot be, rq->coding becomes identity.
 * @return the coding of what lookup has now; identity when it is what was found
 */
rp_coding_e rp_variant_take(rp_request_t *rq, rp_lookup_t *lookup);

/** Let what lookup found be coded in the background, unless that is being done. @param key  of the variant */
void rp_variant_later(rp_request_t *rq, const rp_lookup_t *lookup, const unsigned char key[RP_KEY_LEN]);

/** Note that a variant of so many bytes has answered a request. */
void rp_variant_used(const unsigned char key[RP_KEY_LEN], uint64_t bytes);

/** Figures for status, of all processes: how many variants there are, and their bytes. */
void rp_variant_figures(uint64_t *variants, uint64_t *bytes);

/** What a variant is called beside its response; in p. @param dictionary  NULL when the coding needs none */
const char *rp_variant_name(apr_pool_t *p, rp_coding_e coding, const rp_dictionary_t *dictionary);

/** Nonzero when the record is that of the variant of that name of the response that found has. */
int rp_variant_is_of(const rp_record_t *record, const rp_record_t *found, const char *name);

#endif

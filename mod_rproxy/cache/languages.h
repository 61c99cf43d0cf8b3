/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Variants by language (RProxyCacheAllow language); private to cache/.
 *
 * Accept-Language has about as many values as there are browsers, and a site few languages.  So a variant whose one
 * language is known lies, besides under its selection, under a marker for "whoever wants this language before all
 * others": for the language itself, and for the one that the client whose request fetched it wanted so, when the two
 * differ in how special they are ("de-at" got "de").  Nobody gets a language here that is not the only one he wants most,
 * or one that a backend has chosen for such a client.
 */
#ifndef RP_LANGUAGES_H
#define RP_LANGUAGES_H

#include "cache/lookup.h"

/**
 * No variant has the request's own selection: is one known to be in the language that the client wants most?
 * @param selecting  the request's selecting fields
 * @param marker     ->selection is then that variant's, and ->reason its language
 */
int rp_languages_known(rp_request_t *rq, const rp_lookup_t *lookup, const apr_table_t *selecting, rp_record_t *marker);

/** Is the variant that a marker led to still what the marker says? */
int rp_languages_is(const rp_request_t *rq, const rp_record_t *record, const rp_record_t *marker);

/** Write the markers that lead to a variant, which need not be there yet. */
void rp_languages_store(rp_request_t *rq, const rp_lookup_t *lookup, const rp_record_t *record, apr_time_t expires);

#endif

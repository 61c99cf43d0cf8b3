/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** language.c: the languages that clients prefer and responses have (RFC 9110 §8.5, §12.5.4; RFC 4647); of http.h. */
#ifndef RP_HTTP_LANGUAGE_H
#define RP_HTTP_LANGUAGE_H

#include <apr_pools.h>

/**
 * The language range that a client wants before all others, in p and lower case.
 * @param accept_language  the field, all lines joined; may be NULL
 * @return NULL when there is none: no field, several with the highest weight, "*" with it, only refusals, or any member
 *         that cannot be read
 */
const char *rp_language_preferred(apr_pool_t *p, const char *accept_language);

/** The one language tag of a Content-Language (may be NULL), in p and lower case; NULL when it is none, or several. */
const char *rp_language_only(apr_pool_t *p, const char *content_language);

/**
 * Nonzero when a tag is of a range, both in lower case: equal, more special ("de-at" for "de", RFC 4647 §3.3.1), or more
 * general ("de" for "de-at", §3.4).
 */
int rp_language_relates(const char *range, const char *tag);

#endif

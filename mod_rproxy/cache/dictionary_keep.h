/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What dictionary.c and dictionary_keep.c share. */
#ifndef RP_CACHE_DICTIONARY_KEEP_H
#define RP_CACHE_DICTIONARY_KEEP_H

#include "cache/dictionary.h"

/** The key of a dictionary. @return its text, in p */
const char *rp_dictionary_key(apr_pool_t *p, const char *origin, const unsigned char hash[RP_DICTIONARY_HASH],
                              unsigned char key[RP_KEY_LEN]);

/** All of a body, in p. @return 0 when it is longer than RP_DICTIONARY_MAX, or gone */
int rp_dictionary_bytes(const rp_entry_t *entry, apr_pool_t *p, rp_str_t *bytes);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The record in front of a stored body: what must be known to reuse it, in a form that every store keeps and every host
 * of a farm reads.  Versioned; numbers are little-endian; every length is checked when it is read back, because a store
 * may be damaged or written by somebody else.
 */
#ifndef RP_RECORD_H
#define RP_RECORD_H

#include "http/http.h"

typedef enum rp_record_kind_e {
    RP_RECORD_RESPONSE = 1,
    /* Lies under a URL's own key and says which request fields select among the variants that lie beside it. */
    RP_RECORD_VARY = 2,
    /* An incomplete response: a part of a representation, its status and fields those of the whole (RFC 9111 §3.3). */
    RP_RECORD_PART = 3,
    /* Says which differences between queries make none (search.h): its .vary has them. */
    RP_RECORD_SEARCH = 4,
    /* Fields of a 103, status: they tell what the response to come will need (cache/hints.h). */
    RP_RECORD_HINTS = 5,
    /* Leads to a variant by its language (languages.h): .vary is the place of the marker itself among the variants,
     * .selection that of the variant, .reason the variant's language. */
    RP_RECORD_LANGUAGE = 6,
    /* A response's bytes in another coding (variant.h): .vary names it, .reason has the digest, .body says of which bytes.
     * Likewise what belongs to dictionaries (dictionary.h). */
    RP_RECORD_ENCODED = 7
} rp_record_kind_e;

/** Does a record of that kind only lead to others, or belong to one? It has no status and no fields. */
static inline int rp_record_is_marker(rp_record_kind_e kind)
{
    return kind == RP_RECORD_VARY || kind == RP_RECORD_SEARCH || kind == RP_RECORD_LANGUAGE
           || kind == RP_RECORD_ENCODED;
}

typedef struct rp_record_t {
    rp_record_kind_e kind;
    const char *key;         /* the whole cache key: a hash alone proves nothing */
    const char *vary;        /* of rp_vary_names(); "" for none */
    const char *selection;   /* of rp_vary_selection(); "" for none */
    int status;
    const char *reason;
    rp_secs_t request_time;
    rp_secs_t response_time;
    rp_secs_t initial_age;
    rp_secs_t lifetime;      /* freshness lifetime */
    uint64_t body;           /* random: tells these bytes from all others that were ever stored under the key */
    uint64_t part_first;     /* of RP_RECORD_PART: the body's first byte in the representation, ... */
    uint64_t part_complete;  /* ... whose length is this, or RP_LENGTH_UNKNOWN */
    apr_table_t *fields;     /* end-to-end response fields, as the client gets them; NULL for a marker */
} rp_record_t;

/** The record's bytes, in p. */
rp_str_t rp_record_encode(apr_pool_t *p, const rp_record_t *record);

/**
 * Read bytes back; strings and fields point into bytes, the table itself is in p.
 * @return 1, or 0 when they are not a whole record of this version
 */
int rp_record_decode(apr_pool_t *p, rp_str_t bytes, rp_record_t *record);

#endif

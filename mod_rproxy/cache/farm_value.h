/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the second store keeps in Redis: names of keys, and an entry's value in front of its body.
 *
 * Pure.  All hosts of a farm read it: numbers are little-endian, the first bytes are its version, and every length is
 * checked, since somebody else may have written it.  *Whoever changes what is in a value changes the version*; older
 * ones are then misses.
 *
 *     FARM:{KEY}:e            the entry of a URL itself; KEY is the first half of its key in hexadecimal digits
 *     FARM:{KEY}:e:VARIANT    an entry with a second half, in hexadecimal digits
 *     FARM:{KEY}:c:GENERATION:N    a piece of a body that is too long to lie in its entry, N from 0
 *     FARM:{KEY}:i            hash: which variants there are, and which pieces lie behind each of them
 *     FARM:{KEY}:p            position of the last purge of the URL
 *     FARM:{KEY}:l            hash: who fetches it (farm/lease.h); of a variant FARM:{KEY}:l:VARIANT
 *
 * All of a URL's keys have the same text in braces, so that a cluster keeps them in one slot.
 */
#ifndef RP_FARM_VALUE_H
#define RP_FARM_VALUE_H

#include <apr_pools.h>

#include "cache/position.h"
#include "cache/store.h"

/** The longest record that is read. */
#define RP_FARM_RECORD_MAX (256 * 1024)

typedef struct rp_farm_value_t {
    uint64_t generation;  /* of the body: another body has another one */
    rp_position_t since;  /* purges up to here do not concern it */
    apr_time_t stored;    /* wall clock of who stored it */
    apr_time_t expires;
    uint64_t body_len;
    rp_str_t record;
    rp_str_t name;        /* as of rp_put_t: within record, or empty */
    const rp_store_tag_t *tags;
    int ntags;
    rp_str_t body;        /* all of it when body_len <= RP_STORE_INLINE; else empty, it is in pieces */
} rp_farm_value_t;

/** Bytes that it takes. */
size_t rp_farm_value_len(const rp_farm_value_t *value);

/** Write it to where there is that room. */
void rp_farm_value_write(const rp_farm_value_t *value, char *to);

/** Read it; what is found points into bytes. @return 1, or 0 when they are not a whole value of this version */
int rp_farm_value_read(rp_str_t bytes, rp_farm_value_t *value);

/** Pieces of RP_STORE_CHUNK that a body of that length is in; 0 when it lies in its entry. */
unsigned rp_farm_pieces(uint64_t body_len);

/** Names of keys, in p. */
rp_str_t rp_farm_key_entry(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_LEN]);
rp_str_t rp_farm_key_lease(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_LEN]);
rp_str_t rp_farm_key_index(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF]);
rp_str_t rp_farm_key_purged(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF]);
rp_str_t rp_farm_key_piece(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF], uint64_t generation,
                           unsigned n);

/** What the names of a URL's variants and of its pieces begin with: up to and with the colon before VARIANT, GENERATION. */
rp_str_t rp_farm_key_variants(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF]);
rp_str_t rp_farm_key_pieces(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF]);

/** What the index calls an entry: its VARIANT, or "-" for the URL's own. In p. */
rp_str_t rp_farm_index_field(apr_pool_t *p, const unsigned char key[RP_KEY_LEN]);

#endif

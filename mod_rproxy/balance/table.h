/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Consistent hashing: which member has which part of all hashes. */
#ifndef RP_TABLE_H
#define RP_TABLE_H

#include "balance/state.h"

/**
 * Give each of RP_TABLE_SIZE buckets to the member that scores highest for it (weighted rendezvous hashing): one that
 * comes takes its share from all others in proportion, one that goes leaves its buckets to them, and no bucket
 * changes between two others.
 * @param who  n slots, each with an id and a weight
 */
void rp_table_fill(apr_uint16_t *table, const rp_slot_t *slots, const apr_uint16_t *who, unsigned n);

/** Spread the bits of a number: neighbours come to lie far apart. */
apr_uint64_t rp_mix(apr_uint64_t x);

/** A member's id: a hash of its URL. */
apr_uint64_t rp_slot_id(const char *url);

#endif

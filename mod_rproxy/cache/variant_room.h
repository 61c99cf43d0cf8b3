/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What variants take of the local store, and which of them is to go when that is too much.
 *
 * A table in memory that all children share: sets of a few places, a key's set known by its first bytes.  A request that
 * is answered by a variant notes the time in its place, without a lock; who has stored one enters it under the table's
 * lock, and is told which others to remove.  What it does not know of (of before a restart) it learns with the next
 * request for it.  What the store itself has evicted counts until its place is needed, so the bound is never exceeded by
 * what the table knows.
 */
#ifndef RP_VARIANT_ROOM_H
#define RP_VARIANT_ROOM_H

#include <apr_time.h>

#include "cache/store.h"

#define RP_ROOM_SETS 8192
#define RP_ROOM_WAYS 8

typedef struct rp_room_t rp_room_t;

/** Bytes of memory, and making a table of it (zeroed, by the parent). @return 0 when its lock cannot be made */
apr_size_t rp_room_size(void);
int rp_room_init(void *mem, rp_room_t **room);

/** A variant has answered a request. @return 0 when the table does not know it: enter it */
int rp_room_used(rp_room_t *room, const unsigned char key[RP_KEY_LEN], apr_time_t now);

/** Enter a variant of so many bytes, or tell its new length. @param now  wall clock */
void rp_room_enter(rp_room_t *room, const unsigned char key[RP_KEY_LEN], uint64_t bytes, apr_time_t now);

/**
 * While there is more than most: the one to remove next, which the table forgets. Looks at a few sets only, from where it
 * was left the last time.
 * @return 0 when there is no more than that
 */
int rp_room_excess(rp_room_t *room, uint64_t most, unsigned char key[RP_KEY_LEN]);

/** Figures for status. */
void rp_room_figures(rp_room_t *room, uint64_t *variants, uint64_t *bytes);

#endif

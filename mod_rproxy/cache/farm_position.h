/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Positions in the farm's log of purges, and what they are in the count of the local store.
 *
 * All hosts of a farm see the same purges in the same order, and a position in that order means the same to all of
 * them; a local store's stamps (rp_store_ops_t.stamp) are its own.  What is put into Redis says by a position which
 * purges its fetch had behind it; who takes it from there turns that into a stamp of its own and has its local store
 * judge.  Both ways err on the side of calling something purged that was not.
 *
 * As long as a host follows no log, each of its positions is the beginning, and every purge comes after it.
 */
#ifndef RP_FARM_POSITION_H
#define RP_FARM_POSITION_H

#include <stdint.h>

#include "cache/position.h"
#include "cache/store.h"

/**
 * What whoever took that stamp of the local store had behind him: each purge of the log up to the position returned was
 * applied to the local store with this stamp or an older one. An earlier position is a right answer, too.  Any thread,
 * without waiting.
 */
rp_position_t rp_farm_position_of(uint64_t stamp);

/**
 * The stamp below which what was fetched at a position lies: each purge of the log behind that position has, or will
 * get, a larger one. A smaller stamp is a right answer, too; 0 when what lies between the position and what this
 * host knows cannot be told.  Any thread, without waiting.
 */
uint64_t rp_farm_stamp_of(rp_position_t position);

/** From now on it is this local store that knows of the log; NULL: none. */
void rp_farm_position_use(rp_store_t *local);

#endif

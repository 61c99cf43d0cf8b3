/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * How many requests of each key are under way on a host: a table of fixed size in memory that all children share.
 *
 * Each child has a row of its own beside it with what it has entered, so that the places of one that died are free
 * again when the parent has cleared its row.  What a set counts is then made anew of the rows, by the next who asks.
 * A key for which there is no room is not counted, and nobody is refused for that.  Each set has a robust lock, held
 * for a few comparisons; the parent takes none.
 */
#ifndef RP_PLACES_H
#define RP_PLACES_H

#include "limit/rates.h"

typedef struct rp_places_t rp_places_t;

/** @param nrows  children at a time */
apr_size_t rp_places_size(unsigned nrows);
int rp_places_init(rp_places_t *places, unsigned nrows);

/** In a child: its row. @return -1 when there are more children than anybody said: what it does is not counted */
int rp_places_claim(rp_places_t *places, apr_int64_t pid);

/** In the parent, of a child that is gone. */
void rp_places_gone(rp_places_t *places, apr_int64_t pid);

#define RP_PLACE_NONE (-1)

/**
 * Take a place of a key's.
 * @param most   how many it has: 1 or more
 * @param place  out: for rp_places_leave(); RP_PLACE_NONE when there was none, or it could not be counted
 * @return how many are taken now, this one included; 0 when all were; 1 when it could not be counted
 */
unsigned rp_places_take(rp_places_t *places, int row, const unsigned char key[RP_LIMIT_KEY], unsigned most, int *place);

void rp_places_leave(rp_places_t *places, int row, apr_int64_t pid, int place);

#endif

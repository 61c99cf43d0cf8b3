/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Looking a member's name up without waiting for it.
 *
 * The system's resolver blocks, for many seconds when name servers are silent, so that each lookup has a thread of its
 * own.  It may outlive whoever asked: what it works on is freed by the last of the two.
 */
#ifndef RP_RESOLVING_H
#define RP_RESOLVING_H

#include "upstream/conn.h"
#include "upstream/find.h"

typedef struct rp_resolving_t rp_resolving_t;

/**
 * Begin to look a member's name up.
 * @param conf  is copied as far as it is needed
 * @return NULL when enough others are under way: ask again
 */
rp_resolving_t *rp_resolving_begin(const rp_member_conf_t *conf);

/** Nonzero when it is over; *n is 0 with *error, which lives as long as lookup, when nothing was found. */
int rp_resolving_done(rp_resolving_t *lookup, rp_address_t addresses[RP_MAX_ADDRESSES], int *n, const char **error);

/** The same, with all that was found, which lives as long as lookup; *found is NULL when nothing was. */
int rp_resolving_found(rp_resolving_t *lookup, const rp_found_t **found, const char **error);

void rp_resolving_release(rp_resolving_t *lookup);

#endif

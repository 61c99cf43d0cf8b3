/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Which member gave which session: a table of fixed size in shared memory.
 *
 * Ids of sessions are not in it, only keyed hashes of them.  Each bucket has room for twice as many as are promised, so
 * that they find it; when one is full nevertheless, the session there that was not used for the longest time is
 * forgotten.  Locks are robust and held for a walk along one bucket: a process that dies with one costs that bucket at
 * most the entry being written.
 */
#ifndef RP_STICKY_LEARN_H
#define RP_STICKY_LEARN_H

#include <apr_time.h>

#include "http/http.h"

#define RP_LEARN_KEY_LEN 16

typedef struct rp_learned_t rp_learned_t;

/** Bytes of memory for so many sessions. */
apr_size_t rp_learned_size(unsigned sessions);

/** Prepare mem, which is zeros and aligned to 64 bytes. @return 0 or an errno */
int rp_learned_init(rp_learned_t *table, unsigned sessions, const unsigned char key[RP_LEARN_KEY_LEN]);

/**
 * Remember that a session is with a member, for lifetime from now on.
 * @param member  its id, not 0
 */
void rp_learned_put(rp_learned_t *table, rp_str_t id, apr_uint64_t member, apr_time_t now,
                    apr_interval_time_t lifetime);

/** The member of a session, which is in use: its lifetime begins anew. @return 0 when it is not known */
apr_uint64_t rp_learned_get(rp_learned_t *table, rp_str_t id, apr_time_t now, apr_interval_time_t lifetime);

/** Put what one table knows into another with the same key, which nobody else uses yet. */
void rp_learned_copy(rp_learned_t *to, rp_learned_t *from, apr_time_t now);

#endif

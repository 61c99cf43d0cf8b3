/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Redis Cluster's arithmetic: which slot a key is in, what a redirection says, which node has which slots.  Pure code.
 */
#ifndef RP_SLOTS_H
#define RP_SLOTS_H

#include "farm/redis_url.h"
#include "farm/reply.h"
#include "http/http.h"

#define RP_SLOTS 16384

/** A key's slot: CRC16 of it, or of what is between its first '{' and the next '}' when that is not empty. */
unsigned rp_slot_of(rp_str_t key);

/** Where a name and a port stand in something else: nothing is copied. */
typedef struct rp_slot_node_t {
    rp_str_t host; /* empty: the one who says it */
    int port;
} rp_slot_node_t;

/**
 * Read "MOVED 3999 127.0.0.1:6381" or "ASK ..."; the text is an error reply's.
 * @return 'M', 'A', or 0 when it is neither
 */
int rp_slot_redirect(rp_str_t text, unsigned *slot, rp_slot_node_t *to);

/** A range of slots has a master: called for each. */
typedef void (*rp_slot_range_fn)(void *data, unsigned first, unsigned last, const rp_slot_node_t *master);

/** Read CLUSTER SLOTS' reply. @return how many slots have a master; -1 when it is no such reply */
int rp_slot_map(const rp_reply_t *reply, rp_slot_range_fn range, void *data);

#endif

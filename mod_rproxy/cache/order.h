/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * An order to purge as it stands in the farm's log.  Pure.
 *
 * Bytes: 'o' '1', flags, 8 of the origin, 8 of its number, 2 of how many steps, and the steps: a letter, and 16 bytes
 * of a key ('k') or a tag ('t'), or 2 of a length and a prefix ('p'), or nothing more ('a', all; 'd', all as RP_DOUBT).
 * Numbers are little-endian.  Without steps it is a mark: it says that the log goes on here.
 */
#ifndef RP_ORDER_H
#define RP_ORDER_H

#include "cache/purge.h"

/** Steps of one order: those of an unsafe request, or a PURGE of as many tags as there may be, are fewer. */
#define RP_ORDER_STEPS 1024
/** Bytes of one. */
#define RP_ORDER_BYTES (64 * 1024)

/** Which order it is: of all hosts and times. */
typedef struct rp_order_id_t {
    uint64_t origin; /* a host's store, by chance */
    uint64_t number; /* counted there, from 1 */
} rp_order_id_t;

/** @return in p; .len is 0 when it has too many steps or bytes */
rp_str_t rp_order_encode(apr_pool_t *p, const rp_order_id_t *id, const rp_purge_order_t *order);

/**
 * Read one, of any bytes.
 * @param order  in p; prefixes point into bytes
 * @return 1; 0 when it is none
 */
int rp_order_decode(apr_pool_t *p, rp_str_t bytes, rp_order_id_t *id, rp_purge_order_t *order);

#endif

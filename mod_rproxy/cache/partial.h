/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Incomplete responses (RFC 9111 §3.3, §3.4); private to cache/.
 *
 * What a backend sends for one range is stored as a part, under the key that the whole would have and with the whole's
 * status and fields.  It answers ranges within it.  Another part of the same representation that touches it makes it
 * larger; and when the whole is wanted, only what is missing is asked for.  That two responses are of the same
 * representation shows in a strong entity tag, and in nothing else, unless the operator says otherwise (RProxyCacheAllow
 * plain-parts).
 */
#ifndef RP_PARTIAL_H
#define RP_PARTIAL_H

#include "cache/lookup.h"

/** Nonzero when a part was found that has all that the request's Range asks for, or tells that there is no such. */
int rp_part_answers(const rp_request_t *rq, const rp_lookup_t *lookup);

/**
 * The whole is wanted and a part was found: make rq->fields ask for the rest, on condition that it is of the same
 * representation if that can be told.
 * @return nonzero when they do; 0 when the part is of no use to that
 */
int rp_part_ask(rp_request_t *rq, const rp_lookup_t *lookup);

/**
 * After rp_part_ask() and rp_fetch(): when the rest came, make rq->response the whole, with the part from the store
 * before or behind it, and lookup->joined true.  A whole that came instead stays as it is.  When neither came, ask
 * again for the whole.
 * @return as rp_fetch()
 */
int rp_part_join(rp_request_t *rq, rp_lookup_t *lookup);

/** What of rq->response is to be stored, and together with what. */
typedef struct rp_incoming_t {
    rp_record_kind_e kind;
    int status;
    const char *reason;
    apr_table_t *fields;
    uint64_t len;          /* of the body that will be stored; UINT64_MAX when unknown */
    uint64_t part_first;   /* with RP_RECORD_PART */
    uint64_t part_complete;
    uint64_t before;       /* bytes of the body that was found that are stored before what the client gets, ... */
    uint64_t after;        /* ... and behind it, ... */
    uint64_t after_from;   /* ... from here on */
} rp_incoming_t;

/** Tell it. A 206 that is not to be stored stays one, which rp_not_storable() refuses. */
void rp_part_incoming(rp_request_t *rq, const rp_lookup_t *lookup, rp_incoming_t *in);

/** Append len bytes of a stored body to what is being written. @return 0 when they are gone, or cannot be written */
int rp_part_copy(const rp_entry_t *entry, uint64_t from, uint64_t len, rp_store_writer_t *writer, apr_pool_t *p);

#endif

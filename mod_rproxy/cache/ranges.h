/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Ranges of what is stored (RFC 9110 §14); private to cache/.
 *
 * From a whole representation they are cut by httpd's own filter, behind all filters that may change the content, with
 * httpd's bounds on how many (MaxRanges and its like).  What it leaves undone is done here.  From a part that is stored
 * one range is cut here, as the filter knows whole bodies only.
 */
#ifndef RP_RANGES_H
#define RP_RANGES_H

#include "cache/lookup.h"

/** What an answer's Range comes to. */
typedef struct rp_cut_t {
    rp_range_e what;   /* RP_RANGE_NONE also when If-Range or the answer's status forbid it */
    rp_range_t range;  /* with RP_RANGE_ONE */
    uint64_t complete; /* length of the representation, or RP_LENGTH_UNKNOWN */
} rp_cut_t;

/** Read the request's Range, If-Range considered, for what is stored. */
void rp_cut_read(const rp_request_t *rq, const rp_record_t *record, uint64_t body_len, rp_cut_t *cut);

/** The record has a part only: where it lies in the representation. @return 0 when it has the whole */
int rp_stored_part(const rp_record_t *record, uint64_t body_len, rp_part_t *part);

/** Of a whole answer a range will be cut by httpd's filter: remove what would not hold for it. */
void rp_cut_prepare(request_rec *r);

/** Make r's answer, a 200 so far, a 206 with the one range. */
void rp_cut_apply(request_rec *r, const rp_cut_t *cut);

/** Make r's answer a 416 that tells the length. @return HTTP_RANGE_NOT_SATISFIABLE, for httpd to make its page */
int rp_cut_refuse(request_rec *r, const rp_cut_t *cut);

/** A backend's own answer to a Range is what the client gets: httpd's filter is not to cut it again. */
void rp_cut_not(request_rec *r);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** range.c: ranges of bytes, and parts that make a whole (RFC 9110 §14, RFC 9111 §3.4); of http.h. */
#ifndef RP_HTTP_RANGE_H
#define RP_HTTP_RANGE_H

#include <stdint.h>

/** The length of a representation of which nobody has told it. */
#define RP_LENGTH_UNKNOWN UINT64_MAX

/** Bytes first to last, both included. */
typedef struct rp_range_t {
    uint64_t first;
    uint64_t last;
} rp_range_t;

typedef enum rp_range_e {
    RP_RANGE_NONE,          /* no range of bytes is asked for, or not in a form to be understood: the whole is meant */
    RP_RANGE_ONE,           /* *range is it */
    RP_RANGE_MANY,          /* two at least can be satisfied; they may overlap */
    RP_RANGE_UNKNOWN,       /* one, relative to an end that is not known */
    RP_RANGE_UNSATISFIABLE  /* 416 */
} rp_range_e;

/**
 * What a Range field asks for of a representation of complete bytes, which may be RP_LENGTH_UNKNOWN (RFC 9110 §14.1.2,
 * §14.2).  One malformed range makes the whole field one to ignore; of an empty representation there are no ranges.
 * @param field  its lines joined; may be NULL
 * @param range  set for RP_RANGE_ONE, never beyond the representation's end
 */
rp_range_e rp_range_parse(const char *field, uint64_t complete, rp_range_t *range);

/** A part of a representation: bytes first to last of complete, which may be RP_LENGTH_UNKNOWN. */
typedef struct rp_part_t {
    uint64_t first;
    uint64_t last;
    uint64_t complete;
} rp_part_t;

/** Read Content-Range (RFC 9110 §14.4). @return 0 when it is NULL, invalid, of another unit or that of a 416 */
int rp_content_range_parse(const char *field, rp_part_t *part);

/** Nonzero when nothing is missing from it. */
int rp_part_is_whole(const rp_part_t *part);

/** Nonzero when all of range lies within part. */
int rp_part_covers(const rp_part_t *part, const rp_range_t *range);

/**
 * The one range that makes a part whole: what is behind it (missing->last is RP_LENGTH_UNKNOWN: to the end), or what
 * is before it.  @return 0 when there is none: it is whole, or lacks both its beginning and its end
 */
int rp_part_missing(const rp_part_t *part, rp_range_t *missing);

/** How an older part and a newer one make a larger one: some of the older, all of the newer, some of the older. */
typedef struct rp_splice_t {
    rp_part_t part;      /* what comes out */
    uint64_t before;     /* so many bytes from the older one's beginning */
    uint64_t after;      /* so many of its bytes ... */
    uint64_t after_from; /* ... from this offset in it to its end */
} rp_splice_t;

/**
 * Combine two parts of one representation (RFC 9111 §3.4).  That they are, by the same strong validator, is for the
 * caller to see to.
 * @return 0 when there is a gap between them, or they contradict each other about the complete length
 */
int rp_part_combine(const rp_part_t *old, const rp_part_t *fresh, rp_splice_t *splice);

#endif

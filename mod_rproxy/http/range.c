/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"

/* No position or length beyond this is told from it. */
#define MOST ((uint64_t)INT64_MAX)

typedef enum spec_e {
    SPEC_BAD,
    SPEC_UNSATISFIABLE,
    SPEC_UNKNOWN, /* ends where the representation does, and nobody knows where that is */
    SPEC_OK
} spec_e;

/* "-5": that many last bytes, or all when there are fewer (RFC 9110 §14.1.2). */
static spec_e read_suffix(rp_str_t digits, uint64_t complete, rp_range_t *range)
{
    uint64_t n;

    if (!rp_parse_uint(digits, MOST, &n)) {
        return SPEC_BAD;
    }
    if (n == 0) {
        return SPEC_UNSATISFIABLE;
    }
    if (complete == RP_LENGTH_UNKNOWN) {
        return SPEC_UNKNOWN;
    }
    range->first = n < complete ? complete - n : 0;
    range->last = complete - 1;
    return SPEC_OK;
}

static spec_e read_spec(rp_str_t spec, uint64_t complete, rp_range_t *range)
{
    const char *dash = memchr(spec.ptr, '-', spec.len);
    rp_str_t first, last;

    if (!dash) {
        return SPEC_BAD;
    }
    first = (rp_str_t){ spec.ptr, (size_t)(dash - spec.ptr) };
    last = (rp_str_t){ dash + 1, spec.len - first.len - 1 };
    if (first.len == 0) {
        return read_suffix(last, complete, range);
    }
    if (!rp_parse_uint(first, MOST, &range->first)
        || (last.len > 0 && (!rp_parse_uint(last, MOST, &range->last) || range->last < range->first))) {
        return SPEC_BAD;
    }
    if (range->first >= complete) {
        return SPEC_UNSATISFIABLE;
    }
    if (complete == RP_LENGTH_UNKNOWN) {
        return last.len > 0 ? SPEC_OK : SPEC_UNKNOWN;
    }
    if (last.len == 0 || range->last >= complete) {
        range->last = complete - 1;
    }
    return SPEC_OK;
}

rp_range_e rp_range_parse(const char *field, uint64_t complete, rp_range_t *range)
{
    static const char unit[] = "bytes=";
    rp_str_t list = { field, field ? strlen(field) : 0 };
    rp_range_e result = RP_RANGE_UNSATISFIABLE;
    rp_str_t spec;
    int specs = 0;

    if (list.len < sizeof(unit) - 1 || !rp_str_caseeq((rp_str_t){ field, sizeof(unit) - 1 }, RP_STR("bytes="))
        || complete == 0) {
        return RP_RANGE_NONE;
    }
    list.ptr += sizeof(unit) - 1;
    list.len -= sizeof(unit) - 1;
    /* Read to its end also when the outcome is clear: one spec that is none makes the field none. */
    for (; rp_list_next(&list, &spec); specs++) {
        rp_range_t one;

        switch (read_spec(spec, complete, &one)) {
        case SPEC_BAD:
            return RP_RANGE_NONE;
        case SPEC_UNSATISFIABLE:
            break;
        case SPEC_UNKNOWN:
            result = result == RP_RANGE_UNSATISFIABLE ? RP_RANGE_UNKNOWN : RP_RANGE_MANY;
            break;
        case SPEC_OK:
            result = result == RP_RANGE_UNSATISFIABLE ? RP_RANGE_ONE : RP_RANGE_MANY;
            *range = one;
            break;
        }
    }
    return specs > 0 ? result : RP_RANGE_NONE;
}

/* Take the digits up to end, and end itself, from the front of s. */
static int take_number(rp_str_t *s, char end, uint64_t *out)
{
    const char *at = memchr(s->ptr, end, s->len);
    rp_str_t digits;

    if (!at) {
        return 0;
    }
    digits = (rp_str_t){ s->ptr, (size_t)(at - s->ptr) };
    s->ptr = at + 1;
    s->len -= digits.len + 1;
    return rp_parse_uint(digits, MOST, out) && *out < MOST;
}

int rp_content_range_parse(const char *field, rp_part_t *part)
{
    rp_str_t s = rp_trim((rp_str_t){ field, field ? strlen(field) : 0 });

    if (s.len < 6 || !rp_str_caseeq((rp_str_t){ s.ptr, 6 }, RP_STR("bytes "))) {
        return 0;
    }
    s.ptr += 6;
    s.len -= 6;
    if (!take_number(&s, '-', &part->first) || !take_number(&s, '/', &part->last) || part->last < part->first) {
        return 0;
    }
    if (s.len == 1 && *s.ptr == '*') {
        part->complete = RP_LENGTH_UNKNOWN;
        return 1;
    }
    return rp_parse_uint(s, MOST, &part->complete) && part->complete < MOST && part->last < part->complete;
}

int rp_part_is_whole(const rp_part_t *part)
{
    return part->first == 0 && part->complete != RP_LENGTH_UNKNOWN && part->last == part->complete - 1;
}

int rp_part_covers(const rp_part_t *part, const rp_range_t *range)
{
    return part->first <= range->first && range->last <= part->last;
}

int rp_part_missing(const rp_part_t *part, rp_range_t *missing)
{
    if (part->first == 0) {
        missing->first = part->last + 1;
        missing->last = RP_LENGTH_UNKNOWN;
        return !rp_part_is_whole(part);
    }
    missing->first = 0;
    missing->last = part->first - 1;
    return part->complete != RP_LENGTH_UNKNOWN && part->last == part->complete - 1;
}

int rp_part_combine(const rp_part_t *old, const rp_part_t *fresh, rp_splice_t *splice)
{
    rp_part_t *whole = &splice->part;

    /* A gap between them. */
    if (fresh->first > old->last + 1 || old->first > fresh->last + 1) {
        return 0;
    }
    if (old->complete != fresh->complete && old->complete != RP_LENGTH_UNKNOWN
        && fresh->complete != RP_LENGTH_UNKNOWN) {
        return 0;
    }
    whole->first = old->first < fresh->first ? old->first : fresh->first;
    whole->last = old->last > fresh->last ? old->last : fresh->last;
    whole->complete = fresh->complete != RP_LENGTH_UNKNOWN ? fresh->complete : old->complete;
    if (whole->last >= whole->complete) {
        return 0;
    }
    splice->before = fresh->first - whole->first;
    splice->after = whole->last - fresh->last;
    splice->after_from = splice->after > 0 ? fresh->last + 1 - old->first : 0;
    return 1;
}

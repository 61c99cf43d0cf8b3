/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <apr_strings.h>

#include "cache/position.h"

rp_str_t rp_position_text(apr_pool_t *p, rp_position_t position)
{
    const char *text = apr_psprintf(p, "%" APR_UINT64_T_FMT "-%" APR_UINT64_T_FMT, (apr_uint64_t)position.ms,
                                    (apr_uint64_t)position.seq);

    return (rp_str_t){ text, strlen(text) };
}

int rp_position_parse(rp_str_t text, rp_position_t *position)
{
    const char *dash = memchr(text.ptr, '-', text.len);
    size_t before = dash ? (size_t)(dash - text.ptr) : 0;

    return dash && rp_parse_uint((rp_str_t){ text.ptr, before }, UINT64_MAX, &position->ms)
           && rp_parse_uint((rp_str_t){ dash + 1, text.len - before - 1 }, UINT64_MAX, &position->seq);
}

int rp_position_compare(rp_position_t a, rp_position_t b)
{
    uint64_t x = a.ms != b.ms ? a.ms : a.seq, y = a.ms != b.ms ? b.ms : b.seq;

    return x < y ? -1 : x > y;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** query.c, cookie.c: what of a request an operator makes a cache's key of.  A part of http.h, which includes it. */
#ifndef RP_QUERY_H
#define RP_QUERY_H

#include <apr_tables.h>

/**
 * Which parameters of a query make a difference.  Patterns have "*" and "?" as in file names.
 *
 * A parameter that is left out of a key is one that anybody may use to have a response of his stored for everybody
 * else.  So whatever is in doubt counts: what `only` names is compared decoded, without case and without what follows
 * a "[" (as in "id[]"), what `drop` names byte by byte; and a parameter with a ";" in it always counts, because some
 * backends see another parameter behind it.
 */
typedef struct rp_query_rules_t {
    int none;                       /* not one */
    const apr_array_header_t *only; /* of const char *: these; NULL: all */
    const apr_array_header_t *drop; /* of const char *: but not these; NULL: but none */
    int sort;                       /* in no matter which order; those of one name keep theirs */
} rp_query_rules_t;

/**
 * A query (without its "?"; NULL when there is none) as the key has it: a choice of its parameters as they came, none
 * decoded.  With a ";" anywhere, their order stays.
 * @return in p, or query itself; NULL when nothing is left of it
 */
const char *rp_query_choose(apr_pool_t *p, const rp_query_rules_t *rules, const char *query);

/**
 * The values of cookies in a request (RFC 6265 §5.4), in a form in which no two different ones are alike: a line for
 * each name, absent distinct from empty, all values of a cookie that is there several times.  Each begins with ";".
 * @param names  of const char *, as they are
 */
const char *rp_cookie_selection(apr_pool_t *p, const apr_array_header_t *names, const apr_table_t *request);

#endif

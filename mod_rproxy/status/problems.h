/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What is wrong now, in sentences, the worst first: what an operator has to know before anything else. */
#ifndef RP_PROBLEMS_H
#define RP_PROBLEMS_H

#include "status/figures.h"

typedef struct rp_problem_t {
    int is_error;     /* requests fail or go without what they should have; else it is a warning */
    const char *kind; /* a word for programs */
    const char *text;
} rp_problem_t;

/**
 * @param minute  what there was in the last minute
 * @return of rp_problem_t, in p
 */
apr_array_header_t *rp_problems(apr_pool_t *p, const rp_figures_t *figures, const rp_traffic_t *minute);

#endif

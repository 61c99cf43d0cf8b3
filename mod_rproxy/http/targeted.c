/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "http/http.h"
#include "http/cache_control.h"

/*
 * RFC 9213 §2.1: directives are a Dictionary's members, and their arguments have types.  A member of another type
 * than its directive's is not consumed, as others would not either; but one that restricts and can be read in both
 * of HTTP's own ways (private="Set-Cookie", private=Set-Cookie) is.
 */

static int takes_seconds(rp_directive_e directive)
{
    return directive == CC_MAX_AGE || directive == CC_S_MAXAGE || directive == CC_STALE_WHILE_REVALIDATE
           || directive == CC_STALE_IF_ERROR;
}

static int takes_names(rp_directive_e directive)
{
    return directive == CC_NO_CACHE || directive == CC_PRIVATE;
}

/** An Integer below 0 is of the right type and no delta-seconds: as in Cache-Control that is stale, not absent. */
static rp_cc_argument_t seconds_of(apr_pool_t *p, int64_t number)
{
    if (number < 0) {
        return (rp_cc_argument_t){RP_CC_BAD, {NULL, 0}};
    }
    const char *digits = apr_psprintf(p, "%" APR_INT64_T_FMT, (apr_int64_t)number);
    return (rp_cc_argument_t){RP_CC_GOOD, {digits, strlen(digits)}};
}

/** @return 0 when the member's type is not its directive's */
static int argument_of(apr_pool_t *p, rp_directive_e directive, const rp_sf_t *member, rp_cc_argument_t *argument)
{
    switch (member->type) {
    case RP_SF_INTEGER:
        *argument = seconds_of(p, member->number);
        return takes_seconds(directive);
    case RP_SF_STRING:
    case RP_SF_TOKEN:
        *argument = (rp_cc_argument_t){RP_CC_GOOD, member->text};
        return takes_names(directive);
    case RP_SF_BOOLEAN:
        *argument = (rp_cc_argument_t){RP_CC_NONE, {NULL, 0}};
        return member->number && !takes_seconds(directive);
    default:
        return 0;
    }
}

/** @return 0 when the field is absent, empty or invalid, which is the same (RFC 9213 §2.1) */
static int read_target(apr_pool_t *p, const apr_table_t *fields, const char *name, rp_cc_t *cc)
{
    const apr_array_header_t *members = rp_sf_dictionary_field(p, fields, name);
    if (!members || members->nelts == 0) {
        return 0;
    }
    rp_cc_begin(cc);
    cc->present = 1;
    for (int i = 0; i < members->nelts; i++) {
        const rp_sf_t *member = &APR_ARRAY_IDX(members, i, rp_sf_t);
        rp_directive_e directive = rp_cc_directive(member->key);
        rp_cc_argument_t argument;
        if (argument_of(p, directive, member, &argument)) {
            rp_cc_apply(p, cc, directive, &argument);
        }
    }
    return 1;
}

int rp_response_cc(apr_pool_t *p, const apr_table_t *fields, const char *const *targets, rp_cc_t *cc)
{
    for (; targets && *targets; targets++) {
        if (apr_table_get(fields, *targets) && read_target(p, fields, *targets, cc)) {
            return 1;
        }
    }
    rp_cc_parse(p, cc, apr_table_getm(p, fields, "Cache-Control"));
    return 0;
}

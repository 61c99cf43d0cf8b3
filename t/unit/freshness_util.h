/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the tests of freshness and of storing share. */
#ifndef FRESHNESS_UTIL_H
#define FRESHNESS_UTIL_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "http/http.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* 2024-06-15 12:00:00, when the responses of these tests arrive */
#define NOW ((rp_secs_t)1718452800)
#define HOUR 3600
#define DAY (24 * HOUR)

static apr_pool_t *pool;

/**
 * A response's fields, one "Name: value" a line; "Name: @n" stands for the HTTP-date n seconds after NOW.
 */
static apr_table_t *fields_of(const char *text)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    apr_table_t *fields = apr_table_make(pool, 8);
    char *line, *rest = apr_pstrdup(pool, text);
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *colon = strchr(line, ':');
        if (!colon) {
            continue;
        }
        char *value = colon + 1 + strspn(colon + 1, " ");
        *colon = '\0';
        if (*value == '@') {
            struct tm tm;
            time_t t = (time_t)(NOW + atoll(value + 1));
            gmtime_r(&t, &tm);
            value = apr_psprintf(pool, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday,
                                 tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                                 tm.tm_sec);
        }
        apr_table_addn(fields, line, value);
    }
    return fields;
}

static rp_response_facts_t response(int status, const char *fields)
{
    static const char *const targets[] = {"CDN-Cache-Control", NULL};
    rp_response_facts_t facts;
    memset(&facts, 0xa5, sizeof(facts));
    rp_response_facts(pool, &facts, status, fields_of(fields), targets, NOW, NOW);
    return facts;
}

static rp_cc_t directives(const char *value)
{
    rp_cc_t cc;
    rp_cc_parse(pool, &cc, value);
    return cc;
}

#endif

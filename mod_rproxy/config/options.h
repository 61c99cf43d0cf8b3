/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Values with units, and key=value options by table; private to config/ and its unit test. */
#ifndef RP_OPTIONS_H
#define RP_OPTIONS_H

#include <stddef.h>
#include <apr_pools.h>
#include <apr_time.h>

/** "250ms", "5s", "2m", "1h", "7d"; of bare numbers only 0, as nobody knows their unit. @return 1 or 0 */
int rp_parse_duration(const char *s, apr_interval_time_t *out);

/** "4096", "64K", "512M", "2G" (powers of 1024). @return 1 or 0 */
int rp_parse_size(const char *s, apr_uint64_t *out);

typedef enum rp_option_type_e {
    RP_OPT_INT,      /* int */
    RP_OPT_DURATION, /* apr_interval_time_t; bounds in microseconds */
    RP_OPT_SIZE,     /* apr_uint64_t */
    RP_OPT_FLAG,     /* int: on or off */
    RP_OPT_STRING    /* const char * */
} rp_option_type_e;

/**
 * A row: what may be written, where it goes, and what the reference says of it.  A table ends with a NULL
 * key; its rows stand in a .def file beside directives.def, for build/reference.c to read too.
 */
typedef struct rp_option_t {
    const char *key;
    rp_option_type_e type;
    apr_int64_t min, max;
    size_t offset;
    const char *dflt;     /* as it would be written; words when no value could be */
    const char *sentence; /* for the reference */
} rp_option_t;

/**
 * Read one "key=value" (a flag may stand alone for on) into target by its row in table.
 * @return NULL, or a message that names the option, the value and what is accepted, in p
 */
const char *rp_option_set(apr_pool_t *p, const rp_option_t *table, void *target, const char *word);

/** Set every option of table whose default is a value. */
void rp_option_defaults(const rp_option_t *table, void *target);

/** What may be written for an option, as messages and the reference say it; in p. */
const char *rp_option_accepts(apr_pool_t *p, const rp_option_t *option);

#endif

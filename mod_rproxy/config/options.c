/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "config/options.h"

typedef struct unit_t {
    const char *name;
    apr_int64_t factor;
} unit_t;

static const unit_t durations[] = {
    { "ms", 1000 }, { "s", APR_USEC_PER_SEC }, { "m", 60 * APR_USEC_PER_SEC },
    { "h", 3600 * APR_USEC_PER_SEC }, { "d", 86400 * APR_USEC_PER_SEC }, { NULL, 0 }
};

static const unit_t sizes[] = {
    { "", 1 }, { "K", 1024 }, { "M", 1024 * 1024 }, { "G", 1024 * 1024 * 1024 }, { NULL, 0 }
};

/* A decimal number followed by exactly one of the units. */
static int parse_with_unit(const char *s, const unit_t *units, apr_int64_t *out)
{
    char *end;
    long long n;

    if (!isdigit((unsigned char)*s)) {
        return 0;
    }
    errno = 0;
    n = strtoll(s, &end, 10);
    if (errno) {
        return 0;
    }
    for (; units->name; units++) {
        if (!strcasecmp(end, units->name)) {
            return !__builtin_mul_overflow((apr_int64_t)n, units->factor, out);
        }
    }
    return 0;
}

int rp_parse_duration(const char *s, apr_interval_time_t *out)
{
    /* 0 needs no unit. */
    if (!strcmp(s, "0")) {
        *out = 0;
        return 1;
    }
    return parse_with_unit(s, durations, out);
}

int rp_parse_size(const char *s, apr_uint64_t *out)
{
    apr_int64_t n;

    if (!parse_with_unit(s, sizes, &n)) {
        return 0;
    }
    *out = (apr_uint64_t)n;
    return 1;
}

static const char *format_duration(apr_pool_t *p, apr_int64_t us)
{
    const unit_t *best = durations;
    const unit_t *u;

    for (u = durations; u->name; u++) {
        if (us >= u->factor && us % u->factor == 0) {
            best = u;
        }
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT "%s", us / best->factor, best->name);
}

static const char *format_size(apr_pool_t *p, apr_int64_t n)
{
    const unit_t *best = sizes;
    const unit_t *u;

    for (u = sizes; u->name; u++) {
        if (n >= u->factor && n % u->factor == 0) {
            best = u;
        }
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT "%s", n / best->factor, best->name);
}

const char *rp_option_accepts(apr_pool_t *p, const rp_option_t *o)
{
    switch (o->type) {
    case RP_OPT_INT:
        return apr_psprintf(p, "a number from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT, o->min, o->max);
    case RP_OPT_DURATION:
        return apr_psprintf(p, "a duration with its unit (ms, s, m, h, d) from %s to %s",
                            format_duration(p, o->min), format_duration(p, o->max));
    case RP_OPT_SIZE:
        return apr_psprintf(p, "a size such as 64K, 512M or 2G, from %s to %s", format_size(p, o->min),
                            format_size(p, o->max));
    case RP_OPT_FLAG:
        return "on or off";
    default:
        return "a word";
    }
}

static int set_number(const rp_option_t *o, char *field, const char *value)
{
    apr_int64_t n = 0;
    apr_uint64_t size;

    if (o->type == RP_OPT_DURATION) {
        if (!rp_parse_duration(value, &n)) {
            return 0;
        }
    }
    else {
        if (!rp_parse_size(value, &size)
            || (o->type == RP_OPT_INT && !isdigit((unsigned char)value[strlen(value) - 1]))) {
            return 0;
        }
        n = (apr_int64_t)size;
    }
    if (n < o->min || n > o->max) {
        return 0;
    }
    if (o->type == RP_OPT_INT) {
        *(int *)field = (int)n;
    }
    else {
        *(apr_int64_t *)field = n;
    }
    return 1;
}

static int set_value(const rp_option_t *o, char *field, const char *value)
{
    switch (o->type) {
    case RP_OPT_FLAG:
        if (strcasecmp(value, "on") && strcasecmp(value, "off")) {
            return 0;
        }
        *(int *)field = !strcasecmp(value, "on");
        return 1;
    case RP_OPT_STRING:
        if (!*value) {
            return 0;
        }
        *(const char **)field = value;
        return 1;
    default:
        return set_number(o, field, value);
    }
}

static const char *known_keys(apr_pool_t *p, const rp_option_t *table)
{
    const char *keys = table->key;

    while ((++table)->key) {
        keys = apr_pstrcat(p, keys, ", ", table->key, NULL);
    }
    return keys;
}

const char *rp_option_set(apr_pool_t *p, const rp_option_t *table, void *target, const char *word)
{
    const char *eq = strchr(word, '=');
    const char *key = eq ? apr_pstrmemdup(p, word, (apr_size_t)(eq - word)) : word;
    const rp_option_t *o;

    for (o = table; o->key && strcasecmp(o->key, key); o++) {
    }
    if (!o->key) {
        return apr_psprintf(p, "unknown option '%s'; known are: %s", key, known_keys(p, table));
    }
    if (!eq && o->type != RP_OPT_FLAG) {
        return apr_psprintf(p, "option '%s' needs a value: write %s=VALUE with %s", key, o->key,
                            rp_option_accepts(p, o));
    }
    if (!set_value(o, (char *)target + o->offset, eq ? apr_pstrdup(p, eq + 1) : "on")) {
        return apr_psprintf(p, "%s=%s is not accepted; write %s", o->key, eq ? eq + 1 : "",
                            rp_option_accepts(p, o));
    }
    return NULL;
}

void rp_option_defaults(const rp_option_t *table, void *target)
{
    const rp_option_t *o;

    for (o = table; o->key; o++) {
        /* What is told in words (every string's, for which NULL stands) leaves the field as it is. */
        if (o->type != RP_OPT_STRING) {
            set_value(o, (char *)target + o->offset, o->dflt);
        }
    }
}

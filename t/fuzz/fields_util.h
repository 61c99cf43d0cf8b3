/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What fuzz targets of whole sets of fields share: fields as text, one "Name: value" a line. */
#ifndef FIELDS_UTIL_H
#define FIELDS_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

/** Only what httpd and rp_head_parse() let through: names that are tokens, values without control bytes. */
static apr_table_t *fields_of(char **text)
{
    apr_table_t *fields = apr_table_make(pool, 8);
    char *line;
    while ((line = strsep(text, "\n")) != NULL && *line) {
        char *colon = strchr(line, ':');
        if (!colon) {
            continue;
        }
        rp_str_t name = {line, (size_t)(colon - line)};
        rp_str_t value = rp_trim((rp_str_t){colon + 1, strlen(colon + 1)});
        if (rp_is_token(name) && rp_is_field_value(value)) {
            apr_table_addn(fields, apr_pstrmemdup(pool, name.ptr, name.len),
                           apr_pstrmemdup(pool, value.ptr, value.len));
        }
    }
    return fields;
}

static int lines_of(const apr_table_t *fields)
{
    return apr_table_elts(fields)->nelts;
}

#endif

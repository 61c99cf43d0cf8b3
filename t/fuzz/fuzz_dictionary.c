/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The fields of dictionaries: what is read of any bytes is what the rules allow, and comes back from its own text. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    apr_initialize();
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static void check_use(const char *field)
{
    apr_table_t *fields = apr_table_make(pool, 1);
    rp_dictionary_use_t use, again;

    apr_table_setn(fields, "Use-As-Dictionary", field);
    if (!rp_dictionary_use(pool, fields, &use)) {
        return;
    }
    CHECK(*use.match && strlen(use.id) <= RP_DICTIONARY_ID_MAX);
    apr_table_setn(fields, "Use-As-Dictionary", apr_pstrcat(pool, "match=", rp_sf_string(pool, use.match), ", id=",
                                                            rp_sf_string(pool, use.id), NULL));
    CHECK(rp_dictionary_use(pool, fields, &again) && !strcmp(use.match, again.match) && !strcmp(use.id, again.id));
}

static void check_available(const char *field)
{
    apr_table_t *fields = apr_table_make(pool, 2);
    unsigned char hash[RP_DICTIONARY_HASH], again[RP_DICTIONARY_HASH];
    const char *id;

    apr_table_setn(fields, "Available-Dictionary", field);
    apr_table_setn(fields, "Dictionary-ID", field);
    if (rp_dictionary_available(pool, fields, hash)) {
        CHECK(strchr(field, ':'));
        apr_table_setn(fields, "Available-Dictionary", apr_pstrcat(pool, field, " ", NULL));
        CHECK(rp_dictionary_available(pool, fields, again) && !memcmp(hash, again, sizeof(hash)));
    }
    id = rp_dictionary_id(pool, fields);
    CHECK(!id || (strlen(id) <= RP_DICTIONARY_ID_MAX && strchr(field, '"')));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *field = apr_pstrmemdup(pool, (const char *)data, size);

    check_use(field);
    check_available(field);
    apr_pool_clear(pool);
    return 0;
}

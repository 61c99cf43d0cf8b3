/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Whatever the field says, what is chosen is named in it and not refused, and empty elements make no difference.
 * The same bytes as entity tags: what rp_encode_etag() adds, the translation for a backend takes away. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "encode/encode.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static apr_pool_t *pool;
static const rp_coding_e prefer[] = {RP_CODING_ZSTD, RP_CODING_BR, RP_CODING_GZIP};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static rp_coding_e choose(const char *field)
{
    return rp_accept_encoding(field, prefer, 3);
}

static void check_choice(const char *field)
{
    rp_coding_e chosen = choose(field);
    CHECK(chosen >= RP_CODING_IDENTITY && chosen < RP_NCODINGS);
    CHECK(rp_accept_encoding(field, prefer, 0) == RP_CODING_IDENTITY);
    CHECK(rp_accept_encoding(field, &chosen, chosen != RP_CODING_IDENTITY) == chosen);
    if (chosen == RP_CODING_IDENTITY) {
        return;
    }
    /* A coding is named, or stood for. */
    const char *name = rp_coding_name(chosen);
    CHECK(strcasestr(field, name) || strchr(field, '*'));
    if (strchr(field, '"')) {
        return; /* what is added below could end up inside a quoted-string */
    }
    /* Refused once more, it is not chosen; empty elements and blanks change nothing. */
    CHECK(choose(apr_pstrcat(pool, field, ",", name, ";q=0", NULL)) != chosen);
    CHECK(choose(apr_pstrcat(pool, name, ";q=0,", field, NULL)) != chosen);
    CHECK(choose(apr_pstrcat(pool, ", ,", field, "\t, ,", NULL)) == chosen);
}

static void check_validators(const char *field)
{
    for (int known = 0; known < 2; known++) {
        const char *coded = rp_encode_etag(pool, field, RP_CODING_GZIP, known ? "0123456789ab" : NULL);
        if (!coded) {
            break;
        }
        apr_table_t *request = apr_table_make(pool, 2);
        apr_table_setn(request, "If-None-Match", coded);
        const char *held = rp_encode_held(pool, coded, field, RP_CODING_GZIP);
        CHECK(held && !strcmp(held, coded));
        rp_encode_strip_validators(pool, request, RP_CODING_GZIP);
        const char *back = apr_table_get(request, "If-None-Match");
        CHECK(back && strstr(field, back));
    }

    apr_table_t *request = apr_table_make(pool, 2);
    apr_table_setn(request, "If-None-Match", field);
    apr_table_setn(request, "If-Match", field);
    rp_encode_strip_validators(pool, request, RP_CODING_IDENTITY);
    const char *none = apr_table_get(request, "If-None-Match");
    const char *match = apr_table_get(request, "If-Match");
    CHECK(match && strlen(match) <= 2 * strlen(field));
    CHECK(!none || strlen(none) <= 2 * strlen(field));
    CHECK(!rp_encode_held(pool, field, NULL, RP_CODING_IDENTITY));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *field = malloc(size + 1);
    memcpy(field, data, size);
    field[size] = '\0';

    check_choice(field);
    check_validators(field);

    free(field);
    apr_pool_clear(pool);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Structured Fields: the input is 'i', 'l' or 'd' and a field's value.  What could be read can be written, and read
 * again as the same. */

#include <stdio.h>
#include <apr_general.h>

#include "../unit/structured_util.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096) {
        return 0;
    }
    char what = *(const char *)data;
    /* A copy of its own: reading beyond its end is seen. */
    char *value = malloc(size);
    memcpy(value, data + 1, size - 1);
    const char *text = text_again(pool, what, (rp_str_t){value, size - 1});
    free(value);
    if (text) {
        const char *again = text_again(pool, what, (rp_str_t){text, strlen(text)});
        CHECK(again && strcmp(again, text) == 0);
    }
    apr_pool_clear(pool);
    return 0;
}

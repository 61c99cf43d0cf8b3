/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* A backend's gzip, whatever its bytes: cut anywhere it comes to the same, and never to more than its bound. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "encode/codec.h"
#include "encode/encode.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static apr_pool_t *pool;

typedef struct sum_t {
    size_t len;
    uint64_t hash;
} sum_t;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    apr_initialize();
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static apr_status_t add(void *ctx, const char *data, apr_size_t len)
{
    sum_t *sum = ctx;

    CHECK(len > 0 && len <= RP_CODEC_PIECE);
    for (apr_size_t i = 0; i < len; i++) {
        sum->hash = sum->hash * 31 + (unsigned char)data[i];
    }
    sum->len += len;
    return APR_SUCCESS;
}

static apr_status_t undo(const uint8_t *data, size_t size, size_t cut, sum_t *sum)
{
    rp_codec_how_t how = {.level = 0, .size = -1};
    rp_encoder_t *undoing = rp_encoder_open(pool, RP_UNGZIP, &how, add, sum);
    apr_status_t rv;

    CHECK(undoing);
    rv = rp_encoder_run(undoing, RP_CODEC_GO, (const char *)data, cut);
    rv = rv == APR_SUCCESS ? rp_encoder_run(undoing, RP_CODEC_FLUSH, (const char *)data + cut, size - cut) : rv;
    rv = rv == APR_SUCCESS ? rp_encoder_run(undoing, RP_CODEC_FINISH, NULL, 0) : rv;
    rp_encoder_close(undoing);
    return rv;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sum_t whole = {0, 0}, cut = {0, 0};
    apr_status_t rv = undo(data, size, size, &whole);

    CHECK(undo(data, size, size ? data[0] % size : 0, &cut) == rv);
    CHECK(rv != APR_SUCCESS || (whole.len == cut.len && whole.hash == cut.hash));
    apr_pool_clear(pool);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Brotli (RFC 7932).  libbrotlienc cannot reset an encoder, so what is kept from one stream to the next is
 * not the encoder but its memory: large blocks that an encoder frees are lent to the next one.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <brotli/encode.h>
#if HAVE_BROTLI_DICTIONARIES
#include <brotli/shared_dictionary.h>
#endif

#include "encode/codec.h"

/* A window of 512 KiB covers most web resources whole; each step up doubles an encoder's memory. */
#define BR_WINDOW_BITS 19
#define BR_WINDOW_BITS_THOROUGH BROTLI_MAX_WINDOW_BITS

/* Smaller blocks are malloc's business. */
#define BR_SPARE_LEAST 4096
#define BR_SPARES 16
#define BR_SPARE_TOTAL (8u * 1024 * 1024)

/** In front of each block lent to libbrotlienc. */
typedef union block_t {
    size_t size;
    max_align_t align;
} block_t;

typedef struct br_t {
    int level;
    BrotliEncoderState *encoder; /* NULL between streams */
#if HAVE_BROTLI_DICTIONARIES
    BrotliEncoderPreparedDictionary *prepared; /* of the stream in hand, or NULL */
#endif
    size_t spare_total;
    int nspares;
    block_t *spares[BR_SPARES];
} br_t;

/** The smallest spare block that holds size without wasting more than half of itself, or -1. */
static int find_spare(const br_t *br, size_t size)
{
    int best = -1;
    for (int i = 0; i < br->nspares; i++) {
        size_t has = br->spares[i]->size;
        if (has >= size && has / 2 <= size && (best < 0 || has < br->spares[best]->size)) {
            best = i;
        }
    }
    return best;
}

static void *br_alloc(void *opaque, size_t size)
{
    br_t *br = opaque;
    int i = find_spare(br, size);
    if (i >= 0) {
        block_t *block = br->spares[i];
        br->spare_total -= block->size;
        br->spares[i] = br->spares[--br->nspares];
        return block + 1;
    }
    block_t *block = size < SIZE_MAX - sizeof(*block) ? malloc(sizeof(*block) + size) : NULL;
    if (!block) {
        return NULL;
    }
    block->size = size;
    return block + 1;
}

static void br_free(void *opaque, void *address)
{
    br_t *br = opaque;
    if (!address) {
        return;
    }
    block_t *block = (block_t *)address - 1;
    if (block->size < BR_SPARE_LEAST || br->nspares == BR_SPARES
        || block->size > BR_SPARE_TOTAL - br->spare_total) {
        free(block);
        return;
    }
    br->spares[br->nspares++] = block;
    br->spare_total += block->size;
}

static void *br_create(int level)
{
    br_t *br = calloc(1, sizeof(*br));
    if (br) {
        br->level = level;
    }
    return br;
}

static void br_end(void *state)
{
    br_t *br = state;
    BrotliEncoderDestroyInstance(br->encoder);
    br->encoder = NULL;
#if HAVE_BROTLI_DICTIONARIES
    BrotliEncoderDestroyPreparedDictionary(br->prepared);
    br->prepared = NULL;
#endif
}

static uint32_t window_bits(apr_off_t size, uint32_t most)
{
    uint32_t bits = BROTLI_MIN_WINDOW_BITS;
    while (bits < most && (size < 0 || (apr_off_t)1 << bits < size)) {
        bits++;
    }
    return bits;
}

/** Let the encoder refer to a dictionary. */
static int attach(br_t *br, const rp_dictionary_t *dictionary)
{
#if HAVE_BROTLI_DICTIONARIES
    br->prepared = BrotliEncoderPrepareDictionary(BROTLI_SHARED_DICTIONARY_RAW, dictionary->bytes.len,
                                                  (const uint8_t *)dictionary->bytes.ptr, br->level, NULL, NULL, NULL);
    return br->prepared && BrotliEncoderAttachPreparedDictionary(br->encoder, br->prepared);
#else
    (void)br;
    (void)dictionary;
    return 0;
#endif
}

static int br_begin(void *state, const rp_codec_how_t *how)
{
    br_t *br = state;
    apr_off_t size = how->size;
    br_end(br);
    br->encoder = BrotliEncoderCreateInstance(br_alloc, br_free, br);
    if (!br->encoder) {
        return 0;
    }
    if (size > 0) {
        uint32_t hint = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
        BrotliEncoderSetParameter(br->encoder, BROTLI_PARAM_SIZE_HINT, hint);
    }
    if (how->dictionary && !attach(br, how->dictionary)) {
        return 0;
    }
    return BrotliEncoderSetParameter(br->encoder, BROTLI_PARAM_QUALITY, (uint32_t)br->level)
        && BrotliEncoderSetParameter(br->encoder, BROTLI_PARAM_LGWIN,
                                     window_bits(size, how->thorough ? BR_WINDOW_BITS_THOROUGH : BR_WINDOW_BITS));
}

/** Hand out what the encoder holds ready; *any is set when there was something. */
static apr_status_t drain(br_t *br, rp_codec_out_fn out, void *ctx, int *any)
{
    while (BrotliEncoderHasMoreOutput(br->encoder)) {
        size_t len = RP_CODEC_PIECE;
        const uint8_t *data = BrotliEncoderTakeOutput(br->encoder, &len);
        *any = 1;
        apr_status_t rv = out(ctx, (const char *)data, len);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

static apr_status_t br_run(void *state, rp_codec_op_e op, const char *data, apr_size_t len,
                           rp_codec_out_fn out, void *ctx)
{
    static const BrotliEncoderOperation operations[] = {
        [RP_CODEC_GO] = BROTLI_OPERATION_PROCESS,
        [RP_CODEC_FLUSH] = BROTLI_OPERATION_FLUSH,
        [RP_CODEC_FINISH] = BROTLI_OPERATION_FINISH,
    };
    br_t *br = state;
    const uint8_t *next = (const uint8_t *)data;
    size_t room = 0; /* none of ours: output is taken from the encoder's own buffer */
    int any;
    do {
        any = 0;
        if (!BrotliEncoderCompressStream(br->encoder, operations[op], &len, &next, &room, NULL, NULL)) {
            return RP_CODEC_FAILED;
        }
        apr_status_t rv = drain(br, out, ctx, &any);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        /* An operation is complete when another round makes nothing more. */
    } while (len > 0 || any);
    return op != RP_CODEC_FINISH || BrotliEncoderIsFinished(br->encoder) ? APR_SUCCESS : RP_CODEC_FAILED;
}

static void br_destroy(void *state)
{
    br_t *br = state;
    br_end(br);
    while (br->nspares > 0) {
        free(br->spares[--br->nspares]);
    }
    free(br);
}

const rp_codec_t rp_codec_br = {
    .name = "br",
    .level_min = BROTLI_MIN_QUALITY,
    .level_max = BROTLI_MAX_QUALITY,
    .level_default = 5,
    .create = br_create,
    .begin = br_begin,
    .run = br_run,
    .end = br_end,
    .destroy = br_destroy,
};

/* RFC 9842 §4; libbrotli has dictionaries from 1.1 on. */
const rp_codec_t rp_codec_dcb = {
    .name = "dcb",
    .magic = {"\xff" "DCB", 4},
    .level_min = 2, /* the two below know no dictionaries */
    .level_max = BROTLI_MAX_QUALITY,
    .level_default = 5,
#if HAVE_BROTLI_DICTIONARIES
    .create = br_create,
#endif
    .begin = br_begin,
    .run = br_run,
    .end = br_end,
    .destroy = br_destroy,
};

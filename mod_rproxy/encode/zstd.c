/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Zstandard (RFC 8878).  As a content coding its window is at most 8 MiB (RFC 9659 §3); ours is smaller,
 * because each stream in flight holds a window's worth of memory.
 */

#include <stdlib.h>
#include <zstd.h>

#include "encode/codec.h"

/* 1 MiB. */
#define ZSTD_WINDOW_BITS 20
#define ZSTD_WINDOW_BITS_THOROUGH 23
#define ZSTD_WINDOW_BITS_LEAST 10

typedef struct zstd_t {
    ZSTD_CCtx *encoder;
    rp_str_t pad; /* to go out behind everything else */
    int level;
    char piece[RP_CODEC_PIECE];
} zstd_t;

static void *zstd_create(int level)
{
    zstd_t *zstd = malloc(sizeof(*zstd));
    if (!zstd) {
        return NULL;
    }
    zstd->level = level;
    zstd->encoder = ZSTD_createCCtx();
    if (!zstd->encoder) {
        free(zstd);
        return NULL;
    }
    return zstd;
}

static int window_bits(apr_off_t size, int most)
{
    int bits = ZSTD_WINDOW_BITS_LEAST;
    while (bits < most && (size < 0 || (apr_off_t)1 << bits < size)) {
        bits++;
    }
    return bits;
}

/** A window that reaches from the body's end to the dictionary's beginning, where it may. */
static int bits_for(const rp_codec_how_t *how)
{
    apr_off_t before = how->dictionary ? (apr_off_t)how->dictionary->bytes.len : 0;
    int most = how->thorough || before ? ZSTD_WINDOW_BITS_THOROUGH : ZSTD_WINDOW_BITS;

    if (how->size > (apr_off_t)1 << most) {
        return most;
    }
    /* A body of unknown length gets as much again as the dictionary is long. */
    return window_bits(how->size >= 0 ? how->size + before : before ? 2 * before : -1, most);
}

static int zstd_begin(void *state, const rp_codec_how_t *how)
{
    zstd_t *zstd = state;
    const rp_dictionary_t *dictionary = how->dictionary;
    zstd->pad = how->pad;
    /* The size is a guess, so it is not pledged to libzstd, which would fail when it proves wrong. */
    return !ZSTD_isError(ZSTD_CCtx_reset(zstd->encoder, ZSTD_reset_session_and_parameters))
        && !ZSTD_isError(ZSTD_CCtx_setParameter(zstd->encoder, ZSTD_c_compressionLevel, zstd->level))
        && !ZSTD_isError(ZSTD_CCtx_setParameter(zstd->encoder, ZSTD_c_windowLog, bits_for(how)))
        /* Its bytes alone count, whatever they begin with. */
        && (!dictionary || !ZSTD_isError(ZSTD_CCtx_refPrefix(zstd->encoder, dictionary->bytes.ptr, dictionary->bytes.len)));
}

/** A frame that decoders skip (RFC 8878 §3.1.2). */
static apr_status_t put_pad(zstd_t *zstd, rp_codec_out_fn out, void *ctx)
{
    unsigned char head[8] = {0x50, 0x2a, 0x4d, 0x18, (unsigned char)zstd->pad.len, (unsigned char)(zstd->pad.len >> 8), 0, 0};
    rp_str_t pad = zstd->pad;
    zstd->pad.len = 0;
    apr_status_t rv = out(ctx, (const char *)head, sizeof(head));
    return rv == APR_SUCCESS ? out(ctx, pad.ptr, pad.len) : rv;
}

static apr_status_t zstd_run(void *state, rp_codec_op_e op, const char *data, apr_size_t len,
                             rp_codec_out_fn out, void *ctx)
{
    static const ZSTD_EndDirective directives[] = {
        [RP_CODEC_GO] = ZSTD_e_continue, [RP_CODEC_FLUSH] = ZSTD_e_flush, [RP_CODEC_FINISH] = ZSTD_e_end
    };
    zstd_t *zstd = state;
    ZSTD_inBuffer in = {data, len, 0};
    int done;
    do {
        ZSTD_outBuffer piece = {zstd->piece, sizeof(zstd->piece), 0};
        size_t left = ZSTD_compressStream2(zstd->encoder, &piece, &in, directives[op]);
        if (ZSTD_isError(left)) {
            return RP_CODEC_FAILED;
        }
        apr_status_t rv = piece.pos ? out(ctx, zstd->piece, piece.pos) : APR_SUCCESS;
        if (rv != APR_SUCCESS) {
            return rv;
        }
        done = op == RP_CODEC_GO ? in.pos == in.size : left == 0;
    } while (!done);
    /* Behind the frame: not every decoder expects one that is skipped in front. */
    return op == RP_CODEC_FINISH && zstd->pad.len > 0 ? put_pad(zstd, out, ctx) : APR_SUCCESS;
}

static void zstd_destroy(void *state)
{
    zstd_t *zstd = state;
    ZSTD_freeCCtx(zstd->encoder);
    free(zstd);
}

const rp_codec_t rp_codec_zstd = {
    .name = "zstd",
    .level_min = 1,
    .level_max = RP_CODEC_LEVELS - 1,
    .level_default = 3,
    .create = zstd_create,
    .begin = zstd_begin,
    .run = zstd_run,
    .destroy = zstd_destroy,
};

/* RFC 9842 §5: the hash lies in a frame that decoders skip. */
const rp_codec_t rp_codec_dcz = {
    .name = "dcz",
    .magic = {"\x5e\x2a\x4d\x18\x20\0\0\0", 8},
    .level_min = 1,
    .level_max = RP_CODEC_LEVELS - 1,
    .level_default = 3,
    .create = zstd_create,
    .begin = zstd_begin,
    .run = zstd_run,
    .destroy = zstd_destroy,
};

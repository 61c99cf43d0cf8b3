/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>
#include <zlib.h>

#include "encode/codec.h"

/* Asks zlib for RFC 1952's header and trailer around deflate with its full window of 32 KiB. */
#define GZIP_WINDOW_BITS (16 + MAX_WBITS)
/* zlib's own default. */
#define GZIP_MEM_LEVEL 8
/* zlib counts input in an unsigned int. */
#define GZIP_MAX_INPUT ((apr_size_t)1 << 30)

typedef struct gzip_t {
    z_stream stream;
    gz_header header; /* in use when there is something to pass over */
    char piece[RP_CODEC_PIECE];
} gzip_t;

static void *gzip_create(int level)
{
    gzip_t *gzip = malloc(sizeof(*gzip));
    if (!gzip) {
        return NULL;
    }
    gzip->stream = (z_stream){0};
    if (deflateInit2(&gzip->stream, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY)
        != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

static int gzip_begin(void *state, const rp_codec_how_t *how)
{
    gzip_t *gzip = state;
    if (deflateReset(&gzip->stream) != Z_OK) {
        return 0;
    }
    if (how->pad.len == 0) {
        return 1;
    }
    /* Two letters and a length, as a subfield has (RFC 1952 §2.3.1.1), are the caller's random bytes as well. */
    gzip->header = (gz_header){.os = 255, .extra = (Bytef *)how->pad.ptr, .extra_len = (uInt)how->pad.len};
    return deflateSetHeader(&gzip->stream, &gzip->header) == Z_OK;
}

/** Feed what zlib can count, and drain it with the given flush. */
static apr_status_t gzip_feed(gzip_t *gzip, int flush, const char *data, apr_size_t len,
                              rp_codec_out_fn out, void *ctx)
{
    z_stream *z = &gzip->stream;
    int rc;
    z->next_in = (z_const Bytef *)data;
    z->avail_in = (uInt)len;
    do {
        z->next_out = (Bytef *)gzip->piece;
        z->avail_out = sizeof(gzip->piece);
        rc = deflate(z, flush);
        /*
         * Z_BUF_ERROR: there was nothing to do, for instance when the last piece had ended exactly with a
         * flush
         */
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            return RP_CODEC_FAILED;
        }
        apr_size_t made = sizeof(gzip->piece) - z->avail_out;
        apr_status_t rv = made ? out(ctx, gzip->piece, made) : APR_SUCCESS;
        if (rv != APR_SUCCESS) {
            return rv;
        }
    } while (z->avail_out == 0 && rc != Z_STREAM_END);
    int done = flush == Z_FINISH ? rc == Z_STREAM_END : z->avail_in == 0;
    return done ? APR_SUCCESS : RP_CODEC_FAILED;
}

static apr_status_t gzip_run(void *state, rp_codec_op_e op, const char *data, apr_size_t len,
                             rp_codec_out_fn out, void *ctx)
{
    static const int flushes[] = {
        [RP_CODEC_GO] = Z_NO_FLUSH, [RP_CODEC_FLUSH] = Z_SYNC_FLUSH, [RP_CODEC_FINISH] = Z_FINISH
    };
    while (len > GZIP_MAX_INPUT) {
        apr_status_t rv = gzip_feed(state, Z_NO_FLUSH, data, GZIP_MAX_INPUT, out, ctx);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        data += GZIP_MAX_INPUT;
        len -= GZIP_MAX_INPUT;
    }
    return gzip_feed(state, flushes[op], data, len, out, ctx);
}

static void gzip_destroy(void *state)
{
    gzip_t *gzip = state;
    deflateEnd(&gzip->stream);
    free(gzip);
}

const rp_codec_t rp_codec_gzip = {
    .name = "gzip",
    .level_min = 1,
    .level_max = 9,
    .level_default = 6,
    .create = gzip_create,
    .begin = gzip_begin,
    .run = gzip_run,
    .destroy = gzip_destroy,
};

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * From gzip (RFC 1952) to the bytes as they are, in the form of a codec, so that a backend's gzip goes the way that all
 * responses go.  What it may unpack to is bounded.
 */

#include <stdlib.h>
#include <zlib.h>

#include "encode/codec.h"

/* Asks zlib for RFC 1952's header and trailer. */
#define UNGZIP_WINDOW_BITS (16 + MAX_WBITS)
/* zlib counts input in an unsigned int. */
#define UNGZIP_MAX_INPUT ((apr_size_t)1 << 30)

/* Deflate reaches 1032 to 1 with endless zeros.  Logs reach 100; what goes beyond this is meant to hurt. */
#define UNGZIP_RATIO 250
/* No ratio is asked for up to here, ... */
#define UNGZIP_UNASKED ((apr_uint64_t)8 * 1024 * 1024)
/* ... and nothing is unpacked to more than this. */
#define UNGZIP_MOST ((apr_uint64_t)1024 * 1024 * 1024)

typedef struct ungzip_t {
    z_stream stream;
    int between;  /* at a member's end: another may follow (RFC 1952 §2.2) */
    int over;     /* what follows is no member: to be passed over, as gzip does */
    int any;      /* there was a whole member */
    apr_uint64_t in, made;
    char piece[RP_CODEC_PIECE];
} ungzip_t;

static void *ungzip_create(int level)
{
    ungzip_t *ungzip = calloc(1, sizeof(*ungzip));
    (void)level;
    if (ungzip && inflateInit2(&ungzip->stream, UNGZIP_WINDOW_BITS) != Z_OK) {
        free(ungzip);
        return NULL;
    }
    return ungzip;
}

static int ungzip_begin(void *state, const rp_codec_how_t *how)
{
    ungzip_t *ungzip = state;
    (void)how;
    ungzip->between = ungzip->over = ungzip->any = 0;
    ungzip->in = ungzip->made = 0;
    return inflateReset(&ungzip->stream) == Z_OK;
}

static int is_too_much(const ungzip_t *ungzip)
{
    return ungzip->made > UNGZIP_MOST
           || (ungzip->made > UNGZIP_UNASKED && ungzip->made / UNGZIP_RATIO > ungzip->in);
}

/** A member is over: begin the next one, when there is one. */
static int begin_member(ungzip_t *ungzip)
{
    const z_stream *z = &ungzip->stream;

    ungzip->between = 0;
    ungzip->over = *z->next_in != 0x1f;
    return ungzip->over || inflateReset(&ungzip->stream) == Z_OK;
}

/** Unpack what there is, as far as the stream goes. */
static apr_status_t unpack(ungzip_t *ungzip, rp_codec_out_fn out, void *ctx)
{
    z_stream *z = &ungzip->stream;
    int rc;

    do {
        if (ungzip->between && (z->avail_in == 0 || !begin_member(ungzip))) {
            return z->avail_in == 0 ? APR_SUCCESS : RP_CODEC_FAILED;
        }
        if (ungzip->over) {
            return APR_SUCCESS;
        }
        z->next_out = (Bytef *)ungzip->piece;
        z->avail_out = sizeof(ungzip->piece);
        rc = inflate(z, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            return RP_CODEC_FAILED;
        }
        apr_size_t made = sizeof(ungzip->piece) - z->avail_out;
        ungzip->made += made;
        if (is_too_much(ungzip)) {
            return RP_CODEC_FAILED;
        }
        apr_status_t rv = made ? out(ctx, ungzip->piece, made) : APR_SUCCESS;
        if (rv != APR_SUCCESS) {
            return rv;
        }
        ungzip->between = rc == Z_STREAM_END;
        ungzip->any |= ungzip->between;
    } while (z->avail_in > 0 || z->avail_out == 0);
    return APR_SUCCESS;
}

static apr_status_t ungzip_run(void *state, rp_codec_op_e op, const char *data, apr_size_t len, rp_codec_out_fn out,
                               void *ctx)
{
    ungzip_t *ungzip = state;
    apr_status_t rv = APR_SUCCESS;

    while (len > 0 && rv == APR_SUCCESS) {
        apr_size_t some = len < UNGZIP_MAX_INPUT ? len : UNGZIP_MAX_INPUT;

        ungzip->stream.next_in = (z_const Bytef *)data;
        ungzip->stream.avail_in = (uInt)some;
        ungzip->in += some;
        rv = unpack(ungzip, out, ctx);
        data += some;
        len -= some;
    }
    if (rv != APR_SUCCESS || op != RP_CODEC_FINISH) {
        return rv;
    }
    /* Nothing at all is nothing unpacked; a member that is not whole is a response that broke off. */
    return ungzip->in == 0 || (ungzip->any && (ungzip->between || ungzip->over)) ? APR_SUCCESS : RP_CODEC_FAILED;
}

static void ungzip_destroy(void *state)
{
    ungzip_t *ungzip = state;
    inflateEnd(&ungzip->stream);
    free(ungzip);
}

const rp_codec_t rp_codec_ungzip = {
    .name = "plain",
    .create = ungzip_create,
    .begin = ungzip_begin,
    .run = ungzip_run,
    .destroy = ungzip_destroy,
};

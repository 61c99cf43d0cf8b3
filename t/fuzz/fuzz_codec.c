/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Any sequence of writes and flushes decodes to what was written, after each flush and at the end, also with
 * encoders that were used before.  The first two bytes choose coding and level; then each byte is how long a write
 * is, its lowest bit a flush after it; the text is made of the input itself, over and over. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "encode/codec.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

#define MOST (64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static apr_pool_t *pool;

static rp_dictionary_t dictionary;
static char coded[8 * MOST];
static size_t coded_len;
static char text[MOST];
static char plain[MOST + 1];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static apr_status_t collect(void *ctx, const char *data, apr_size_t len)
{
    (void)ctx;
    CHECK(len > 0 && len <= RP_CODEC_PIECE && len <= sizeof(coded) - coded_len);
    memcpy(coded + coded_len, data, len);
    coded_len += len;
    return APR_SUCCESS;
}

static size_t decode_gzip(int *ended)
{
    z_stream z = {.next_in = (unsigned char *)coded, .avail_in = (unsigned)coded_len,
                  .next_out = (unsigned char *)plain, .avail_out = sizeof(plain)};
    CHECK(inflateInit2(&z, 16 + MAX_WBITS) == Z_OK);
    int rc = inflate(&z, Z_SYNC_FLUSH);
    CHECK(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
    *ended = rc == Z_STREAM_END;
    inflateEnd(&z);
    return sizeof(plain) - z.avail_out;
}

static size_t decode_br(int *ended)
{
    BrotliDecoderState *br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const uint8_t *in = (const uint8_t *)coded;
    size_t in_len = coded_len;
    uint8_t *out = (uint8_t *)plain;
    size_t room = sizeof(plain);
    BrotliDecoderResult rc = BrotliDecoderDecompressStream(br, &in_len, &in, &room, &out, NULL);
    CHECK(rc != BROTLI_DECODER_RESULT_ERROR);
    *ended = rc == BROTLI_DECODER_RESULT_SUCCESS;
    BrotliDecoderDestroyInstance(br);
    return sizeof(plain) - room;
}

static size_t decode_zstd(const rp_dictionary_t *with, int *ended)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    ZSTD_inBuffer in = {coded, coded_len, 0};
    if (with) {
        CHECK(coded_len >= 40 && !memcmp(coded + 8, with->hash, sizeof(with->hash)));
        in.pos = 40;
        ZSTD_DCtx_refPrefix(zstd, with->bytes.ptr, with->bytes.len);
    }
    ZSTD_outBuffer out = {plain, sizeof(plain), 0};
    size_t rc = ZSTD_decompressStream(zstd, &out, &in);
    while (!ZSTD_isError(rc) && in.pos < in.size) {
        rc = ZSTD_decompressStream(zstd, &out, &in);
    }
    CHECK(!ZSTD_isError(rc));
    *ended = rc == 0;
    ZSTD_freeDCtx(zstd);
    return out.pos;
}

static void check_decoded(rp_coding_e coding, size_t len, int at_end)
{
    int ended = 0;
    size_t got = coding == RP_CODING_GZIP ? decode_gzip(&ended)
               : coding == RP_CODING_BR   ? decode_br(&ended)
                                          : decode_zstd(coding == RP_CODING_DCZ ? &dictionary : NULL, &ended);
    CHECK(got == len && memcmp(plain, text, len) == 0);
    CHECK(!at_end || ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    rp_coding_e coding = (rp_coding_e)(RP_CODING_GZIP + data[0] % (RP_CODING_DCZ - RP_CODING_GZIP + 1));
    const rp_codec_t *codec = rp_codec(coding);
    int level = codec->level_min + data[1] % (codec->level_default + 2 - codec->level_min);
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(data[i % size] + i / (size * 16 + 64));
    }
    coded_len = 0;
    size_t at = 0;
    rp_codec_how_t how = {.level = level, .size = data[0] < 128 ? -1 : data[1]};
    dictionary.bytes = (rp_str_t){(const char *)data, size};
    how.dictionary = coding == RP_CODING_DCZ ? &dictionary : NULL;
    rp_encoder_t *encoder = rp_encoder_open(pool, coding, &how, collect, NULL);
    CHECK(encoder);
    for (size_t i = 2; i < size && i < 64; i++) {
        size_t n = (size_t)(data[i] >> 1) * (data[i] >> 1);
        n = n < sizeof(text) - at ? n : sizeof(text) - at;
        int flush = data[i] & 1;
        CHECK(rp_encoder_run(encoder, flush ? RP_CODEC_FLUSH : RP_CODEC_GO, text + at, n) == APR_SUCCESS);
        at += n;
        if (flush && at > 0) {
            check_decoded(coding, at, 0);
        }
    }
    CHECK(rp_encoder_run(encoder, RP_CODEC_FINISH, NULL, 0) == APR_SUCCESS);
    check_decoded(coding, at, 1);
    apr_pool_clear(pool);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "encode/codec.h"
#include "encode/encode.h"

#define TEXT_LEN (1500 * 1000)

static apr_pool_t *pool;
static char text[TEXT_LEN];

/* What the text has in part, to begin with what a trained dictionary begins with: its bytes alone are to count. */
static rp_dictionary_t dictionary;

/** Somebody else's decoder, fed piece by piece as a browser's would be. */
typedef struct decoder_t {
    rp_coding_e coding;
    z_stream z;
    BrotliDecoderState *br;
    ZSTD_DCtx *zstd;
    char *plain; /* decoded so far */
    size_t len;
    size_t room;
    size_t coded;
    size_t largest_piece;
    int headed;
    int padded; /* what is skipped may follow the end */
    int ended;
    apr_status_t refuse; /* what the output function is to return */
} decoder_t;

static void decoder_open(decoder_t *d, rp_coding_e coding)
{
    *d = (decoder_t){.coding = coding, .room = 2 * TEXT_LEN};
    d->plain = malloc(d->room);
    if (coding == RP_CODING_GZIP) {
        assert_int_equal(inflateInit2(&d->z, 16 + MAX_WBITS), Z_OK);
    }
    d->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    d->zstd = ZSTD_createDCtx();
    /* RFC 9659 §3: browsers refuse windows above 8 MiB. */
    ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, 23);
    if (coding == RP_CODING_DCZ) {
        ZSTD_DCtx_refPrefix(d->zstd, dictionary.bytes.ptr, dictionary.bytes.len);
    }
#if HAVE_BROTLI_DICTIONARIES
    if (coding == RP_CODING_DCB) {
        BrotliDecoderAttachDictionary(d->br, BROTLI_SHARED_DICTIONARY_RAW, dictionary.bytes.len,
                                      (const uint8_t *)dictionary.bytes.ptr);
    }
#endif
}

static void decoder_close(decoder_t *d)
{
    if (d->coding == RP_CODING_GZIP) {
        inflateEnd(&d->z);
    }
    BrotliDecoderDestroyInstance(d->br);
    ZSTD_freeDCtx(d->zstd);
    free(d->plain);
}

static void feed_gzip(decoder_t *d, const char *data, size_t len)
{
    d->z.next_in = (unsigned char *)data;
    d->z.avail_in = (unsigned)len;
    d->z.next_out = (unsigned char *)d->plain + d->len;
    d->z.avail_out = (unsigned)(d->room - d->len);
    int rc = inflate(&d->z, Z_SYNC_FLUSH);
    assert_true(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
    assert_int_equal(d->z.avail_in, 0);
    d->len = d->room - d->z.avail_out;
    d->ended = rc == Z_STREAM_END;
}

static void feed_br(decoder_t *d, const char *data, size_t len)
{
    const uint8_t *in = (const uint8_t *)data;
    uint8_t *out = (uint8_t *)d->plain + d->len;
    size_t room = d->room - d->len;
    BrotliDecoderResult rc = BrotliDecoderDecompressStream(d->br, &len, &in, &room, &out, NULL);
    assert_int_not_equal(rc, BROTLI_DECODER_RESULT_ERROR);
    assert_int_equal(len, 0);
    d->len = d->room - room;
    d->ended = rc == BROTLI_DECODER_RESULT_SUCCESS;
}

static void feed_zstd(decoder_t *d, const char *data, size_t len)
{
    ZSTD_inBuffer in = {data, len, 0};
    ZSTD_outBuffer out = {d->plain, d->room, d->len};
    while (in.pos < in.size) {
        size_t rc = ZSTD_decompressStream(d->zstd, &out, &in);
        if (ZSTD_isError(rc)) {
            fail_msg("zstd: %s", ZSTD_getErrorName(rc));
        }
        d->ended = rc == 0;
    }
    d->len = out.pos;
}

static apr_status_t decode(void *ctx, const char *data, apr_size_t len)
{
    decoder_t *d = ctx;
    assert_true(len > 0);
    assert_true(!d->ended || d->padded);
    if (d->refuse != APR_SUCCESS) {
        return d->refuse;
    }
    d->coded += len;
    d->largest_piece = len > d->largest_piece ? len : d->largest_piece;
    if (rp_coding_has_dictionary(d->coding) && !d->headed) {
        const rp_str_t *magic = &rp_codec(d->coding)->magic;
        assert_int_equal(len, magic->len + RP_DICTIONARY_HASH);
        assert_memory_equal(data, magic->ptr, magic->len);
        assert_memory_equal(data + magic->len, dictionary.hash, RP_DICTIONARY_HASH);
        d->headed = 1;
    }
    else if (d->coding == RP_CODING_GZIP) {
        feed_gzip(d, data, len);
    }
    else if (d->coding == RP_CODING_BR || d->coding == RP_CODING_DCB) {
        feed_br(d, data, len);
    }
    else {
        feed_zstd(d, data, len);
    }
    return APR_SUCCESS;
}

static void make_dictionary(void)
{
    static char bytes[30000] = "\x37\xa4\x30\xec";
    for (size_t i = 4; i < sizeof(bytes); i++) {
        bytes[i] = text[i + 777];
    }
    for (size_t i = 0; i < RP_DICTIONARY_HASH; i++) {
        dictionary.hash[i] = (unsigned char)(200 + i);
    }
    dictionary.bytes = (rp_str_t){bytes, sizeof(bytes)};
}

/** Half prose, half noise: some of it shrinks, some of it grows. */
static int setup(void **state)
{
    static const char prose[] = "The quick brown fox jumps over the lazy dog while the proxy looks on. ";
    (void)state;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    srand(20);
    for (size_t i = 0; i < TEXT_LEN; i++) {
        int noise = (i / 5000) % 2 && i > TEXT_LEN / 2;
        text[i] = noise ? (char)rand() : prose[(i * 7 / 6 + (i / 4000)) % (sizeof(prose) - 1)];
    }
    make_dictionary();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    rp_encoders_free_idle(NULL);
    apr_terminate();
    return 0;
}

static rp_encoder_t *open_in(apr_pool_t *p, decoder_t *d, rp_coding_e coding, int level, apr_off_t size)
{
    rp_codec_how_t how = {.level = level, .size = size};
    how.dictionary = rp_coding_has_dictionary(coding) ? &dictionary : NULL;
    return rp_encoder_open(p, coding, &how, decode, d);
}

static rp_encoder_t *open_to(decoder_t *d, rp_coding_e coding, int level, apr_off_t size)
{
    decoder_open(d, coding);
    rp_encoder_t *encoder = open_in(pool, d, coding, level, size);
    assert_non_null(encoder);
    return encoder;
}

static void assert_decoded(const decoder_t *d, size_t len)
{
    assert_int_equal(d->len, len);
    assert_memory_equal(d->plain, text, len);
}

static void finish(rp_encoder_t *encoder, decoder_t *d, size_t len)
{
    assert_false(d->ended);
    assert_int_equal(rp_encoder_run(encoder, RP_CODEC_FINISH, NULL, 0), APR_SUCCESS);
    assert_true(d->ended);
    assert_decoded(d, len);
    assert_true(d->largest_piece <= RP_CODEC_PIECE);
    rp_encoder_close(encoder);
    decoder_close(d);
}

static void round_trip(rp_coding_e coding, int level, apr_off_t size, size_t len)
{
    decoder_t d;
    rp_encoder_t *encoder = open_to(&d, coding, level, size);
    assert_int_equal(rp_encoder_run(encoder, RP_CODEC_GO, text, len), APR_SUCCESS);
    finish(encoder, &d, len);
}

/* libbrotli may know no dictionaries. */
#define CODINGS_END (rp_codec(RP_CODING_DCB)->create ? RP_NCODINGS : RP_CODING_DCB)
#define EACH_CODING(coding) (rp_coding_e coding = RP_CODING_GZIP; coding < CODINGS_END; coding++)

static void every_level_decodes_to_what_was_coded(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        for (int level = rp_codec(coding)->level_min; level <= rp_codec(coding)->level_max; level++) {
            round_trip(coding, level, -1, 60000);
        }
    }
}

static void lengths_around_the_inner_buffers_round_trip(void **state)
{
    (void)state;
    static const size_t lengths[] = {
        0, 1, 2, 100, 16383, 16384, 16385, 65535, 65536, 131071, 131072, 131073, 1048576, 1048577, TEXT_LEN
    };
    for EACH_CODING(coding) {
        for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
            round_trip(coding, rp_codec(coding)->level_default, -1, lengths[i]);
            round_trip(coding, rp_codec(coding)->level_default, (apr_off_t)lengths[i], lengths[i]);
        }
    }
}

static void a_wrong_guess_of_the_size_does_no_harm(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        round_trip(coding, rp_codec(coding)->level_default, 10, 700000);
        round_trip(coding, rp_codec(coding)->level_default, 0, 5000);
        round_trip(coding, rp_codec(coding)->level_default, INT64_MAX, 5000);
        round_trip(coding, rp_codec(coding)->level_default, (apr_off_t)5 << 30, 5000);
    }
}

static void random_splits_and_flushes_round_trip_and_a_flush_makes_all_decodable(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        for (int round = 0; round < 12; round++) {
            decoder_t d;
            int level = round % 3 == 0 ? rp_codec(coding)->level_min : rp_codec(coding)->level_default;
            rp_encoder_t *encoder = open_to(&d, coding, level, -1);
            size_t at = 0;
            size_t most = round % 2 ? 40000 : 3000;
            for (int step = 0; step < 40 && at < TEXT_LEN; step++) {
                size_t n = (size_t)rand() % most;
                n = n < TEXT_LEN - at ? n : TEXT_LEN - at;
                rp_codec_op_e op = rand() % 3 == 0 ? RP_CODEC_FLUSH : RP_CODEC_GO;
                assert_int_equal(rp_encoder_run(encoder, op, text + at, n), APR_SUCCESS);
                at += n;
                if (op == RP_CODEC_FLUSH) {
                    assert_decoded(&d, at);
                }
            }
            finish(encoder, &d, at);
        }
    }
}

static void every_byte_can_be_flushed_alone(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        decoder_t d;
        rp_encoder_t *encoder = open_to(&d, coding, rp_codec(coding)->level_default, -1);
        for (size_t at = 0; at < 200; at++) {
            assert_int_equal(rp_encoder_run(encoder, RP_CODEC_GO, text + at, 1), APR_SUCCESS);
            assert_int_equal(rp_encoder_run(encoder, RP_CODEC_FLUSH, NULL, 0), APR_SUCCESS);
            assert_decoded(&d, at + 1);
        }
        finish(encoder, &d, 200);
    }
}

static void a_flush_with_nothing_new_makes_no_output(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        decoder_t d;
        rp_encoder_t *encoder = open_to(&d, coding, rp_codec(coding)->level_default, -1);
        assert_int_equal(rp_encoder_run(encoder, RP_CODEC_FLUSH, NULL, 0), APR_SUCCESS);
        assert_int_equal(d.coded, 0);
        assert_int_equal(rp_encoder_run(encoder, RP_CODEC_FLUSH, text, 5000), APR_SUCCESS);
        size_t coded = d.coded;
        assert_int_equal(rp_encoder_run(encoder, RP_CODEC_FLUSH, NULL, 0), APR_SUCCESS);
        assert_int_equal(rp_encoder_run(encoder, RP_CODEC_GO, text, 0), APR_SUCCESS);
        assert_int_equal(rp_encoder_run(encoder, RP_CODEC_FLUSH, NULL, 0), APR_SUCCESS);
        assert_int_equal(d.coded, coded);
        finish(encoder, &d, 5000);
    }
}

static void an_encoder_left_in_mid_stream_begins_the_next_one_afresh(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        for (int round = 0; round < 6; round++) {
            decoder_t d;
            rp_encoder_t *encoder = open_to(&d, coding, rp_codec(coding)->level_default, -1);
            rp_codec_op_e op = round % 2 ? RP_CODEC_FLUSH : RP_CODEC_GO;
            size_t len = 50000 * (size_t)round + 1;
            assert_int_equal(rp_encoder_run(encoder, op, text + 900000, len), APR_SUCCESS);
            rp_encoder_close(encoder);
            decoder_close(&d);
            round_trip(coding, rp_codec(coding)->level_default, -1, 30000);
        }
    }
}

static void an_error_of_the_output_ends_the_run(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        decoder_t d;
        rp_encoder_t *encoder = open_to(&d, coding, rp_codec(coding)->level_default, -1);
        d.refuse = APR_ECONNABORTED;
        assert_int_equal(rp_encoder_run(encoder, RP_CODEC_FLUSH, text, TEXT_LEN), APR_ECONNABORTED);
        rp_encoder_close(encoder);
        decoder_close(&d);
        round_trip(coding, rp_codec(coding)->level_default, -1, 30000);
    }
}

static void a_pool_gives_its_encoders_back(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        decoder_t d;
        apr_pool_t *p;
        int level = rp_codec(coding)->level_default;
        rp_encoders_free_idle(NULL);
        apr_pool_create(&p, pool);
        decoder_open(&d, coding);
        rp_encoder_t *first = open_in(p, &d, coding, level, -1);
        rp_encoder_t *second = open_in(p, &d, coding, level, -1);
        assert_ptr_not_equal(first, second);
        apr_pool_destroy(p);
        rp_encoder_t *third = open_in(pool, &d, coding, level, -1);
        assert_true(third == first || third == second);
        rp_encoder_close(third);
        decoder_close(&d);
    }
}

static void more_encoders_than_are_kept_may_be_in_use(void **state)
{
    (void)state;
    enum { MANY = 3 * RP_CODEC_IDLE };
    for EACH_CODING(coding) {
        static decoder_t d[MANY];
        rp_encoder_t *encoders[MANY];
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < MANY; i++) {
                encoders[i] = open_to(&d[i], coding, rp_codec(coding)->level_min, -1);
                assert_int_equal(rp_encoder_run(encoders[i], RP_CODEC_GO, text, 1000), APR_SUCCESS);
            }
            for (int i = 0; i < MANY; i++) {
                finish(encoders[i], &d[i], 1000);
            }
        }
    }
}

static void what_cannot_be_opened_is_refused(void **state)
{
    (void)state;
    assert_null(open_in(pool, NULL, RP_CODING_IDENTITY, 0, -1));
    for EACH_CODING(coding) {
        assert_true(rp_codec(coding)->level_max < RP_CODEC_LEVELS);
        assert_null(open_in(pool, NULL, coding, rp_codec(coding)->level_max + 1, -1));
        assert_null(open_in(pool, NULL, coding, rp_codec(coding)->level_min - 1, -1));
    }
}

static void a_thorough_stream_decodes_and_its_encoder_is_not_kept(void **state)
{
    (void)state;
    for EACH_CODING(coding) {
        decoder_t d;
        rp_codec_how_t how = {.level = rp_codec(coding)->level_max, .size = TEXT_LEN, .thorough = 1};
        how.dictionary = rp_coding_has_dictionary(coding) ? &dictionary : NULL;
        decoder_open(&d, coding);
        rp_encoder_t *encoder = rp_encoder_open(pool, coding, &how, decode, &d);
        assert_int_equal(rp_encoder_run(encoder, RP_CODEC_GO, text, TEXT_LEN), APR_SUCCESS);
        finish(encoder, &d, TEXT_LEN);
    }
}

static void a_dictionary_makes_what_it_has_shorter(void **state)
{
    (void)state;
    decoder_t plain, with;
    rp_encoder_t *encoder = open_to(&plain, RP_CODING_ZSTD, 3, 20000);
    assert_int_equal(rp_encoder_run(encoder, RP_CODEC_GO, text, 20000), APR_SUCCESS);
    finish(encoder, &plain, 20000);
    encoder = open_to(&with, RP_CODING_DCZ, 3, 20000);
    assert_int_equal(rp_encoder_run(encoder, RP_CODEC_GO, text, 20000), APR_SUCCESS);
    finish(encoder, &with, 20000);
    assert_true(with.coded < plain.coded);
}

static void a_coding_has_a_dictionary_if_it_needs_one_and_only_then(void **state)
{
    (void)state;
    rp_codec_how_t without = {.level = 3, .size = -1}, with = {.level = 3, .size = -1, .dictionary = &dictionary};
    assert_null(rp_encoder_open(pool, RP_CODING_DCZ, &without, decode, NULL));
    assert_null(rp_encoder_open(pool, RP_CODING_ZSTD, &with, decode, NULL));
    assert_false(rp_coding_is_there(RP_CODING_IDENTITY));
    assert_true(rp_coding_is_there(RP_CODING_DCZ));
}

static void a_pad_changes_the_length_and_nothing_else(void **state)
{
    (void)state;
    static const char noise[RP_CODEC_PAD];
    static const size_t lens[] = {1, 2, 17, 255, 256, RP_CODEC_PAD};
    static const rp_coding_e codings[] = {RP_CODING_GZIP, RP_CODING_ZSTD, RP_CODING_DCZ};
    for (int c = 0; c < 3; c++) {
        rp_coding_e coding = codings[c];
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            decoder_t d;
            rp_codec_how_t how = {.level = rp_codec(coding)->level_default, .size = -1, .pad = {noise, lens[i]}};
            how.dictionary = rp_coding_has_dictionary(coding) ? &dictionary : NULL;
            decoder_open(&d, coding);
            d.padded = 1;
            rp_encoder_t *encoder = rp_encoder_open(pool, coding, &how, decode, &d);
            assert_int_equal(rp_encoder_run(encoder, RP_CODEC_FLUSH, text, 100), APR_SUCCESS);
            assert_decoded(&d, 100);
            assert_int_equal(rp_encoder_run(encoder, RP_CODEC_GO, text + 100, 400), APR_SUCCESS);
            finish(encoder, &d, 500);
            assert_true(d.coded >= lens[i]);
            /* The next one has none. */
            round_trip(coding, how.level, -1, 500);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_decodes_to_what_was_coded),
        cmocka_unit_test(lengths_around_the_inner_buffers_round_trip),
        cmocka_unit_test(a_wrong_guess_of_the_size_does_no_harm),
        cmocka_unit_test(random_splits_and_flushes_round_trip_and_a_flush_makes_all_decodable),
        cmocka_unit_test(every_byte_can_be_flushed_alone),
        cmocka_unit_test(a_flush_with_nothing_new_makes_no_output),
        cmocka_unit_test(an_encoder_left_in_mid_stream_begins_the_next_one_afresh),
        cmocka_unit_test(an_error_of_the_output_ends_the_run),
        cmocka_unit_test(a_pool_gives_its_encoders_back),
        cmocka_unit_test(more_encoders_than_are_kept_may_be_in_use),
        cmocka_unit_test(what_cannot_be_opened_is_refused),
        cmocka_unit_test(a_thorough_stream_decodes_and_its_encoder_is_not_kept),
        cmocka_unit_test(a_pad_changes_the_length_and_nothing_else),
        cmocka_unit_test(a_dictionary_makes_what_it_has_shorter),
        cmocka_unit_test(a_coding_has_a_dictionary_if_it_needs_one_and_only_then),
    };
    return cmocka_run_group_tests_name("codec", tests, setup, teardown);
}

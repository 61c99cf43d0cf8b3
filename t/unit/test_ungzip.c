/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include <apr_general.h>

#include "encode/codec.h"
#include "encode/encode.h"

#define TEXT_LEN 200000

static apr_pool_t *pool;
static char text[TEXT_LEN];
static char coded[2 * TEXT_LEN];
static size_t coded_len;
static char *plain;
static size_t plain_len, plain_room;

static size_t pack(const char *from, size_t len, char *to, size_t room)
{
    z_stream z = {.next_in = (unsigned char *)from, .avail_in = (unsigned)len, .next_out = (unsigned char *)to,
                  .avail_out = (unsigned)room};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static int setup(void **state)
{
    (void)state;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    srand(6);
    for (size_t i = 0; i < TEXT_LEN; i++) {
        text[i] = i % 3 ? "abcdefgh \n"[rand() % 10] : (char)rand();
    }
    coded_len = pack(text, TEXT_LEN, coded, sizeof(coded));
    plain_room = 2 * TEXT_LEN;
    plain = malloc(plain_room);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(plain);
    rp_encoders_free_idle(NULL);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static apr_status_t collect(void *ctx, const char *data, apr_size_t len)
{
    (void)ctx;
    assert_true(len > 0 && len <= RP_CODEC_PIECE);
    if (plain_len + len <= plain_room) {
        memcpy(plain + plain_len, data, len);
    }
    plain_len += len;
    return APR_SUCCESS;
}

static rp_encoder_t *start(void)
{
    rp_codec_how_t how = {.level = 0, .size = -1};
    plain_len = 0;
    rp_encoder_t *undoing = rp_encoder_open(pool, RP_UNGZIP, &how, collect, NULL);
    assert_non_null(undoing);
    return undoing;
}

/* All of it at once. @return what came of its end */
static apr_status_t undo(const char *data, size_t len)
{
    rp_encoder_t *undoing = start();
    apr_status_t rv = rp_encoder_run(undoing, RP_CODEC_GO, data, len);
    rv = rv == APR_SUCCESS ? rp_encoder_run(undoing, RP_CODEC_FINISH, NULL, 0) : rv;
    rp_encoder_close(undoing);
    return rv;
}

static void random_splits_and_flushes_make_no_difference(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        rp_encoder_t *undoing = start();
        size_t at = 0;
        while (at < coded_len) {
            size_t n = round == 0 ? 1 : 1 + (size_t)rand() % (round * 2000);
            n = n < coded_len - at ? n : coded_len - at;
            assert_int_equal(rp_encoder_run(undoing, rand() % 3 ? RP_CODEC_GO : RP_CODEC_FLUSH, coded + at, n), APR_SUCCESS);
            at += n;
        }
        assert_int_equal(rp_encoder_run(undoing, RP_CODEC_FINISH, NULL, 0), APR_SUCCESS);
        assert_int_equal(plain_len, TEXT_LEN);
        assert_memory_equal(plain, text, TEXT_LEN);
        rp_encoder_close(undoing);
    }
}

static void what_has_come_can_be_read_before_the_rest_comes(void **state)
{
    (void)state;
    rp_encoder_t *undoing = start();
    assert_int_equal(rp_encoder_run(undoing, RP_CODEC_GO, coded, coded_len / 2), APR_SUCCESS);
    assert_int_equal(rp_encoder_run(undoing, RP_CODEC_FLUSH, NULL, 0), APR_SUCCESS);
    assert_true(plain_len > TEXT_LEN / 4 && plain_len < TEXT_LEN);
    assert_memory_equal(plain, text, plain_len);
    rp_encoder_close(undoing);
}

static void members_follow_one_another(void **state)
{
    (void)state;
    char two[3000];
    size_t n = pack(text, 1000, two, sizeof(two));
    size_t m = pack(text + 1000, 500, two + n, sizeof(two) - n);
    assert_int_equal(undo(two, n + m), APR_SUCCESS);
    assert_int_equal(plain_len, 1500);
    assert_memory_equal(plain, text, 1500);
    /* The second one is cut. */
    assert_int_equal(undo(two, n + m - 1), RP_CODEC_FAILED);
}

static void what_follows_and_is_no_member_is_passed_over(void **state)
{
    (void)state;
    memcpy(coded + coded_len, "\0\0\x1f garbage", 12);
    assert_int_equal(undo(coded, coded_len + 12), APR_SUCCESS);
    assert_int_equal(plain_len, TEXT_LEN);
}

static void what_is_cut_or_damaged_or_no_gzip_fails(void **state)
{
    (void)state;
    char damaged[64];
    size_t n = pack(text, 20, damaged, sizeof(damaged));
    for (size_t cut = 1; cut < n; cut++) {
        assert_int_equal(undo(damaged, cut), RP_CODEC_FAILED);
    }
    assert_int_equal(undo(damaged, n), APR_SUCCESS);
    damaged[n - 5] ^= 1; /* its check value */
    assert_int_equal(undo(damaged, n), RP_CODEC_FAILED);
    assert_int_equal(undo("plain text", 10), RP_CODEC_FAILED);
    assert_int_equal(undo("", 0), APR_SUCCESS);
}

static void a_bomb_is_not_unpacked(void **state)
{
    (void)state;
    size_t zeros_len = 64 * 1024 * 1024;
    char *zeros = calloc(1, zeros_len);
    size_t n = pack(zeros, zeros_len, coded, sizeof(coded));
    assert_int_equal(undo(coded, n), RP_CODEC_FAILED);
    assert_true(plain_len < zeros_len / 2);
    /* Less of it is none yet. */
    n = pack(zeros, 4 * 1024 * 1024, coded, sizeof(coded));
    assert_int_equal(undo(coded, n), APR_SUCCESS);
    assert_int_equal(plain_len, 4 * 1024 * 1024);
    free(zeros);
    coded_len = pack(text, TEXT_LEN, coded, sizeof(coded));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_splits_and_flushes_make_no_difference),
        cmocka_unit_test(what_has_come_can_be_read_before_the_rest_comes),
        cmocka_unit_test(members_follow_one_another),
        cmocka_unit_test(what_follows_and_is_no_member_is_passed_over),
        cmocka_unit_test(what_is_cut_or_damaged_or_no_gzip_fails),
        cmocka_unit_test(a_bomb_is_not_unpacked),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

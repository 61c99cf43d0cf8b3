/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "farm/redis_conn.h"
#include "farm/reply.h"

static apr_pool_t *pool;

static rp_reader_t *reader(void)
{
    rp_reader_t *r = rp_reader_new();

    assert_non_null(r);
    rp_reader_into(r, pool);
    return r;
}

/* The one reply that bytes are. */
static rp_reply_t *read_one(const char *bytes)
{
    rp_reader_t *r = reader();
    rp_reply_t *reply = NULL;

    assert_int_equal(rp_reader_feed(r, bytes, strlen(bytes)), APR_SUCCESS);
    assert_int_equal(rp_reader_next(r, &reply), APR_SUCCESS);
    assert_int_equal(rp_reader_has_rest(r), 0);
    rp_reader_free(r);
    return reply;
}

static void kinds_of_replies(void **state)
{
    (void)state;
    assert_int_equal(read_one("+OK\r\n")->type, RP_REPLY_STATUS);
    assert_true(rp_reply_is(read_one("+OK\r\n"), "OK"));
    assert_true(rp_reply_is(read_one("$2\r\nOK\r\n"), "OK"));
    assert_false(rp_reply_is(read_one("-OK\r\n"), "OK"));
    assert_false(rp_reply_is(read_one("+OKAY\r\n"), "OK"));
    assert_int_equal(read_one(":-42\r\n")->integer, -42);
    assert_int_equal(read_one("$-1\r\n")->type, RP_REPLY_NIL);
    assert_int_equal(read_one("*-1\r\n")->type, RP_REPLY_NIL);
}

static void bytes_are_kept_as_they_are(void **state)
{
    static const char bytes[] = "$6\r\na\0b\r\nc\r\n";
    rp_reader_t *r = reader();
    rp_reply_t *reply;

    (void)state;
    assert_int_equal(rp_reader_feed(r, bytes, sizeof(bytes) - 1), APR_SUCCESS);
    assert_int_equal(rp_reader_next(r, &reply), APR_SUCCESS);
    assert_int_equal(reply->str.len, 6);
    assert_memory_equal(reply->str.ptr, "a\0b\r\nc", 7);
    rp_reader_free(r);
}

static void arrays(void **state)
{
    rp_reply_t *r = read_one("*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n-ERR x\r\n");

    (void)state;
    assert_int_equal(r->type, RP_REPLY_ARRAY);
    assert_int_equal(r->n, 3);
    assert_int_equal(r->elements[0]->integer, 1);
    assert_int_equal(r->elements[1]->n, 2);
    assert_string_equal(r->elements[1]->elements[0]->str.ptr, "a");
    assert_int_equal(r->elements[1]->elements[1]->type, RP_REPLY_NIL);
    assert_int_equal(rp_reply_error(r->elements[2]), RP_ERROR_OTHER);
    assert_int_equal(read_one("*0\r\n")->n, 0);
}

static void byte_by_byte(void **state)
{
    static const char bytes[] = "*2\r\n$3\r\nabc\r\n:7\r\n+OK\r\n";
    rp_reader_t *r = reader();
    rp_reply_t *replies[2];
    int got = 0;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bytes) - 1; i++) {
        assert_int_equal(rp_reader_feed(r, &bytes[i], 1), APR_SUCCESS);
        while (rp_reader_next(r, &replies[got]) == APR_SUCCESS) {
            got++;
        }
    }
    assert_int_equal(got, 2);
    assert_int_equal(replies[0]->elements[1]->integer, 7);
    assert_true(rp_reply_is(replies[1], "OK"));
    assert_int_equal(rp_reader_has_rest(r), 0);
    rp_reader_free(r);
}

static void what_is_left_over_is_known(void **state)
{
    rp_reader_t *r = reader();
    rp_reply_t *reply;

    (void)state;
    assert_int_equal(rp_reader_feed(r, "+OK\r\n+", 6), APR_SUCCESS);
    assert_int_equal(rp_reader_next(r, &reply), APR_SUCCESS);
    assert_int_equal(rp_reader_has_rest(r), 1);
    rp_reader_free(r);
}

static void refuse(const char *bytes)
{
    rp_reader_t *r = reader();
    rp_reply_t *reply;

    assert_int_equal(rp_reader_feed(r, bytes, strlen(bytes)), APR_SUCCESS);
    if (rp_reader_next(r, &reply) != APR_EGENERAL) {
        fail_msg("%.40s is accepted", bytes);
    }
    assert_true(*rp_reader_why(r));
    rp_reader_free(r);
}

static void nonsense(void **state)
{
    (void)state;
    refuse("HTTP/1.1 400 Bad Request\r\n");
    refuse(":x\r\n");
    refuse("$-5\r\n");
    refuse("*-5\r\n");
    refuse("$99999999999999999999\r\n");
    refuse("*1\r\n?\r\n");
    /* Types of RESP3 */
    refuse(",1.5\r\n");
    refuse("#t\r\n");
    refuse("%1\r\n+a\r\n+b\r\n");
    refuse("~1\r\n+a\r\n");
    refuse(">1\r\n+a\r\n");
    refuse("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n");
}

static void too_many_elements(void **state)
{
    char *deep = apr_psprintf(pool, "*2\r\n*%d\r\n", RP_REPLY_ELEMENTS);

    (void)state;
    refuse("*2147483647\r\n");
    refuse(apr_psprintf(pool, "*%d\r\n", RP_REPLY_ELEMENTS + 1));
    refuse(deep);
}

static void arrays_in_arrays(void **state)
{
    const char *text = ":1\r\n";
    int i;

    (void)state;
    for (i = 0; i < RP_REPLY_DEPTH; i++) {
        text = apr_pstrcat(pool, "*1\r\n", text, NULL);
    }
    assert_int_equal(read_one(text)->n, 1);
    refuse(apr_pstrcat(pool, "*1\r\n", text, NULL));
}

static void a_reply_that_never_ends(void **state)
{
    rp_reader_t *r = reader();
    char piece[65536];
    rp_reply_t *reply;
    apr_status_t rv;
    size_t fed = 0;

    (void)state;
    memset(piece, 'a', sizeof(piece));
    assert_int_equal(rp_reader_feed(r, "$2000000000\r\n", 13), APR_SUCCESS);
    while ((rv = rp_reader_feed(r, piece, sizeof(piece))) == APR_SUCCESS && fed < 2 * RP_REPLY_BYTES) {
        assert_int_equal(rp_reader_next(r, &reply), APR_EAGAIN);
        fed += sizeof(piece);
    }
    assert_int_equal(rv, APR_ENOSPC);
    rp_reader_free(r);
}

static void memory_of_large_replies_is_given_back(void **state)
{
    rp_reader_t *r = reader();
    char *large = apr_psprintf(pool, "$%d\r\n%0*d\r\n", 1000000, 1000000, 7);
    rp_reply_t *reply;

    (void)state;
    assert_int_equal(rp_reader_feed(r, large, strlen(large)), APR_SUCCESS);
    assert_int_equal(rp_reader_next(r, &reply), APR_SUCCESS);
    rp_reader_trim(r);
    assert_int_equal(reply->str.len, 1000000);
    assert_int_equal(rp_reader_feed(r, "+OK\r\n", 5), APR_SUCCESS);
    assert_int_equal(rp_reader_next(r, &reply), APR_SUCCESS);
    assert_true(rp_reply_is(reply, "OK"));
    rp_reader_free(r);
}

static void what_errors_mean(void **state)
{
    static const struct { const char *bytes; rp_reply_error_e error; } cases[] = {
        { "-ERR unknown command\r\n", RP_ERROR_OTHER }, { "-\r\n", RP_ERROR_OTHER },
        { "-NOSCRIPT No matching script.\r\n", RP_ERROR_NOSCRIPT }, { "-MOVED 1 a:1\r\n", RP_ERROR_MOVED },
        { "-ASK 1 a:1\r\n", RP_ERROR_ASK }, { "-TRYAGAIN x\r\n", RP_ERROR_TRYAGAIN },
        { "-OOM command not allowed\r\n", RP_ERROR_OOM }, { "-READONLY You can't\r\n", RP_ERROR_READONLY },
        { "-MISCONF Redis is configured\r\n", RP_ERROR_READONLY }, { "-NOPERM this user\r\n", RP_ERROR_DENIED },
        { "-NOAUTH Authentication required.\r\n", RP_ERROR_AUTH }, { "-WRONGPASS invalid\r\n", RP_ERROR_AUTH },
        { "-LOADING Redis is loading\r\n", RP_ERROR_LOADING }, { "-BUSY Redis is busy\r\n", RP_ERROR_LOADING },
        { "-MASTERDOWN Link\r\n", RP_ERROR_MASTERDOWN }, { "-CLUSTERDOWN Hash slot\r\n", RP_ERROR_CLUSTERDOWN },
        { "-OOMPH\r\n", RP_ERROR_OTHER }, { "-OOM\r\n", RP_ERROR_OOM }, { "+OOM\r\n", RP_ERROR_NONE },
        { "-ERR Error running script (call to f_12): @user_script:1: @user_script: 1: -OOM command not allowed\r\n",
          RP_ERROR_OOM },
        { "-ERR Error running script (call to f_12): @user_script:1: nil\r\n", RP_ERROR_OTHER },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (rp_reply_error(read_one(cases[i].bytes)) != cases[i].error) {
            fail_msg("%s", cases[i].bytes);
        }
    }
}

static void commands(void **state)
{
    rp_str_t get[] = { RP_STR("GET"), { "a\r\nb", 4 } }, set[] = { RP_STR("SET"), RP_STR("k"), { NULL, 0 } };
    const rp_str_t *argv[] = { get, set };
    int argc[] = { 2, 3 };
    size_t len;
    char *bytes = rp_redis_format(argv, argc, 2, &len);
    static const char expected[] = "*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n";

    (void)state;
    assert_int_equal(len, sizeof(expected) - 1);
    assert_memory_equal(bytes, expected, len);
    free(bytes);
}

static void a_command_of_many_words(void **state)
{
    rp_str_t words[1000];
    const rp_str_t *argv = words;
    int argc = 1000, i;
    size_t len;
    char *bytes;

    (void)state;
    for (i = 0; i < argc; i++) {
        words[i] = RP_STR("x");
    }
    bytes = rp_redis_format(&argv, &argc, 1, &len);
    assert_int_equal(len, 7 + 1000 * 7);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_replies), cmocka_unit_test(bytes_are_kept_as_they_are), cmocka_unit_test(arrays),
        cmocka_unit_test(byte_by_byte), cmocka_unit_test(what_is_left_over_is_known), cmocka_unit_test(nonsense),
        cmocka_unit_test(too_many_elements), cmocka_unit_test(arrays_in_arrays),
        cmocka_unit_test(a_reply_that_never_ends), cmocka_unit_test(what_errors_mean),
        cmocka_unit_test(memory_of_large_replies_is_given_back),
        cmocka_unit_test(commands), cmocka_unit_test(a_command_of_many_words)
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}

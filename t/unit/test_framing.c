/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "http/http.h"

static rp_framing_t framing;

/** @param rest  what follows "HTTP/1." in a head, without its last CRLF */
static int frame(const char *rest, int to_head)
{
    static rp_head_t head;
    static char text[1024];
    int len = snprintf(text, sizeof(text), "HTTP/1.%s\r\n", rest);
    assert_int_equal(rp_head_parse(&head, text, (size_t)len, 0), RP_PARSE_DONE);
    return rp_response_framing(&framing, &head, to_head);
}

static const struct {
    const char *rest;
    int to_head;
    rp_body_e body;
    uint64_t length;
    int reusable;
} framed[] = {
    {"1 200 OK\r\nContent-Length: 5\r\n", 0, RP_BODY_LENGTH, 5, 1},
    {"1 200 OK\r\nContent-Length: 0\r\n", 0, RP_BODY_LENGTH, 0, 1},
    {"1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n", 0, RP_BODY_LENGTH, 5, 1},
    {"1 200 OK\r\nContent-Length: 5, 5 ,5\r\n", 0, RP_BODY_LENGTH, 5, 1},
    {"1 200 OK\r\nContent-Length: 9223372036854775807\r\n", 0, RP_BODY_LENGTH, INT64_MAX, 1},
    {"1 200 OK\r\nTransfer-Encoding: chunked\r\n", 0, RP_BODY_CHUNKED, 0, 1},
    {"1 200 OK\r\ntransfer-encoding:\t Chunked \r\n", 0, RP_BODY_CHUNKED, 0, 1},
    {"1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n", 0, RP_BODY_CHUNKED, 0, 1},
    {"1 200 OK\r\n", 0, RP_BODY_UNTIL_CLOSE, 0, 0},
    {"0 200 OK\r\n", 0, RP_BODY_UNTIL_CLOSE, 0, 0},
    /* Nobody knows the coding: rule 4.2. */
    {"1 200 OK\r\nTransfer-Encoding: frobnicate\r\n", 0, RP_BODY_UNTIL_CLOSE, 0, 0},
    {"1 200 OK\r\nTransfer-Encoding: identity\r\n", 0, RP_BODY_UNTIL_CLOSE, 0, 0},
    {"1 200 OK\r\nTransfer-Encoding: frobnicate\r\n", 1, RP_BODY_NONE, 0, 1},
    /* Persistence, RFC 9112 §9.3. */
    {"1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n", 0, RP_BODY_LENGTH, 5, 0},
    {"1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close\r\n", 0, RP_BODY_LENGTH, 5, 0},
    {"1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\nConnection: close\r\n",
     0, RP_BODY_LENGTH, 5, 0},
    {"1 200 OK\r\nContent-Length: 5\r\nConnection: \", close\r\n", 0, RP_BODY_LENGTH, 5, 0},
    {"0 200 OK\r\nContent-Length: 5\r\n", 0, RP_BODY_LENGTH, 5, 0},
    {"0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n", 0, RP_BODY_LENGTH, 5, 1},
    {"0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive, close\r\n", 0, RP_BODY_LENGTH, 5, 0},
    /* No body whatever the fields say, RFC 9112 §6.3 rule 1. */
    {"1 200 OK\r\nContent-Length: 5\r\n", 1, RP_BODY_NONE, 0, 1},
    {"1 200 OK\r\nTransfer-Encoding: chunked\r\n", 1, RP_BODY_NONE, 0, 1},
    {"1 200 OK\r\n", 1, RP_BODY_NONE, 0, 1},
    {"1 304 Not Modified\r\nContent-Length: 5\r\n", 0, RP_BODY_NONE, 0, 1},
    {"1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n", 0, RP_BODY_NONE, 0, 1},
    {"1 204 No Content\r\n", 0, RP_BODY_NONE, 0, 1},
    {"1 204 No Content\r\nContent-Length: 0\r\n", 0, RP_BODY_NONE, 0, 1},
    {"1 100 Continue\r\n", 0, RP_BODY_NONE, 0, 1},
    {"1 103 Early Hints\r\nLink: x\r\n", 0, RP_BODY_NONE, 0, 1},
    /* These may be followed by a body that nobody would expect. */
    {"1 204 No Content\r\nContent-Length: 5\r\n", 0, RP_BODY_NONE, 0, 0},
    {"1 204 No Content\r\nTransfer-Encoding: chunked\r\n", 0, RP_BODY_NONE, 0, 0},
    {"1 103 Early Hints\r\nContent-Length: 5\r\n", 0, RP_BODY_NONE, 0, 0},
    {"1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", 0, RP_BODY_NONE, 0, 0},
    /* Named like them, but not them. */
    {"1 200 OK\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n", 0, RP_BODY_UNTIL_CLOSE, 0, 0},
    {"1 205 Reset Content\r\nContent-Length: 0\r\n", 0, RP_BODY_LENGTH, 0, 1},
};

static void bodies_are_framed_as_rfc_9112_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(framed) / sizeof(*framed); i++) {
        if (!frame(framed[i].rest, framed[i].to_head)) {
            fail_msg("refused: %s", framed[i].rest);
        }
        if (framing.body != framed[i].body || framing.length != framed[i].length
            || framing.reusable != framed[i].reusable) {
            fail_msg("framed otherwise: %s", framed[i].rest);
        }
        assert_null(framing.error);
    }
}

static void what_cannot_be_framed_with_certainty_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        "1 200 OK\r\nContent-Length: 5, 6\r\n",
        "1 200 OK\r\nContent-Length: 5,\r\n",
        "1 200 OK\r\nContent-Length: ,5\r\n",
        "1 200 OK\r\nContent-Length: 5,,5\r\n",
        "1 200 OK\r\nContent-Length:\r\n",
        "1 200 OK\r\nContent-Length: +5\r\n",
        "1 200 OK\r\nContent-Length: -5\r\n",
        "1 200 OK\r\nContent-Length: 5 6\r\n",
        "1 200 OK\r\nContent-Length: 5\r\n 6\r\n",
        "1 200 OK\r\nContent-Length: 0x5\r\n",
        "1 200 OK\r\nContent-Length: 5.0\r\n",
        "1 200 OK\r\nContent-Length: \"5\"\r\n",
        "1 200 OK\r\nContent-Length: 5;q\r\n",
        "1 200 OK\r\nContent-Length: 9223372036854775808\r\n",
        "1 200 OK\r\nContent-Length: 18446744073709551621\r\n",
        "1 200 OK\r\nContent-Length: \xc2\xa0\r\n",
        "1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "0 200 OK\r\nTransfer-Encoding: chunked\r\n",
        "1 200 OK\r\nTransfer-Encoding:\r\n",
        "0 200 OK\r\nTransfer-Encoding: frobnicate\r\n",
        "1 200 OK\r\nTransfer-Encoding: frobnicate\r\nContent-Length: 5\r\n",
        "1 200 OK\r\nTransfer-Encoding: frobnicate\r\nTransfer-Encoding: chunked\r\n",
        "1 200 OK\r\nTransfer-Encoding: frobnicate, chunked\r\n",
        "1 200 OK\r\nTransfer-Encoding: gzip\r\n",
        "1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
        "1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n",
        "1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "1 200 OK\r\nTransfer-Encoding: xchunked\r\n",
        "1 200 OK\r\nTransfer-Encoding: chunked;x=y\r\n",
        "1 200 OK\r\nTransfer-Encoding: \"chunked\"\r\n",
        "1 200 OK\r\nTransfer-Encoding: ,chunked\r\n",
        "1 304 Not Modified\r\nContent-Length: 5, 6\r\n",
        "1 204 No Content\r\nContent-Length: x\r\n",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (int to_head = 0; to_head <= 1; to_head++) {
            if (frame(cases[i], to_head)) {
                fail_msg("not refused: %s", cases[i]);
            }
            assert_non_null(framing.error);
            assert_false(framing.reusable);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_framed_as_rfc_9112_says),
        cmocka_unit_test(what_cannot_be_framed_with_certainty_is_refused),
    };
    return cmocka_run_group_tests_name("framing", tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* HTTP-dates: what is accepted is a moment that reads the same when it is written out again.  The input is
 * the present (eight bytes) and the date. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

#define MAX_TEXT 256
/* 9999-12-31 23:59:60 */
#define LAST ((rp_secs_t)253402300800)
#define CENTURY ((rp_secs_t)36525 * 86400)
#define SLACK ((rp_secs_t)2 * 86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(rp_secs_t t, rp_secs_t now)
{
    char text[64];
    struct tm tm;
    time_t as_time = (time_t)t;
    if (t == LAST || !gmtime_r(&as_time, &tm)) {
        return;
    }
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    CHECK(rp_date_parse(text, now) == t);
    strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
    CHECK(rp_date_parse(text, now) == t);
}

static void check_century(const char *text, rp_secs_t t, rp_secs_t now)
{
    /* Only RFC 850's format needs the present, and only it has dashes. */
    if (!strchr(text, '-')) {
        CHECK(rp_date_parse(text, now + CENTURY) == t);
        return;
    }
    CHECK(t <= now + CENTURY / 2 + SLACK);
    CHECK(t == 0 || t >= now - CENTURY / 2 - SLACK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MAX_TEXT + 1];
    uint64_t bits;
    if (size < sizeof(bits) || size - sizeof(bits) > MAX_TEXT) {
        return 0;
    }
    memcpy(&bits, data, sizeof(bits));
    rp_secs_t now = (rp_secs_t)(bits % (uint64_t)(LAST - 2 * CENTURY));
    size -= sizeof(bits);
    memcpy(text, data + sizeof(bits), size);
    text[size] = '\0';

    rp_secs_t t = rp_date_parse(text, now);
    CHECK(t == RP_NO_TIME || (t >= 0 && t <= LAST));

    char upper[MAX_TEXT + 1];
    for (size_t i = 0; i <= size; i++) {
        upper[i] = isascii(text[i]) ? (char)toupper(text[i]) : text[i];
    }
    CHECK(rp_date_parse(upper, now) == t);
    if (t != RP_NO_TIME) {
        check_round_trip(t, now);
        check_century(text, t, now);
    }
    return 0;
}

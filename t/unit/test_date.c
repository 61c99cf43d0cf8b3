/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* 2024-06-15 12:00:00 */
#define NOW ((rp_secs_t)1718452800)

/** The C library's idea of a UTC date. */
static rp_secs_t utc(int year, int month, int day, int hour, int minute, int second)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
                    .tm_hour = hour, .tm_min = minute, .tm_sec = second};
    return (rp_secs_t)timegm(&tm);
}

static void assert_date(const char *text, rp_secs_t expected)
{
    rp_secs_t got = rp_date_parse(text, NOW);
    if (got != expected) {
        fail_msg("\"%s\" gives %lld, not %lld", text ? text : "(nothing)", (long long)got, (long long)expected);
    }
}

static void the_three_formats_of_rfc_9110_name_one_second(void **state)
{
    (void)state;
    assert_date("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    assert_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    assert_date("Sun Nov  6 08:49:37 1994", 784111777);
}

static void dates_are_read_in_any_case(void **state)
{
    (void)state;
    assert_date("sun, 06 nov 1994 08:49:37 gmt", 784111777);
    assert_date("SUN, 06 NOV 1994 08:49:37 GMT", 784111777);
    assert_date("Sun, 06 Nov 1994 08:49:37 gMT", 784111777);
    assert_date("SUNDAY, 06-nov-94 08:49:37 Gmt", 784111777);
    assert_date("sun nov  6 08:49:37 1994", 784111777);
}

static void white_space_around_a_date_is_ignored(void **state)
{
    (void)state;
    assert_date("  Sun, 06 Nov 1994 08:49:37 GMT \t", 784111777);
    assert_date("\tSun Nov  6 08:49:37 1994 ", 784111777);
}

static void the_name_of_the_day_need_not_fit(void **state)
{
    (void)state;
    assert_date("Thu Aug  8 02:01:18 2050", utc(2050, 8, 8, 2, 1, 18));
    assert_date("Mon, 06 Nov 1994 08:49:37 GMT", 784111777);
}

static void what_is_no_http_date_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " ", "0", "-1", "now", "784111777", "1994-11-06T08:49:37Z",
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 AEST",
        "Thu, 18 Aug 2050 02:01:18 +0000",
        "Thu, 18 Aug 2050 02:01:18",
        "Thu, 18 Aug 2050 02:01:18 GM",
        "Thu, 18 Aug 2050 02:01:18 GMTx",
        "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu, 18 Aug 02050 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu,18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu, 18\tAug 2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18-Aug-50 02:01:18 GMT",
        "Thursday, 18-Aug-2050 02:01:18 GMT",
        "Thursday, 18 Aug 2050 02:01:18 GMT",
        "Thurs, 18 Aug 2050 02:01:18 GMT",
        "Xyz, 18 Aug 2050 02:01:18 GMT",
        ", 18 Aug 2050 02:01:18 GMT",
        "18 Aug 2050 02:01:18 GMT",
        "Thu, 18 August 2050 02:01:18 GMT",
        "Thu, 18 08 2050 02:01:18 GMT",
        "Thu, 18 Agu 2050 02:01:18 GMT",
        "Thu, 8 Aug 2050 02:01:18 GMT",
        "Thu,  8 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Thu, 18 Aug 2050 02:1:18 GMT",
        "Thu, 18 Aug 2050 02:01 GMT",
        "Thu, 18 Aug 2050 24:00:00 GMT",
        "Thu, 18 Aug 2050 02:60:18 GMT",
        "Thu, 18 Aug 2050 02:01:61 GMT",
        "Thu, 18 Aug 2050 -2:01:18 GMT",
        "Thu, 00 Aug 2050 02:01:18 GMT",
        "Thu, 32 Aug 2050 02:01:18 GMT",
        "Thu, 31 Sep 2050 02:01:18 GMT",
        "Thu, 29 Feb 2050 02:01:18 GMT",
        "Thu, 29 Feb 2100 02:01:18 GMT",
        "Thu Aug 8 02:01:18 2050",
        "Thu Aug 08  02:01:18 2050",
        "Thu Aug  0 02:01:18 2050",
        "Thu Aug  8 02:01:18 2050 GMT",
        "Thu Aug  8 02:01:18 50",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_date(bad[i], RP_NO_TIME);
    }
    assert_date(NULL, RP_NO_TIME);
}

static void leap_days_and_leap_seconds_are_dates(void **state)
{
    (void)state;
    assert_date("Thu, 29 Feb 2024 00:00:00 GMT", utc(2024, 2, 29, 0, 0, 0));
    assert_date("Tue, 29 Feb 2000 23:59:59 GMT", utc(2000, 2, 29, 23, 59, 59));
    assert_date("Sat, 31 Dec 2016 23:59:60 GMT", utc(2017, 1, 1, 0, 0, 0));
}

static void far_dates_do_not_wrap(void **state)
{
    (void)state;
    assert_date("Tue, 19 Jan 2038 14:14:08 GMT", utc(2038, 1, 19, 14, 14, 8));
    assert_date("Sun, 21 Nov 2286 04:46:39 GMT", utc(2286, 11, 21, 4, 46, 39));
    assert_date("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799);
}

static void dates_before_1970_are_its_first_second(void **state)
{
    (void)state;
    assert_date("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    assert_date("Wed, 31 Dec 1969 23:59:59 GMT", 0);
    assert_date("Mon, 01 Jan 0001 00:00:00 GMT", 0);
    assert_date("Sat, 01 Jan 0000 00:00:00 GMT", 0);
}

static void a_two_digit_year_is_at_most_50_years_ahead(void **state)
{
    (void)state;
    assert_date("Saturday, 15-Jun-24 12:00:00 GMT", utc(2024, 6, 15, 12, 0, 0));
    assert_date("Thursday, 18-Aug-50 02:01:18 GMT", utc(2050, 8, 18, 2, 1, 18));
    assert_date("Friday, 01-Jun-74 00:00:00 GMT", utc(2074, 6, 1, 0, 0, 0));
    assert_date("Friday, 01-Jul-74 00:00:00 GMT", utc(1974, 7, 1, 0, 0, 0));
    assert_date("Friday, 31-Dec-99 23:59:59 GMT", utc(1999, 12, 31, 23, 59, 59));
    assert_date("Saturday, 01-Jan-00 00:00:00 GMT", utc(2000, 1, 1, 0, 0, 0));
    /* from another century's point of view */
    assert_int_equal(rp_date_parse("Sunday, 06-Nov-94 08:49:37 GMT", utc(2080, 1, 1, 0, 0, 0)),
                     utc(2094, 11, 6, 8, 49, 37));
    assert_int_equal(rp_date_parse("Sunday, 06-Nov-94 08:49:37 GMT", utc(2094, 11, 6, 0, 0, 0)),
                     utc(2094, 11, 6, 8, 49, 37));
    assert_int_equal(rp_date_parse("Sunday, 06-Nov-05 08:49:37 GMT", utc(2098, 1, 1, 0, 0, 0)),
                     utc(2105, 11, 6, 8, 49, 37));
}

static void every_day_of_four_centuries_agrees_with_the_c_library(void **state)
{
    (void)state;
    static const char names[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    /* a step of a day and a prime number of seconds, so that hours, minutes and seconds vary too */
    for (time_t t = 0; t < (time_t)400 * 366 * 86400; t += 86400 + 7919) {
        struct tm tm;
        char text[64];
        assert_non_null(gmtime_r(&t, &tm));
        snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", names[tm.tm_wday], tm.tm_mday,
                 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_date(text, (rp_secs_t)t);
        snprintf(text, sizeof(text), "%s %s %2d %02d:%02d:%02d %04d", names[tm.tm_wday], months[tm.tm_mon],
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
        assert_date(text, (rp_secs_t)t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_formats_of_rfc_9110_name_one_second),
        cmocka_unit_test(dates_are_read_in_any_case),
        cmocka_unit_test(white_space_around_a_date_is_ignored),
        cmocka_unit_test(the_name_of_the_day_need_not_fit),
        cmocka_unit_test(what_is_no_http_date_is_none),
        cmocka_unit_test(leap_days_and_leap_seconds_are_dates),
        cmocka_unit_test(far_dates_do_not_wrap),
        cmocka_unit_test(dates_before_1970_are_its_first_second),
        cmocka_unit_test(a_two_digit_year_is_at_most_50_years_ahead),
        cmocka_unit_test(every_day_of_four_centuries_agrees_with_the_c_library),
    };
    return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "http/http.h"
#include "http/bytes.h"

/*
 * APR-util's apr_date_parse_http() is not used: it ignores the time zone and whatever follows the time, and
 * does not look at the day's name, so that "Thu, 18 Aug 2050 02:01:18 AEST" is a date to it.  RFC 9111 §4.2
 * calls that invalid.
 */

typedef struct civil_t {
    unsigned year; /* all digits: 1994 */
    unsigned month; /* 1..12 */
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second;
} civil_t;

static const char day_names[7][10] = {"sunday",   "monday", "tuesday", "wednesday",
                                      "thursday", "friday", "saturday"};
static const char month_names[12][4] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};

/*
 * The scanners below eat from the front of *s and return nonzero when what they want is there.  They stop at
 * the terminating NUL, because no wanted byte is one.
 */

static inline int eat_n(const char **s, const char *lower, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rp_byte_lower((*s)[i]) != lower[i]) {
            return 0;
        }
    }
    *s += n;
    return 1;
}

static inline int eat(const char **s, const char *lower)
{
    return eat_n(s, lower, strlen(lower));
}

static int eat_digits(const char **s, int count, unsigned *number)
{
    unsigned n = 0;
    for (int i = 0; i < count; i++, (*s)++) {
        if (!rp_byte_is_digit(**s)) {
            return 0;
        }
        n = n * 10 + (unsigned)(**s - '0');
    }
    *number = n;
    return 1;
}

static int eat_month(const char **s, unsigned *month)
{
    for (unsigned i = 0; i < 12; i++) {
        if (eat_n(s, month_names[i], 3)) {
            *month = i + 1;
            return 1;
        }
    }
    return 0;
}

static int eat_time(const char **s, civil_t *t)
{
    return eat_digits(s, 2, &t->hour) && eat(s, ":") && eat_digits(s, 2, &t->minute) && eat(s, ":")
           && eat_digits(s, 2, &t->second);
}

/** The name of a day, whichever it is: it tells nothing that the date does not. */
static int eat_short_day(const char **s)
{
    for (int i = 0; i < 7; i++) {
        if (eat_n(s, day_names[i], 3)) {
            return 1;
        }
    }
    return 0;
}

static int eat_long_day(const char **s)
{
    for (int i = 0; i < 7; i++) {
        if (eat(s, day_names[i])) {
            return 1;
        }
    }
    return 0;
}

static int is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/** Second 60 is a leap second and legal. */
static int is_possible(const civil_t *t)
{
    static const unsigned char lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned length = lengths[t->month - 1] + (t->month == 2 && is_leap(t->year));
    return t->day >= 1 && t->day <= length && t->hour < 24 && t->minute < 60 && t->second <= 60;
}

/** Seconds since the epoch in the proleptic Gregorian calendar; negative before it. */
static rp_secs_t seconds_since_epoch(const civil_t *t)
{
    /* Years that begin in March have the leap day at their end; 719468 days lie before 1970-01-01 then. */
    rp_secs_t year = (rp_secs_t)t->year - (t->month <= 2);
    rp_secs_t month = (t->month + 9) % 12;
    rp_secs_t leap_days = year < 0 ? -1 : year / 4 - year / 100 + year / 400;
    rp_secs_t days = 365 * year + leap_days + (153 * month + 2) / 5 + t->day - 1 - 719468;
    return ((days * 24 + t->hour) * 60 + t->minute) * 60 + t->second;
}

/** 50 years of mean length. */
#define FIFTY_YEARS ((rp_secs_t)50 * 31556952)

/** The latest year with these last two digits that is at most 50 years ahead of now. */
static void set_century(civil_t *t, rp_secs_t now)
{
    t->year += 1900;
    while (t->year < 9900) {
        civil_t later = *t;
        later.year += 100;
        if (seconds_since_epoch(&later) - FIFTY_YEARS > now) {
            return;
        }
        *t = later;
    }
}

/** "Sun, 06 Nov 1994 08:49:37 GMT" */
static int eat_imf_fixdate(const char **s, civil_t *t)
{
    return eat_short_day(s) && eat(s, ", ") && eat_digits(s, 2, &t->day) && eat(s, " ")
           && eat_month(s, &t->month) && eat(s, " ") && eat_digits(s, 4, &t->year) && eat(s, " ")
           && eat_time(s, t) && eat(s, " gmt");
}

/** "Sunday, 06-Nov-94 08:49:37 GMT" */
static int eat_rfc850_date(const char **s, civil_t *t, rp_secs_t now)
{
    if (!eat_long_day(s) || !eat(s, ", ") || !eat_digits(s, 2, &t->day) || !eat(s, "-")
        || !eat_month(s, &t->month) || !eat(s, "-") || !eat_digits(s, 2, &t->year) || !eat(s, " ")
        || !eat_time(s, t) || !eat(s, " gmt")) {
        return 0;
    }
    set_century(t, now);
    return 1;
}

/** "Sun Nov  6 08:49:37 1994" */
static int eat_asctime_date(const char **s, civil_t *t)
{
    return eat_short_day(s) && eat(s, " ") && eat_month(s, &t->month) && eat(s, " ")
           && (eat(s, " ") ? eat_digits(s, 1, &t->day) : eat_digits(s, 2, &t->day)) && eat(s, " ")
           && eat_time(s, t) && eat(s, " ") && eat_digits(s, 4, &t->year);
}

rp_secs_t rp_date_parse(const char *value, rp_secs_t now)
{
    if (!value) {
        return RP_NO_TIME;
    }
    while (rp_byte_is_blank(*value)) {
        value++;
    }
    civil_t t;
    const char *s = value;
    int found = eat_imf_fixdate(&s, &t);
    if (!found) {
        s = value;
        found = eat_rfc850_date(&s, &t, now);
    }
    if (!found) {
        s = value;
        found = eat_asctime_date(&s, &t);
    }
    while (rp_byte_is_blank(*s)) {
        s++;
    }
    if (!found || *s || !is_possible(&t)) {
        return RP_NO_TIME;
    }
    rp_secs_t seconds = seconds_since_epoch(&t);
    return seconds < 0 ? 0 : seconds;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/options.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static apr_pool_t *pool;

/* ------------------------------------------------------------------ values */

static void durations_are_a_number_and_one_unit(void **state)
{
    static const struct {
        const char *text;
        apr_interval_time_t us;
    } cases[] = {
        { "1ms", 1000 }, { "250ms", 250000 }, { "0s", 0 }, { "0", 0 }, { "5s", 5000000 }, { "5S", 5000000 },
        { "2m", 120000000 }, { "1h", APR_INT64_C(3600000000) }, { "7d", APR_INT64_C(604800000000) },
        { "007s", 7000000 }, { "90MS", 90000 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        apr_interval_time_t us = -1;

        assert_true(rp_parse_duration(cases[i].text, &us));
        assert_int_equal(us, cases[i].us);
    }
}

static void anything_else_is_no_duration(void **state)
{
    static const char *const bad[] = {
        "", "5", "s", "ms", "-1s", "+1s", " 1s", "1 s", "1s ", "1.5s", "1s30", "1min", "1us", "1w",
        "0x10s", "1e3s", "9223372036854775807s", "9223372036854775808ms", "99999999999999999999s",
        "106751992d", "00", "1\xc2\xb5s",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(bad); i++) {
        apr_interval_time_t us;

        assert_false(rp_parse_duration(bad[i], &us));
    }
}

static void sizes_are_powers_of_1024(void **state)
{
    static const struct {
        const char *text;
        apr_uint64_t bytes;
    } cases[] = {
        { "0", 0 }, { "4096", 4096 }, { "64K", 65536 }, { "64k", 65536 }, { "512M", 536870912 },
        { "2G", APR_UINT64_C(2147483648) }, { "9223372036854775807", APR_UINT64_C(9223372036854775807) },
        { "8589934591G", APR_UINT64_C(9223372035781033984) },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        apr_uint64_t bytes = 1;

        assert_true(rp_parse_size(cases[i].text, &bytes));
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void anything_else_is_no_size(void **state)
{
    static const char *const bad[] = {
        "", "K", "-1", "+1", " 1", "1 K", "1KB", "1KiB", "1T", "1.5G", "0x10",
        "9223372036854775808", "8589934592G",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(bad); i++) {
        apr_uint64_t bytes;

        assert_false(rp_parse_size(bad[i], &bytes));
    }
}

/* ------------------------------------------------------------------ options by table */

typedef struct target_t {
    int number;
    apr_interval_time_t time;
    apr_uint64_t size;
    int flag;
    const char *word;
} target_t;

static const rp_option_t table[] = {
    { "number", RP_OPT_INT, 1, 256, offsetof(target_t, number), "1", "" },
    { "time", RP_OPT_DURATION, 1000, 86400 * APR_USEC_PER_SEC, offsetof(target_t, time), "90s", "" },
    { "size", RP_OPT_SIZE, 1024, (apr_int64_t)3 << 30, offsetof(target_t, size), "as it comes", "" },
    { "flag", RP_OPT_FLAG, 0, 1, offsetof(target_t, flag), "on", "" },
    { "word", RP_OPT_STRING, 0, 0, offsetof(target_t, word), "the system's", "" },
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

static void an_option_goes_where_its_row_says(void **state)
{
    target_t t = { 0, 0, 0, 0, NULL };

    (void)state;
    assert_null(rp_option_set(pool, table, &t, "number=256"));
    assert_null(rp_option_set(pool, table, &t, "TIME=2m"));
    assert_null(rp_option_set(pool, table, &t, "size=1K"));
    assert_null(rp_option_set(pool, table, &t, "flag=On"));
    assert_null(rp_option_set(pool, table, &t, "word=a=b"));
    assert_int_equal(t.number, 256);
    assert_int_equal(t.time, 120 * APR_USEC_PER_SEC);
    assert_int_equal(t.size, 1024);
    assert_int_equal(t.flag, 1);
    assert_string_equal(t.word, "a=b");
}

static void a_flag_may_stand_alone(void **state)
{
    target_t t = { 0, 0, 0, 0, NULL };

    (void)state;
    assert_null(rp_option_set(pool, table, &t, "flag"));
    assert_int_equal(t.flag, 1);
    assert_null(rp_option_set(pool, table, &t, "flag=off"));
    assert_int_equal(t.flag, 0);
}

/* Every message names the option, the value and what is accepted. */
static void messages_say_what_to_write(void **state)
{
    static const struct {
        const char *word, *message;
    } cases[] = {
        { "wieght=2", "unknown option 'wieght'; known are: number, time, size, flag, word" },
        { "", "unknown option ''; known are: number, time, size, flag, word" },
        { "=5", "unknown option ''; known are: number, time, size, flag, word" },
        { "number", "option 'number' needs a value: write number=VALUE with a number from 1 to 256" },
        { "number=0", "number=0 is not accepted; write a number from 1 to 256" },
        { "number=257", "number=257 is not accepted; write a number from 1 to 256" },
        { "number=1K", "number=1K is not accepted; write a number from 1 to 256" },
        { "number=", "number= is not accepted; write a number from 1 to 256" },
        { "number=-1", "number=-1 is not accepted; write a number from 1 to 256" },
        { "time=5",
          "time=5 is not accepted; write a duration with its unit (ms, s, m, h, d) from 1ms to 1d" },
        { "time=0",
          "time=0 is not accepted; write a duration with its unit (ms, s, m, h, d) from 1ms to 1d" },
        { "time=2d",
          "time=2d is not accepted; write a duration with its unit (ms, s, m, h, d) from 1ms to 1d" },
        { "size=1", "size=1 is not accepted; write a size such as 64K, 512M or 2G, from 1K to 3G" },
        { "size=4G", "size=4G is not accepted; write a size such as 64K, 512M or 2G, from 1K to 3G" },
        { "flag=1", "flag=1 is not accepted; write on or off" },
        { "word=", "word= is not accepted; write a word" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        target_t t = { 7, 7, 7, 7, "7" };
        const char *message = rp_option_set(pool, table, &t, cases[i].word);

        assert_non_null(message);
        assert_string_equal(message, cases[i].message);
        assert_true(t.number == 7 && t.time == 7 && t.size == 7 && t.flag == 7 && !strcmp(t.word, "7")
                    && "what is refused leaves the target as it was");
    }
}

static void defaults_that_are_values_are_set(void **state)
{
    target_t t = { 7, 7, 7, 7, "7" };

    (void)state;
    rp_option_defaults(table, &t);
    assert_int_equal(t.number, 1);
    assert_int_equal(t.time, 90 * APR_USEC_PER_SEC);
    assert_int_equal(t.flag, 1);
    assert_int_equal(t.size, 7);
    assert_string_equal(t.word, "7");
}

/* ------------------------------------------------------------------ the module's own tables */

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_dir_conf_t, field), dflt, sentence },

static const rp_option_t timeouts[] = {
#include "config/timeout_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

#undef RP_OPTION
#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_member_conf_t, field), dflt, sentence },

static const rp_option_t members[] = {
#include "config/member_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

static void the_timeouts_of_the_reference_are_those_of_the_code(void **state)
{
    rp_dir_conf_t conf;

    (void)state;
    memset(&conf, 0, sizeof(conf));
    rp_option_defaults(timeouts, &conf);
    assert_int_equal(conf.connect_timeout, RP_DEFAULT_CONNECT_TIMEOUT);
    assert_int_equal(conf.first_byte_timeout, RP_DEFAULT_FIRST_BYTE_TIMEOUT);
    assert_int_equal(conf.idle_timeout, RP_DEFAULT_IDLE_TIMEOUT);
}

/* Others are words for people. */
static int is_value(const rp_option_t *o)
{
    return !strchr(o->dflt, ' ');
}

/* @return how many there are */
static int accepts_its_defaults(const rp_option_t *options, void *target)
{
    const rp_option_t *o;
    int n = 0;

    for (o = options; o->key; o++) {
        const char *word = apr_pstrcat(pool, o->key, "=", o->dflt, NULL);
        const char *message = is_value(o) ? rp_option_set(pool, options, target, word) : NULL;

        if (message) {
            fail_msg("%s: %s", word, message);
        }
        n += is_value(o);
    }
    return n;
}

static void every_default_that_is_a_value_is_accepted(void **state)
{
    rp_member_conf_t member;
    rp_dir_conf_t conf;

    (void)state;
    assert_true(accepts_its_defaults(members, &member) > 10);
    assert_int_equal(accepts_its_defaults(timeouts, &conf), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_a_number_and_one_unit),
        cmocka_unit_test(anything_else_is_no_duration),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(anything_else_is_no_size),
        cmocka_unit_test(an_option_goes_where_its_row_says),
        cmocka_unit_test(a_flag_may_stand_alone),
        cmocka_unit_test(messages_say_what_to_write),
        cmocka_unit_test(defaults_that_are_values_are_set),
        cmocka_unit_test(the_timeouts_of_the_reference_are_those_of_the_code),
        cmocka_unit_test(every_default_that_is_a_value_is_accepted),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests_name("options", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

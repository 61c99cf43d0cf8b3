/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "farm/conf.h"

static apr_pool_t *pool;

/* Words between blanks. */
static rp_farm_conf_t *parse(const char *line, const char **error)
{
    char **argv;
    int argc = 0;

    *error = NULL;
    apr_tokenize_to_argv(line, &argv, pool);
    while (argv[argc]) {
        argc++;
    }
    return rp_farm_conf_parse(pool, argc, argv, NULL, error);
}

static rp_farm_conf_t *good(const char *line)
{
    const char *error;
    rp_farm_conf_t *conf = parse(line, &error);

    if (!conf) {
        fail_msg("%s: %s", line, error);
    }
    return conf;
}

static void bad(const char *line, const char *says)
{
    const char *error;

    if (parse(line, &error) || !strstr(error, says) || strncmp(error, "RProxyFarm", 10) || strstr(error, "hunter")) {
        fail_msg("%s: %s", line, error ? error : "is accepted");
    }
}

static const char *file_with(const char *content)
{
    char *path = apr_pstrdup(pool, "/tmp/rproxy-test-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    return path;
}

static void defaults(void **state)
{
    rp_farm_conf_t *conf = good("redis://h");

    (void)state;
    assert_string_equal(conf->name, "rproxy");
    assert_int_equal(conf->connect, 50000);
    assert_int_equal(conf->timeout, 100000);
    assert_int_equal(conf->trial, 1000000);
    assert_int_equal(conf->db, 0);
    assert_int_equal(conf->use_tls, 0);
    assert_int_equal(conf->tls.verify, 1);
    assert_null(conf->password);
    assert_string_equal(conf->shown, "redis://h");
}

static void options(void **state)
{
    rp_farm_conf_t *conf = good("redis://h/2 name=shop-1 connect=20ms timeout=1s trial=3s");

    (void)state;
    assert_string_equal(conf->name, "shop-1");
    assert_int_equal(conf->connect, 20000);
    assert_int_equal(conf->timeout, 1000000);
    assert_int_equal(conf->trial, 3000000);
    assert_int_equal(conf->db, 2);
    assert_int_equal(good("unix:/a db=3")->db, 3);
    assert_int_equal(good("sentinel://s/m db=4")->db, 4);
    assert_int_equal(good("rediss://h verify=off")->use_tls, 1);
    assert_int_equal(good("cluster://h tls verify=off")->use_tls, 1);
}

static void wrong_options(void **state)
{
    (void)state;
    bad("redis://h name=a{b}", "name=");
    bad("redis://h name=a:b", "name=");
    bad("redis://h connect=50", "connect=50 is not accepted");
    bad("redis://h timeout=1h", "timeout=1h is not accepted");
    bad("redis://h trial=0", "trial=0 is not accepted");
    bad("redis://h speed=1", "unknown option 'speed'");
    bad("redis://h password=hunter2", "unknown option 'password'");
    bad("redis://h/1 db=2", "behind the host");
    bad("cluster://h db=2", "one database");
    bad("redis://h tls=on", "rediss://");
    bad("redis://h ca=/x", "rediss://");
    bad("cluster://h verify=off", "tls=on");
    bad("rediss://h ca=/nowhere.pem", "/nowhere.pem cannot be read");
    bad("redis://u:hunter2@h:x", "redis://***@h:x");
    bad("redis://h sentinel-password-file=/x", "sentinel://");
}

static void passwords(void **state)
{
    const char *file = file_with("hunter2\r\nsecond line\n"), *empty = file_with("\n"), *bare = file_with("x y");

    (void)state;
    assert_string_equal(good("redis://u:hunter2@h")->password, "hunter2");
    assert_string_equal(good("redis://u:hunter2@h")->shown, "redis://***@h");
    assert_string_equal(good(apr_pstrcat(pool, "redis://u@h password-file=", file, NULL))->password, "hunter2");
    assert_string_equal(good(apr_pstrcat(pool, "redis://h password-file=", bare, NULL))->password, "x y");
    assert_string_equal(
        good(apr_pstrcat(pool, "sentinel://h/m sentinel-password-file=", file, NULL))->sentinel_password, "hunter2");
    setenv("RP_TEST_PASSWORD", "hunter3", 1);
    assert_string_equal(good("redis://h password-env=RP_TEST_PASSWORD")->password, "hunter3");
    unsetenv("RP_TEST_PASSWORD");
    bad("redis://h password-env=RP_TEST_PASSWORD", "no such variable");
    bad("redis://h password-file=/nowhere", "/nowhere cannot be read");
    bad(apr_pstrcat(pool, "redis://h password-file=", empty, NULL), "no first line");
    bad(apr_pstrcat(pool, "redis://u:hunter2@h password-file=", file, NULL), "more than once");
    bad("redis://u@h", "names a user and no password");
    unlink(file);
    unlink(empty);
    unlink(bare);
}

static void secrets(void **state)
{
    const char *file = file_with("0123456789abcdef0123456789abcdef\n"), *shorter = file_with("0123456789abcdef\n");
    rp_farm_conf_t *conf = good(apr_pstrcat(pool, "redis://h secret=", file, " old-secret=", file, NULL));

    (void)state;
    assert_int_equal(conf->secret.len, 32);
    assert_memory_equal(conf->secret.ptr, "0123456789abcdef0123456789abcdef", 32);
    assert_int_equal(conf->old_secret.len, 32);
    assert_int_equal(good("redis://h")->secret.len, 0);
    bad(apr_pstrcat(pool, "redis://h secret=", shorter, NULL), "openssl rand");
    bad("redis://h secret=/nowhere", "/nowhere cannot be read");
    bad(apr_pstrcat(pool, "redis://h old-secret=", file, NULL), "without secret=");
    unlink(file);
    unlink(shorter);
}

static char *absolute(apr_pool_t *p, const char *path)
{
    return apr_pstrcat(p, "/conf/", path, NULL);
}

static void relative_files(void **state)
{
    char *argv[] = { "redis://h", "password-file=farm.password" };
    const char *error = NULL;

    (void)state;
    assert_null(rp_farm_conf_parse(pool, 2, argv, absolute, &error));
    assert_non_null(strstr(error, "/conf/farm.password cannot be read"));
    assert_null(rp_farm_conf_parse(pool, 0, argv, absolute, &error));
    assert_non_null(strstr(error, "needs a URL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(options), cmocka_unit_test(wrong_options),
        cmocka_unit_test(passwords), cmocka_unit_test(secrets), cmocka_unit_test(relative_files)
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}

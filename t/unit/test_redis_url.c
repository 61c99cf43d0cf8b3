/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>

#include "farm/redis_url.h"

static apr_pool_t *pool;

static rp_redis_url_t good(const char *text)
{
    rp_redis_url_t url;
    const char *error = rp_redis_url_parse(pool, text, &url);

    if (error) {
        fail_msg("%s: %s", text, error);
    }
    return url;
}

static void bad(const char *text, const char *says)
{
    rp_redis_url_t url;
    const char *error = rp_redis_url_parse(pool, text, &url);

    if (!error || !strstr(error, says)) {
        fail_msg("%s: %s", text, error ? error : "is accepted");
    }
    assert_null(strstr(error, "hunter"));
}

static void single_servers(void **state)
{
    rp_redis_url_t url = good("redis://10.0.0.5:6380/3");

    (void)state;
    assert_int_equal(url.kind, RP_REDIS_SINGLE);
    assert_int_equal(url.nhosts, 1);
    assert_string_equal(url.hosts[0].host, "10.0.0.5");
    assert_int_equal(url.hosts[0].port, 6380);
    assert_int_equal(url.db, 3);
    assert_int_equal(url.tls, 0);
    assert_null(url.user);
    assert_null(url.password);
    url = good("REDISS://cache.example");
    assert_int_equal(url.tls, 1);
    assert_int_equal(url.hosts[0].port, 6379);
    assert_int_equal(url.db, -1);
    assert_int_equal(good("redis://h/").db, -1);
    assert_int_equal(good("redis://h:1/0").db, 0);
    assert_int_equal(good("redis://h/65535").db, 65535);
    url = good("redis://[2001:db8::1]:7000/1");
    assert_string_equal(url.hosts[0].host, "2001:db8::1");
    assert_int_equal(url.hosts[0].port, 7000);
    assert_int_equal(good("redis://[::1]").hosts[0].port, 6379);
}

static void sockets(void **state)
{
    rp_redis_url_t url = good("unix:/run/redis/redis.sock");

    (void)state;
    assert_int_equal(url.hosts[0].port, 0);
    assert_string_equal(url.hosts[0].host, "/run/redis/redis.sock");
    bad("unix:redis.sock", "absolute path");
    bad("unix:", "absolute path");
    bad("unix:/" "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789", "at most");
}

static void users_and_passwords(void **state)
{
    rp_redis_url_t url = good("redis://shop:hunter2@h");

    (void)state;
    assert_string_equal(url.user, "shop");
    assert_string_equal(url.password, "hunter2");
    url = good("redis://:hunter2@h");
    assert_null(url.user);
    assert_string_equal(url.password, "hunter2");
    url = good("redis://a%40b:%2f%3A%25@h");
    assert_string_equal(url.user, "a@b");
    assert_string_equal(url.password, "/:%");
    url = good("redis://u:a:b@h");
    assert_string_equal(url.password, "a:b");
    url = good("cluster://u:p@h1,h2:7001");
    assert_string_equal(url.password, "p");
    bad("redis://u:hunter%2@h", "%25");
    bad("redis://u:hunter%zz@h", "%25");
    bad("redis://u:hunter%00@h", "%25");
    bad("redis://u:hunter@2@h", "%40");
    bad("redis://u:hunter/2@h", "%2F");
    bad("redis://u:hunter?2@h", "%3F");
    bad("redis://u:hunter2@", "no host");
    bad("redis://u:hunter2@h:x", "port");
    bad("http://u:hunter2@h", "no URL of a Redis");
}

static void nothing_secret_is_shown(void **state)
{
    (void)state;
    assert_string_equal(rp_redis_url_shown(pool, "redis://u:hunter2@h:1/2"), "redis://***@h:1/2");
    assert_string_equal(rp_redis_url_shown(pool, "redis://u:hunt@er/2@h"), "redis://***@h");
    assert_string_equal(rp_redis_url_shown(pool, "u:hunter2@h"), "***@h");
    assert_string_equal(rp_redis_url_shown(pool, "unix:/a"), "unix:/a");
    assert_string_equal(rp_redis_url_shown(pool, "sentinel://a,b/m"), "sentinel://a,b/m");
}

static void sentinels(void **state)
{
    rp_redis_url_t url = good("sentinel://s1:26380,s2,[::1]:5/my-master.1");

    (void)state;
    assert_int_equal(url.kind, RP_REDIS_SENTINEL);
    assert_int_equal(url.nhosts, 3);
    assert_int_equal(url.hosts[0].port, 26380);
    assert_string_equal(url.hosts[1].host, "s2");
    assert_int_equal(url.hosts[1].port, 26379);
    assert_string_equal(url.hosts[2].host, "::1");
    assert_string_equal(url.master, "my-master.1");
    bad("sentinel://s1,s2", "MASTER-NAME");
    bad("sentinel://s1,s2/", "MASTER-NAME");
    bad("sentinel://s1,s2/a/b", "MASTER-NAME");
    bad("sentinel://s1,,s2/m", "no host");
    bad("sentinel://s1,/m", "no host");
    bad("sentinel:///m", "no host");
}

static void clusters(void **state)
{
    rp_redis_url_t url = good("cluster://n1:7000,n2");

    (void)state;
    assert_int_equal(url.kind, RP_REDIS_CLUSTER);
    assert_int_equal(url.nhosts, 2);
    assert_int_equal(url.hosts[0].port, 7000);
    assert_int_equal(url.hosts[1].port, 6379);
    good("cluster://n1/");
    bad("cluster://n1/0", "one database");
    good("cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16");
    bad("cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "more than 16");
}

static void wrong_hosts(void **state)
{
    static const char *const texts[] = {
        "redis://", "redis:///0", "redis://a b", "redis://a,b", "redis://[::1", "redis://[h]", "redis://[]",
        "redis://[::1]x", "redis://\xc3\xa4", NULL
    };
    static const char *const ports[] = {
        "redis://h:0", "redis://h:65536", "redis://h:", "redis://h:6379x", "redis://h:-1",
        "redis://h:99999999999999999999", NULL
    };
    rp_redis_url_t url;
    int i;

    (void)state;
    for (i = 0; texts[i]; i++) {
        if (!rp_redis_url_parse(pool, texts[i], &url)) {
            fail_msg("%s is accepted", texts[i]);
        }
    }
    for (i = 0; ports[i]; i++) {
        bad(ports[i], "port from 1 to 65535");
    }
    bad("redis://h/x", "0 to 65535");
    bad("redis://h/65536", "0 to 65535");
    bad("redis://h/1/2", "0 to 65535");
    bad("redis://h/99999999999999999999999", "0 to 65535");
    bad("", "no URL");
    bad("redis:/h", "no URL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_servers), cmocka_unit_test(sockets), cmocka_unit_test(users_and_passwords),
        cmocka_unit_test(nothing_secret_is_shown), cmocka_unit_test(sentinels), cmocka_unit_test(clusters),
        cmocka_unit_test(wrong_hosts)
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}

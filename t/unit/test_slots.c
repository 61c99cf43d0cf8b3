/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "farm/slots.h"

static apr_pool_t *pool;

static rp_str_t str(const char *s)
{
    return (rp_str_t){ s, strlen(s) };
}

static void slots_of_keys(void **state)
{
    (void)state;
    /* The check value of the CRC in the cluster's specification, and what CLUSTER KEYSLOT says of the others. */
    assert_int_equal(rp_slot_of(str("123456789")), 0x31c3);
    assert_int_equal(rp_slot_of(str("foo")), 12182);
    assert_int_equal(rp_slot_of(str("bar")), 5061);
    assert_int_equal(rp_slot_of(str("")), 0);
}

static void hash_tags(void **state)
{
    (void)state;
    assert_int_equal(rp_slot_of(str("{user1000}.following")), rp_slot_of(str("user1000")));
    assert_int_equal(rp_slot_of(str("foo{bar}{zap}")), rp_slot_of(str("bar")));
    assert_int_equal(rp_slot_of(str("foo{{bar}}zap")), rp_slot_of(str("{bar")));
    assert_int_not_equal(rp_slot_of(str("foo{}{bar}")), rp_slot_of(str("bar")));
    assert_int_equal(rp_slot_of(str("foo{}{bar}")), 8363);
    assert_int_not_equal(rp_slot_of(str("{bar")), rp_slot_of(str("bar")));
    assert_int_equal(rp_slot_of((rp_str_t){ "\0{x}\xff", 5 }), rp_slot_of(str("x")));
}

static void redirections(void **state)
{
    rp_slot_node_t to;
    unsigned slot;

    (void)state;
    assert_int_equal(rp_slot_redirect(str("MOVED 3999 127.0.0.1:6381"), &slot, &to), 'M');
    assert_int_equal(slot, 3999);
    assert_int_equal(to.port, 6381);
    assert_memory_equal(to.host.ptr, "127.0.0.1", to.host.len);
    assert_int_equal(rp_slot_redirect(str("ASK 16383 redis-2.example:1"), &slot, &to), 'A');
    assert_int_equal(rp_slot_redirect(str("MOVED 1 2001:db8::1:7000"), &slot, &to), 'M');
    assert_int_equal(to.host.len, strlen("2001:db8::1"));
    assert_int_equal(to.port, 7000);
    assert_int_equal(rp_slot_redirect(str("MOVED 1 :7000"), &slot, &to), 'M');
    assert_int_equal(to.host.len, 0);
}

static void wrong_redirections(void **state)
{
    static const char *const texts[] = {
        "", "MOVED", "MOVED 1", "MOVED 1 ", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED x a:1", "MOVED 1 a", "MOVED 1 a:",
        "MOVED 1 a:0", "MOVED 1 a:65536", "MOVED 1 ?:1", "MOVEDX 1 a:1", "moved 1 a:1", "ERR MOVED 1 a:1", NULL
    };
    rp_slot_node_t to;
    unsigned slot;
    int i;

    (void)state;
    for (i = 0; texts[i]; i++) {
        if (rp_slot_redirect(str(texts[i]), &slot, &to)) {
            fail_msg("%s is followed", texts[i]);
        }
    }
}

static char seen[256];

static void note(void *data, unsigned first, unsigned last, const rp_slot_node_t *master)
{
    (void)data;
    apr_snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%u-%u %.*s:%d;", first, last,
                 (int)master->host.len, master->host.ptr, master->port);
}

static int read_map(const char *bytes)
{
    rp_reader_t *r = rp_reader_new();
    rp_reply_t *reply;
    int covered;

    seen[0] = '\0';
    rp_reader_into(r, pool);
    assert_int_equal(rp_reader_feed(r, bytes, strlen(bytes)), APR_SUCCESS);
    assert_int_equal(rp_reader_next(r, &reply), APR_SUCCESS);
    covered = rp_slot_map(reply, note, NULL);
    rp_reader_free(r);
    return covered;
}

static void maps(void **state)
{
    (void)state;
    assert_int_equal(read_map("*2\r\n*4\r\n:0\r\n:5460\r\n*4\r\n$2\r\nh1\r\n:7000\r\n$2\r\nid\r\n*0\r\n*3\r\n$2\r\n"
                              "h4\r\n:7003\r\n$2\r\nid\r\n*3\r\n:5461\r\n:16383\r\n*3\r\n$0\r\n\r\n:7001\r\n$2\r\n"
                              "id\r\n"), 16384);
    assert_string_equal(seen, "0-5460 h1:7000;5461-16383 :7001;");
    assert_int_equal(read_map("*0\r\n"), 0);
    assert_int_equal(read_map("*1\r\n*3\r\n:0\r\n:1\r\n*3\r\n$-1\r\n:7001\r\n$2\r\nid\r\n"), 2);
    assert_int_equal(read_map("*1\r\n*3\r\n:0\r\n:1\r\n*3\r\n$1\r\n?\r\n:7001\r\n$2\r\nid\r\n"), 0);
}

static void wrong_maps(void **state)
{
    (void)state;
    assert_int_equal(read_map("+OK\r\n"), -1);
    assert_int_equal(read_map("*1\r\n+OK\r\n"), -1);
    assert_int_equal(read_map("*1\r\n*2\r\n:0\r\n:1\r\n"), -1);
    assert_int_equal(read_map("*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"), -1);
    assert_int_equal(read_map("*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n"), -1);
    assert_int_equal(read_map("*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"), -1);
    assert_int_equal(read_map("*2\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\na\r\n:1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\n"
                              "a\r\n:1\r\n"), -1);
    assert_int_equal(read_map("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:70000\r\n"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_of_keys), cmocka_unit_test(hash_tags), cmocka_unit_test(redirections),
        cmocka_unit_test(wrong_redirections), cmocka_unit_test(maps), cmocka_unit_test(wrong_maps)
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}

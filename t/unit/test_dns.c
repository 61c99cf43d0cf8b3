/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "upstream/dns.h"

/* An answer, as far as it is put together. */
typedef struct message_t {
    unsigned char bytes[4096];
    size_t len;
} message_t;

static void put(message_t *m, const void *bytes, size_t len)
{
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static void put16(message_t *m, unsigned value)
{
    unsigned char bytes[] = {(unsigned char)(value >> 8), (unsigned char)value};

    put(m, bytes, 2);
}

/* The head, and the question for a.b, which begins at byte 12. */
static void begin(message_t *m, unsigned answers)
{
    m->len = 0;
    put16(m, 7);
    put16(m, 0x8180);
    put16(m, 1);
    put16(m, answers);
    put16(m, 0);
    put16(m, 0);
    put(m, "\1a\1b\0", 5);
    put16(m, 1);
    put16(m, 1);
}

/* A record of the question's name. */
static void record(message_t *m, unsigned type, unsigned ttl, const void *data, unsigned len)
{
    put16(m, 0xc00c);
    put16(m, type);
    put16(m, 1);
    put16(m, 0);
    put16(m, ttl);
    put16(m, len);
    put(m, data, len);
}

static void srv(message_t *m, unsigned priority, unsigned weight, unsigned port, const char *target, unsigned len)
{
    message_t data = {.len = 0};

    put16(&data, priority);
    put16(&data, weight);
    put16(&data, port);
    put(&data, target, len);
    record(m, 33, 60, data.bytes, (unsigned)data.len);
}

static rp_dns_record_t records[RP_DNS_MAX];
static apr_uint32_t ttl;

static int parse(const message_t *m, rp_dns_type_e type)
{
    ttl = 4711;
    return rp_dns_read(m->bytes, m->len, type, records, RP_DNS_MAX, &ttl);
}

static void reads_addresses(void **state)
{
    message_t m;

    (void)state;
    begin(&m, 3);
    record(&m, 5, 5, "\1c\0", 3);
    record(&m, 1, 300, "\x7f\0\0\1", 4);
    record(&m, 1, 30, "\x7f\0\0\2", 4);
    assert_int_equal(parse(&m, RP_DNS_A), 2);
    assert_memory_equal(records[0].address, "\x7f\0\0\1", 4);
    assert_memory_equal(records[1].address, "\x7f\0\0\2", 4);
    assert_int_equal(ttl, 30);
    assert_int_equal(parse(&m, RP_DNS_AAAA), 0);
    assert_int_equal(ttl, 4711);
}

static void leaves_out_addresses_of_a_wrong_length(void **state)
{
    message_t m;

    (void)state;
    begin(&m, 2);
    record(&m, 1, 300, "\x7f\0\0\1\1", 5);
    record(&m, 28, 300, "\x7f\0\0\1", 4);
    assert_int_equal(parse(&m, RP_DNS_A), 0);
    assert_int_equal(parse(&m, RP_DNS_AAAA), 0);
}

static void reads_services(void **state)
{
    message_t m;

    (void)state;
    begin(&m, 2);
    srv(&m, 10, 60, 8080, "\3one\xc0\x0c", 6);
    srv(&m, 20, 0, 8081, "\3two\0", 5);
    assert_int_equal(parse(&m, RP_DNS_SRV), 2);
    assert_string_equal(records[0].target, "one.a.b");
    assert_int_equal(records[0].port, 8080);
    assert_int_equal(records[0].priority, 10);
    assert_int_equal(records[0].weight, 60);
    assert_string_equal(records[1].target, "two");
}

static void leaves_out_services_that_are_none(void **state)
{
    message_t m;

    (void)state;
    begin(&m, 4);
    srv(&m, 0, 0, 80, "\0", 1);
    srv(&m, 0, 0, 0, "\3one\0", 5);
    srv(&m, 0, 0, 80, "\3o/e\0", 5);
    srv(&m, 0, 0, 80, "", 0);
    assert_int_equal(parse(&m, RP_DNS_SRV), 0);
}

static void knows_malformed_messages(void **state)
{
    message_t m;
    size_t len;

    (void)state;
    begin(&m, 1);
    record(&m, 1, 300, "\x7f\0\0\1", 4);
    for (len = 0; len < m.len; len++) {
        assert_int_equal(rp_dns_read(m.bytes, len, RP_DNS_A, records, RP_DNS_MAX, &ttl), -1);
    }
    begin(&m, 2);
    srv(&m, 0, 0, 80, "\xc0\x2d", 2);
    srv(&m, 0, 0, 80, "\3one\0", 5);
    assert_true(parse(&m, RP_DNS_SRV) <= 1);
}

static void takes_no_more_than_there_is_room_for(void **state)
{
    message_t m;
    int i;

    (void)state;
    begin(&m, 5);
    for (i = 0; i < 5; i++) {
        record(&m, 1, 300, "\x7f\0\0\1", 4);
    }
    assert_int_equal(rp_dns_read(m.bytes, m.len, RP_DNS_A, records, 3, &ttl), 3);
}

static void set(int i, unsigned priority, unsigned weight)
{
    records[i].priority = priority;
    records[i].weight = weight;
}

static void is(int i, unsigned priority, unsigned weight)
{
    assert_int_equal(records[i].priority, priority);
    assert_int_equal(records[i].weight, weight);
}

static void keeps_small_weights(void **state)
{
    (void)state;
    set(0, 10, 60);
    set(1, 10, 20);
    set(2, 10, 0);
    rp_dns_scale(records, 3, 256, 4);
    is(0, 0, 60);
    is(1, 0, 20);
    is(2, 0, 1);
}

static void scales_large_weights_within_their_priority(void **state)
{
    (void)state;
    set(0, 10, 65535);
    set(1, 10, 32768);
    set(2, 10, 1);
    set(3, 20, 5);
    rp_dns_scale(records, 4, 256, 4);
    is(0, 0, 256);
    is(1, 0, 128);
    is(2, 0, 1);
    is(3, 1, 5);
}

static void ranks_priorities(void **state)
{
    static const unsigned priorities[] = {50, 10, 40, 30, 20, 10}, ranks[] = {3, 0, 3, 2, 1, 0};
    int i;

    (void)state;
    for (i = 0; i < 6; i++) {
        set(i, priorities[i], 1);
    }
    rp_dns_scale(records, 6, 256, 4);
    for (i = 0; i < 6; i++) {
        is(i, ranks[i], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_addresses),
        cmocka_unit_test(leaves_out_addresses_of_a_wrong_length),
        cmocka_unit_test(reads_services),
        cmocka_unit_test(leaves_out_services_that_are_none),
        cmocka_unit_test(knows_malformed_messages),
        cmocka_unit_test(takes_no_more_than_there_is_room_for),
        cmocka_unit_test(keeps_small_weights),
        cmocka_unit_test(scales_large_weights_within_their_priority),
        cmocka_unit_test(ranks_priorities),
    };

    return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}

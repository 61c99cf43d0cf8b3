/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "upstream/proxy_header.h"

/* proxy-protocol.txt §2.2 */
#define SIGNATURE "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"

typedef union address_t {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
} address_t;

static address_t ip(const char *text, unsigned port)
{
    address_t a;

    memset(&a, 0, sizeof(a));
    if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
        a.in.sin_family = AF_INET;
        a.in.sin_port = htons((in_port_t)port);
    }
    else {
        assert_int_equal(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1);
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = htons((in_port_t)port);
    }
    return a;
}

static void check(const address_t *client, const address_t *server, const char *expected, size_t len)
{
    rp_endpoints_t ends = { client ? &client->sa : NULL, server ? &server->sa : NULL };
    char header[RP_PROXY_HEADER_MAX];

    assert_int_equal(rp_proxy_header(client ? &ends : NULL, header), len);
    assert_memory_equal(header, expected, len);
}

#define EXPECT(client, server, bytes) check(client, server, SIGNATURE bytes, sizeof(SIGNATURE bytes) - 1)

static void our_own_connections_are_local(void **state)
{
    (void)state;
    EXPECT(NULL, NULL, "\x20\x00\x00\x00");
}

static void ipv4(void **state)
{
    address_t client = ip("192.0.2.1", 50000), server = ip("198.51.100.7", 443);

    (void)state;
    EXPECT(&client, &server, "\x21\x11\x00\x0c" "\xc0\x00\x02\x01" "\xc6\x33\x64\x07" "\xc3\x50" "\x01\xbb");
}

static void ipv6(void **state)
{
    address_t client = ip("2001:db8::1", 50000), server = ip("2001:db8:f::2", 80);

    (void)state;
    EXPECT(&client, &server, "\x21\x21\x00\x24"
           "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
           "\x20\x01\x0d\xb8\x00\x0f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" "\xc3\x50" "\x00\x50");
}

static void ipv4_within_ipv6_is_ipv4(void **state)
{
    address_t client = ip("::ffff:192.0.2.1", 50000), server = ip("::ffff:198.51.100.7", 443);
    address_t plain = ip("198.51.100.7", 443);

    (void)state;
    EXPECT(&client, &server, "\x21\x11\x00\x0c" "\xc0\x00\x02\x01" "\xc6\x33\x64\x07" "\xc3\x50" "\x01\xbb");
    EXPECT(&client, &plain, "\x21\x11\x00\x0c" "\xc0\x00\x02\x01" "\xc6\x33\x64\x07" "\xc3\x50" "\x01\xbb");
}

/* A client that another proxy told of need not be of the connection's kind; its port is not known. */
static void kinds_that_differ_become_ipv6(void **state)
{
    address_t client = ip("2001:db8::1", 0), server = ip("198.51.100.7", 443);

    (void)state;
    EXPECT(&client, &server, "\x21\x21\x00\x24"
           "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
           "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x07" "\x00\x00" "\x01\xbb");
}

static void what_is_no_ip_address_is_not_told(void **state)
{
    address_t client = ip("192.0.2.1", 1), server;

    (void)state;
    memset(&server, 0, sizeof(server));
    server.un.sun_family = AF_UNIX;
    EXPECT(&client, &server, "\x21\x00\x00\x00");
    EXPECT(&server, &client, "\x21\x00\x00\x00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_connections_are_local),
        cmocka_unit_test(ipv4),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(ipv4_within_ipv6_is_ipv4),
        cmocka_unit_test(kinds_that_differ_become_ipv6),
        cmocka_unit_test(what_is_no_ip_address_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

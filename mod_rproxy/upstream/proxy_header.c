/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <netinet/in.h>

#include "upstream/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define SIGNATURE_LEN 12
#define VERSION 0x20
#define LOCAL 0
#define PROXY 1
#define UNSPEC 0x00
#define TCP_OVER_IPV4 0x11
#define TCP_OVER_IPV6 0x21
#define HEADER_LEN 16

/* An address in the form that has room for both kinds; the port in network order. */
typedef struct address_t {
    struct in6_addr ip;
    in_port_t port;
} address_t;

static int read_address(const struct sockaddr *sa, address_t *address)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    switch (sa->sa_family) {
    case AF_INET:
        memcpy(&in, sa, sizeof(in));
        memset(&address->ip, 0, 10);
        memset(&address->ip.s6_addr[10], 0xff, 2);
        memcpy(&address->ip.s6_addr[12], &in.sin_addr, 4);
        address->port = in.sin_port;
        return 1;
    case AF_INET6:
        memcpy(&in6, sa, sizeof(in6));
        address->ip = in6.sin6_addr;
        address->port = in6.sin6_port;
        return 1;
    default:
        return 0;
    }
}

static char *append(char *to, const void *bytes, apr_size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

apr_size_t rp_proxy_header(const rp_endpoints_t *ends, char header[RP_PROXY_HEADER_MAX])
{
    address_t client, server;
    apr_size_t skip, len;
    char *to = header + HEADER_LEN;

    memcpy(header, SIGNATURE, SIGNATURE_LEN);
    header[12] = VERSION | (ends ? PROXY : LOCAL);
    header[13] = UNSPEC;
    if (ends && read_address(ends->client, &client) && read_address(ends->server, &server)) {
        int within = IN6_IS_ADDR_V4MAPPED(&client.ip) && IN6_IS_ADDR_V4MAPPED(&server.ip);

        skip = within ? 12 : 0;
        header[13] = within ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
        to = append(to, &client.ip.s6_addr[skip], 16 - skip);
        to = append(to, &server.ip.s6_addr[skip], 16 - skip);
        to = append(to, &client.port, 2);
        to = append(to, &server.port, 2);
    }
    len = (apr_size_t)(to - header) - HEADER_LEN;
    header[14] = 0;
    header[15] = (char)len;
    return HEADER_LEN + len;
}

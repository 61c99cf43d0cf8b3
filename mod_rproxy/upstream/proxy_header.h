/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The PROXY protocol, version 2 (HAProxy's proxy-protocol.txt §2.2): for whom a connection is, in front of it. */
#ifndef RP_PROXY_HEADER_H
#define RP_PROXY_HEADER_H

#include <sys/socket.h>
#include <apr.h>

/** A client and what it connected to. */
typedef struct rp_endpoints_t {
    const struct sockaddr *client;
    const struct sockaddr *server;
} rp_endpoints_t;

/** With two IPv6 addresses. */
#define RP_PROXY_HEADER_MAX 52

/**
 * Write the header.  IPv4 addresses within IPv6 become IPv4 when both are; an IPv4 address beside an IPv6 one becomes
 * one within IPv6.  What is no IP address makes a header that names no addresses (UNSPEC).
 * @param ends  NULL: a connection of the proxy's own (LOCAL), such as a health check's
 * @return its size
 */
apr_size_t rp_proxy_header(const rp_endpoints_t *ends, char header[RP_PROXY_HEADER_MAX]);

#endif

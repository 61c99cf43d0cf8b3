/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The addresses that a name has now, where all processes see them. */
#ifndef RP_ADDRESSES_H
#define RP_ADDRESSES_H

#include <sys/socket.h>
#include <apr.h>

/** So many of a name's addresses are used. */
#define RP_MAX_ADDRESSES 16

/** Where to connect to. */
typedef struct rp_address_t {
    struct sockaddr_storage sa;
    socklen_t len;
} rp_address_t;

/** An address in shared memory. */
typedef struct rp_packed_address_t {
    apr_uint32_t family;    /* 0, AF_INET or AF_INET6 */
    apr_uint32_t port;
    apr_uint32_t scope;
    apr_uint32_t words[4];
} rp_packed_address_t;

/** Zeros are a name without addresses. */
typedef struct rp_addresses_t {
    apr_uint32_t sequence;  /* odd while it is being written */
    apr_uint32_t n;
    rp_packed_address_t list[RP_MAX_ADDRESSES];
} rp_addresses_t;

/**
 * Put n addresses in place of those that are there; of others than IPv4 and IPv6 none.  One writer at a time.
 * @return nonzero when they are others than before, in whatever order
 */
int rp_addresses_set(rp_addresses_t *shared, const rp_address_t *addresses, int n);

/** Copy them. Waits for nobody. @return how many, at most RP_MAX_ADDRESSES */
int rp_addresses_get(const rp_addresses_t *shared, rp_address_t addresses[RP_MAX_ADDRESSES]);

/** A number that changes with them. */
apr_uint32_t rp_addresses_sequence(const rp_addresses_t *shared);

/** Nonzero when the address is one of them. */
int rp_addresses_have(const rp_addresses_t *shared, const rp_address_t *address);

#endif

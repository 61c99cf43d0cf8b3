/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Where a member's name leads to, as the system's resolver or a name server says. */
#ifndef RP_FIND_H
#define RP_FIND_H

#include "config/config.h"
#include "upstream/addresses.h"
#include "upstream/dns.h"

/** A target: the name itself, or what an SRV record says. */
typedef struct rp_target_t {
    char host[RP_DNS_NAME_MAX];
    apr_port_t port;
    unsigned weight;   /* 1 to RP_MAX_WEIGHT; of SRV */
    unsigned level;    /* behind the member's own; of SRV */
    int n;
    rp_address_t addresses[RP_DNS_MAX];
} rp_target_t;

typedef struct rp_found_t {
    apr_array_header_t *targets; /* of rp_target_t * */
    apr_uint32_t ttl;            /* seconds; 0: unknown */
} rp_found_t;

/** Ask this name server instead of the system's resolver; NULL: as it is. At start, before the first rp_find(). */
void rp_find_ask(const struct sockaddr_storage *server);

/**
 * Look a member's name up.  Blocks for as long as the resolver does.
 * @return nonzero when there is at least one address; 0 with *error, in p
 */
int rp_find(const rp_member_conf_t *conf, rp_found_t *found, apr_pool_t *p, const char **error);

/** The addresses of the first target. @return how many */
int rp_found_addresses(const rp_found_t *found, rp_address_t addresses[RP_MAX_ADDRESSES]);

/** Set an address's port. */
void rp_address_port(rp_address_t *address, apr_port_t port);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>

#include <apr_strings.h>

#include "balance/state.h"
#include "upstream/find.h"

#define MAX_ANSWER 65535
/* Of a server that does not answer: seconds, and how often it is asked. */
#define PATIENCE 2
#define TRIES 2

static struct sockaddr_in server;
static int is_server_set;

void rp_find_ask(const struct sockaddr_storage *address)
{
    is_server_set = address != NULL;
    if (address) {
        memcpy(&server, address, sizeof(server));
    }
}

void rp_address_port(rp_address_t *address, apr_port_t port)
{
    if (address->sa.ss_family == AF_INET) {
        ((struct sockaddr_in *)&address->sa)->sin_port = htons(port);
    }
    else if (address->sa.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&address->sa)->sin6_port = htons(port);
    }
}

static int is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || strchr(host, ':') != NULL;
}

/* ------------------------------------------------------------------ the system's resolver */

static int find_by_system(rp_target_t *target, apr_pool_t *p, const char **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
    struct addrinfo *found, *ai;
    char port[8];
    int rc;

    apr_snprintf(port, sizeof(port), "%d", target->port);
    rc = getaddrinfo(target->host, port, &hints, &found);
    if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY) {
        /* A loopback address counts as no configured address (RFC 3493 §6.1): ask again without that rule. */
        hints.ai_flags &= ~AI_ADDRCONFIG;
        rc = getaddrinfo(target->host, port, &hints, &found);
    }
    if (rc != 0) {
        *error = apr_psprintf(p, "cannot resolve %s: %s", target->host, gai_strerror(rc));
        return 0;
    }
    for (ai = found; ai && target->n < RP_DNS_MAX; ai = ai->ai_next) {
        rp_address_t *address = &target->addresses[target->n++];

        memcpy(&address->sa, ai->ai_addr, ai->ai_addrlen);
        address->len = ai->ai_addrlen;
    }
    freeaddrinfo(found);
    return target->n > 0;
}

/* ------------------------------------------------------------------ a name server */

static const char *reason(int code)
{
    switch (code) {
    case HOST_NOT_FOUND:
        return "there is no such name";
    case NO_DATA:
        return "it has no such records";
    case TRY_AGAIN:
        return "no answer of a name server";
    default:
        return "name servers failed";
    }
}

/* @return how many records; 0 with *error when there are none, -1 when that is not known */
static int query(const char *name, rp_dns_type_e type, rp_dns_record_t *records, apr_uint32_t *ttl, apr_pool_t *p,
                 const char **error)
{
    static const int types[] = { ns_t_a, ns_t_aaaa, ns_t_srv };
    unsigned char *answer = apr_palloc(p, MAX_ANSWER);
    struct __res_state state;
    int len, n;

    memset(&state, 0, sizeof(state));
    if (res_ninit(&state) != 0) {
        *error = apr_psprintf(p, "cannot resolve %s: the resolver does not start", name);
        return 0;
    }
    if (is_server_set) {
        state.nscount = 1;
        state.nsaddr_list[0] = server;
    }
    state.retrans = PATIENCE;
    state.retry = TRIES;
    len = res_nquery(&state, name, ns_c_in, types[type], answer, MAX_ANSWER);
    n = len > 0 ? rp_dns_read(answer, (size_t)(len < MAX_ANSWER ? len : MAX_ANSWER), type, records, RP_DNS_MAX, ttl) : 0;
    if (n <= 0) {
        *error = apr_psprintf(p, "cannot resolve %s: %s", name, n < 0 ? "the answer is malformed"
                              : reason(len < 0 ? state.res_h_errno : NO_DATA));
    }
    else {
        *error = NULL;
    }
    if (n == 0 && len < 0 && state.res_h_errno != HOST_NOT_FOUND && state.res_h_errno != NO_DATA) {
        n = -1;
    }
    res_nclose(&state);
    return n;
}

static void add_address(rp_target_t *target, int family, const rp_dns_record_t *record)
{
    rp_address_t *address = &target->addresses[target->n];

    if (target->n == RP_DNS_MAX) {
        return;
    }
    memset(address, 0, sizeof(*address));
    address->sa.ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        memcpy(&((struct sockaddr_in *)&address->sa)->sin_addr, record->address, 4);
        address->len = sizeof(struct sockaddr_in);
    }
    else {
        memcpy(&((struct sockaddr_in6 *)&address->sa)->sin6_addr, record->address, 16);
        address->len = sizeof(struct sockaddr_in6);
    }
    rp_address_port(address, target->port);
    target->n++;
}

static void shorten(rp_found_t *found, apr_uint32_t ttl)
{
    found->ttl = found->ttl && found->ttl < ttl ? found->ttl : ttl ? ttl : 1;
}

/* One kind of addresses that cannot be had now is no reason to drop those that are known: both must be answered. */
static int find_by_server(rp_target_t *target, rp_found_t *found, apr_pool_t *p, const char **error)
{
    rp_dns_record_t *records = apr_palloc(p, RP_DNS_MAX * sizeof(*records));
    apr_uint32_t ttl = 0;
    int kind;

    for (kind = RP_DNS_A; kind <= RP_DNS_AAAA; kind++) {
        int n = query(target->host, (rp_dns_type_e)kind, records, &ttl, p, error), i;

        if (n < 0) {
            return 0;
        }
        for (i = 0; i < n; i++) {
            add_address(target, kind == RP_DNS_A ? AF_INET : AF_INET6, &records[i]);
        }
        if (n > 0) {
            shorten(found, ttl);
        }
    }
    return target->n > 0;
}

/* ------------------------------------------------------------------ names to targets */

static rp_target_t *add_target(rp_found_t *found, const char *host, apr_port_t port, apr_pool_t *p)
{
    rp_target_t *target = apr_pcalloc(p, sizeof(*target));

    apr_cpystrn(target->host, host, sizeof(target->host));
    target->port = port;
    target->weight = 1;
    APR_ARRAY_PUSH(found->targets, rp_target_t *) = target;
    return target;
}

static int find_addresses(rp_target_t *target, rp_found_t *found, apr_pool_t *p, const char **error)
{
    return is_server_set && !is_address(target->host) ? find_by_server(target, found, p, error)
                                                      : find_by_system(target, p, error);
}

static int find_service(const rp_member_conf_t *conf, rp_found_t *found, apr_pool_t *p, const char **error)
{
    rp_dns_record_t *records = apr_palloc(p, RP_DNS_MAX * sizeof(*records));
    apr_uint32_t ttl = 0;
    int n = query(conf->host, RP_DNS_SRV, records, &ttl, p, error), i;

    if (n <= 0) {
        return 0;
    }
    shorten(found, ttl);
    rp_dns_scale(records, n, RP_MAX_WEIGHT, RP_LEVELS);
    for (i = 0; i < n; i++) {
        rp_target_t *target = add_target(found, records[i].target, (apr_port_t)records[i].port, p);

        target->weight = records[i].weight;
        target->level = records[i].priority;
        /* All or nothing: who is left out would be taken for gone. */
        if (!find_addresses(target, found, p, error)) {
            return 0;
        }
    }
    return 1;
}

int rp_find(const rp_member_conf_t *conf, rp_found_t *found, apr_pool_t *p, const char **error)
{
    found->targets = apr_array_make(p, 4, sizeof(rp_target_t *));
    found->ttl = 0;
    return conf->srv ? find_service(conf, found, p, error)
                     : find_addresses(add_target(found, conf->host, conf->port, p), found, p, error);
}

int rp_found_addresses(const rp_found_t *found, rp_address_t addresses[RP_MAX_ADDRESSES])
{
    const rp_target_t *target = APR_ARRAY_IDX(found->targets, 0, rp_target_t *);
    int n = target->n < RP_MAX_ADDRESSES ? target->n : RP_MAX_ADDRESSES;

    memcpy(addresses, target->addresses, (size_t)n * sizeof(*addresses));
    return n;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <netinet/in.h>
#include <string.h>

#include "upstream/addresses.h"

/* A writer is done within microseconds unless it died: then what it left is used as it is. */
#define MAX_TRIES 1000

static int pack(const rp_address_t *address, rp_packed_address_t *packed)
{
    memset(packed, 0, sizeof(*packed));
    packed->family = address->sa.ss_family;
    if (address->sa.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->sa;

        packed->port = in->sin_port;
        memcpy(packed->words, &in->sin_addr, sizeof(in->sin_addr));
        return 1;
    }
    if (address->sa.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->sa;

        packed->port = in6->sin6_port;
        packed->scope = in6->sin6_scope_id;
        memcpy(packed->words, &in6->sin6_addr, sizeof(in6->sin6_addr));
        return 1;
    }
    return 0;
}

static int unpack(const rp_packed_address_t *packed, rp_address_t *address)
{
    memset(address, 0, sizeof(*address));
    if (packed->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&address->sa;

        in->sin_family = AF_INET;
        in->sin_port = (in_port_t)packed->port;
        memcpy(&in->sin_addr, packed->words, sizeof(in->sin_addr));
        address->len = sizeof(*in);
        return 1;
    }
    if (packed->family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->sa;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = (in_port_t)packed->port;
        in6->sin6_scope_id = packed->scope;
        memcpy(&in6->sin6_addr, packed->words, sizeof(in6->sin6_addr));
        address->len = sizeof(*in6);
        return 1;
    }
    return 0;
}

static void copy_words(apr_uint32_t *to, const apr_uint32_t *from, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        __atomic_store_n(&to[i], __atomic_load_n(&from[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    }
}

static int has(const rp_packed_address_t *list, unsigned n, const rp_packed_address_t *wanted)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (!memcmp(&list[i], wanted, sizeof(*wanted))) {
            return 1;
        }
    }
    return 0;
}

static int is_same(const rp_addresses_t *shared, const rp_packed_address_t *list, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (!has(shared->list, shared->n, &list[i])) {
            return 0;
        }
    }
    return n == shared->n;
}

int rp_addresses_set(rp_addresses_t *shared, const rp_address_t *addresses, int n)
{
    rp_packed_address_t list[RP_MAX_ADDRESSES];
    unsigned count = 0;
    apr_uint32_t sequence;
    int i;

    for (i = 0; i < n && count < RP_MAX_ADDRESSES; i++) {
        count += (unsigned)(pack(&addresses[i], &list[count]) && !has(list, count, &list[count]));
    }
    if (is_same(shared, list, count)) {
        return 0;
    }
    /* Odd already when the writer before this one died. */
    sequence = __atomic_load_n(&shared->sequence, __ATOMIC_RELAXED) | 1;
    __atomic_store_n(&shared->sequence, sequence, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    copy_words((apr_uint32_t *)shared->list, (const apr_uint32_t *)list, count * sizeof(*list) / sizeof(apr_uint32_t));
    __atomic_store_n(&shared->n, count, __ATOMIC_RELAXED);
    __atomic_store_n(&shared->sequence, sequence + 1, __ATOMIC_RELEASE);
    return 1;
}

int rp_addresses_get(const rp_addresses_t *shared, rp_address_t addresses[RP_MAX_ADDRESSES])
{
    rp_packed_address_t list[RP_MAX_ADDRESSES];
    apr_uint32_t before, n;
    int tries, found = 0;
    unsigned i;

    for (tries = 0; tries < MAX_TRIES; tries++) {
        before = __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE);
        n = __atomic_load_n(&shared->n, __ATOMIC_RELAXED);
        n = n < RP_MAX_ADDRESSES ? n : RP_MAX_ADDRESSES;
        copy_words((apr_uint32_t *)list, (const apr_uint32_t *)shared->list, n * sizeof(*list) / sizeof(apr_uint32_t));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(before & 1) && before == __atomic_load_n(&shared->sequence, __ATOMIC_RELAXED)) {
            break;
        }
    }
    for (i = 0; i < n; i++) {
        found += unpack(&list[i], &addresses[found]);
    }
    return found;
}

apr_uint32_t rp_addresses_sequence(const rp_addresses_t *shared)
{
    return __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE);
}

int rp_addresses_have(const rp_addresses_t *shared, const rp_address_t *address)
{
    rp_address_t addresses[RP_MAX_ADDRESSES];
    rp_packed_address_t wanted, packed;
    int i, n = rp_addresses_get(shared, addresses);

    for (i = 0; pack(address, &wanted) && i < n; i++) {
        if (pack(&addresses[i], &packed) && !memcmp(&packed, &wanted, sizeof(wanted))) {
            return 1;
        }
    }
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Answers of name servers, as bytes to records; and what follows from SRV records. */
#ifndef RP_DNS_H
#define RP_DNS_H

#include <stddef.h>
#include <apr.h>

#define RP_DNS_NAME_MAX 256
/** More addresses and targets than this are left out. */
#define RP_DNS_MAX 64

typedef enum rp_dns_type_e {
    RP_DNS_A,
    RP_DNS_AAAA,
    RP_DNS_SRV
} rp_dns_type_e;

/** One record: an address of 4 or 16 bytes, or a target. */
typedef struct rp_dns_record_t {
    unsigned char address[16];
    char target[RP_DNS_NAME_MAX];
    unsigned port;
    unsigned priority;
    unsigned weight;
} rp_dns_record_t;

/**
 * Read the records of one type out of an answer, whoever's they are: aliases have led to them.
 * Targets that are no host names, and the "." that says that there is no such service, are left out.
 * @param ttl  out: the shortest, in seconds; untouched when there is no record
 * @return how many, at most max; -1 when the message is malformed
 */
int rp_dns_read(const unsigned char *message, size_t len, rp_dns_type_e type, rp_dns_record_t *records, int max,
                apr_uint32_t *ttl);

/**
 * Make of SRV records' weights (0 to 65535) and priorities (likewise) what members have: weights of 1 to most in the
 * same proportions as far as that goes, and ranks from 0 to ranks - 1 in the same order.
 */
void rp_dns_scale(rp_dns_record_t *records, int n, unsigned most, unsigned ranks);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <apr_lib.h>

#include "upstream/dns.h"

/* RFC 2782: priority, weight, port, then the target's name of at least a byte. */
#define SRV_FIXED 6

static int is_host_name(const char *name)
{
    const char *c;

    for (c = name; *c; c++) {
        if (!apr_isalnum(*c) && *c != '-' && *c != '.' && *c != '_') {
            return 0;
        }
    }
    return c > name && *name != '.' && *name != '-';
}

static int read_target(ns_msg *message, const unsigned char *data, unsigned len, rp_dns_record_t *record)
{
    if (len <= SRV_FIXED
        || ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + SRV_FIXED, record->target,
                              sizeof(record->target)) < 0) {
        return 0;
    }
    record->priority = ns_get16(data);
    record->weight = ns_get16(data + 2);
    record->port = ns_get16(data + 4);
    return record->port > 0 && is_host_name(record->target);
}

static int read_record(ns_msg *message, const ns_rr *rr, rp_dns_type_e type, rp_dns_record_t *record)
{
    unsigned len = ns_rr_rdlen(*rr);

    memset(record, 0, sizeof(*record));
    if (type == RP_DNS_SRV) {
        return read_target(message, ns_rr_rdata(*rr), len, record);
    }
    if (len != (type == RP_DNS_A ? 4 : 16)) {
        return 0;
    }
    memcpy(record->address, ns_rr_rdata(*rr), len);
    return 1;
}

int rp_dns_read(const unsigned char *message, size_t len, rp_dns_type_e type, rp_dns_record_t *records, int max,
                apr_uint32_t *ttl)
{
    static const int types[] = { ns_t_a, ns_t_aaaa, ns_t_srv };
    apr_uint32_t shortest = 0;
    ns_msg parsed;
    int i, n = 0;

    if (len > NS_MAXMSG || ns_initparse(message, (int)len, &parsed) < 0) {
        return -1;
    }
    for (i = 0; i < ns_msg_count(parsed, ns_s_an) && n < max; i++) {
        ns_rr rr;

        if (ns_parserr(&parsed, ns_s_an, i, &rr) < 0) {
            return -1;
        }
        if ((int)ns_rr_type(rr) == types[type] && ns_rr_class(rr) == ns_c_in
            && read_record(&parsed, &rr, type, &records[n])) {
            shortest = n == 0 || ns_rr_ttl(rr) < shortest ? ns_rr_ttl(rr) : shortest;
            n++;
        }
    }
    if (n > 0) {
        *ttl = shortest;
    }
    return n;
}

static unsigned rank_of(const rp_dns_record_t *records, int n, unsigned priority)
{
    unsigned rank = 0;
    int i, j;

    /* How many priorities there are before this one, each counted at its first record. */
    for (i = 0; i < n; i++) {
        for (j = 0; j < i && records[j].priority != records[i].priority; j++) {
        }
        rank += j == i && records[i].priority < priority;
    }
    return rank;
}

static unsigned heaviest_of(const rp_dns_record_t *records, int n, unsigned priority)
{
    unsigned heaviest = 0;
    int i;

    for (i = 0; i < n; i++) {
        if (records[i].priority == priority && records[i].weight > heaviest) {
            heaviest = records[i].weight;
        }
    }
    return heaviest;
}

void rp_dns_scale(rp_dns_record_t *records, int n, unsigned most, unsigned ranks)
{
    unsigned weights[RP_DNS_MAX], levels[RP_DNS_MAX];
    int i;

    n = n < RP_DNS_MAX ? n : RP_DNS_MAX;
    for (i = 0; i < n; i++) {
        unsigned heaviest = heaviest_of(records, n, records[i].priority);
        unsigned rank = rank_of(records, n, records[i].priority);

        weights[i] = heaviest > most ? records[i].weight * most / heaviest : records[i].weight;
        /* RFC 2782 gives a weight of 0 a very small chance, and all alike when all are 0. */
        weights[i] = weights[i] ? weights[i] : 1;
        levels[i] = rank < ranks ? rank : ranks - 1;
    }
    for (i = 0; i < n; i++) {
        records[i].weight = weights[i];
        records[i].priority = levels[i];
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* What a name server answers.  Names end within their records; weights and priorities are those of members. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/dns.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rp_dns_record_t records[RP_DNS_MAX];
    apr_uint32_t ttl = 0;
    int type, i, n = 0;

    for (type = RP_DNS_A; type <= RP_DNS_SRV; type++) {
        n = rp_dns_read(data, size, (rp_dns_type_e)type, records, RP_DNS_MAX, &ttl);
        CHECK(n >= -1 && n <= RP_DNS_MAX);
    }
    for (i = 0; i < n; i++) {
        CHECK(memchr(records[i].target, '\0', sizeof(records[i].target)));
        CHECK(records[i].port > 0 && records[i].port <= 65535);
        CHECK(!strpbrk(records[i].target, "/@:?# "));
    }
    if (n > 0) {
        rp_dns_scale(records, n, 256, 4);
    }
    for (i = 0; i < n; i++) {
        CHECK(records[i].weight >= 1 && records[i].weight <= 256 && records[i].priority < 4);
    }
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Paths of the management interface: what is read of one, written again, reads the same. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status/manage_path.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const rp_manage_path_t *path)
{
    static const char *const formats[] = { "", "/purge", "", "/pools/%s", "/pools/%s/members", "/pools/%s/members/%s" };
    char text[RP_MANAGE_NAME_MAX + RP_MEMBER_ID_LEN + 64];
    rp_manage_path_t again;

    CHECK(!strchr(path->pool, '/') && !strchr(path->member, '/'));
    CHECK(path->resource <= RP_RESOURCE_MEMBER);
    if (path->resource > RP_RESOURCE_ALL) {
        CHECK(*path->pool);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), formats[path->resource], path->pool, path->member);
#pragma GCC diagnostic pop
        CHECK(rp_manage_path(text, &again) == path->resource);
        CHECK(!strcmp(again.pool, path->pool) && !strcmp(again.member, path->member));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    rp_manage_path_t path;
    size_t base;

    memcpy(text, data, size);
    text[size] = '\0';
    if (rp_manage_path(text, &path) != RP_RESOURCE_NONE) {
        check(&path);
    }
    CHECK(rp_manage_path_tail(text, &path, &base) != RP_RESOURCE_NONE);
    CHECK(base <= strlen(text));
    check(&path);
    free(text);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include "status/manage_path.h"

#define POOLS "/pools"
#define MEMBERS "members"
#define PURGE "/purge"
/* pools, name, members, id */
#define MAX_SEGMENTS 4

typedef struct segment_t {
    const char *ptr;
    size_t len;
} segment_t;

/* @return how many there are, or MAX_SEGMENTS + 1 when more; -1 for an empty one in between */
static int split(const char *rest, segment_t segments[MAX_SEGMENTS])
{
    int n = 0;

    while (*rest == '/' && rest[1]) {
        size_t len = strcspn(++rest, "/");

        if (len == 0) {
            return -1;
        }
        if (n == MAX_SEGMENTS) {
            return MAX_SEGMENTS + 1;
        }
        segments[n++] = (segment_t){ rest, len };
        rest += len;
    }
    return *rest && strcmp(rest, "/") ? -1 : n;
}

static int is(const segment_t *segment, const char *text)
{
    return segment->len == strlen(text) && !memcmp(segment->ptr, text, segment->len);
}

static int copy(char *to, size_t size, const segment_t *segment)
{
    if (segment->len >= size) {
        return 0;
    }
    memcpy(to, segment->ptr, segment->len);
    to[segment->len] = '\0';
    return 1;
}

static rp_resource_e read_segments(const segment_t *segments, int n, rp_manage_path_t *path)
{
    if (n == 0) {
        return RP_RESOURCE_ALL;
    }
    if (n == 1 && is(&segments[0], PURGE + 1)) {
        return RP_RESOURCE_PURGE;
    }
    if (n < 0 || n > MAX_SEGMENTS || !is(&segments[0], POOLS + 1)) {
        return RP_RESOURCE_NONE;
    }
    if (n == 1) {
        return RP_RESOURCE_ALL;
    }
    if (!copy(path->pool, sizeof(path->pool), &segments[1]) || (n > 2 && !is(&segments[2], MEMBERS))) {
        return RP_RESOURCE_NONE;
    }
    if (n < 4) {
        return n == 2 ? RP_RESOURCE_POOL : RP_RESOURCE_MEMBERS;
    }
    return copy(path->member, sizeof(path->member), &segments[3]) ? RP_RESOURCE_MEMBER : RP_RESOURCE_NONE;
}

rp_resource_e rp_manage_path(const char *rest, rp_manage_path_t *path)
{
    segment_t segments[MAX_SEGMENTS];

    memset(path, 0, sizeof(*path));
    path->resource = read_segments(segments, split(rest, segments), path);
    return path->resource;
}

rp_resource_e rp_manage_path_tail(const char *whole, rp_manage_path_t *path, size_t *base)
{
    const char *at = whole;

    /* The longest reading: a pool may be called "pools". */
    while ((at = strstr(at, POOLS)) != NULL) {
        if ((at[sizeof(POOLS) - 1] == '/' || !at[sizeof(POOLS) - 1]) && rp_manage_path(at, path) != RP_RESOURCE_NONE) {
            *base = (size_t)(at - whole);
            return path->resource;
        }
        at++;
    }
    *base = strlen(whole);
    if (*base >= sizeof(PURGE) - 1 && !strcmp(whole + *base - (sizeof(PURGE) - 1), PURGE)) {
        *base -= sizeof(PURGE) - 1;
        return rp_manage_path(PURGE, path);
    }
    *base -= *base > 0 && whole[*base - 1] == '/';
    return rp_manage_path("", path);
}

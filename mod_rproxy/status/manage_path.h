/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Which of the management interface's resources a path names. */
#ifndef RP_MANAGE_PATH_H
#define RP_MANAGE_PATH_H

#include <stddef.h>

/** With its NUL; no pool of a longer name can be managed. */
#define RP_MANAGE_NAME_MAX 256
typedef enum rp_resource_e {
    RP_RESOURCE_NONE,
    RP_RESOURCE_PURGE,   /* "/purge" */
    RP_RESOURCE_ALL,     /* "", "/pools" */
    RP_RESOURCE_POOL,    /* "/pools/NAME" */
    RP_RESOURCE_MEMBERS, /* "/pools/NAME/members" */
    RP_RESOURCE_MEMBER   /* "/pools/NAME/members/ID" */
} rp_resource_e;

#define RP_MEMBER_ID_LEN 16

typedef struct rp_manage_path_t {
    rp_resource_e resource;
    char pool[RP_MANAGE_NAME_MAX];
    char member[RP_MEMBER_ID_LEN + 1];
} rp_manage_path_t;

/**
 * Read what stands behind the place of the interface; one slash at its end makes no difference.
 * @return the resource, which is also in path->resource
 */
rp_resource_e rp_manage_path(const char *rest, rp_manage_path_t *path);

/**
 * The same of a whole path, for when nobody knows where the interface's place ends.
 * @param base  out: bytes of the path that are the place
 */
rp_resource_e rp_manage_path_tail(const char *whole, rp_manage_path_t *path, size_t *base);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Purging from elsewhere than the site itself: the management interface says by absolute URLs what PURGE says by where it
 * is sent.
 */
#ifndef RP_PURGE_COMMAND_H
#define RP_PURGE_COMMAND_H

#include <httpd.h>

typedef enum rp_purge_what_e {
    RP_PURGE_THE_URL,
    RP_PURGE_THE_PREFIX,
    RP_PURGE_THE_TAGS,
    RP_PURGE_EVERYTHING
} rp_purge_what_e;

typedef struct rp_purge_wish_t {
    rp_purge_what_e what;
    int soft;                 /* what is covered stays, as stale */
    const char *url;          /* http://HOST/PATH, of a URL and a prefix */
    const char *host;         /* of tags, as clients write it */
    apr_array_header_t *tags; /* of const char * */
} rp_purge_wish_t;

/**
 * Purge; logs it with who asked.  A URL and a prefix are purged under http and https alike, and as the RProxyCacheKey
 * of each server that serves the host has them.
 * @param count  how many responses it covered
 * @return OK, or an HTTP status with *why, a sentence that says what to do
 */
int rp_purge_command(request_rec *r, const rp_purge_wish_t *wish, apr_uint64_t *count, const char **why);

#endif

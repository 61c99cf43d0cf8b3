/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Where a farm's Redis is, as one writes it down: a server, a set of Sentinels with the name of what they watch, or
 * nodes of a cluster.  Pure code.
 *
 *     redis://[user:password@]host[:port][/db]       rediss:// likewise, with TLS
 *     unix:/path
 *     sentinel://[user:password@]s1[:port],s2,s3/master-name
 *     cluster://[user:password@]n1[:port],n2,n3
 */
#ifndef RP_REDIS_URL_H
#define RP_REDIS_URL_H

#include <apr_pools.h>

#define RP_REDIS_PORT 6379
#define RP_SENTINEL_PORT 26379
/** As many Sentinels or nodes may be named. */
#define RP_REDIS_HOSTS 16
/** Redis itself has no such bound; what is longer is a mistake. */
#define RP_REDIS_SECRET_MAX 1024
/** Bytes of a host's name or address, or of a socket's path, with the NUL. */
#define RP_REDIS_HOST_MAX 256

typedef enum rp_redis_kind_e {
    RP_REDIS_SINGLE,
    RP_REDIS_SENTINEL,
    RP_REDIS_CLUSTER
} rp_redis_kind_e;

typedef struct rp_redis_host_t {
    const char *host; /* a name, an address without brackets, or with port 0 a Unix socket's path */
    int port;
} rp_redis_host_t;

typedef struct rp_redis_url_t {
    rp_redis_kind_e kind;
    int tls;
    const char *user;     /* NULL: Redis' default user */
    const char *password; /* NULL: none */
    const char *master;   /* what Sentinels call it, else NULL */
    int db;               /* -1: not said */
    int nhosts;
    rp_redis_host_t hosts[RP_REDIS_HOSTS];
} rp_redis_url_t;

/**
 * Read a URL; what url points to lives in p.
 * @return NULL, or what is wrong and what to write instead, in p; it has no user and password in it
 */
const char *rp_redis_url_parse(apr_pool_t *p, const char *text, rp_redis_url_t *url);

/** The URL as it may be shown to anybody: without user and password. In p. */
const char *rp_redis_url_shown(apr_pool_t *p, const char *text);

#endif

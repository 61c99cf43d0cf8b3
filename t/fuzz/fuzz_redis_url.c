/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* URLs of a Redis: whatever is accepted is within its bounds, and no message tells a password. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "farm/redis_url.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

#define SECRET "7hunter7"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static void check_accepted(const rp_redis_url_t *url)
{
    int i;

    CHECK(url->nhosts >= 1 && url->nhosts <= RP_REDIS_HOSTS);
    CHECK(url->db >= -1 && url->db <= 65535);
    CHECK(!url->user || (*url->user && strlen(url->user) <= RP_REDIS_SECRET_MAX));
    CHECK(!url->password || (*url->password && strlen(url->password) <= RP_REDIS_SECRET_MAX));
    CHECK((url->kind == RP_REDIS_SENTINEL) == (url->master != NULL));
    CHECK(url->kind != RP_REDIS_SINGLE || url->nhosts == 1);
    for (i = 0; i < url->nhosts; i++) {
        CHECK(*url->hosts[i].host && strlen(url->hosts[i].host) < RP_REDIS_HOST_MAX);
        CHECK(url->hosts[i].port <= 65535);
        CHECK((url->hosts[i].port == 0) == (*url->hosts[i].host == '/'));
        CHECK(url->hosts[i].port == 0 || !strpbrk(url->hosts[i].host, "[]/@, \r\n"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rp_redis_url_t url, again;
    char *text;
    const char *error;

    if (size > 4096 || memchr(data, '\0', size)) {
        return 0;
    }
    text = apr_pstrmemdup(pool, (const char *)data, size);
    if (strstr(text, SECRET)) {
        apr_pool_clear(pool);
        return 0;
    }
    error = rp_redis_url_parse(pool, text, &url);
    if (error) {
        CHECK(*error);
    }
    else {
        check_accepted(&url);
        /* What is shown is a URL of the same place. */
        CHECK(!rp_redis_url_parse(pool, rp_redis_url_shown(pool, text), &again));
        CHECK(again.nhosts == url.nhosts && again.db == url.db && again.hosts[0].port == url.hosts[0].port);
        CHECK(!strcmp(again.hosts[0].host, url.hosts[0].host));
    }
    /* With a password before what was tried, nothing that is said has it. */
    text = apr_pstrcat(pool, "redis://u:" SECRET "@", text, NULL);
    error = rp_redis_url_parse(pool, text, &url);
    CHECK(!error || !strstr(error, SECRET));
    CHECK(!strstr(rp_redis_url_shown(pool, text), SECRET));
    apr_pool_clear(pool);
    return 0;
}

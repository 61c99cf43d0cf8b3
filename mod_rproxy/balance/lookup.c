/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>

#include "balance/lookup.h"

#define MAX_LOOKUPS 16

struct rp_lookup_t {
    apr_pool_t *pool;
    rp_member_conf_t conf;
    rp_address_t addresses[RP_MAX_ADDRESSES];
    int naddresses;
    const char *error;
    int done;  /* what stands above may be read */
    int users; /* the thread, and who asked */
};

static int under_way;

void rp_lookup_release(rp_lookup_t *lookup)
{
    if (__atomic_sub_fetch(&lookup->users, 1, __ATOMIC_ACQ_REL) == 0) {
        apr_pool_destroy(lookup->pool);
        free(lookup);
    }
}

static void *run(void *data)
{
    rp_lookup_t *lookup = data;

    lookup->naddresses = rp_resolve(&lookup->conf, lookup->addresses, lookup->pool, &lookup->error);
    __atomic_store_n(&lookup->done, 1, __ATOMIC_RELEASE);
    rp_lookup_release(lookup);
    __atomic_sub_fetch(&under_way, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* Signals are for the server's own threads. */
static int start(rp_lookup_t *lookup)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attributes, run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc == 0;
}

rp_lookup_t *rp_lookup_begin(const rp_member_conf_t *conf)
{
    rp_lookup_t *lookup;

    if (__atomic_add_fetch(&under_way, 1, __ATOMIC_RELAXED) <= MAX_LOOKUPS && (lookup = calloc(1, sizeof(*lookup)))) {
        lookup->users = 2;
        /* Of its own, not the caller's: pools of two threads have nothing in common. */
        if (apr_pool_create_unmanaged_ex(&lookup->pool, NULL, NULL) == APR_SUCCESS) {
            lookup->conf.scheme = conf->scheme;
            lookup->conf.host = apr_pstrdup(lookup->pool, conf->host);
            lookup->conf.port = conf->port;
            if (start(lookup)) {
                return lookup;
            }
            apr_pool_destroy(lookup->pool);
        }
        free(lookup);
    }
    __atomic_sub_fetch(&under_way, 1, __ATOMIC_RELAXED);
    return NULL;
}

int rp_lookup_done(rp_lookup_t *lookup, rp_address_t addresses[RP_MAX_ADDRESSES], int *n, const char **error)
{
    if (!__atomic_load_n(&lookup->done, __ATOMIC_ACQUIRE)) {
        return 0;
    }
    memcpy(addresses, lookup->addresses, (size_t)lookup->naddresses * sizeof(*addresses));
    *n = lookup->naddresses;
    *error = lookup->error;
    return 1;
}

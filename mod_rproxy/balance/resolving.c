/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "balance/resolving.h"

/* At a time, in a process. */
#define MAX_LOOKUPS 1024
/* The system's default would be 32 times as much address space. */
#define STACK (256 * 1024)

struct rp_resolving_t {
    apr_pool_t *pool;
    rp_member_conf_t conf; /* as much of it as a lookup needs */
    rp_found_t found;
    int is_found;
    const char *error;
    int done;  /* what stands above may be read */
    int users; /* the thread, and who asked */
};

static int under_way;
static pthread_once_t pinned = PTHREAD_ONCE_INIT;

/* A thread may be in the resolver still when httpd, which does not wait for it, unloads modules. */
static void pin_code(void)
{
    Dl_info here;

    if (dladdr(&under_way, &here) && here.dli_fname) {
        dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    }
}

void rp_resolving_release(rp_resolving_t *lookup)
{
    if (__atomic_sub_fetch(&lookup->users, 1, __ATOMIC_ACQ_REL) == 0) {
        apr_pool_destroy(lookup->pool);
        free(lookup);
    }
}

static void *run(void *data)
{
    rp_resolving_t *lookup = data;

    lookup->is_found = rp_find(&lookup->conf, &lookup->found, lookup->pool, &lookup->error);
    __atomic_store_n(&lookup->done, 1, __ATOMIC_RELEASE);
    rp_resolving_release(lookup);
    __atomic_sub_fetch(&under_way, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* Signals are for the server's own threads. */
static int start(rp_resolving_t *lookup)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attributes, run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc == 0;
}

/* Memory of its own: pools of two threads have nothing in common, and the configuration may be gone before it is over. */
static int copy_name(rp_resolving_t *lookup, const rp_member_conf_t *conf)
{
    if (apr_pool_create_unmanaged_ex(&lookup->pool, NULL, NULL) != APR_SUCCESS) {
        return 0;
    }
    lookup->conf.scheme = conf->scheme;
    lookup->conf.port = conf->port;
    lookup->conf.srv = conf->srv;
    lookup->conf.host = apr_pstrdup(lookup->pool, conf->host);
    return 1;
}

rp_resolving_t *rp_resolving_begin(const rp_member_conf_t *conf)
{
    rp_resolving_t *lookup;

    pthread_once(&pinned, pin_code);
    if (__atomic_add_fetch(&under_way, 1, __ATOMIC_RELAXED) <= MAX_LOOKUPS && (lookup = calloc(1, sizeof(*lookup)))) {
        lookup->users = 2;
        if (copy_name(lookup, conf)) {
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

int rp_resolving_found(rp_resolving_t *lookup, const rp_found_t **found, const char **error)
{
    if (!__atomic_load_n(&lookup->done, __ATOMIC_ACQUIRE)) {
        return 0;
    }
    *found = lookup->is_found ? &lookup->found : NULL;
    *error = lookup->error;
    return 1;
}

int rp_resolving_done(rp_resolving_t *lookup, rp_address_t addresses[RP_MAX_ADDRESSES], int *n, const char **error)
{
    const rp_found_t *found;

    if (!rp_resolving_found(lookup, &found, error)) {
        return 0;
    }
    *n = found ? rp_found_addresses(found, addresses) : 0;
    return 1;
}

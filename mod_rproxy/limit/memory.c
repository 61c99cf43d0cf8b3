/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The memory in which a host counts.  It stays through graceful restarts, in which children of both generations count
 * in it; a limit that says something else than before has another id, and begins anew.
 */

#include <httpd.h>
#include <apr_general.h>
#include <apr_shm.h>

#include "limit/turn.h"

#define KEY "mod_rproxy:limits"
#define ALIGN(size) (((apr_size_t)(size) + 63) & ~(apr_size_t)63)
/* Changes with everything that a module of another version would read otherwise. */
#define LAYOUT (1 + (unsigned)rp_rates_size() + 3 * (unsigned)rp_places_size(1))

static apr_status_t make(rp_limit_memory_t *memory, apr_pool_t *p, unsigned nrows)
{
    apr_size_t size = ALIGN(rp_rates_size()) + ALIGN(rp_places_size(nrows)) + 64;
    apr_shm_t *shm;
    /* Anonymous: pages that nobody has touched are zeros and cost nothing. */
    apr_status_t rv = apr_shm_create(&shm, size, NULL, p);
    char *base;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    base = (char *)ALIGN((apr_uintptr_t)apr_shm_baseaddr_get(shm));
    memory->layout = LAYOUT;
    memory->nrows = nrows;
    memory->rates = (rp_rates_t *)(void *)base;
    memory->places = (rp_places_t *)(void *)(base + ALIGN(rp_rates_size()));
    rv = rp_rates_init(memory->rates);
    rv = rv ? rv : rp_places_init(memory->places, nrows);
    return rv ? rv : apr_generate_random_bytes(memory->secret, sizeof(memory->secret));
}

rp_limit_memory_t *rp_limit_memory(apr_pool_t *process_pool, unsigned nrows, apr_status_t *rv)
{
    rp_limit_memory_t *memory;
    void *before = NULL;

    apr_pool_userdata_get(&before, KEY, process_pool);
    memory = before;
    *rv = APR_SUCCESS;
    if (memory && memory->layout == LAYOUT && memory->nrows >= nrows) {
        return memory;
    }
    memory = apr_pcalloc(process_pool, sizeof(*memory));
    *rv = make(memory, process_pool, nrows);
    if (*rv != APR_SUCCESS) {
        return NULL;
    }
    apr_pool_userdata_set(memory, KEY, apr_pool_cleanup_null, process_pool);
    return memory;
}

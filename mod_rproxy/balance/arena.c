/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <apr_shm.h>
#include <apr_strings.h>

#include "balance/arena.h"

#define ALIGN(size) (((apr_size_t)(size) + 63) & ~(apr_size_t)63)
/* Under which the process's pool keeps the arena of the generation before. */
#define KEY "mod_rproxy:arena"

/* Changes with everything that a module of another version would read otherwise. */
#define LAYOUT (2 + 1000 * sizeof(rp_slot_t) + sizeof(rp_slot_info_t) + sizeof(rp_pool_shared_t) + 7 * sizeof(rp_region_t))

struct rp_arena_t {
    apr_pool_t *p;      /* these two come first in every version */
    apr_size_t layout;
    char *base;
    rp_region_t *regions;
    unsigned nregions;
    unsigned nrows;
    apr_size_t row_size;
    apr_size_t rows;
};

static apr_size_t region_size(const rp_region_want_t *want)
{
    return ALIGN(want->nslots * sizeof(rp_slot_info_t)) + rp_state_size(want->nslots, want->nlevels, want->hashing)
         + ALIGN(rp_queue_size(want->queue_length));
}

static void lay_out(rp_arena_t *arena, const rp_region_want_t *want)
{
    apr_size_t at = ALIGN(arena->nregions * sizeof(rp_region_t));
    unsigned i, slots = 0;

    arena->regions = (rp_region_t *)arena->base;
    for (i = 0; i < arena->nregions; i++) {
        rp_region_t *region = &arena->regions[i];

        apr_cpystrn(region->name, want[i].name, sizeof(region->name));
        region->nslots = want[i].nslots;
        region->nlevels = want[i].nlevels;
        region->hashing = (apr_uint32_t)want[i].hashing;
        region->first_slot = slots;
        region->infos = at;
        region->state = at + ALIGN(want[i].nslots * sizeof(rp_slot_info_t));
        region->queue = region->state + rp_state_size(want[i].nslots, want[i].nlevels, want[i].hashing);
        at += region_size(&want[i]);
        slots += want[i].nslots;
    }
    arena->rows = at;
}

rp_arena_t *rp_arena_create(apr_pool_t *process_pool, const rp_region_want_t *want, unsigned n, unsigned nrows,
                            rp_arena_t **previous, apr_status_t *rv)
{
    apr_pool_t *p;
    rp_arena_t *arena;
    apr_size_t size = ALIGN(n * sizeof(rp_region_t)) + 64;
    unsigned i, slots = 0;
    apr_shm_t *shm;
    void *before = NULL;

    apr_pool_create(&p, process_pool);
    apr_pool_tag(p, "rproxy_arena");
    arena = apr_pcalloc(p, sizeof(*arena));
    arena->p = p;
    arena->layout = LAYOUT;
    arena->nregions = n;
    arena->nrows = nrows;
    for (i = 0; i < n; i++) {
        size += region_size(&want[i]);
        slots += want[i].nslots;
    }
    arena->row_size = ALIGN(sizeof(rp_row_t) + slots * sizeof(apr_uint32_t));
    size += nrows * arena->row_size;
    /* Anonymous: pages that nobody has touched are zeros and cost nothing. */
    *rv = apr_shm_create(&shm, size, NULL, p);
    if (*rv != APR_SUCCESS) {
        apr_pool_destroy(p);
        return NULL;
    }
    arena->base = (char *)ALIGN((apr_uintptr_t)apr_shm_baseaddr_get(shm));
    lay_out(arena, want);
    apr_pool_userdata_get(&before, KEY, process_pool);
    *previous = before;
    if (*previous && (*previous)->layout != LAYOUT) {
        rp_arena_release(*previous);
        *previous = NULL;
    }
    apr_pool_userdata_set(arena, KEY, apr_pool_cleanup_null, process_pool);
    return arena;
}

void rp_arena_release(rp_arena_t *arena)
{
    if (arena) {
        apr_pool_destroy(arena->p);
    }
}

rp_region_t *rp_arena_region(const rp_arena_t *arena, const char *name)
{
    unsigned i;

    for (i = 0; i < arena->nregions; i++) {
        if (!strcmp(arena->regions[i].name, name)) {
            return &arena->regions[i];
        }
    }
    return NULL;
}

rp_slot_info_t *rp_arena_infos(const rp_arena_t *arena, const rp_region_t *region)
{
    return (rp_slot_info_t *)(arena->base + region->infos);
}

void *rp_arena_state(const rp_arena_t *arena, const rp_region_t *region)
{
    return arena->base + region->state;
}

rp_queue_t *rp_arena_queue(const rp_arena_t *arena, const rp_region_t *region)
{
    return (rp_queue_t *)(arena->base + region->queue);
}

rp_row_t *rp_arena_row(const rp_arena_t *arena, unsigned number)
{
    return (rp_row_t *)(arena->base + arena->rows + number * arena->row_size);
}

unsigned rp_arena_row_number(const rp_arena_t *arena, const rp_row_t *row)
{
    return (unsigned)((apr_size_t)((const char *)row - arena->base - arena->rows) / arena->row_size);
}

rp_row_t *rp_arena_claim_row(rp_arena_t *arena, apr_int64_t pid)
{
    unsigned i;

    for (i = 0; i < arena->nrows; i++) {
        apr_int64_t none = 0;

        if (__atomic_compare_exchange_n(&rp_arena_row(arena, i)->pid, &none, pid, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            return rp_arena_row(arena, i);
        }
    }
    return NULL;
}

rp_row_t *rp_arena_row_of(rp_arena_t *arena, apr_int64_t pid)
{
    unsigned i;

    for (i = 0; i < arena->nrows; i++) {
        if (__atomic_load_n(&rp_arena_row(arena, i)->pid, __ATOMIC_ACQUIRE) == pid) {
            return rp_arena_row(arena, i);
        }
    }
    return NULL;
}

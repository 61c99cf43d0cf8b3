/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What sessions need beyond one generation of children.  It hangs on the process's own pool, and whatever is in it is
 * data alone: the module itself is loaded anew at each restart, maybe another version of it.
 */

#include <string.h>

#include <httpd.h>
#include <apr_shm.h>
#include <apr_strings.h>

#include "balance/sticky.h"
#include "balance/sticky_learn.h"
#include "lane/lane.h"

#define KEY "mod_rproxy:sessions"
/* Changes with everything that a module of another version would read otherwise. */
#define LAYOUT 1
#define SECRET_LEN 32
#define ALIGN(size) (((apr_size_t)(size) + 63) & ~(apr_size_t)63)

typedef struct kept_table_t {
    struct kept_table_t *next;
    apr_pool_t *p;
    char name[RP_POOL_NAME_MAX];
    unsigned sessions;
    unsigned start;        /* the last one at which it was taken */
    rp_learned_t *table;
} kept_table_t;

typedef struct memory_t {
    unsigned layout;
    unsigned start;
    apr_pool_t *process_pool;
    unsigned char secret[SECRET_LEN];
    kept_table_t *tables;
} memory_t;

static memory_t *memory;

apr_status_t rp_sticky_memory_begin(apr_pool_t *process_pool)
{
    void *before = NULL;
    apr_status_t rv = APR_SUCCESS;

    apr_pool_userdata_get(&before, KEY, process_pool);
    memory = before;
    if (!memory || memory->layout != LAYOUT) {
        memory = apr_pcalloc(process_pool, sizeof(*memory));
        memory->layout = LAYOUT;
        memory->process_pool = process_pool;
        rv = apr_generate_random_bytes(memory->secret, SECRET_LEN);
        apr_pool_userdata_set(memory, KEY, apr_pool_cleanup_null, process_pool);
    }
    memory->start++;
    return rv;
}

rp_str_t rp_sticky_memory_secret(void)
{
    return (rp_str_t){ (const char *)memory->secret, SECRET_LEN };
}

static kept_table_t *find(const char *pool)
{
    kept_table_t *kept;

    for (kept = memory->tables; kept && strcmp(kept->name, pool); kept = kept->next) {
    }
    return kept;
}

static apr_status_t make_table(kept_table_t *kept, unsigned sessions)
{
    apr_size_t size = rp_learned_size(sessions) + 64;
    apr_shm_t *shm;
    apr_pool_t *p;
    apr_status_t rv;

    apr_pool_create(&p, memory->process_pool);
    apr_pool_tag(p, "rproxy_sessions");
    /* Anonymous: pages that nobody has touched are zeros and cost nothing. */
    rv = apr_shm_create(&shm, size, NULL, p);
    if (rv == APR_SUCCESS) {
        kept->table = (rp_learned_t *)ALIGN((apr_uintptr_t)apr_shm_baseaddr_get(shm));
        rv = rp_learned_init(kept->table, sessions, memory->secret);
    }
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(p);
        return rv;
    }
    kept->p = p;
    kept->sessions = sessions;
    return APR_SUCCESS;
}

static apr_status_t resize(kept_table_t *kept, unsigned sessions)
{
    kept_table_t old = *kept;
    apr_status_t rv = make_table(kept, sessions);

    if (rv == APR_SUCCESS && old.table) {
        rp_learned_copy(kept->table, old.table, rp_now());
        /* Children of the old generation have it mapped still. */
        apr_pool_destroy(old.p);
    }
    return rv;
}

rp_learned_t *rp_sticky_memory_table(const char *pool, unsigned sessions, apr_status_t *rv)
{
    kept_table_t *kept = find(pool);

    *rv = APR_SUCCESS;
    if (!kept) {
        kept = apr_pcalloc(memory->process_pool, sizeof(*kept));
        apr_cpystrn(kept->name, pool, sizeof(kept->name));
        kept->next = memory->tables;
        memory->tables = kept;
    }
    if (kept->sessions != sessions) {
        *rv = resize(kept, sessions);
    }
    kept->start = memory->start;
    return *rv == APR_SUCCESS ? kept->table : NULL;
}

void rp_sticky_memory_end(void)
{
    kept_table_t *kept;

    for (kept = memory->tables; kept; kept = kept->next) {
        if (kept->start != memory->start && kept->table) {
            apr_pool_destroy(kept->p);
            kept->table = NULL;
            kept->sessions = 0;
        }
    }
}

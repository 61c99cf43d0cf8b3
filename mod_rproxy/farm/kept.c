/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "farm/kept.h"

typedef struct kept_t {
    unsigned layout;
    void *data;
} kept_t;

void *rp_kept(apr_pool_t *process_pool, const char *name, unsigned layout, apr_size_t size, rp_kept_make_fn *make,
              apr_status_t *rv)
{
    void *before = NULL;
    kept_t *kept;

    *rv = APR_SUCCESS;
    apr_pool_userdata_get(&before, name, process_pool);
    kept = before;
    if (kept && kept->layout == layout) {
        return kept->data;
    }
    kept = apr_palloc(process_pool, sizeof(*kept));
    kept->layout = layout;
    kept->data = apr_pcalloc(process_pool, size);
    *rv = make(kept->data, process_pool);
    if (*rv != APR_SUCCESS) {
        return NULL;
    }
    apr_pool_userdata_set(kept, name, apr_pool_cleanup_null, process_pool);
    return kept->data;
}

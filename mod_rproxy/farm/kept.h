/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What outlives graceful restarts: it hangs on the process's own pool, and is data alone. */
#ifndef RP_KEPT_H
#define RP_KEPT_H

#include <apr_errno.h>
#include <apr_pools.h>

/** Fill what was made, zeros; what it points to is in process_pool. */
typedef apr_status_t rp_kept_make_fn(void *made, apr_pool_t *process_pool);

/**
 * In the parent: what is kept under a name, made when it is not there.
 * @param layout  changes with everything that a module of another version would read otherwise, since the module is
 *                loaded anew at each restart
 * @return NULL with *rv when it cannot be made
 */
void *rp_kept(apr_pool_t *process_pool, const char *name, unsigned layout, apr_size_t size, rp_kept_make_fn *make,
              apr_status_t *rv);

#endif

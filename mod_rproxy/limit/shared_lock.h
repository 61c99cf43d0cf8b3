/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Robust locks between processes; private to limit/. */
#ifndef RP_SHARED_LOCK_H
#define RP_SHARED_LOCK_H

#include <errno.h>
#include <pthread.h>

/** Make n locks, size bytes apart. @return 0 or an errno */
int rp_shared_locks_init(void *first, size_t n, size_t size);

/** @return 1 with *orphaned set when its holder has died; 0 when there is no locking it */
static inline int rp_shared_lock(pthread_mutex_t *lock, int *orphaned)
{
    int rc = pthread_mutex_lock(lock);

    *orphaned = rc == EOWNERDEAD;
    return rc == 0 || (*orphaned && pthread_mutex_consistent(lock) == 0);
}

#endif

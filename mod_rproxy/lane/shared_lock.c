/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>

#include "lane/shared_lock.h"

int rp_shared_locks_init(void *first, size_t n, size_t size)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);
    size_t i;

    rc = rc ? rc : pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    rc = rc ? rc : pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    for (i = 0; !rc && i < n; i++) {
        rc = pthread_mutex_init((pthread_mutex_t *)(void *)((char *)first + i * size), &attr);
    }
    return rc;
}

int rp_shared_lock(pthread_mutex_t *lock, int *orphaned)
{
    int rc = pthread_mutex_lock(lock);

    *orphaned = rc == EOWNERDEAD;
    return rc == 0 || (*orphaned && pthread_mutex_consistent(lock) == 0);
}

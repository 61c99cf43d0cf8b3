/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Robust locks between processes, for memory that they share. None is held across a wait. */
#ifndef RP_SHARED_LOCK_H
#define RP_SHARED_LOCK_H

#include <pthread.h>
#include <stddef.h>

/** Make n locks, size bytes apart. @return 0 or an errno */
int rp_shared_locks_init(void *first, size_t n, size_t size);

/** @return 1 with *orphaned set when its holder has died; 0 when there is no locking it */
int rp_shared_lock(pthread_mutex_t *lock, int *orphaned);

#endif

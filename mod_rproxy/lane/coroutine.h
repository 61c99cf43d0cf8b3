/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Functions that can pause, each on a stack of its own; they know nothing of sockets and loops.
 *
 * A coroutine belongs to the thread that started it, for good: thread-local variables stay right, and nothing here
 * takes a lock.  A stack has a page below it that nothing may touch, and is held only while its coroutine is under way.
 */
#ifndef RP_COROUTINE_H
#define RP_COROUTINE_H

#include <stddef.h>

typedef struct rp_coroutine_t rp_coroutine_t;

/** One thread's stacks: those in use, and a few that wait for the next coroutine. */
typedef struct rp_stacks_t rp_stacks_t;

/** @param size  bytes of each stack, rounded up to pages.  @return NULL without memory */
rp_stacks_t *rp_stacks_create(size_t size);

/** Give all of it back; coroutines that are under way are not run to their end, and what they hold stays held. */
void rp_stacks_destroy(rp_stacks_t *stacks);

/** How many coroutines are under way. */
unsigned rp_stacks_used(const rp_stacks_t *stacks);

/**
 * Run fn(data) until it pauses or ends; the caller itself must not be on a coroutine.
 * @return 0 when there is no memory for a stack: fn was not called
 */
int rp_coroutine_start(rp_stacks_t *stacks, void (*fn)(void *data), void *data);

/** The one that this thread is on, or NULL. */
rp_coroutine_t *rp_coroutine_current(void);

/** Pause the current one: whoever started or resumed it goes on. */
void rp_coroutine_pause(void);

/** Go on with a paused one, on the thread that started it, until it pauses again or ends. */
void rp_coroutine_resume(rp_coroutine_t *coroutine);

#endif

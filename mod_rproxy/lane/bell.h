/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Waiting for what another process of the host changes in shared memory.
 *
 * A bell is a word in shared memory that grows when it is rung.  Of each process that waits for it one thread sleeps on
 * the word, and looks who of those who wait has got what it wants; these wait on a descriptor each, as for everything
 * else, so that they can watch their clients meanwhile.
 */
#ifndef RP_BELL_H
#define RP_BELL_H

#include <apr_errno.h>
#include <apr_pools.h>
#include <apr_time.h>

/** A process's own: that one thread, and the list of those who wait. */
typedef struct rp_bell_t rp_bell_t;

/** Made in each child; its thread begins with the first one who waits and ends with p. */
apr_status_t rp_bell_create(unsigned *word, apr_pool_t *p, rp_bell_t **bell);

/** Behind a change: wake the threads that sleep on the word. Any process may. */
void rp_bell_ring(unsigned *word);

/** Has what somebody waits for come? Asked under the bell's lock, by any thread: it only reads shared memory. */
typedef int (*rp_bell_due_fn)(const void *data);

/**
 * Wait until is_due(data) says so.
 * @param client_fd  a socket that is watched for its peer's going away, or -1
 * @return APR_SUCCESS, APR_TIMEUP, APR_ECONNABORTED for the client, or what the system says
 */
apr_status_t rp_bell_wait(rp_bell_t *bell, rp_bell_due_fn is_due, const void *data, int client_fd, apr_time_t deadline);

#endif

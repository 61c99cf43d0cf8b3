/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * lane/: the one place where the module waits for the network.
 *
 * Everything above reads and writes non-blocking descriptors and calls rp_wait() when it would block.  On an ordinary
 * worker thread that is poll(2).  No lock is held across a wait.
 */
#ifndef RP_LANE_H
#define RP_LANE_H

#include <apr_errno.h>
#include <apr_time.h>

#define RP_WANT_READ 1
#define RP_WANT_WRITE 2
/** The peer shut down its sending side or is gone; nothing is read to find out. */
#define RP_WANT_HANGUP 4

/** A descriptor to wait for. */
typedef struct rp_waitee_t {
    int fd;   /* -1: ignored */
    int want; /* RP_WANT_ bits */
    int got;  /* out: those that hold; errors and hang-ups count as read and write, whichever are wanted */
} rp_waitee_t;

/** Microseconds of a clock that never jumps; what deadlines are made of. */
apr_time_t rp_now(void);

/**
 * Wait until fd can be read or written without blocking.
 * @param want      RP_WANT_READ, RP_WANT_WRITE or both
 * @param deadline  in terms of rp_now()
 * @return APR_SUCCESS, APR_TIMEUP, or what poll failed with
 */
apr_status_t rp_wait(int fd, int want, apr_time_t deadline);

/** The same for any of n (at most 4) descriptors. */
apr_status_t rp_wait_any(rp_waitee_t *waitees, int n, apr_time_t deadline);

/**
 * Have fn(data) done, which may block by other means than the network of ours: a system's resolver, other modules.
 * On a lane another thread does it and the coroutine waits; elsewhere it is called at once.
 */
void rp_blocking(void (*fn)(void *data), void *data);

/** Before there are lanes: how to have something done on another thread, soon. */
void rp_blocking_by(apr_status_t (*start)(void (*fn)(void *), void *data));

#endif

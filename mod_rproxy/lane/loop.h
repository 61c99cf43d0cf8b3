/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A lane's loop: one thread that waits for many descriptors with epoll, and runs coroutines on its own stack's behalf.
 *
 * It knows nothing of httpd.  What runs on the loop itself (tasks, watches that fire) must not wait; what runs on a
 * coroutine may, by rp_wait().  Everything but rp_lane_post() and rp_lane_stop() is for the lane's own thread.
 */
#ifndef RP_LOOP_H
#define RP_LOOP_H

#include <stddef.h>

#include "lane/lane.h"
#include "lane/timers.h"

typedef struct rp_lane_t rp_lane_t;

/** Something to be called on the loop; the caller's own, and alone in its queue until then. */
typedef struct rp_task_t {
    struct rp_task_t *next;
    void (*fn)(void *data);
    void *data;
} rp_task_t;

/** What is called when a descriptor is ready, or the deadline is past; the caller's own until it has fired. */
typedef struct rp_watch_t {
    rp_timer_t timer;             /* timer.at is the deadline; must come first */
    rp_waitee_t *waitees;
    int n;
    int edges;                    /* of kept descriptors: what came since it was last taken note of is enough to know */
    void (*fn)(struct rp_watch_t *watch, apr_status_t rv); /* APR_SUCCESS or APR_TIMEUP; on the loop */
    void *data;
    apr_status_t rv;
    struct rp_watch_t *next, *prev; /* among those that are due */
    int is_due;
} rp_watch_t;

/** @param stack  bytes of each coroutine's stack.  @return NULL when the system refuses, with errno */
rp_lane_t *rp_lane_create(size_t stack);

/** Be the lane's thread, until rp_lane_stop(). */
void rp_lane_run(rp_lane_t *lane);

/** Any thread may; what is under way is left as it is. */
void rp_lane_stop(rp_lane_t *lane);

/** When its thread has ended. */
void rp_lane_destroy(rp_lane_t *lane);

/** The lane whose thread this is, or NULL. */
rp_lane_t *rp_lane_current(void);

/** Have it called soon; any thread may. */
void rp_lane_post(rp_lane_t *lane, rp_task_t *task);

/** The same from the lane's own thread: behind what is due already. */
void rp_lane_later(rp_lane_t *lane, rp_task_t *task);

/** Run fn(data) on a coroutine, from the loop. @return 0 when there is no memory for its stack */
int rp_lane_spawn(rp_lane_t *lane, void (*fn)(void *data), void *data);

/** Coroutines under way. */
unsigned rp_lane_busy(const rp_lane_t *lane);

/** Register fd for as long as it is open, edge-triggered: waiting for what is new costs no system call then. */
apr_status_t rp_lane_keep(rp_lane_t *lane, int fd);

/** Before a kept descriptor is closed. */
void rp_lane_forget(rp_lane_t *lane, int fd);

/** Take note of it that a kept descriptor will be read now: what was said of it until now no longer counts. */
void rp_lane_seen(rp_lane_t *lane, int fd);

/** Nonzero when there may be something to read from a kept descriptor since then. */
int rp_lane_has_news(rp_lane_t *lane, int fd);

/** @return APR_SUCCESS, EBUSY when somebody else waits for one of them, or what the system says */
apr_status_t rp_lane_watch(rp_lane_t *lane, rp_watch_t *watch);

/** It will not fire. */
void rp_lane_unwatch(rp_lane_t *lane, rp_watch_t *watch);

/** rp_wait_any() on a coroutine. */
apr_status_t rp_lane_wait(rp_lane_t *lane, rp_waitee_t *waitees, int n, apr_time_t deadline);

/** On a coroutine: wait until a kept descriptor has something to read since rp_lane_seen(). */
apr_status_t rp_lane_wait_news(rp_lane_t *lane, int fd, apr_time_t deadline);

#endif

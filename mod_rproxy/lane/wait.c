/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "lane/coroutine.h"
#include "lane/lane.h"
#include "lane/loop.h"

#define MAX_WAITEES 4

apr_time_t rp_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return apr_time_from_sec(ts.tv_sec) + ts.tv_nsec / 1000;
}

static short poll_events(int want)
{
    return (short)(((want & RP_WANT_READ) ? POLLIN : 0) | ((want & RP_WANT_WRITE) ? POLLOUT : 0)
                   | ((want & RP_WANT_HANGUP) ? POLLRDHUP : 0));
}

static int events_got(short revents, int want)
{
    int got = 0;

    if (revents & (POLLERR | POLLHUP | POLLNVAL)) {
        return want;
    }
    if (revents & POLLIN) {
        got |= RP_WANT_READ;
    }
    if (revents & POLLOUT) {
        got |= RP_WANT_WRITE;
    }
    if (revents & POLLRDHUP) {
        got |= RP_WANT_HANGUP;
    }
    return got & want;
}

/* Milliseconds until the deadline, rounded up so that a wait never ends just before it. */
static int poll_timeout(apr_time_t deadline)
{
    apr_time_t left = deadline - rp_now();

    if (left <= 0) {
        return 0;
    }
    if (left > apr_time_from_sec(86400)) {
        left = apr_time_from_sec(86400);
    }
    return (int)((left + 999) / 1000);
}

apr_status_t rp_wait_any(rp_waitee_t *waitees, int n, apr_time_t deadline)
{
    struct pollfd fds[MAX_WAITEES];
    int i, rc;

    if (n > MAX_WAITEES) {
        return APR_EINVAL;
    }
    if (rp_coroutine_current() && deadline > rp_now()) {
        return rp_lane_wait(rp_lane_current(), waitees, n, deadline);
    }
    for (i = 0; i < n; i++) {
        fds[i].fd = waitees[i].fd;
        fds[i].events = poll_events(waitees[i].want);
        fds[i].revents = 0;
        waitees[i].got = 0;
    }
    do {
        rc = poll(fds, (nfds_t)n, poll_timeout(deadline));
    } while (rc < 0 && errno == EINTR && rp_now() < deadline);

    if (rc < 0) {
        return errno == EINTR ? APR_TIMEUP : errno;
    }
    if (rc == 0) {
        return APR_TIMEUP;
    }
    for (i = 0; i < n; i++) {
        waitees[i].got = events_got(fds[i].revents, waitees[i].want);
    }
    return APR_SUCCESS;
}

apr_status_t rp_wait(int fd, int want, apr_time_t deadline)
{
    rp_waitee_t waitee = { fd, want, 0 };

    return rp_wait_any(&waitee, 1, deadline);
}

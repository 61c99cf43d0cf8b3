/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Waiting for a flight's news.  A request waits on a descriptor, as for everything else, so that it can watch its client
 * meanwhile; the one thread of each process that sleeps on the shared word writes to those descriptors.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

#include "cache/flight_table.h"
#include "lane/lane.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_SEQ_CST)

typedef struct waiter_t {
    struct waiter_t *next, **link;
    const rp_flight_slot_t *slot;
    uint64_t token;
    unsigned version;
    int fd;
    int rung;
} waiter_t;

struct rp_bell_t {
    rp_flights_t *flights;
    pthread_mutex_t lock; /* of what follows; held for a walk along the list at most */
    pthread_cond_t come;
    waiter_t *waiters;
    pthread_t thread;
    int running;
    int stop;
};

/* Sleep until the word is not seen any more; a second at most, in case that its owner was killed before waking us. */
static void sleep_on(rp_flights_t *f, unsigned seen)
{
#ifdef __linux__
    struct timespec second = { 1, 0 };

    syscall(SYS_futex, &f->bell, FUTEX_WAIT, seen, &second, NULL, 0);
#else
    struct timespec moment = { 0, 5000000 };

    (void)f;
    (void)seen;
    nanosleep(&moment, NULL);
#endif
}

static int has_news(const waiter_t *w)
{
    return LOAD(w->slot->version) != w->version || LOAD(w->slot->token) != w->token;
}

static void ring_all(rp_bell_t *bell)
{
    waiter_t *w;

    for (w = bell->waiters; w; w = w->next) {
        if (!w->rung && has_news(w)) {
            uint64_t one = 1;

            w->rung = write(w->fd, &one, sizeof(one)) == (ssize_t)sizeof(one);
        }
    }
}

/* Ends when the process does; each turn sleeps until something changes. */
static void *run(void *data)
{
    rp_bell_t *bell = data;

    pthread_mutex_lock(&bell->lock);
    while (!bell->stop) {
        unsigned seen;

        if (!bell->waiters) {
            pthread_cond_wait(&bell->come, &bell->lock);
            continue;
        }
        seen = LOAD(bell->flights->bell);
        ring_all(bell);
        pthread_mutex_unlock(&bell->lock);
        sleep_on(bell->flights, seen);
        pthread_mutex_lock(&bell->lock);
    }
    pthread_mutex_unlock(&bell->lock);
    return NULL;
}

static apr_status_t stop(void *data)
{
    rp_bell_t *bell = data;

    pthread_mutex_lock(&bell->lock);
    bell->stop = 1;
    pthread_cond_signal(&bell->come);
    pthread_mutex_unlock(&bell->lock);
    if (bell->running) {
        __atomic_fetch_add(&bell->flights->bell, 1, __ATOMIC_SEQ_CST);
#ifdef __linux__
        syscall(SYS_futex, &bell->flights->bell, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
#endif
        pthread_join(bell->thread, NULL);
    }
    pthread_cond_destroy(&bell->come);
    pthread_mutex_destroy(&bell->lock);
    return APR_SUCCESS;
}

apr_status_t rp_bell_create(rp_flights_t *f, apr_pool_t *p, rp_bell_t **out)
{
    rp_bell_t *bell = apr_pcalloc(p, sizeof(*bell));

    bell->flights = f;
    pthread_mutex_init(&bell->lock, NULL);
    pthread_cond_init(&bell->come, NULL);
    apr_pool_cleanup_register(p, bell, stop, apr_pool_cleanup_null);
    *out = bell;
    return APR_SUCCESS;
}

/* Signals are for the server's own threads: some of httpd's handlers end the process where they run. */
static int start(rp_bell_t *bell)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&bell->thread, NULL, run, bell);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static apr_status_t enlist(rp_bell_t *bell, waiter_t *w)
{
    int rc = 0;

    pthread_mutex_lock(&bell->lock);
    if (bell->stop) {
        rc = ECANCELED;
    }
    else if (!bell->running) {
        rc = start(bell);
        bell->running = !rc;
    }
    if (!rc) {
        w->next = bell->waiters;
        w->link = &bell->waiters;
        if (w->next) {
            w->next->link = &w->next;
        }
        bell->waiters = w;
        pthread_cond_signal(&bell->come);
    }
    pthread_mutex_unlock(&bell->lock);
    return rc;
}

static void delist(rp_bell_t *bell, waiter_t *w)
{
    pthread_mutex_lock(&bell->lock);
    *w->link = w->next;
    if (w->next) {
        w->next->link = w->link;
    }
    pthread_mutex_unlock(&bell->lock);
}

apr_status_t rp_bell_wait(rp_bell_t *bell, const rp_flight_t *flight, const rp_flight_news_t *seen, int client_fd,
                          apr_time_t deadline)
{
    rp_flight_slot_t *slot = rp_flight_slot(bell->flights, flight);
    waiter_t w = { .slot = slot, .token = flight->token, .version = seen->version };
    apr_status_t rv;

    w.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w.fd < 0) {
        return errno;
    }
    __atomic_fetch_add(&slot->waiting, 1, __ATOMIC_SEQ_CST);
    rv = enlist(bell, &w);
    if (rv == APR_SUCCESS) {
        /* What changed before we were on the list rang for nobody. */
        if (!has_news(&w)) {
            rp_waitee_t waitees[2] = { { w.fd, RP_WANT_READ, 0 }, { client_fd, RP_WANT_HANGUP, 0 } };

            rv = rp_wait_any(waitees, 2, deadline);
            if (rv == APR_SUCCESS && !waitees[0].got) {
                rv = APR_ECONNABORTED;
            }
        }
        delist(bell, &w);
    }
    if (LOAD(slot->token) == flight->token) {
        __atomic_fetch_sub(&slot->waiting, 1, __ATOMIC_SEQ_CST);
    }
    close(w.fd);
    return rv;
}

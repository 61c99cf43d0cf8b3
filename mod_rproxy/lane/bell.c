/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

#include "lane/bell.h"
#include "lane/lane.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_SEQ_CST)

typedef struct waiter_t {
    struct waiter_t *next, **link;
    rp_bell_due_fn is_due;
    const void *data;
    int fd;
    int rung;
} waiter_t;

struct rp_bell_t {
    unsigned *word;
    pthread_mutex_t lock; /* of what follows; held for a walk along the list at most */
    pthread_cond_t come;
    waiter_t *waiters;
    pthread_t thread;
    int running;
    int stop;
};

/* Sleep until the word is not seen any more; a second at most, in case that its owner was killed before waking us. */
static void sleep_on(unsigned *word, unsigned seen)
{
#ifdef __linux__
    struct timespec second = { 1, 0 };

    syscall(SYS_futex, word, FUTEX_WAIT, seen, &second, NULL, 0);
#else
    struct timespec moment = { 0, 5000000 };

    (void)word;
    (void)seen;
    nanosleep(&moment, NULL);
#endif
}

static void ring_all(rp_bell_t *bell)
{
    waiter_t *w;

    for (w = bell->waiters; w; w = w->next) {
        if (!w->rung && w->is_due(w->data)) {
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
        seen = LOAD(*bell->word);
        ring_all(bell);
        pthread_mutex_unlock(&bell->lock);
        sleep_on(bell->word, seen);
        pthread_mutex_lock(&bell->lock);
    }
    pthread_mutex_unlock(&bell->lock);
    return NULL;
}

void rp_bell_ring(unsigned *word)
{
    __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
#ifdef __linux__
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
#endif
}

static apr_status_t stop(void *data)
{
    rp_bell_t *bell = data;

    pthread_mutex_lock(&bell->lock);
    bell->stop = 1;
    pthread_cond_signal(&bell->come);
    pthread_mutex_unlock(&bell->lock);
    if (bell->running) {
        rp_bell_ring(bell->word);
        pthread_join(bell->thread, NULL);
    }
    pthread_cond_destroy(&bell->come);
    pthread_mutex_destroy(&bell->lock);
    return APR_SUCCESS;
}

apr_status_t rp_bell_create(unsigned *word, apr_pool_t *p, rp_bell_t **out)
{
    rp_bell_t *bell = apr_pcalloc(p, sizeof(*bell));

    bell->word = word;
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

apr_status_t rp_bell_wait(rp_bell_t *bell, rp_bell_due_fn is_due, const void *data, int client_fd, apr_time_t deadline)
{
    waiter_t w = { .is_due = is_due, .data = data, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    apr_status_t rv;

    if (w.fd < 0) {
        return errno;
    }
    rv = enlist(bell, &w);
    if (rv == APR_SUCCESS) {
        /* What changed before we were on the list rang for nobody. */
        if (!is_due(data)) {
            rp_waitee_t waitees[2] = { { w.fd, RP_WANT_READ, 0 }, { client_fd, RP_WANT_HANGUP, 0 } };

            rv = rp_wait_any(waitees, 2, deadline);
            if (rv == APR_SUCCESS && !waitees[0].got) {
                rv = APR_ECONNABORTED;
            }
        }
        delist(bell, &w);
    }
    close(w.fd);
    return rv;
}

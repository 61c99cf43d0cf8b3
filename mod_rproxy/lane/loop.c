/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <openssl/err.h>

#include "lane/coroutine.h"
#include "lane/loop.h"

#define MAX_EVENTS 128
/* Where nothing else bounds it, so that a clock's jump cannot matter. */
#define LONGEST apr_time_from_sec(60)
#define BELL UINT64_MAX

/** What is known of a descriptor. */
typedef struct entry_t {
    rp_watch_t *watch;        /* who waits for it, or NULL */
    uint32_t generation;      /* of its registration: an event of an older one is another descriptor's */
    unsigned char kept;
    unsigned char ready;      /* of a kept one: RP_WANT_ bits that came since rp_lane_seen() */
} entry_t;

struct rp_lane_t {
    int epoll, bell;
    rp_stacks_t *stacks;
    rp_timers_t timers;
    entry_t *entries;         /* by descriptor */
    int nentries;
    rp_watch_t *due, *due_end;
    unsigned ndue;
    rp_task_t *later, **later_end;
    int stop;                 /* atomic */
    pthread_mutex_t lock;     /* of what follows; never held while anything is called */
    rp_task_t *posted, **posted_end;
};

static __thread rp_lane_t *current;

rp_lane_t *rp_lane_current(void)
{
    return current;
}

unsigned rp_lane_busy(const rp_lane_t *lane)
{
    return rp_stacks_used(lane->stacks);
}

/* ------------------------------------------------------------------ its life */

static int set_up(rp_lane_t *lane, size_t stack)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = BELL };

    lane->epoll = epoll_create1(EPOLL_CLOEXEC);
    lane->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lane->stacks = rp_stacks_create(stack);
    return lane->epoll >= 0 && lane->bell >= 0 && lane->stacks
           && epoll_ctl(lane->epoll, EPOLL_CTL_ADD, lane->bell, &event) == 0;
}

rp_lane_t *rp_lane_create(size_t stack)
{
    rp_lane_t *lane = calloc(1, sizeof(*lane));

    if (!lane) {
        return NULL;
    }
    lane->later_end = &lane->later;
    lane->posted_end = &lane->posted;
    pthread_mutex_init(&lane->lock, NULL);
    if (!set_up(lane, stack)) {
        int error = errno;

        rp_lane_destroy(lane);
        errno = error;
        return NULL;
    }
    return lane;
}

void rp_lane_destroy(rp_lane_t *lane)
{
    if (lane->epoll >= 0) {
        close(lane->epoll);
    }
    if (lane->bell >= 0) {
        close(lane->bell);
    }
    if (lane->stacks) {
        rp_stacks_destroy(lane->stacks);
    }
    rp_timers_free(&lane->timers);
    pthread_mutex_destroy(&lane->lock);
    free(lane->entries);
    free(lane);
}

static void ring(rp_lane_t *lane)
{
    uint64_t one = 1;

    /* It fails only when it has been rung very often already. */
    if (write(lane->bell, &one, sizeof(one)) < 0) {
        return;
    }
}

void rp_lane_stop(rp_lane_t *lane)
{
    __atomic_store_n(&lane->stop, 1, __ATOMIC_SEQ_CST);
    ring(lane);
}

/* ------------------------------------------------------------------ tasks */

void rp_lane_post(rp_lane_t *lane, rp_task_t *task)
{
    int was_empty;

    task->next = NULL;
    pthread_mutex_lock(&lane->lock);
    was_empty = !lane->posted;
    *lane->posted_end = task;
    lane->posted_end = &task->next;
    pthread_mutex_unlock(&lane->lock);
    if (was_empty) {
        ring(lane);
    }
}

void rp_lane_later(rp_lane_t *lane, rp_task_t *task)
{
    task->next = NULL;
    *lane->later_end = task;
    lane->later_end = &task->next;
}

static void run_tasks(rp_task_t *task)
{
    while (task) {
        rp_task_t *next = task->next;

        task->fn(task->data);
        task = next;
    }
}

/* What others sent; tasks that come meanwhile have rung for themselves. */
static void take_posted(rp_lane_t *lane)
{
    uint64_t count;
    rp_task_t *tasks;

    if (read(lane->bell, &count, sizeof(count)) < 0) {
        return;
    }
    pthread_mutex_lock(&lane->lock);
    tasks = lane->posted;
    lane->posted = NULL;
    lane->posted_end = &lane->posted;
    pthread_mutex_unlock(&lane->lock);
    run_tasks(tasks);
}

static void run_later(rp_lane_t *lane)
{
    rp_task_t *tasks = lane->later;

    lane->later = NULL;
    lane->later_end = &lane->later;
    run_tasks(tasks);
}

int rp_lane_spawn(rp_lane_t *lane, void (*fn)(void *data), void *data)
{
    return rp_coroutine_start(lane->stacks, fn, data);
}

/* ------------------------------------------------------------------ descriptors */

static entry_t *entry_of(rp_lane_t *lane, int fd)
{
    if (fd >= lane->nentries) {
        int n = lane->nentries ? lane->nentries : 256;
        entry_t *entries;

        while (n <= fd) {
            n *= 2;
        }
        entries = realloc(lane->entries, (size_t)n * sizeof(*entries));
        if (!entries) {
            return NULL;
        }
        memset(entries + lane->nentries, 0, (size_t)(n - lane->nentries) * sizeof(*entries));
        lane->entries = entries;
        lane->nentries = n;
    }
    return &lane->entries[fd];
}

static uint32_t epoll_events(int want)
{
    return ((want & RP_WANT_READ) ? EPOLLIN : 0U) | ((want & RP_WANT_WRITE) ? EPOLLOUT : 0U)
           | ((want & RP_WANT_HANGUP) ? EPOLLRDHUP : 0U);
}

static int bits_of(uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP)) {
        return RP_WANT_READ | RP_WANT_WRITE | RP_WANT_HANGUP;
    }
    return ((events & EPOLLIN) ? RP_WANT_READ : 0) | ((events & EPOLLOUT) ? RP_WANT_WRITE : 0)
           | ((events & EPOLLRDHUP) ? RP_WANT_HANGUP : 0);
}

/*
 * Say what is wanted of fd now; what holds already is told at once.  One that was registered stays so, since closing
 * it is what takes it out: so a second registration is the rule, and a first one what is tried when that fails.
 */
static apr_status_t enroll(rp_lane_t *lane, int fd, entry_t *entry, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.u64 = (uint64_t)entry->generation << 32 | (uint32_t)fd };

    if (entry->generation && epoll_ctl(lane->epoll, EPOLL_CTL_MOD, fd, &event) == 0) {
        return APR_SUCCESS;
    }
    entry->generation++;
    event.data.u64 = (uint64_t)entry->generation << 32 | (uint32_t)fd;
    if (epoll_ctl(lane->epoll, EPOLL_CTL_ADD, fd, &event) == 0
        || (errno == EEXIST && epoll_ctl(lane->epoll, EPOLL_CTL_MOD, fd, &event) == 0)) {
        return APR_SUCCESS;
    }
    return errno;
}

#define KEPT_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

apr_status_t rp_lane_keep(rp_lane_t *lane, int fd)
{
    entry_t *entry = entry_of(lane, fd);

    if (!entry) {
        return APR_ENOMEM;
    }
    entry->kept = 1;
    entry->ready = 0;
    return enroll(lane, fd, entry, KEPT_EVENTS);
}

void rp_lane_forget(rp_lane_t *lane, int fd)
{
    entry_t *entry = entry_of(lane, fd);

    if (entry) {
        epoll_ctl(lane->epoll, EPOLL_CTL_DEL, fd, NULL);
        entry->kept = 0;
        entry->ready = 0;
        entry->generation++;
    }
}

void rp_lane_seen(rp_lane_t *lane, int fd)
{
    entry_t *entry = entry_of(lane, fd);

    if (entry) {
        entry->ready &= RP_WANT_HANGUP;
    }
}

int rp_lane_has_news(rp_lane_t *lane, int fd)
{
    entry_t *entry = entry_of(lane, fd);

    return !entry || (entry->ready & (RP_WANT_READ | RP_WANT_HANGUP)) != 0;
}

/* ------------------------------------------------------------------ watches */

static void make_due(rp_lane_t *lane, rp_watch_t *watch, apr_status_t rv)
{
    if (watch->is_due) {
        return;
    }
    rp_timers_remove(&lane->timers, &watch->timer);
    watch->rv = rv;
    watch->is_due = 1;
    watch->next = NULL;
    watch->prev = lane->due_end;
    if (lane->due_end) {
        lane->due_end->next = watch;
    }
    else {
        lane->due = watch;
    }
    lane->due_end = watch;
    lane->ndue++;
}

static void take_from_due(rp_lane_t *lane, rp_watch_t *watch)
{
    *(watch->prev ? &watch->prev->next : &lane->due) = watch->next;
    *(watch->next ? &watch->next->prev : &lane->due_end) = watch->prev;
    watch->is_due = 0;
    lane->ndue--;
}

/* Nobody waits for its descriptors any more. */
static void release(rp_lane_t *lane, const rp_watch_t *watch)
{
    int i;

    for (i = 0; i < watch->n; i++) {
        int fd = watch->waitees[i].fd;

        if (fd >= 0 && fd < lane->nentries && lane->entries[fd].watch == watch) {
            lane->entries[fd].watch = NULL;
        }
    }
}

static int tell(rp_watch_t *watch, int fd, int bits)
{
    int any = 0;
    int i;

    for (i = 0; i < watch->n; i++) {
        if (watch->waitees[i].fd == fd) {
            watch->waitees[i].got |= bits & watch->waitees[i].want;
            any |= watch->waitees[i].got;
        }
    }
    return any;
}

/* All that a watch wants of one descriptor. */
static int wanted(const rp_watch_t *watch, int fd)
{
    int want = 0;
    int i;

    for (i = 0; i < watch->n; i++) {
        want |= watch->waitees[i].fd == fd ? watch->waitees[i].want : 0;
    }
    return want;
}

static apr_status_t begin_wait(rp_lane_t *lane, rp_watch_t *watch, int fd)
{
    entry_t *entry = entry_of(lane, fd);
    int want = wanted(watch, fd);
    apr_status_t rv = APR_SUCCESS;

    if (!entry) {
        return APR_ENOMEM;
    }
    if (entry->watch == watch) {
        return APR_SUCCESS; /* it is there twice */
    }
    if (entry->watch) {
        return EBUSY;
    }
    if (!entry->kept) {
        rv = enroll(lane, fd, entry, epoll_events(want) | EPOLLONESHOT);
    }
    else if (watch->edges || want == RP_WANT_HANGUP) {
        if (tell(watch, fd, entry->ready)) {
            make_due(lane, watch, APR_SUCCESS);
        }
    }
    else {
        entry->ready &= RP_WANT_HANGUP;
        rv = enroll(lane, fd, entry, KEPT_EVENTS);
    }
    if (rv == EPERM) { /* a file: it never blocks */
        tell(watch, fd, want);
        make_due(lane, watch, APR_SUCCESS);
        rv = APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        entry->watch = watch;
    }
    return rv;
}

apr_status_t rp_lane_watch(rp_lane_t *lane, rp_watch_t *watch)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    watch->is_due = 0;
    watch->timer.place = 0;
    for (i = 0; i < watch->n; i++) {
        watch->waitees[i].got = 0;
    }
    for (i = 0; i < watch->n && rv == APR_SUCCESS; i++) {
        if (watch->waitees[i].fd >= 0) {
            rv = begin_wait(lane, watch, watch->waitees[i].fd);
        }
    }
    if (rv == APR_SUCCESS && !watch->is_due && !rp_timers_add(&lane->timers, &watch->timer)) {
        rv = APR_ENOMEM;
    }
    if (rv != APR_SUCCESS) {
        rp_lane_unwatch(lane, watch);
    }
    return rv;
}

void rp_lane_unwatch(rp_lane_t *lane, rp_watch_t *watch)
{
    release(lane, watch);
    rp_timers_remove(&lane->timers, &watch->timer);
    if (watch->is_due) {
        take_from_due(lane, watch);
    }
}

static void resume(rp_watch_t *watch, apr_status_t rv)
{
    (void)rv; /* it is in the watch */
    rp_coroutine_resume(watch->data);
}

static apr_status_t wait_on_coroutine(rp_lane_t *lane, rp_watch_t *watch)
{
    apr_status_t rv;

    watch->fn = resume;
    watch->data = rp_coroutine_current();
    rv = rp_lane_watch(lane, watch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rp_coroutine_pause();
    /* OpenSSL's errors are the thread's: those of another coroutine must not be taken for ours. */
    if (ERR_peek_error()) {
        ERR_clear_error();
    }
    return watch->rv;
}

apr_status_t rp_lane_wait(rp_lane_t *lane, rp_waitee_t *waitees, int n, apr_time_t deadline)
{
    rp_watch_t watch = { .timer.at = deadline, .waitees = waitees, .n = n };

    return wait_on_coroutine(lane, &watch);
}

apr_status_t rp_lane_wait_news(rp_lane_t *lane, int fd, apr_time_t deadline)
{
    rp_waitee_t waitee = { fd, RP_WANT_READ | RP_WANT_HANGUP, 0 };
    rp_watch_t watch = { .timer.at = deadline, .waitees = &waitee, .n = 1, .edges = 1 };

    return wait_on_coroutine(lane, &watch);
}

/* ------------------------------------------------------------------ the loop */

static void note(rp_lane_t *lane, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    entry_t *entry = fd < lane->nentries ? &lane->entries[fd] : NULL;
    int bits = bits_of(event->events);

    if (!entry || entry->generation != (uint32_t)(event->data.u64 >> 32)) {
        return;
    }
    if (entry->kept) {
        entry->ready |= (unsigned char)bits;
    }
    if (entry->watch && tell(entry->watch, fd, bits)) {
        make_due(lane, entry->watch, APR_SUCCESS);
    }
}

/* Milliseconds until something must be done, rounded up. */
static int pause_for(const rp_lane_t *lane)
{
    const rp_timer_t *first = rp_timers_first(&lane->timers);
    apr_time_t left = LONGEST;

    if (lane->due || lane->later) {
        return 0;
    }
    if (first) {
        left = first->at - rp_now();
        left = left < 0 ? 0 : left > LONGEST ? LONGEST : left;
    }
    return (int)((left + 999) / 1000);
}

static void expire(rp_lane_t *lane)
{
    rp_timer_t *first = rp_timers_first(&lane->timers);
    apr_time_t now = first ? rp_now() : 0;

    while (first && first->at <= now) {
        make_due(lane, (rp_watch_t *)first, APR_TIMEUP);
        first = rp_timers_first(&lane->timers);
    }
}

/* As many as were due when it began: what they bring about has its turn after the others. */
static void run_due(rp_lane_t *lane)
{
    unsigned n;

    for (n = lane->ndue; n > 0 && lane->due; n--) {
        rp_watch_t *watch = lane->due;

        take_from_due(lane, watch);
        release(lane, watch);
        watch->fn(watch, watch->rv);
    }
}

void rp_lane_run(rp_lane_t *lane)
{
    struct epoll_event events[MAX_EVENTS];

    current = lane;
    while (!__atomic_load_n(&lane->stop, __ATOMIC_SEQ_CST)) {
        int n = epoll_wait(lane->epoll, events, MAX_EVENTS, pause_for(lane));
        int is_rung = 0;
        int i;

        for (i = 0; i < n; i++) {
            if (events[i].data.u64 == BELL) {
                is_rung = 1;
            }
            else {
                note(lane, &events[i]);
            }
        }
        expire(lane);
        run_due(lane);
        run_later(lane);
        if (is_rung) {
            take_posted(lane);
        }
    }
    current = NULL;
}

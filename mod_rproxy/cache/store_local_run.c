/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The local store's write transactions, shared by the threads that want one at the same time.
 *
 * LMDB has one writer per environment, and a transaction costs several times what a small entry's part of it
 * does.  So who wants to write leaves a job in the process's queue.  The first one leads: it begins a
 * transaction (which may take as long as other processes have theirs), takes what is in the queue by then,
 * does all of it, commits, and tells the others.  When anything in it fails, all comes to nothing, and each
 * job is done again in a transaction of its own: so one that fails spoils no other.
 */

#include <time.h>
#include "cache/store_local.h"

/** How long a job waits to be begun. */
#define WAIT_SECONDS 2

/** Tries of a job alone. */
#define MAX_ROUNDS 6

/** Jobs in one transaction. */
#define BATCH 32

/** Transactions after which somebody else has to lead. */
#define LEAD 16

/** Garbage chunks that a write transaction takes away in passing, for each job. */
#define FREE_IN_PASSING 32
/* Rows of the garbage that each looks at for that. */
#define LOOK_IN_PASSING 8

enum { QUEUED, LEADING, TAKEN, DONE };

struct rp_local_job_t {
    size_t need;
    rp_local_work_fn work;
    void *arg;
    int state; /* under s->jobs_lock */
    int rc;
    pthread_cond_t changed;
    rp_local_job_t *next;
};

/* ------------------------------------------------------------------ transactions */

/** Do all of the jobs and commit, or abort. */
static int finish(rp_local_txn_t *t, rp_local_job_t **jobs, unsigned n, size_t need)
{
    unsigned i, freed, max = n * FREE_IN_PASSING;
    int rc = rp_local_make_room(t, need);

    if (rc == RP_LOCAL_SHORT) {
        /* What was evicted so far is progress: keep it, and go on in another transaction. */
        rc = rp_local_commit(t);
        return rc ? rc : RP_LOCAL_SHORT;
    }
    for (i = 0; !rc && i < n; i++) {
        rc = jobs[i]->work(t, jobs[i]->arg);
    }
    if (!rc) {
        rc = rp_local_free_garbage(t, max < t->s->free_max ? max : t->s->free_max, LOOK_IN_PASSING,
                                   RP_LOCAL_OLD_ENOUGH(t->s), &freed);
    }
    if (rc) {
        rp_local_abort(t);
        return rc;
    }
    return rp_local_commit(t);
}

static int run_alone(rp_local_t *s, rp_local_job_t *job)
{
    int rc = 0, round;

    for (round = 0; round < MAX_ROUNDS; round++) {
        rp_local_txn_t t;
        rc = rp_local_begin(s, &t);
        if (!rc) {
            rc = finish(&t, &job, 1, job->need);
        }
        if (rc == MDB_MAP_FULL) {
            int again = rp_local_relieve(s);
            if (again) {
                return again;
            }
        }
        else if (rc != RP_LOCAL_SHORT) {
            break;
        }
    }
    return rc;
}

/* ------------------------------------------------------------------ the queue */

/** Take jobs from the queue, as many as one transaction should do. */
static unsigned take(rp_local_t *s, rp_local_job_t *jobs[BATCH], size_t *need)
{
    unsigned n = 0;

    *need = 0;
    pthread_mutex_lock(&s->jobs_lock);
    while (s->jobs && n < BATCH && (n == 0 || *need + s->jobs->need <= s->free_max)) {
        rp_local_job_t *job = s->jobs;
        s->jobs = job->next;
        if (!s->jobs) {
            s->jobs_end = &s->jobs;
        }
        job->state = TAKEN;
        *need += job->need;
        jobs[n++] = job;
    }
    pthread_mutex_unlock(&s->jobs_lock);
    return n;
}

/** One transaction for what is in the queue when it has begun. */
static void run_some(rp_local_t *s)
{
    rp_local_job_t *jobs[BATCH];
    rp_local_txn_t t;
    int rc = rp_local_begin(s, &t);
    size_t need;
    unsigned n = take(s, jobs, &need), i;

    if (!rc) {
        rc = finish(&t, jobs, n, need);
    }
    for (i = 0; i < n; i++) {
        jobs[i]->rc = rc && (n > 1 || rc == RP_LOCAL_SHORT || rc == MDB_MAP_FULL) ? run_alone(s, jobs[i]) : rc;
    }
    pthread_mutex_lock(&s->jobs_lock);
    for (i = 0; i < n; i++) {
        jobs[i]->state = DONE;
        pthread_cond_signal(&jobs[i]->changed);
    }
    pthread_mutex_unlock(&s->jobs_lock);
}

/** Do what is in the queue, the caller's job first, and for a while also what comes meanwhile. */
static void lead(rp_local_t *s)
{
    int more = 1, i;

    for (i = 0; more && i < LEAD; i++) {
        run_some(s);
        pthread_mutex_lock(&s->jobs_lock);
        more = s->jobs != NULL;
        if (!more) {
            s->jobs_led = 0;
        }
        else if (i == LEAD - 1) {
            s->jobs->state = LEADING;
            pthread_cond_signal(&s->jobs->changed);
        }
        pthread_mutex_unlock(&s->jobs_lock);
    }
}

/** Take a job that nobody began back out of the queue. */
static void withdraw(rp_local_t *s, rp_local_job_t *job)
{
    rp_local_job_t **at = &s->jobs;

    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    if (!*at) {
        s->jobs_end = at;
    }
}

/** Wait until it is done, or to be led by the caller, or not begun in time. @return its state */
static int wait_for(rp_local_t *s, rp_local_job_t *job)
{
    struct timespec until;
    int late = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_SECONDS;
    while (job->state == TAKEN || (job->state == QUEUED && !late)) {
        if (job->state == TAKEN) {
            pthread_cond_wait(&job->changed, &s->jobs_lock);
        }
        else {
            late = pthread_cond_timedwait(&job->changed, &s->jobs_lock, &until) != 0;
        }
    }
    if (job->state == QUEUED) {
        withdraw(s, job);
    }
    return job->state;
}

/** @return 0 when it was not begun in time */
static int queue(rp_local_t *s, rp_local_job_t *job)
{
    int state = LEADING;

    pthread_mutex_lock(&s->jobs_lock);
    *s->jobs_end = job;
    s->jobs_end = &job->next;
    if (s->jobs_led) {
        state = wait_for(s, job);
    }
    s->jobs_led |= state == LEADING;
    pthread_mutex_unlock(&s->jobs_lock);
    if (state == LEADING) {
        lead(s);
    }
    return state != QUEUED;
}

apr_status_t rp_local_run(rp_local_t *s, size_t need, rp_local_work_fn work, void *arg)
{
    rp_local_job_t job = {.need = need, .work = work, .arg = arg, .state = QUEUED};
    pthread_condattr_t attr;
    int begun;

    if (__atomic_load_n(&s->broken, __ATOMIC_RELAXED) || rp_local_is_stuck(s)) {
        return APR_EGENERAL;
    }
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&job.changed, &attr);
    pthread_condattr_destroy(&attr);
    begun = queue(s, &job);
    pthread_cond_destroy(&job.changed);
    if (!begun) {
        rp_local_log(s, RP_LOG_WRITE, LOG_WARNING, 0, "other writers do not finish, entry dropped");
        return APR_TIMEUP;
    }
    if (job.rc == 0) {
        __atomic_store_n(&s->stuck_since, 0, __ATOMIC_RELAXED);
    }
    return rp_local_status(s, RP_LOG_WRITE, job.rc, "cannot write");
}

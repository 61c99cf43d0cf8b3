/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "lane/lane.h"
#include "limit/lease.h"

#define RENEW (RP_LEASE_TIME / 3)

static const char renew_text[] =
    "local t = redis.call('TIME')\n"
    "redis.call('ZADD', KEYS[1], t[1] * 1000000 + t[2] + ARGV[1], ARGV[2])\n"
    "redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[1] / 1000))\n"
    "return 1\n";

typedef struct leases_t {
    rp_farm_t *farm;
    int together;
    rp_farm_script_t renew;
    char name[RP_LEASE_TOKEN - 17]; /* of this child: tokens begin with it */
    apr_uint64_t next;              /* token's number; atomic */
    apr_pool_t *p;                  /* the child's */
    apr_thread_t *thread;           /* begins with the first lease */
    pthread_mutex_t lock;           /* of what follows */
    pthread_cond_t more;
    rp_limit_lease_t held;                /* a ring, whose first one was renewed the longest ago */
    rp_limit_lease_t *ended, **last;      /* in their order */
    int stop;
    int over;                       /* the thread has ended: tokens end by themselves */
} leases_t;

static leases_t *leases;

/* ------------------------------------------------------------------ lists, under the lock */

static void append(rp_limit_lease_t *lease)
{
    lease->before = leases->held.before;
    lease->next = &leases->held;
    lease->before->next = lease;
    leases->held.before = lease;
}

static void unlink_held(rp_limit_lease_t *lease)
{
    lease->before->next = lease->next;
    lease->next->before = lease->before;
}

/* May the next one go into the same call? */
static int fits(const rp_limit_lease_t *first, const rp_limit_lease_t *lease)
{
    return leases->together || !strcmp(first->key, lease->key);
}

static int take_ended(rp_limit_lease_t **taken)
{
    int n = 0;

    while (leases->ended && n < RP_FARM_PIPELINE && (!n || fits(taken[0], leases->ended))) {
        taken[n] = leases->ended;
        leases->ended = taken[n++]->next;
    }
    if (!leases->ended) {
        leases->last = &leases->ended;
    }
    return n;
}

/* Those whose time has come; they stay where they are, and are freed by nobody but the thread that asks. */
static int take_due(rp_limit_lease_t **due, apr_time_t now)
{
    int n = 0;

    while (n < RP_FARM_PIPELINE) {
        rp_limit_lease_t *lease = leases->held.next;

        if (lease == &leases->held || now - lease->renewed < RENEW || (n && !fits(due[0], lease))) {
            break;
        }
        unlink_held(lease);
        lease->renewed = now;
        append(lease);
        due[n++] = lease;
    }
    return n;
}

/* ------------------------------------------------------------------ the thread */

static rp_str_t str(const char *text)
{
    return (rp_str_t){ text, strlen(text) };
}

/* What becomes of it makes no difference: a token that was not taken away ends by itself. */
static void call(apr_pool_t *p, const rp_limit_lease_t *first, const rp_farm_command_t *commands, int n)
{
    rp_reply_t *replies[RP_FARM_PIPELINE];

    rp_farm_call(leases->farm, p, str(first->key), commands, n, 0, replies);
}

static void release(apr_pool_t *p, rp_limit_lease_t **taken, int n)
{
    rp_farm_command_t commands[RP_FARM_PIPELINE];
    rp_str_t argv[RP_FARM_PIPELINE][3];
    int i, known = 0;

    for (i = 0; i < n; i++) {
        argv[known][0] = RP_STR("ZREM");
        argv[known][1] = str(taken[i]->key);
        argv[known][2] = str(taken[i]->token);
        commands[known] = (rp_farm_command_t){ argv[known], 3, NULL };
        known += taken[i]->taken;
    }
    if (known) {
        call(p, taken[0], commands, known);
    }
    for (i = 0; i < n; i++) {
        free(taken[i]);
    }
}

static void renew(apr_pool_t *p, rp_limit_lease_t **due, int n)
{
    rp_farm_command_t commands[RP_FARM_PIPELINE];
    rp_str_t argv[RP_FARM_PIPELINE][4];
    rp_str_t time = str(apr_psprintf(p, "%" APR_TIME_T_FMT, RP_LEASE_TIME));
    int i;

    for (i = 0; i < n; i++) {
        argv[i][0] = RP_STR("1");
        argv[i][1] = str(due[i]->key);
        argv[i][2] = time;
        argv[i][3] = str(due[i]->token);
        commands[i] = (rp_farm_command_t){ argv[i], 4, &leases->renew };
    }
    call(p, due[0], commands, n);
}

/* Until there is something to do, or may be. */
static void pause_for_more(void)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    pthread_cond_timedwait(&leases->more, &leases->lock, &until);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *unused)
{
    rp_limit_lease_t *some[RP_FARM_PIPELINE];
    apr_pool_t *p;

    (void)thread;
    (void)unused;
    /* The child's pool belongs to another thread. */
    apr_pool_create(&p, NULL);
    pthread_mutex_lock(&leases->lock);
    while (!leases->stop || leases->ended) {
        int ended = take_ended(some);
        int due = ended ? 0 : take_due(some, rp_now());

        if (!ended && !due) {
            pause_for_more();
            continue;
        }
        pthread_mutex_unlock(&leases->lock);
        if (ended) {
            release(p, some, ended);
        }
        else {
            renew(p, some, due);
        }
        apr_pool_clear(p);
        pthread_mutex_lock(&leases->lock);
    }
    leases->over = 1;
    pthread_mutex_unlock(&leases->lock);
    apr_pool_destroy(p);
    return NULL;
}

static apr_status_t stop(void *unused)
{
    apr_thread_t *thread;
    apr_status_t rv;

    (void)unused;
    pthread_mutex_lock(&leases->lock);
    leases->stop = 1;
    thread = leases->thread;
    pthread_cond_signal(&leases->more);
    pthread_mutex_unlock(&leases->lock);
    if (thread) {
        apr_thread_join(&rv, thread);
    }
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ for requests */

static apr_status_t make_locks(void)
{
    pthread_condattr_t attr;
    int rc = pthread_mutex_init(&leases->lock, NULL);

    rc = rc ? rc : pthread_condattr_init(&attr);
    rc = rc ? rc : pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    return rc ? rc : pthread_cond_init(&leases->more, &attr);
}

apr_status_t rp_limit_leases_child_init(apr_pool_t *p, rp_farm_t *farm, int together)
{
    unsigned char random[8];
    apr_status_t rv = apr_generate_random_bytes(random, sizeof(random));

    leases = apr_pcalloc(p, sizeof(*leases));
    leases->farm = farm;
    leases->together = together;
    leases->p = p;
    leases->held.next = leases->held.before = &leases->held;
    leases->last = &leases->ended;
    rp_farm_script_init(&leases->renew, renew_text);
    ap_bin2hex(random, sizeof(random), leases->name);
    rv = rv ? rv : make_locks();
    if (rv == APR_SUCCESS) {
        /* Before the link's connections are closed. */
        apr_pool_pre_cleanup_register(p, NULL, stop);
    }
    else {
        leases = NULL;
    }
    return rv;
}

rp_limit_lease_t *rp_limit_lease_begin(const char *key)
{
    rp_limit_lease_t *lease = leases ? calloc(1, sizeof(*lease)) : NULL;

    if (!lease) {
        return NULL;
    }
    apr_cpystrn(lease->key, key, sizeof(lease->key));
    apr_snprintf(lease->token, sizeof(lease->token), "%s%" APR_UINT64_T_HEX_FMT, leases->name,
                 __atomic_add_fetch(&leases->next, 1, __ATOMIC_RELAXED));
    pthread_mutex_lock(&leases->lock);
    if (!leases->thread && apr_thread_create(&leases->thread, NULL, run, NULL, leases->p) != APR_SUCCESS) {
        leases->thread = NULL;
    }
    if (leases->thread) {
        lease->renewed = rp_now();
        append(lease);
    }
    pthread_mutex_unlock(&leases->lock);
    if (!lease->renewed) {
        free(lease);
        lease = NULL;
    }
    return lease;
}

void rp_limit_lease_end(rp_limit_lease_t *lease, int taken)
{
    pthread_mutex_lock(&leases->lock);
    unlink_held(lease);
    lease->taken = taken;
    lease->next = NULL;
    if (leases->over) {
        free(lease);
    }
    else {
        *leases->last = lease;
        leases->last = &lease->next;
        pthread_cond_signal(&leases->more);
    }
    pthread_mutex_unlock(&leases->lock);
}

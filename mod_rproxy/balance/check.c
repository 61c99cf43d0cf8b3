/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The thread that checks members. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_log.h>
#include <mod_watchdog.h>
#include <scoreboard.h>

#include "balance/balance.h"
#include "balance/check.h"
#include "balance/probe.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define WATCHDOG "_rproxy_checks_"
/* The members' first checks are spread over this time, or their interval. */
#define SPREAD apr_time_from_sec(1)
/* Without anything to do, and while names are looked up, the loop turns this often, in milliseconds. */
#define TURN 500
#define TURN_RESOLVING 20
/* Any bits will do, but not none at all. */
#define SEED 0x9e3779b97f4a7c15u

/** A member, and the check of it that is under way. */
typedef struct watch_t {
    const rp_pool_conf_t *pool;
    rp_member_t *member;
    apr_time_t next;   /* when to begin the next check */
    rp_probe_t *probe; /* NULL: none is under way */
    int at;            /* of the descriptors: the probe's */
} watch_t;

typedef struct checks_t {
    server_rec *s;
    watch_t *watches;
    struct pollfd *fds; /* of the probes, and one more */
    int nwatches;
    apr_uint64_t random;
} checks_t;

/* Of this process. Both mod_watchdog's thread and the one that ends the child may say that it is over. */
static struct {
    pthread_mutex_t lock;
    int running;
    pthread_t thread;
    int wake; /* written to when the thread shall end */
} here = { .lock = PTHREAD_MUTEX_INITIALIZER };

static apr_uint64_t next_random(checks_t *checks)
{
    /* G. Marsaglia, "Xorshift RNGs" (2003) */
    checks->random ^= checks->random << 13;
    checks->random ^= checks->random >> 7;
    checks->random ^= checks->random << 17;
    return checks->random;
}

/* ------------------------------------------------------------------ verdicts */

static void store(rp_check_slot_t *slot, const rp_check_state_t *state, const char *cause)
{
    if (cause) {
        /* The last byte stays 0, so that whoever reads meanwhile finds an end. */
        strncpy(slot->cause, cause, sizeof(slot->cause) - 1);
    }
    __atomic_store_n(&slot->streak, state->streak, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->checked_at, rp_now(), __ATOMIC_RELAXED);
    __atomic_store_n(&slot->state, state->state, __ATOMIC_RELEASE);
}

static void judge(checks_t *checks, const watch_t *w, const char *cause)
{
    const rp_check_conf_t *conf = w->pool->check;
    rp_check_slot_t *slot = &w->member->shared->check;
    rp_check_state_t state = { (rp_check_e)slot->state, slot->streak };
    int changed = rp_check_judge(&state, !cause, (unsigned)conf->rise, (unsigned)conf->fall);

    store(slot, &state, cause);
    if (changed && cause) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, checks->s, RPLOGNO(0321) "pool %s, member %s is down by its checks (%d of "
                     "%d failed): %s", w->pool->name, w->member->peer.conf->url, conf->fall, conf->fall, cause);
    }
    else if (changed) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, checks->s, RPLOGNO(0322) "pool %s, member %s is up again by its checks: %s "
                     "went well %d times", w->pool->name, w->member->peer.conf->url, conf->what, conf->rise);
    }
}

static void end_check(checks_t *checks, watch_t *w, rp_probe_e outcome)
{
    judge(checks, w, outcome == RP_PROBE_GOOD ? NULL : rp_probe_cause(w->probe));
    rp_probe_free(w->probe);
    w->probe = NULL;
}

static void begin_check(checks_t *checks, watch_t *w, apr_time_t now)
{
    const rp_check_conf_t *conf = w->pool->check;
    rp_probe_e e;

    w->next = now + rp_check_wait(conf->interval, conf->jitter, next_random(checks));
    w->probe = rp_probe_new(conf, &w->member->peer, now);
    if (w->probe) {
        e = rp_probe_step(w->probe, now);
        if (e != RP_PROBE_RUNNING) {
            end_check(checks, w, e);
        }
    }
}

/* ------------------------------------------------------------------ the loop */

/* An old generation's child may live on for a while with a client: the new one's checks are those that count. */
static int is_current(void)
{
    int generation;

    return ap_mpm_query(AP_MPMQ_GENERATION, &generation) != APR_SUCCESS
           || generation == ap_get_scoreboard_global()->running_generation;
}

static void begin_due(checks_t *checks, apr_time_t now)
{
    int i;

    for (i = 0; i < checks->nwatches; i++) {
        if (!checks->watches[i].probe && checks->watches[i].next <= now) {
            begin_check(checks, &checks->watches[i], now);
        }
    }
}

static short poll_events(int want)
{
    return (short)((want & RP_WANT_READ ? POLLIN : 0) | (want & RP_WANT_WRITE ? POLLOUT : 0));
}

/* What to wait for. @return how many descriptors; *until is when the first of them, or of the rest, is due */
static nfds_t gather(checks_t *checks, int wake, apr_time_t now, apr_time_t *until)
{
    nfds_t n = 1;
    int i;

    checks->fds[0] = (struct pollfd){ wake, POLLIN, 0 };
    *until = now + apr_time_from_msec(TURN);
    for (i = 0; i < checks->nwatches; i++) {
        watch_t *w = &checks->watches[i];
        apr_time_t due = w->probe ? rp_probe_deadline(w->probe) : w->next;

        if (w->probe) {
            int want, fd = rp_probe_fd(w->probe, &want);

            if (fd < 0 && due > now + apr_time_from_msec(TURN_RESOLVING)) {
                due = now + apr_time_from_msec(TURN_RESOLVING);
            }
            w->at = (int)n;
            checks->fds[n++] = (struct pollfd){ fd, poll_events(want), 0 };
        }
        *until = due < *until ? due : *until;
    }
    return n;
}

/* What came in time but was not looked at until now is not too late. */
static void go_on(checks_t *checks, apr_time_t now)
{
    int i;

    for (i = 0; i < checks->nwatches; i++) {
        watch_t *w = &checks->watches[i];
        rp_probe_e e = RP_PROBE_RUNNING;

        if (!w->probe) {
            continue;
        }
        if (checks->fds[w->at].revents || checks->fds[w->at].fd < 0) {
            e = rp_probe_step(w->probe, now);
        }
        if (e == RP_PROBE_RUNNING && !checks->fds[w->at].revents && rp_probe_deadline(w->probe) <= now) {
            e = rp_probe_expire(w->probe, now);
        }
        if (e != RP_PROBE_RUNNING) {
            end_check(checks, w, e);
        }
    }
}

static int milliseconds_until(apr_time_t until)
{
    apr_time_t left = until - rp_now();

    return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

static void free_checks(checks_t *checks)
{
    int i;

    for (i = 0; i < checks->nwatches; i++) {
        if (checks->watches[i].probe) {
            rp_probe_free(checks->watches[i].probe);
        }
    }
    free(checks->watches);
    free(checks->fds);
    free(checks);
}

static void *run(void *data)
{
    checks_t *checks = data;
    apr_time_t until;
    nfds_t n;

    do {
        apr_time_t now = rp_now();

        if (is_current()) {
            begin_due(checks, now);
        }
        n = gather(checks, here.wake, now, &until);
        if (poll(checks->fds, n, milliseconds_until(until)) < 0) {
            nfds_t i;

            for (i = 0; i < n; i++) {
                checks->fds[i].revents = 0;
            }
        }
        go_on(checks, rp_now());
    } while (!checks->fds[0].revents);
    free_checks(checks);
    return NULL;
}

/* ------------------------------------------------------------------ its life */

static void count_members(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    (void)s;
    *(int *)data += conf->check ? conf->pool->nmembers : 0;
}

static void watch_members(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    checks_t *checks = data;
    apr_interval_time_t spread;
    int i;

    (void)s;
    if (!conf->check) {
        return;
    }
    spread = conf->check->interval < SPREAD ? conf->check->interval : SPREAD;
    for (i = 0; i < conf->pool->nmembers; i++) {
        checks->watches[checks->nwatches++] = (watch_t){ .pool = conf, .member = &conf->pool->members[i],
                                                         .next = rp_now() + spread * i / conf->pool->nmembers };
    }
}

static checks_t *new_checks(server_rec *s, apr_pool_t *p)
{
    checks_t *checks = calloc(1, sizeof(*checks));
    int n = 0;

    if (!checks) {
        return NULL;
    }
    rp_each_pool(p, s, count_members, &n);
    checks->s = s;
    checks->random = SEED ^ (apr_uint64_t)rp_now() ^ ((apr_uint64_t)getpid() << 40);
    checks->watches = calloc((apr_size_t)n, sizeof(*checks->watches));
    checks->fds = calloc((apr_size_t)n + 1, sizeof(*checks->fds));
    if (!checks->watches || !checks->fds) {
        free_checks(checks);
        return NULL;
    }
    rp_each_pool(p, s, watch_members, checks);
    return checks;
}

/* Signals are for the server's own threads: some of httpd's handlers end the process where they run. */
static int start_thread(checks_t *checks)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&here.thread, NULL, run, checks);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0;
}

static int start(server_rec *s, apr_pool_t *p)
{
    checks_t *checks = new_checks(s, p);

    here.wake = checks ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (here.wake < 0) {
        if (checks) {
            free_checks(checks);
        }
        return 0;
    }
    if (!start_thread(checks)) {
        close(here.wake);
        free_checks(checks);
        return 0;
    }
    return 1;
}

static void stop(void)
{
    apr_uint64_t one = 1;

    while (write(here.wake, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    pthread_join(here.thread, NULL);
    close(here.wake);
}

/* In one child of the host. */
static apr_status_t watch(int state, void *data, apr_pool_t *p)
{
    pthread_mutex_lock(&here.lock);
    if (state == AP_WATCHDOG_STATE_STOPPING) {
        if (here.running) {
            stop();
        }
        here.running = 0;
    }
    else if (!here.running) {
        here.running = start(data, p);
        if (!here.running) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, 0, (server_rec *)data, RPLOGNO(0323) "cannot start the thread that checks "
                         "members; trying again");
        }
    }
    pthread_mutex_unlock(&here.lock);
    return APR_SUCCESS;
}

static void look_for_checks(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    (void)s;
    *(int *)data |= conf->check != NULL;
}

int rp_checks_init(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;
    int wanted = 0;

    rp_each_pool(pconf, main_server, look_for_checks, &wanted);
    if (wanted && (!get || !add || get(&watchdog, WATCHDOG, 0, 1, pconf) != APR_SUCCESS
                   || add(watchdog, AP_WD_TM_INTERVAL, main_server, watch) != APR_SUCCESS)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server, RPLOGNO(0320) "RProxyCheck needs mod_watchdog: write LoadModule "
                     "watchdog_module modules/mod_watchdog.so");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

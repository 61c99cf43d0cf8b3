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
#include <scoreboard.h>

#include "balance/balance.h"
#include "balance/check.h"
#include "balance/check_state.h"
#include "balance/member.h"
#include "balance/probe.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* The members' first checks are spread over this time, or their interval. */
#define SPREAD apr_time_from_sec(1)
/* Without anything to do, and while names are looked up, the loop turns this often, in milliseconds. */
#define TURN 500
#define TURN_RESOLVING 20

/** A member, and the check of it that is under way. */
typedef struct watch_t {
    const rp_check_conf_t *conf;
    rp_member_t *member;
    apr_uint32_t generation; /* of the slot: which member that is */
    apr_time_t next;         /* when to begin the next check */
    rp_probe_t *probe;       /* NULL: none is under way */
    rp_resolving_t *lookup;     /* of its name, when that is not known; NULL: none is under way */
    int at;                  /* of the descriptors: the probe's */
} watch_t;

typedef struct checks_t {
    server_rec *s;
    watch_t *watches;   /* one for each slot of the pools that want it */
    int nwatches;
    struct pollfd *fds; /* of the probes, and one more */
    int retired;        /* the next generation's checks are those that count */
} checks_t;

/* Of this process. mod_watchdog's thread and the one that ends the child may both say that it is over. */
static struct {
    pthread_mutex_t lock;
    int running;
    int over; /* it does not begin again */
    pthread_t thread;
    int wake; /* written to when the thread shall end */
} here = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ------------------------------------------------------------------ verdicts */

static void tell(checks_t *checks, const watch_t *w, const char *cause)
{
    const char *pool = w->member->pool->conf->name, *url = w->member->info->url;

    if (cause) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, checks->s, RPLOGNO(0321) "pool %s, member %s is down by its checks, of which "
                     "%d in a row have failed: %s", pool, url, w->conf->fall, cause);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, checks->s, RPLOGNO(0322) "pool %s, member %s is up again by its checks, of "
                     "which %d in a row were good: %s", pool, url, w->conf->rise, w->conf->what);
    }
}

static void judge(checks_t *checks, const watch_t *w, const char *cause)
{
    rp_slot_t *slot = w->member->slot;
    rp_check_state_t s = { (rp_check_e)rp_get(slot->check), rp_get(slot->check_streak) };
    int changed = rp_check_judge(&s, !cause, (unsigned)w->conf->rise, (unsigned)w->conf->fall);

    if (cause) {
        /* The last byte stays 0: whoever reads it meanwhile finds an end. */
        strncpy(slot->check_cause, cause, sizeof(slot->check_cause) - 1);
    }
    rp_put(slot->check_streak, s.streak);
    rp_put(slot->checked, rp_now());
    if (s.state != (rp_check_e)rp_get(slot->check)) {
        rp_state_check(&w->member->pool->state, w->member->index, s.state, rp_now());
        rp_pool_wake(w->member->pool);
    }
    if (changed) {
        tell(checks, w, cause);
    }
}

static void drop_probe(watch_t *w)
{
    if (w->probe) {
        rp_probe_free(w->probe);
        rp_member_release(w->member);
        w->probe = NULL;
    }
}

static void drop(watch_t *w)
{
    drop_probe(w);
    if (w->lookup) {
        rp_resolving_release(w->lookup);
        w->lookup = NULL;
    }
}

/* Who is somebody else by now is not judged by it. */
static void end_check(checks_t *checks, watch_t *w, rp_probe_e outcome)
{
    if (rp_get(w->member->slot->generation) == w->generation) {
        judge(checks, w, outcome == RP_PROBE_GOOD ? NULL : rp_probe_cause(w->probe));
    }
    drop_probe(w);
}

static void begin_check(checks_t *checks, watch_t *w, apr_time_t now)
{
    rp_probe_e e;

    w->next = now + rp_check_wait(w->conf->interval, w->conf->jitter, rp_random());
    if (!rp_member_hold(w->member)) {
        return;
    }
    w->probe = rp_probe_new(w->conf, &w->member->peer, &w->lookup, now);
    if (!w->probe) {
        rp_member_release(w->member);
    }
    else {
        e = rp_probe_step(w->probe, now);
        if (e != RP_PROBE_RUNNING) {
            end_check(checks, w, e);
        }
    }
}

/* ------------------------------------------------------------------ the loop */

/* An old generation's child may live on for a while with a client. */
static int is_of_the_past(void)
{
    int generation;

    return ap_mpm_query(AP_MPMQ_GENERATION, &generation) == APR_SUCCESS
           && generation != ap_get_scoreboard_global()->running_generation;
}

/* Members come and go; nobody asks after disabled ones. */
static int is_there(watch_t *w, apr_time_t now)
{
    const rp_slot_t *slot = w->member->slot;
    apr_uint32_t generation = rp_get(slot->generation);

    if (!rp_slot_holds(slot) || rp_get(slot->admin) == RP_ADMIN_DISABLED) {
        drop(w);
        return 0;
    }
    if (w->generation != generation) {
        drop(w);
        w->generation = generation;
        w->next = w->next > now ? w->next : now;
    }
    return 1;
}

static void begin_due(checks_t *checks, apr_time_t now)
{
    int i;

    for (i = 0; i < checks->nwatches; i++) {
        watch_t *w = &checks->watches[i];

        if (!is_there(w, now)) {
            w->next = now + apr_time_from_msec(TURN);
        }
        else if (!w->probe && w->next <= now) {
            begin_check(checks, w, now);
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
        apr_time_t due = w->probe ? rp_probe_deadline(w->probe) : checks->retired ? *until : w->next;

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
        drop(&checks->watches[i]);
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

        checks->retired = is_of_the_past();
        if (!checks->retired) {
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

static void count_slots(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    (void)s;
    *(unsigned *)data += conf->check ? conf->pool->state.nslots : 0;
}

static void watch_slots(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    checks_t *checks = data;
    unsigned i, n = (unsigned)conf->members->nelts;
    apr_interval_time_t spread;

    (void)s;
    if (!conf->check) {
        return;
    }
    spread = conf->check->interval < SPREAD ? conf->check->interval : SPREAD;
    for (i = 0; i < conf->pool->state.nslots; i++) {
        checks->watches[checks->nwatches++] = (watch_t){
            .conf = conf->check, .member = &conf->pool->members[i], .next = rp_now() + (i < n ? spread * i / n : 0)
        };
    }
}

static checks_t *new_checks(server_rec *s, apr_pool_t *p, unsigned n)
{
    checks_t *checks = calloc(1, sizeof(*checks));

    if (!checks) {
        return NULL;
    }
    checks->s = s;
    checks->watches = calloc(n, sizeof(*checks->watches));
    checks->fds = calloc((apr_size_t)n + 1, sizeof(*checks->fds));
    if (!checks->watches || !checks->fds) {
        free_checks(checks);
        return NULL;
    }
    rp_each_pool(p, s, watch_slots, checks);
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

static int start(server_rec *s, apr_pool_t *p, unsigned n)
{
    checks_t *checks = new_checks(s, p, n);

    if (!checks) {
        return 0;
    }
    here.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (here.wake >= 0 && start_thread(checks)) {
        return 1;
    }
    if (here.wake >= 0) {
        close(here.wake);
    }
    free_checks(checks);
    return 0;
}

void rp_checks_start(server_rec *main_server, apr_pool_t *p)
{
    unsigned n = 0;

    pthread_mutex_lock(&here.lock);
    if (!here.running && !here.over) {
        rp_each_pool(p, main_server, count_slots, &n);
        here.running = n && start(main_server, p, n);
        if (n && !here.running) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, errno, main_server, RPLOGNO(0323) "cannot start the thread that checks "
                         "members; trying again");
        }
    }
    pthread_mutex_unlock(&here.lock);
}

static apr_status_t end(void *unused)
{
    (void)unused;
    rp_checks_stop();
    return APR_SUCCESS;
}

void rp_checks_child_init(apr_pool_t *p)
{
    here.over = 0;
    apr_pool_pre_cleanup_register(p, NULL, end);
}

void rp_checks_stop(void)
{
    apr_uint64_t one = 1;

    pthread_mutex_lock(&here.lock);
    here.over = 1;
    if (here.running) {
        while (write(here.wake, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
        pthread_join(here.thread, NULL);
        close(here.wake);
        here.running = 0;
    }
    pthread_mutex_unlock(&here.lock);
}

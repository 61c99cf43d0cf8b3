/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Following the farm's log of purges: one thread of the host reads it, carries out what others have written, and sends
 * what this host could not.
 *
 * As long as the order that was read last is still in the log, nothing behind it is missing, since the log is only
 * ever cut at its beginning.  When it is not there, the log was cut too far, has vanished, or has lost its end in a
 * fail-over: this host may have missed orders, and others may have missed its own.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <http_log.h>
#include <scoreboard.h>
#include <apr_strings.h>

#include "cache/farm_shared.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* How long Redis holds an answer back while the log has nothing new, and by when it must have come then. */
#define BLOCK_MS "200"
#define BLOCK apr_time_from_msec(200)
#define ANSWER apr_time_from_msec(400)
/* Until the next try when Redis cannot be read, in milliseconds. */
#define PAUSE 100
/* Own orders that are sent together. */
#define SEND 32
/* Known positions that are looked for in a log that lost its end. */
#define LOOK_FOR 32
#define TIDY_INTERVAL apr_time_from_sec(60)
#define TELL_INTERVAL apr_time_from_sec(60)

typedef struct follower_t {
    server_rec *s;
    rp_store_t *local;
    rp_farm_shared_memory_t *shared;
    apr_pool_t *p; /* cleared with each turn */
    rp_position_t at;
    int is_new;
    rp_position_t heard; /* of the fetches that have ended: what was read last */
    int hears;           /* it is known */
    apr_time_t tidied; /* of rp_now(), these */
    apr_time_t told;
    int is_level;    /* it has been, once */
    uint64_t untold; /* orders refused since then */
} follower_t;

/* Of this process. mod_watchdog's thread and the one that ends the child may both say that it is over. */
static struct {
    pthread_mutex_t lock;
    int running;
    int over;
    pthread_t thread;
    int wake; /* written to when the thread shall end */
} here = { .lock = PTHREAD_MUTEX_INITIALIZER };

#define COUNT(f, what) __atomic_fetch_add(&(f)->shared->what, 1, __ATOMIC_RELAXED)

/* ------------------------------------------------------------------ Redis */

/* @return 1 when each has a reply that is no error */
static int call(follower_t *f, const rp_farm_command_t *commands, int n, apr_interval_time_t timeout,
                rp_reply_t **replies)
{
    rp_farm_t *farm = rp_farm_of_host();
    int i;

    if (!farm || rp_farm_call(farm, f->p, rp_farm_log_key(), commands, n, timeout, replies) != RP_FARM_OK) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (replies[i]->type == RP_REPLY_ERROR) {
            return 0;
        }
    }
    return 1;
}

/* The bytes that stand in the log's entry {id, {"o", bytes}}; .len is 0 when it is none of ours. */
static int read_entry(const rp_reply_t *entry, rp_position_t *at, rp_str_t *bytes)
{
    const rp_reply_t *fields;

    *bytes = (rp_str_t){ NULL, 0 };
    if (entry->type != RP_REPLY_ARRAY || entry->n != 2 || entry->elements[0]->type != RP_REPLY_STRING
        || !rp_position_parse(entry->elements[0]->str, at)) {
        return 0;
    }
    fields = entry->elements[1];
    if (fields->type == RP_REPLY_ARRAY && fields->n == 2 && rp_reply_is(fields->elements[0], "o")
        && fields->elements[1]->type == RP_REPLY_STRING) {
        *bytes = fields->elements[1]->str;
    }
    return 1;
}

/* ------------------------------------------------------------------ carrying out */

static void refuse(follower_t *f, rp_position_t at)
{
    apr_time_t now = rp_now();

    COUNT(f, refused);
    f->untold++;
    if (f->told && now - f->told < TELL_INTERVAL) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, f->s, RPLOGNO(0733) "the farm's log has %" APR_UINT64_T_FMT " orders "
                 "that are none, or were not sealed with our secret; the last one is %s", (apr_uint64_t)f->untold,
                 rp_position_text(f->p, at).ptr);
    f->told = now;
    f->untold = 0;
}

static void read_order(follower_t *f, rp_str_t sealed, rp_log_order_t *order)
{
    rp_str_t bytes;

    order->bytes = (rp_str_t){ NULL, 0 };
    if (sealed.len == 0 || !rp_farm_log_unseal(f->p, sealed, &bytes)
        || !rp_order_decode(f->p, bytes, &order->id, &order->order)) {
        refuse(f, order->at);
    }
    else if (order->order.steps->nelts > 0) {
        order->bytes = bytes;
    }
}

static int carry_out(follower_t *f, rp_log_order_t *orders, int n)
{
    int i;

    if (rp_log_expect(f->local, orders, n) != APR_SUCCESS) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (orders[i].bytes.len > 0 && !orders[i].is_own) {
            if (rp_purge_run(f->local, &orders[i].order, NULL) != APR_SUCCESS) {
                return 0;
            }
            COUNT(f, applied);
        }
    }
    if (rp_log_applied(f->local, orders[n - 1].at) != APR_SUCCESS) {
        return 0;
    }
    f->at = orders[n - 1].at;
    return 1;
}

/* A stream's entries of what was read: {{key, entries}, ...}, or nothing. */
static const rp_reply_t *entries_of(const rp_reply_t *reply, rp_str_t key)
{
    size_t i;

    for (i = 0; reply->type == RP_REPLY_ARRAY && i < reply->n; i++) {
        const rp_reply_t *stream = reply->elements[i];

        if (stream->type == RP_REPLY_ARRAY && stream->n == 2 && rp_reply_is(stream->elements[0], key.ptr)
            && stream->elements[1]->type == RP_REPLY_ARRAY) {
            return stream->elements[1];
        }
    }
    return NULL;
}

/* Wake those who wait for what other hosts fetch. */
static void hear(follower_t *f, const rp_reply_t *entries)
{
    rp_leased_e how;
    uint64_t what;
    size_t i;

    for (i = 0; entries && i < entries->n; i++) {
        const rp_reply_t *entry = entries->elements[i];
        rp_str_t bytes;

        if (read_entry(entry, &f->heard, &bytes) && rp_lease_told(entry->elements[1], &what, &how)) {
            rp_fetched_note(&f->shared->fetched, what, how);
        }
    }
}

/* @param more  out: there may be more at once */
static int take_entries(follower_t *f, const rp_reply_t *entries, int *more)
{
    rp_log_order_t *orders;
    size_t i;

    *more = entries && entries->n >= RP_LOG_BATCH;
    if (!entries || entries->n == 0) {
        return 1;
    }
    if (entries->n > RP_LOG_BATCH) {
        return 0;
    }
    orders = apr_pcalloc(f->p, entries->n * sizeof(*orders));
    for (i = 0; i < entries->n; i++) {
        rp_str_t sealed;

        if (!read_entry(entries->elements[i], &orders[i].at, &sealed)
            || rp_position_compare(orders[i].at, i ? orders[i - 1].at : f->at) <= 0) {
            return 0;
        }
        read_order(f, sealed, &orders[i]);
    }
    return carry_out(f, orders, (int)entries->n);
}

/* ------------------------------------------------------------------ beginning, losing */

/* Stand in the log with something that changes nothing, so that there is a position to go on from. */
static int mark(follower_t *f, rp_position_t behind, rp_position_t *position)
{
    rp_purge_order_t nothing = { 0, apr_array_make(f->p, 1, sizeof(rp_purge_t)) };
    rp_order_id_t id = { 0, 0 };
    rp_str_t order = rp_order_encode(f->p, &id, &nothing);

    behind.ms++;
    behind.seq = 0;
    /* Positions only grow, even where a clock was set back; when the log is beyond that one anyway, at its end. */
    return rp_farm_log_write(f->p, order, rp_position_text(f->p, behind).ptr, position)
           || rp_farm_log_write(f->p, order, "*", position);
}

static int range(follower_t *f, rp_str_t from, rp_str_t to, rp_position_t *first, int *found)
{
    rp_str_t words[6] = { RP_STR("XRANGE"), rp_farm_log_key(), from, to, RP_STR("COUNT"), RP_STR("1") }, bytes;
    rp_farm_command_t command = { words, 6, NULL };
    rp_reply_t *reply;

    if (!call(f, &command, 1, 0, &reply) || reply->type != RP_REPLY_ARRAY) {
        return 0;
    }
    *found = reply->n == 1;
    return !*found || read_entry(reply->elements[0], first, &bytes);
}

static int begin(follower_t *f)
{
    rp_position_t base = { 0, 0 };
    int found;

    if (!range(f, RP_STR("-"), RP_STR("+"), &base, &found) || (!found && !mark(f, base, &base))) {
        return 0;
    }
    /* The first one is carried out, so what was fetched just before it can be judged. */
    if (base.seq > 0) {
        base.seq--;
    }
    else if (base.ms > 0) {
        base = (rp_position_t){ base.ms - 1, UINT64_MAX };
    }
    if (rp_log_begin(f->local, (rp_position_t){ 0, 0 }, base) != APR_SUCCESS) {
        return 0;
    }
    f->at = (rp_position_t){ 0, 0 };
    f->is_new = 0;
    return 1;
}

/* The newest position that we know and the log still has; 0-0 when it has none. */
static int last_common(follower_t *f, rp_position_t *from)
{
    rp_position_t known[LOOK_FOR];
    int n = rp_log_last(f->local, known, LOOK_FOR), i, found = 0;

    *from = (rp_position_t){ 0, 0 };
    for (i = 0; i < n && !found; i++) {
        rp_str_t text = rp_position_text(f->p, known[i]);

        if (!range(f, text, text, from, &found)) {
            return 0;
        }
    }
    return 1;
}

static int lose(follower_t *f)
{
    rp_position_t from, base;

    if (!last_common(f, &from) || !mark(f, f->at, &base) || rp_log_lost(f->local, from, base) != APR_SUCCESS) {
        return 0;
    }
    COUNT(f, losses);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, f->s, RPLOGNO(0734) "the farm's log of purges does not have %s any "
                 "more, which was read last: orders may be lost; what is in the local store is used only after asking, "
                 "and this host's last orders are written again", rp_position_text(f->p, f->at).ptr);
    f->at = from;
    return 1;
}

/* ------------------------------------------------------------------ turns */

/* Ends with the first one that cannot be sent. */
static void send_own(follower_t *f)
{
    rp_log_own_t own[SEND];
    int n = rp_log_own_waiting(f->local, f->p, apr_time_now(), own, SEND), i;
    rp_position_t position;

    for (i = 0; i < n && rp_farm_log_write(f->p, own[i].bytes, "*", &position); i++) {
        COUNT(f, logged);
        rp_log_own_sent(f->local, own[i].number);
    }
}

/* What is too old goes from the log, but for the last one. */
static void tidy(follower_t *f, apr_time_t now)
{
    uint64_t age = (uint64_t)apr_time_as_msec(RP_LOG_AGE);
    rp_position_t before = { f->at.ms > age ? f->at.ms - age : 0, 0 };
    rp_str_t words[5] = { RP_STR("XTRIM"), rp_farm_log_key(), RP_STR("MINID"), RP_STR("~"),
                          rp_position_text(f->p, before) };
    rp_farm_command_t command = { words, 5, NULL };
    rp_reply_t *reply;

    if (f->tidied && now - f->tidied < TIDY_INTERVAL) {
        return;
    }
    f->tidied = now;
    call(f, &command, 1, 0, &reply);
    rp_log_own_forget(f->local, apr_time_now());
}

/* Where those who wait are told from now on. What was told before is nothing to them: they look once a second. */
static int begin_to_hear(follower_t *f)
{
    rp_str_t words[6] = { RP_STR("XREVRANGE"), rp_farm_fetch_key(), RP_STR("+"), RP_STR("-"), RP_STR("COUNT"),
                          RP_STR("1") };
    rp_farm_command_t command = { words, 6, NULL };
    rp_reply_t *reply;
    rp_str_t bytes;

    f->heard = (rp_position_t){ 0, 0 };
    f->hears = call(f, &command, 1, 0, &reply) && reply->type == RP_REPLY_ARRAY
               && (reply->n == 0 || read_entry(reply->elements[0], &f->heard, &bytes));
    return f->hears;
}

/* Read on. @param complete  out: that was all */
static int read_on(follower_t *f, int *complete)
{
    rp_str_t at = rp_position_text(f->p, f->at);
    rp_str_t read[10] = { RP_STR("XREAD"), RP_STR("COUNT"), RP_STR(APR_STRINGIFY(RP_LOG_BATCH)), RP_STR("BLOCK"),
                          RP_STR(BLOCK_MS), RP_STR("STREAMS"), rp_farm_log_key(), rp_farm_fetch_key(), at,
                          rp_position_text(f->p, f->heard) };
    rp_str_t check[4] = { RP_STR("XRANGE"), rp_farm_log_key(), at, at };
    rp_farm_command_t commands[2] = { { read, 10, NULL }, { check, 4, NULL } };
    rp_reply_t *replies[2];
    int more;

    *complete = 0;
    if (!call(f, commands, 2, BLOCK + ANSWER, replies)) {
        return 0;
    }
    /* Nothing was read from a log that is only about to begin. */
    if ((f->at.ms || f->at.seq) && !(replies[1]->type == RP_REPLY_ARRAY && replies[1]->n == 1)) {
        return lose(f);
    }
    hear(f, entries_of(replies[0], rp_farm_fetch_key()));
    if (!take_entries(f, entries_of(replies[0], rp_farm_log_key()), &more)) {
        return 0;
    }
    *complete = !more;
    return 1;
}

static int turn(follower_t *f)
{
    apr_time_t asked = rp_now();
    int complete;

    if ((f->is_new && !begin(f)) || (!f->hears && !begin_to_hear(f)) || !read_on(f, &complete)) {
        f->hears = 0;
        rp_doubt_failed(&f->shared->doubt, rp_now());
        return 0;
    }
    if (complete) {
        rp_doubt_synced(&f->shared->doubt, asked, rp_now());
        if (!f->is_level) {
            f->is_level = 1;
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, f->s, RPLOGNO(0737) "level with the farm's log of purges at %s",
                         rp_position_text(f->p, f->at).ptr);
        }
        send_own(f);
        tidy(f, rp_now());
    }
    return 1;
}

/* ------------------------------------------------------------------ the thread */

static int is_of_the_past(void)
{
    int generation;

    return ap_mpm_query(AP_MPMQ_GENERATION, &generation) == APR_SUCCESS
           && generation != ap_get_scoreboard_global()->running_generation;
}

/* @return nonzero when the thread shall end */
static int rest(int ms)
{
    struct pollfd fd = { here.wake, POLLIN, 0 };

    return poll(&fd, 1, ms) > 0;
}

static void *run(void *data)
{
    follower_t *f = data;
    int went = 1;

    while (!rest(went ? 0 : PAUSE) && !is_of_the_past()) {
        went = turn(f);
        apr_pool_clear(f->p);
    }
    apr_pool_destroy(f->p);
    free(f);
    return NULL;
}

static follower_t *new_follower(server_rec *s, rp_store_t *local, rp_farm_shared_memory_t *shared)
{
    follower_t *f = calloc(1, sizeof(*f));
    rp_log_state_t state;

    if (!f || rp_log_state(local, &state) != APR_SUCCESS
        || apr_pool_create_unmanaged_ex(&f->p, NULL, NULL) != APR_SUCCESS) {
        free(f);
        return NULL;
    }
    f->s = s;
    f->local = local;
    f->shared = shared;
    f->at = state.position;
    f->is_new = state.is_new;
    return f;
}

/* Signals are for the server's own threads: some of httpd's handlers end the process where they run. */
static int start_thread(follower_t *f)
{
    sigset_t all, before;
    int rc;

    here.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (here.wake < 0) {
        return 0;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&here.thread, NULL, run, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        close(here.wake);
    }
    return rc == 0;
}

void rp_follow_start(server_rec *main_server, rp_store_t *local, rp_farm_shared_memory_t *shared)
{
    follower_t *f;

    pthread_mutex_lock(&here.lock);
    if (!here.running && !here.over) {
        f = new_follower(main_server, local, shared);
        here.running = f && start_thread(f);
        if (!here.running) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, errno, main_server, RPLOGNO(0735) "cannot start the thread that "
                         "follows the farm's log of purges; trying again");
            if (f) {
                apr_pool_destroy(f->p);
                free(f);
            }
        }
    }
    pthread_mutex_unlock(&here.lock);
}

void rp_follow_child_init(void)
{
    here.over = 0;
}

void rp_follow_stop(void)
{
    uint64_t one = 1;

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

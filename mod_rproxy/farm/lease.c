/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/rand.h>

#include "farm/lease.h"
#include "lane/lane.h"

/* Leases that a child holds at a time; beyond, it goes without. */
#define MOST 4096
/* Leases renewed in one go. */
#define RENEW_MOST 256
/* How long the trace of an end stays. */
#define TRACE "2000"
/* Ends that the stream keeps: who reads it is never far behind. */
#define STREAM_LENGTH "1000"

#define TOKEN 16
#define TOKEN_LEN (2 * TOKEN)

struct rp_lease_t {
    rp_lease_t *next, **link;
    rp_leases_t *leases;
    uint64_t what;
    apr_time_t taken;
    int answers; /* atomic */
    char token[TOKEN_LEN + 1];
    size_t key_len;
    char key[];
};

struct rp_leases_t {
    rp_farm_t *farm;
    rp_str_t stream;
    pthread_mutex_t lock; /* the list; never held across a call */
    rp_lease_t *held;
    unsigned n;
    rp_farm_script_t take, renew, end;
};

/* A hash: t the holder's token, a that he has something to show, w that somebody waits, d that it has ended. */
static const char take_text[] =
    "if redis.call('HEXISTS', KEYS[1], 't') == 1 then\n"
    "    redis.call('HSET', KEYS[1], 'w', '1')\n"
    "    return {0, redis.call('PTTL', KEYS[1]), redis.call('HEXISTS', KEYS[1], 'a')}\n"
    "end\n"
    "local ended = redis.call('DEL', KEYS[1])\n"
    "redis.call('HSET', KEYS[1], 't', ARGV[1])\n"
    "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
    "return {1, ended, 0}\n";
static const char renew_text[] =
    "if redis.call('HGET', KEYS[1], 't') == ARGV[1] then\n"
    "    if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'a', '1') end\n"
    "    return redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
    "end\n"
    "return 0\n";
static const char end_text[] =
    "if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then\n"
    "    return 0\n"
    "end\n"
    "local waiting = redis.call('HEXISTS', KEYS[1], 'w')\n"
    "redis.call('DEL', KEYS[1])\n"
    "redis.call('HSET', KEYS[1], 'd', '1')\n"
    "redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"
    "return waiting\n";

/* ------------------------------------------------------------------ the list */

static int enlist(rp_leases_t *leases, rp_lease_t *lease)
{
    int has_room;

    pthread_mutex_lock(&leases->lock);
    has_room = leases->n < MOST;
    if (has_room) {
        leases->n++;
        lease->next = leases->held;
        lease->link = &leases->held;
        if (lease->next) {
            lease->next->link = &lease->next;
        }
        leases->held = lease;
    }
    pthread_mutex_unlock(&leases->lock);
    return has_room;
}

static void delist(rp_lease_t *lease)
{
    rp_leases_t *leases = lease->leases;

    pthread_mutex_lock(&leases->lock);
    leases->n--;
    *lease->link = lease->next;
    if (lease->next) {
        lease->next->link = lease->link;
    }
    pthread_mutex_unlock(&leases->lock);
}

static rp_lease_t *new_lease(rp_leases_t *leases, rp_str_t key, uint64_t what)
{
    rp_lease_t *lease = calloc(1, sizeof(*lease) + key.len);
    unsigned char token[TOKEN];
    int i;

    if (!lease || RAND_bytes(token, sizeof(token)) != 1) {
        free(lease);
        return NULL;
    }
    for (i = 0; i < TOKEN; i++) {
        snprintf(lease->token + 2 * i, 3, "%02x", token[i]);
    }
    lease->leases = leases;
    lease->what = what;
    lease->taken = rp_now();
    lease->key_len = key.len;
    memcpy(lease->key, key.ptr, key.len);
    return lease;
}

/* ------------------------------------------------------------------ scripts */

/* Run a script for a key. @return its reply when it has that type, else NULL */
static const rp_reply_t *run(rp_leases_t *leases, apr_pool_t *p, const rp_farm_script_t *script, rp_str_t key,
                             const char *token, const char *ms, int answers, rp_reply_type_e type)
{
    rp_str_t words[5] = { RP_STR("1"), key, { token, TOKEN_LEN }, { ms, strlen(ms) },
                          answers ? RP_STR("1") : RP_STR("0") };
    rp_farm_command_t command = { words, 5, script };
    rp_reply_t *reply;

    return rp_farm_call(leases->farm, p, key, &command, 1, 0, &reply) == RP_FARM_OK && reply->type == type ? reply
                                                                                                           : NULL;
}

static const char *lease_ms(void)
{
    static const char ms[] = "3000";

    _Static_assert(RP_LEASE_TIME == 3000 * 1000, "as it is said to Redis");
    return ms;
}

/* {1, whether there is a trace, 0}, or {0, milliseconds left, whether he answers} */
static rp_lease_e read_taken(const rp_reply_t *reply, rp_lease_other_t *other)
{
    apr_interval_time_t left;
    size_t i;

    for (i = 0; reply && i < reply->n; i++) {
        if (reply->elements[i]->type != RP_REPLY_INTEGER) {
            return RP_LEASE_WITHOUT;
        }
    }
    if (!reply || reply->n != 3) {
        return RP_LEASE_WITHOUT;
    }
    if (reply->elements[0]->integer == 1) {
        return reply->elements[1]->integer ? RP_LEASE_AFTER : RP_LEASE_TAKEN;
    }
    left = apr_time_from_msec(reply->elements[1]->integer);
    other->left = left >= 0 && left < RP_LEASE_TIME ? left : RP_LEASE_TIME;
    other->answers = reply->elements[2]->integer == 1;
    return RP_LEASE_OTHERS;
}

rp_lease_e rp_lease_take(rp_leases_t *leases, apr_pool_t *p, rp_str_t key, uint64_t what, rp_lease_t **out,
                         rp_lease_other_t *other)
{
    rp_lease_t *lease = new_lease(leases, key, what);
    rp_lease_e taken;

    *out = NULL;
    if (!lease || !enlist(leases, lease)) {
        free(lease);
        return RP_LEASE_WITHOUT;
    }
    taken = read_taken(run(leases, p, &leases->take, key, lease->token, lease_ms(), 0, RP_REPLY_ARRAY), other);
    if (taken == RP_LEASE_TAKEN || taken == RP_LEASE_AFTER) {
        *out = lease;
        return taken;
    }
    delist(lease);
    free(lease);
    return taken;
}

void rp_lease_answers(rp_lease_t *lease)
{
    __atomic_store_n(&lease->answers, 1, __ATOMIC_RELAXED);
}

static void tell(rp_leases_t *leases, apr_pool_t *p, uint64_t what, rp_leased_e how)
{
    char number[17], letter = (char)how;
    rp_str_t words[9] = { RP_STR("XADD"), leases->stream, RP_STR("MAXLEN"), RP_STR("~"), RP_STR(STREAM_LENGTH),
                          RP_STR("*"), RP_STR("k"), { number, 16 }, RP_STR("h") };
    rp_str_t all[10];
    rp_farm_command_t command = { all, 10, NULL };
    rp_reply_t *reply;

    snprintf(number, sizeof(number), "%016llx", (unsigned long long)what);
    memcpy(all, words, sizeof(words));
    all[9] = (rp_str_t){ &letter, 1 };
    rp_farm_call(leases->farm, p, leases->stream, &command, 1, 0, &reply);
}

void rp_lease_end(rp_lease_t *lease, apr_pool_t *p, rp_leased_e how)
{
    rp_leases_t *leases = lease->leases;
    const rp_reply_t *waiting;

    delist(lease);
    waiting = !p ? NULL : run(leases, p, &leases->end, (rp_str_t){ lease->key, lease->key_len }, lease->token, TRACE, 0,
                  RP_REPLY_INTEGER);
    if (waiting && waiting->integer == 1) {
        tell(leases, p, lease->what, how);
    }
    free(lease);
}

void rp_leases_renew(rp_leases_t *leases, apr_pool_t *p)
{
    struct {
        rp_str_t key;
        const char *token;
        int answers;
    } due[RENEW_MOST];
    apr_time_t now = rp_now();
    const rp_lease_t *lease;
    int n = 0, i;

    /* Copies: any of them may end meanwhile, and is then not renewed, as it has another token or none. */
    pthread_mutex_lock(&leases->lock);
    for (lease = leases->held; lease && n < RENEW_MOST; lease = lease->next) {
        if (now - lease->taken >= RP_LEASE_RENEW / 2) {
            due[n].answers = __atomic_load_n(&lease->answers, __ATOMIC_RELAXED);
            due[n].key = (rp_str_t){ apr_pmemdup(p, lease->key, lease->key_len), lease->key_len };
            due[n++].token = apr_pmemdup(p, lease->token, sizeof(lease->token));
        }
    }
    pthread_mutex_unlock(&leases->lock);
    for (i = 0; i < n; i++) {
        run(leases, p, &leases->renew, due[i].key, due[i].token, lease_ms(), due[i].answers,
            RP_REPLY_INTEGER);
    }
}

int rp_lease_told(const rp_reply_t *fields, uint64_t *what, rp_leased_e *how)
{
    const rp_reply_t *number, *letter;
    char *end;

    if (fields->type != RP_REPLY_ARRAY || fields->n != 4 || !rp_reply_is(fields->elements[0], "k")
        || !rp_reply_is(fields->elements[2], "h")) {
        return 0;
    }
    number = fields->elements[1];
    letter = fields->elements[3];
    if (number->type != RP_REPLY_STRING || number->str.len != 16 || letter->type != RP_REPLY_STRING
        || letter->str.len != 1 || !memchr("dpfl", letter->str.ptr[0], 4)) {
        return 0;
    }
    *what = strtoull(number->str.ptr, &end, 16);
    *how = (rp_leased_e)letter->str.ptr[0];
    return end == number->str.ptr + 16;
}

/* ------------------------------------------------------------------ its life */

static apr_status_t end_all(void *data)
{
    rp_leases_t *leases = data;

    while (leases->held) {
        rp_lease_t *lease = leases->held;

        leases->held = lease->next;
        free(lease);
    }
    pthread_mutex_destroy(&leases->lock);
    return APR_SUCCESS;
}

apr_status_t rp_leases_create(rp_farm_t *farm, rp_str_t stream, apr_pool_t *p, rp_leases_t **out)
{
    rp_leases_t *leases = apr_pcalloc(p, sizeof(*leases));

    leases->farm = farm;
    leases->stream = (rp_str_t){ apr_pmemdup(p, stream.ptr, stream.len), stream.len };
    pthread_mutex_init(&leases->lock, NULL);
    rp_farm_script_init(&leases->take, take_text);
    rp_farm_script_init(&leases->renew, renew_text);
    rp_farm_script_init(&leases->end, end_text);
    apr_pool_cleanup_register(p, leases, end_all, apr_pool_cleanup_null);
    *out = leases;
    return APR_SUCCESS;
}

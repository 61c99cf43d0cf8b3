/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <http_main.h>
#include <apr_strings.h>

#include "balance/member.h"
#include "balance/table.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* Of this child: guards the making of peers, and how many hold one. */
static apr_thread_mutex_t *lock;
/* With an allocator of its own, for several threads make pools in it. */
static apr_pool_t *peers;

apr_status_t rp_members_child_init(apr_pool_t *p)
{
    apr_status_t rv = apr_thread_mutex_create(&lock, APR_THREAD_MUTEX_DEFAULT, p);
    apr_thread_mutex_t *allocating;
    apr_allocator_t *allocator;

    if (rv == APR_SUCCESS) {
        rv = apr_allocator_create(&allocator);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create_ex(&peers, p, NULL, allocator);
    }
    if (rv == APR_SUCCESS) {
        apr_allocator_owner_set(allocator, peers);
        apr_pool_tag(peers, "rproxy_peers");
        rv = apr_thread_mutex_create(&allocating, APR_THREAD_MUTEX_DEFAULT, peers);
        apr_allocator_mutex_set(allocator, allocating);
    }
    return rv;
}

void rp_slot_fill(rp_slot_t *slot, rp_slot_info_t *info, const rp_member_conf_t *conf)
{
    apr_cpystrn(info->url, conf->url, sizeof(info->url));
    slot->weight = slot->conf_weight = (apr_uint32_t)conf->weight;
    slot->level = (apr_uint32_t)conf->level;
    slot->max = (apr_uint32_t)conf->max;
    slot->retry = conf->retry;
    slot->id = rp_slot_id(conf->url);
    /* Of another member that had the slot. */
    memset(info->connect_cause, 0, sizeof(info->connect_cause));
    memset(&info->latencies, 0, sizeof(info->latencies));
    memset(&info->recent, 0, sizeof(info->recent));
}

void rp_slot_clear(rp_slot_t *slot)
{
    apr_uint32_t origin = slot->origin, generation = slot->generation;
    char *begin = (char *)slot, *inflight = (char *)&slot->inflight;
    size_t before = (size_t)(inflight - begin) , behind = before + sizeof(slot->inflight);

    /* Nobody goes by what a free slot says; who counts itself in by mistake counts itself out again. */
    memset(begin, 0, before);
    slot->origin = origin;
    slot->generation = generation;
    memset(begin + behind, 0, sizeof(*slot) - behind);
}

rp_member_conf_t *rp_member_parse_text(apr_pool_t *p, const char *url, const char *text, const char **error)
{
    apr_array_header_t *words = apr_array_make(p, 8, sizeof(char *));

    APR_ARRAY_PUSH(words, char *) = apr_pstrdup(p, url);
    while (*text) {
        APR_ARRAY_PUSH(words, char *) = ap_getword_conf(p, &text);
    }
    return rp_member_parse(p, words->nelts, (char *const *)words->elts, error);
}

static void leave(rp_peer_t *peer)
{
    rp_member_leave((rp_member_t *)peer);
}

/* In a pool of the member's own, of what stands in the slot. @return what is wrong, or NULL */
static const char *make_peer(rp_member_t *member, apr_pool_t *p)
{
    const char *error = NULL;
    rp_member_conf_t *conf = rp_member_parse_text(p, apr_pstrdup(p, member->info->url), member->info->text, &error);
    char text[120];
    apr_status_t rv;

    if (!conf || !rp_peer_init(&member->peer, conf, p, &error)) {
        return apr_pstrdup(p, error);
    }
    if (rp_get(member->slot->origin) == RP_SLOT_DISCOVERED) {
        conf->authority = apr_pstrdup(p, member->info->authority);
    }
    member->peer.leave = leave;
    member->peer.shared = &member->info->addresses;
    member->peer.tally = &member->info->tls;
    member->peer.looked_up = rp_keeper_runs();
    rv = rp_peer_child_init(&member->peer, p);
    return rv == APR_SUCCESS ? NULL : apr_pstrdup(p, apr_strerror(rv, text, sizeof(text)));
}

/* Holding lock: another member has the slot. Of the one before, nothing is in use. */
static int renew(rp_member_t *member)
{
    apr_uint32_t generation = __atomic_load_n(&member->slot->generation, __ATOMIC_ACQUIRE);
    const char *error;

    if (member->held) {
        return 0;
    }
    if (member->p) {
        apr_pool_destroy(member->p);
        member->p = NULL;
    }
    memset(&member->peer, 0, sizeof(member->peer));
    apr_pool_create(&member->p, peers);
    apr_pool_tag(member->p, "rproxy_peer");
    error = make_peer(member, member->p);
    member->broken = error != NULL;
    if (error) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf, RPLOGNO(0374) "pool %s, member %s cannot be used: %s",
                     member->pool->conf->name, member->info->url, error);
    }
    __atomic_store_n(&member->generation, generation, __ATOMIC_RELEASE);
    return 1;
}

/* Holding lock */
static int make_current(rp_member_t *member)
{
    return member->generation == __atomic_load_n(&member->slot->generation, __ATOMIC_ACQUIRE) || renew(member);
}

int rp_member_ready(rp_member_t *member)
{
    int ready = 1;

    /* See free_slot(): our count, then the origin; there the generation, then the counts. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!rp_slot_holds(member->slot)) {
        return 0;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&member->generation, __ATOMIC_ACQUIRE) != rp_get(member->slot->generation)) {
        apr_thread_mutex_lock(lock);
        ready = make_current(member);
        apr_thread_mutex_unlock(lock);
    }
    if (ready && member->broken) {
        /* As good as one that takes no connections. */
        rp_state_report(&member->pool->state, member->index, RP_OUTCOME_CONNECT, 0, 0, rp_now());
        return 0;
    }
    return ready;
}

int rp_member_hold(rp_member_t *member)
{
    int ready;

    apr_thread_mutex_lock(lock);
    ready = rp_slot_holds(member->slot) && make_current(member) && !member->broken;
    if (ready) {
        member->held++;
    }
    apr_thread_mutex_unlock(lock);
    return ready;
}

void rp_member_release(rp_member_t *member)
{
    apr_thread_mutex_lock(lock);
    member->held--;
    apr_thread_mutex_unlock(lock);
}

void rp_member_tidy(rp_member_t *member)
{
    const rp_slot_t *slot = member->slot;

    apr_thread_mutex_lock(lock);
    if (!member->peer.lock) {
        /* It was never used here. */
    }
    else if (rp_slot_holds(slot) && rp_get(slot->admin) != RP_ADMIN_DISABLED
             && rp_get(slot->generation) == member->generation) {
        rp_peer_close_unfit(&member->peer);
    }
    else {
        rp_peer_close_idle(&member->peer);
    }
    apr_thread_mutex_unlock(lock);
}

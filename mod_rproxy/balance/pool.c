/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Pools and members: made at start, with what the generation before knew of them. */

#include <string.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_log.h>

#include "balance/balance.h"
#include "balance/check.h"
#include "balance/discover.h"
#include "balance/member.h"
#include "balance/queue_wait.h"
#include "balance/sticky.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* Children of the generation before may not have left when new ones come. */
#define MORE_ROWS 32

static rp_arena_t *arena;
static rp_row_t *row; /* this child's; NULL in the parent */

void rp_each_pool(apr_pool_t *p, server_rec *main_server, void (*fn)(rp_pool_conf_t *conf, server_rec *s, void *data),
                  void *data)
{
    apr_hash_t *seen = apr_hash_make(p);
    server_rec *s;
    apr_hash_index_t *hi;

    /* A virtual host has the main server's pools, too. */
    for (s = main_server; s; s = s->next) {
        for (hi = apr_hash_first(p, rp_server_conf(s)->pools); hi; hi = apr_hash_next(hi)) {
            rp_pool_conf_t *conf = apr_hash_this_val(hi);
            rp_pool_conf_t **key = apr_pmemdup(p, &conf, sizeof(conf));

            if (!apr_hash_get(seen, key, sizeof(*key))) {
                apr_hash_set(seen, key, sizeof(*key), conf);
                fn(conf, s, data);
            }
        }
    }
}

typedef struct init_t {
    apr_pool_t *p;
    apr_array_header_t *wants; /* of rp_region_want_t */
    rp_arena_t *previous;
    int errors;
} init_t;

static unsigned levels_of(const rp_pool_conf_t *conf)
{
    /* One that is added may have any. */
    unsigned levels = conf->room ? RP_LEVELS : 1;
    int i;

    for (i = 0; i < conf->members->nelts; i++) {
        unsigned level = (unsigned)APR_ARRAY_IDX(conf->members, i, rp_member_conf_t *)->level;

        levels = level + 1 > levels ? level + 1 : levels;
    }
    return levels;
}

static void want_region(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    init_t *init = data;
    rp_region_want_t *want = apr_array_push(init->wants);

    (void)s;
    want->name = conf->name;
    want->nslots = (unsigned)(conf->members->nelts + conf->room);
    want->nlevels = levels_of(conf);
    want->queue_length = (unsigned)conf->queue.length;
    want->hashing = conf->method.kind == RP_METHOD_HASH;
}

static void leave(rp_peer_t *peer)
{
    rp_member_leave((rp_member_t *)peer);
}

static void init_member(rp_member_t *member, rp_member_conf_t *conf, server_rec *s, init_t *init)
{
    const char *error = NULL;

    if (!rp_peer_init(&member->peer, conf, init->p, &error)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, RPLOGNO(0301) "RProxyMember %s on line %d of %s: %s", conf->url,
                     conf->where.line, conf->where.file, error);
        init->errors++;
    }
    member->peer.leave = leave;
    member->peer.looked_up = rp_keeper_runs();
    member->peer.shared = &member->info->addresses;
    member->peer.tally = &member->info->tls;
    member->generation = 1;
}

/* Blocks for as long as the resolver does, but for names that are looked up again and were known before. */
static void look_up(rp_pool_t *pool, unsigned i, const rp_member_conf_t *conf, server_rec *s, apr_pool_t *p)
{
    rp_slot_info_t *info = pool->members[i].info;
    rp_address_t addresses[RP_MAX_ADDRESSES];
    const char *error = NULL;
    rp_found_t found;
    int n;

    if (rp_keeper_runs() && conf->resolve > 0 && (info->addresses.n || rp_discovered_of(pool, i))) {
        return;
    }
    if (RP_IS_NAME(conf)) {
        n = rp_find(conf, &found, p, &error);
        if (n) {
            rp_discovered(pool, i, conf, &found, s);
        }
    }
    else if ((n = rp_resolve(conf, addresses, p, &error)) > 0) {
        rp_addresses_set(&info->addresses, addresses, n);
    }
    if (!n) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, RPLOGNO(0302) "RProxyMember %s on line %d of %s: %s; it will be looked "
                     "up again", conf->url, conf->where.line, conf->where.file, error);
    }
}

/* What was set by hand and what is known of its health, not what it has under way: that stays with the old generation. */
static void inherit(rp_slot_t *slot, rp_slot_info_t *info, const rp_slot_t *old, const rp_slot_info_t *old_info)
{
    rp_slot_t fresh = *slot;

    *slot = *old;
    slot->inflight = 0;
    slot->generation = 1;
    slot->level = fresh.level;
    slot->max = fresh.max;
    slot->retry = fresh.retry;
    slot->id = fresh.id;
    slot->conf_weight = fresh.conf_weight;
    if (old->conf_weight != fresh.conf_weight) {
        slot->weight = fresh.weight;
    }
    if (old->origin != RP_SLOT_REMOVED || fresh.origin == RP_SLOT_NAME) {
        slot->origin = fresh.origin;
    }
    if (old->origin == RP_SLOT_DISCOVERED && old_info->gone && old->admin == RP_ADMIN_DRAINING) {
        /* It was a name that drained it. */
        slot->admin = RP_ADMIN_ENABLED;
    }
    info->tls = old_info->tls;
    memcpy(info->connect_cause, old_info->connect_cause, sizeof(info->connect_cause));
    info->latencies = old_info->latencies;
    info->recent = old_info->recent;
    /* Unless the name says otherwise by now. */
    info->addresses = old_info->addresses;
}

/* A slot of the room for what the configuration does not name; -1: there is none. */
static int next_room(const rp_pool_t *pool)
{
    unsigned i;

    for (i = (unsigned)pool->conf->members->nelts; i < pool->state.nslots; i++) {
        if (pool->state.slots[i].origin == RP_SLOT_FREE) {
            return (int)i;
        }
    }
    return -1;
}

/* One that was added at run time; children make its peer when they need it. */
static void take_over(rp_pool_t *pool, rp_slot_info_t *infos, const rp_slot_t *old, const rp_slot_info_t *old_info,
                      server_rec *s)
{
    int i = next_room(pool);

    if (i < 0 || old->level >= pool->state.nlevels) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, RPLOGNO(0375) "pool %s: there is no room any more for member %s, which "
                     "was added at run time", pool->conf->name, old_info->url);
        return;
    }
    infos[i] = *old_info;
    pool->state.slots[i] = *old;
    pool->state.slots[i].inflight = 0;
    pool->state.slots[i].generation = 1;
}

static int find_url(const rp_slot_info_t *infos, unsigned n, const char *url)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (!strcmp(infos[i].url, url)) {
            return (int)i;
        }
    }
    return -1;
}

/* With the options that the name has now, if it is a name still; it is looked up at once. */
static void keep_discovered(rp_pool_t *pool, rp_slot_info_t *infos, const rp_slot_t *old, const rp_slot_info_t *old_infos,
                            unsigned n)
{
    const rp_slot_info_t *old_info = &old_infos[n];
    int parent = find_url(infos, (unsigned)pool->conf->members->nelts, old_infos[old_info->parent].url);
    int i = next_room(pool);
    const rp_member_conf_t *conf;

    if (parent < 0 || i < 0 || old->level >= pool->state.nlevels) {
        return;
    }
    conf = APR_ARRAY_IDX(pool->conf->members, parent, const rp_member_conf_t *);
    if (RP_IS_NAME(conf)) {
        infos[i] = *old_info;
        infos[i].parent = (apr_uint32_t)parent;
        apr_cpystrn(infos[i].text, conf->inherited, sizeof(infos[i].text));
        pool->state.slots[i] = *old;
        pool->state.slots[i].inflight = 0;
        pool->state.slots[i].generation = 1;
        pool->state.slots[i].max = (apr_uint32_t)conf->max;
        pool->state.slots[i].retry = conf->retry;
    }
}

static void inherit_pool(rp_pool_t *pool, rp_slot_info_t *infos, const rp_arena_t *previous, server_rec *s)
{
    rp_region_t *region = previous ? rp_arena_region(previous, pool->conf->name) : NULL;
    unsigned nconf = (unsigned)pool->conf->members->nelts;
    const rp_slot_info_t *old_infos;
    rp_state_t old;
    unsigned i;

    if (!region) {
        return;
    }
    old_infos = rp_arena_infos(previous, region);
    rp_state_map(&old, rp_arena_state(previous, region), region->nslots, region->nlevels, (int)region->hashing, NULL);
    for (i = 0; i < region->nslots; i++) {
        int found = old.slots[i].origin != RP_SLOT_FREE ? find_url(infos, nconf, old_infos[i].url) : -1;

        if (found >= 0) {
            inherit(&pool->state.slots[found], &infos[found], &old.slots[i], &old_infos[i]);
        }
        else if (old.slots[i].origin == RP_SLOT_ADDED) {
            take_over(pool, infos, &old.slots[i], &old_infos[i], s);
        }
        else if (old.slots[i].origin == RP_SLOT_DISCOVERED) {
            keep_discovered(pool, infos, &old.slots[i], old_infos, i);
        }
    }
}

/* Nobody would ever say that they are up again. */
static void forget_checks(rp_pool_t *pool)
{
    unsigned i;

    for (i = 0; i < pool->state.nslots; i++) {
        pool->state.slots[i].check = RP_CHECK_NONE;
        pool->state.slots[i].check_streak = 0;
        pool->state.slots[i].checked = 0;
    }
}

static void init_pool(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    init_t *init = data;
    rp_pool_t *pool = apr_pcalloc(init->p, sizeof(*pool));
    rp_region_t *region = rp_arena_region(arena, conf->name);
    rp_slot_info_t *infos = rp_arena_infos(arena, region);
    unsigned i;

    conf->pool = pool;
    pool->conf = conf;
    pool->method = rp_method_of(conf->method.kind);
    pool->first_slot = region->first_slot;
    rp_state_map(&pool->state, rp_arena_state(arena, region), region->nslots, region->nlevels, (int)region->hashing, &conf->eject);
    pool->state.bound = conf->method.bound;
    pool->members = apr_pcalloc(init->p, region->nslots * sizeof(rp_member_t));
    pool->sources = rp_sources_make(init->p, region->nslots);
    for (i = 0; i < region->nslots; i++) {
        rp_member_t *member = &pool->members[i];

        member->pool = pool;
        member->index = i;
        member->slot = &pool->state.slots[i];
        member->info = &infos[i];
        if (i < (unsigned)conf->members->nelts) {
            rp_member_conf_t *member_conf = APR_ARRAY_IDX(conf->members, i, rp_member_conf_t *);

            rp_slot_fill(member->slot, member->info, member_conf);
            member->slot->origin = RP_IS_NAME(member_conf) ? RP_SLOT_NAME : RP_SLOT_CONFIGURED;
            member->slot->generation = 1;
            init_member(member, member_conf, s, init);
        }
    }
    inherit_pool(pool, infos, init->previous, s);
    if (!conf->check) {
        forget_checks(pool);
    }
    pool->queue = rp_arena_queue(arena, region);
    if (rp_state_lock_init(&pool->state) != 0 || rp_queue_init(pool->queue, (unsigned)conf->queue.length) != 0) {
        init->errors++;
    }
    if (rp_sticky_init(pool, init->p) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, RPLOGNO(0390) "pool %s: no memory for its sessions (RProxySticky)",
                     conf->name);
        init->errors++;
    }
    for (i = 0; i < (unsigned)conf->members->nelts && !init->errors; i++) {
        look_up(pool, i, APR_ARRAY_IDX(conf->members, (int)i, rp_member_conf_t *), s, init->p);
    }
    rp_state_plan(&pool->state);
}

static unsigned max_children(void)
{
    int n = 0;

    return ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &n) == APR_SUCCESS && n > 0 ? (unsigned)n + MORE_ROWS : MORE_ROWS;
}

int rp_balance_init(apr_pool_t *pconf, server_rec *main_server)
{
    init_t init = { pconf, apr_array_make(pconf, 4, sizeof(rp_region_want_t)), NULL, 0 };
    apr_status_t rv;

    rp_each_pool(pconf, main_server, want_region, &init);
    arena = rp_arena_create(main_server->process->pool, (rp_region_want_t *)init.wants->elts, (unsigned)init.wants->nelts,
                            max_children(), &init.previous, &rv);
    if (!arena) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0303) "cannot get shared memory for the members' state");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    rv = rp_sticky_memory_begin(main_server->process->pool);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0391) "no random bytes for a secret (RProxySticky)");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    rp_keeper_init(pconf, main_server);
    rp_find_ask(rp_server_conf(main_server)->resolver);
    rp_each_pool(pconf, main_server, init_pool, &init);
    rp_sticky_memory_end();
    rp_arena_release(init.previous);
    return init.errors ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static void child_init_pool(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    unsigned i;

    for (i = 0; i < (unsigned)conf->members->nelts; i++) {
        apr_status_t rv = rp_peer_child_init(&conf->pool->members[i].peer, data);

        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, RPLOGNO(0304) "cannot make a lock for a member of pool %s", conf->name);
        }
    }
}

void rp_balance_child_init(apr_pool_t *p, server_rec *main_server)
{
    apr_status_t rv = rp_members_child_init(p);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, main_server, RPLOGNO(0376) "cannot make a lock and a pool for the members");
    }
    row = rp_arena_claim_row(arena, getpid());
    if (row) {
        rp_queue_child_init(&row->bell, p, main_server);
    }
    rp_each_pool(p, main_server, child_init_pool, p);
    rp_checks_child_init(p);
}

/* The children share the arena of the parent, so that only this finds out what a killed one had under way. */
static void take_back(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    rp_row_t *gone = data;
    rp_pool_t *pool = conf->pool;
    unsigned i;

    (void)s;
    for (i = 0; i < pool->state.nslots; i++) {
        apr_uint32_t n = __atomic_exchange_n(&gone->inflight[pool->first_slot + i], 0, __ATOMIC_RELAXED);

        if (n) {
            rp_add(pool->state.slots[i].inflight, -n);
            rp_add(pool->state.shared->inflight, pool->state.bound ? -n : 0);
        }
    }
    rp_pool_forget_row(pool, rp_arena_row_number(arena, gone));
}

void rp_balance_child_gone(server_rec *main_server, apr_int64_t pid)
{
    rp_row_t *gone = arena ? rp_arena_row_of(arena, pid) : NULL;

    if (gone) {
        apr_pool_t *p;

        apr_pool_create(&p, NULL);
        rp_each_pool(p, main_server, take_back, gone);
        apr_pool_destroy(p);
        __atomic_store_n(&gone->pid, 0, __ATOMIC_RELEASE);
    }
}

rp_row_t *rp_balance_row(unsigned number)
{
    return rp_arena_row(arena, number);
}

int rp_balance_own_row(void)
{
    return row ? (int)rp_arena_row_number(arena, row) : -1;
}

static void count_use(const rp_member_t *member, int n)
{
    if (row) {
        rp_add(row->inflight[member->pool->first_slot + member->index], (apr_uint32_t)n);
    }
}

int rp_member_enter(rp_member_t *member)
{
    if (!rp_state_enter(&member->pool->state, member->index)) {
        return 0;
    }
    count_use(member, 1);
    if (!rp_member_ready(member)) {
        rp_member_leave(member);
        return 0;
    }
    return 1;
}

void rp_member_count(const rp_member_t *member)
{
    count_use(member, 1);
}

void rp_member_leave(rp_member_t *member)
{
    count_use(member, -1);
    rp_state_leave(&member->pool->state, member->index);
    if (rp_get(member->slot->max)) {
        rp_pool_wake(member->pool);
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <arpa/inet.h>
#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "balance/discover.h"
#include "balance/member.h"
#include "balance/resolving.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* A name of which nothing is known is asked for this often. */
#define RETRY apr_time_from_sec(2)
/* One that is gone is kept for so long behind its last request; where sessions may come back to it, for longer. */
#define REST apr_time_from_sec(2)
#define REST_STICKY apr_time_from_sec(600)

typedef struct rp_source_t {
    apr_uint32_t generation;       /* of the slot that the rest is about */
    apr_pool_t *p;                 /* conf's, of a member added at run time */
    const rp_member_conf_t *conf;  /* NULL: nothing to look up */
    rp_resolving_t *lookup;        /* under way, or NULL */
    apr_time_t due;
    int failed;                    /* the last one: that was logged */
    int found;                     /* some lookup was good */
    unsigned missing;              /* so many more slots were wanted: that was logged */
    apr_uint64_t picked;           /* of one that is gone: its requests when last looked at, */
    apr_time_t quiet_since;        /* and since when there are no more */
} rp_source_t;

/** What a name leads to. */
typedef struct place_t {
    const char *url;
    unsigned weight;
    unsigned level;
    const rp_address_t *addresses;
    int n;
} place_t;

/** Taking over what was found, with the lock held. */
typedef struct update_t {
    rp_pool_t *pool;
    unsigned parent;
    const rp_member_conf_t *conf;
    server_rec *s;
    apr_pool_t *p;
    unsigned missing;
    int changed;
    unsigned char seen[RP_MAX_SLOTS];
} update_t;

struct rp_source_t *rp_sources_make(apr_pool_t *p, unsigned nslots)
{
    return apr_pcalloc(p, nslots * sizeof(rp_source_t));
}

static int is_child_of(const rp_pool_t *pool, unsigned i, unsigned parent)
{
    return rp_get(pool->state.slots[i].origin) == RP_SLOT_DISCOVERED && pool->members[i].info->parent == parent;
}

unsigned rp_discovered_of(const rp_pool_t *pool, unsigned parent)
{
    unsigned i, n = 0;

    for (i = 0; i < pool->state.nslots; i++) {
        n += (unsigned)is_child_of(pool, i, parent);
    }
    return n;
}

/* ------------------------------------------------------------------ what a name leads to */

static void come_back(update_t *u, unsigned i)
{
    rp_slot_t *slot = &u->pool->state.slots[i];

    rp_put(u->pool->members[i].info->gone, 0);
    if (rp_get(slot->admin) == RP_ADMIN_DRAINING) {
        rp_put(slot->back_since, u->pool->state.eject->slow_start ? rp_now() : 0);
        rp_put(slot->admin, RP_ADMIN_ENABLED);
    }
    u->changed = 1;
}

/* A weight that was set by hand stays. */
static void adjust(update_t *u, unsigned i, const place_t *place)
{
    rp_slot_t *slot = &u->pool->state.slots[i];

    if (slot->conf_weight != place->weight) {
        if (rp_get(slot->weight) == slot->conf_weight) {
            rp_put(slot->weight, place->weight);
        }
        slot->conf_weight = place->weight;
        u->changed = 1;
    }
    if (rp_get(slot->level) != place->level) {
        rp_put(slot->level, place->level);
        u->changed = 1;
    }
    rp_addresses_set(&u->pool->members[i].info->addresses, place->addresses, place->n);
    if (rp_get(u->pool->members[i].info->gone)) {
        come_back(u, i);
    }
}

static void add(update_t *u, const place_t *place)
{
    const char *error = NULL;
    rp_member_conf_t *conf = strlen(place->url) < RP_MEMBER_URL_MAX
                           ? rp_member_parse_text(u->p, apr_pstrdup(u->p, place->url), u->conf->inherited, &error) : NULL;
    int i;

    if (!conf) {
        return;
    }
    conf->weight = (int)place->weight;
    conf->level = (int)place->level;
    i = rp_pool_place(u->pool, conf, &(rp_placing_t){ .text = u->conf->inherited, .addresses = place->addresses,
                      .naddresses = place->n, .origin = RP_SLOT_DISCOVERED, .authority = u->conf->authority,
                      .parent = u->parent });
    if (i < 0) {
        u->missing++;
        return;
    }
    u->seen[i] = 1;
    u->changed = 1;
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, u->s, RPLOGNO(0383) "pool %s: %s leads to %s, a new member",
                 u->pool->conf->name, u->conf->url, place->url);
}

static void settle(update_t *u, const place_t *place)
{
    int i = rp_pool_find(u->pool, place->url);

    if (i < 0) {
        add(u, place);
    }
    else if (is_child_of(u->pool, (unsigned)i, u->parent) && !u->seen[i]) {
        u->seen[i] = 1;
        adjust(u, (unsigned)i, place);
    }
    /* Else it is a member by another name or its own already. */
}

static const char *url_of(apr_pool_t *p, const rp_member_conf_t *conf, const char *host, apr_port_t port)
{
    const char *scheme = conf->scheme == RP_SCHEME_HTTPS ? "https" : "http";

    return apr_psprintf(p, strchr(host, ':') ? "%s://[%s]:%d" : "%s://%s:%d", scheme, host, port);
}

static void settle_addresses(update_t *u, const rp_target_t *target)
{
    int i;

    for (i = 0; i < target->n; i++) {
        const struct sockaddr_storage *sa = &target->addresses[i].sa;
        char host[INET6_ADDRSTRLEN];
        place_t place = { .weight = (unsigned)u->conf->weight, .level = (unsigned)u->conf->level,
                          .addresses = &target->addresses[i], .n = 1 };

        if (inet_ntop(sa->ss_family, sa->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
                      : (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr, host, sizeof(host))) {
            place.url = url_of(u->p, u->conf, host, u->conf->port);
            settle(u, &place);
        }
    }
}

static void settle_target(update_t *u, const rp_target_t *target)
{
    unsigned level = (unsigned)u->conf->level + target->level;
    place_t place = { .url = url_of(u->p, u->conf, target->host, target->port), .weight = target->weight,
                      .level = level < u->pool->state.nlevels ? level : u->pool->state.nlevels - 1,
                      .addresses = target->addresses, .n = target->n };

    settle(u, &place);
}

static void drain_the_others(update_t *u)
{
    unsigned i;

    for (i = 0; i < u->pool->state.nslots; i++) {
        rp_slot_t *slot = &u->pool->state.slots[i];
        rp_slot_info_t *info = u->pool->members[i].info;

        if (!is_child_of(u->pool, i, u->parent) || u->seen[i] || rp_get(info->gone)) {
            continue;
        }
        rp_put(info->gone, 1);
        if (rp_get(slot->admin) == RP_ADMIN_ENABLED) {
            rp_put(slot->admin, RP_ADMIN_DRAINING);
        }
        u->changed = 1;
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, u->s, RPLOGNO(0384) "pool %s: %s does not lead to %s any more; it "
                     "finishes what it has", u->pool->conf->name, u->conf->url, info->url);
    }
}

static void tell_missing(const update_t *u)
{
    rp_source_t *source = &u->pool->sources[u->parent];

    if (u->missing > source->missing) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, u->s, RPLOGNO(0385) "pool %s: %s leads to %u more than there is room "
                     "for: write a larger RProxyRoom than %d", u->pool->conf->name, u->conf->url, u->missing,
                     u->pool->conf->room);
    }
    source->missing = u->missing;
}

int rp_discovered(rp_pool_t *pool, unsigned parent, const rp_member_conf_t *conf, const rp_found_t *found, server_rec *s)
{
    update_t u = { .pool = pool, .parent = parent, .conf = conf, .s = s };
    int i;

    apr_pool_create(&u.p, NULL);
    for (i = 0; i < found->targets->nelts; i++) {
        const rp_target_t *target = APR_ARRAY_IDX(found->targets, i, const rp_target_t *);

        if (conf->srv) {
            settle_target(&u, target);
        }
        else {
            settle_addresses(&u, target);
        }
    }
    drain_the_others(&u);
    tell_missing(&u);
    apr_pool_destroy(u.p);
    return u.changed;
}

/* ------------------------------------------------------------------ lookups */

static void take_addresses(rp_pool_t *pool, unsigned i, const rp_found_t *found, server_rec *s)
{
    rp_address_t addresses[RP_MAX_ADDRESSES];
    int n = rp_found_addresses(found, addresses);

    if (rp_addresses_set(&pool->members[i].info->addresses, addresses, n)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, RPLOGNO(0386) "pool %s, member %s has other addresses now (%d)",
                     pool->conf->name, pool->members[i].info->url, n);
    }
}

/* Another may have the slot by now. */
static void take(rp_pool_t *pool, unsigned i, const rp_found_t *found, server_rec *s)
{
    const rp_source_t *source = &pool->sources[i];
    int changed = 0;

    rp_state_lock(&pool->state);
    if (source->generation == rp_get(pool->state.slots[i].generation)) {
        if (RP_IS_NAME(source->conf)) {
            changed = rp_discovered(pool, i, source->conf, found, s);
        }
        else {
            take_addresses(pool, i, found, s);
        }
        if (changed) {
            rp_state_plan(&pool->state);
        }
    }
    rp_state_unlock(&pool->state);
    if (changed) {
        rp_pool_wake(pool);
    }
}

static int is_known(const rp_pool_t *pool, unsigned i, const rp_member_conf_t *conf)
{
    return RP_IS_NAME(conf) ? rp_discovered_of(pool, i) > 0 : pool->members[i].info->addresses.n > 0;
}

static void tell(const rp_pool_t *pool, unsigned i, const char *error, server_rec *s)
{
    rp_source_t *source = &pool->sources[i];

    if (error && !source->failed) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, RPLOGNO(0381) "pool %s, RProxyMember %s: %s; %s, and it is looked up "
                     "again", pool->conf->name, source->conf->url, error,
                     is_known(pool, i, source->conf) ? "what was known of it stays" : "nothing is known of it");
    }
    else if (!error && source->failed) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, RPLOGNO(0382) "pool %s, RProxyMember %s: its name was found again",
                     pool->conf->name, source->conf->url);
    }
    source->failed = error != NULL;
}

static apr_interval_time_t wait_after(const rp_pool_t *pool, unsigned i, apr_uint32_t ttl)
{
    const rp_member_conf_t *conf = pool->sources[i].conf;
    apr_interval_time_t wait = conf->resolve;

    if (!is_known(pool, i, conf) && (wait == 0 || wait > RETRY)) {
        return RETRY;
    }
    return ttl && apr_time_from_sec(ttl) < wait ? apr_time_from_sec(ttl) : wait;
}

static void finish(rp_pool_t *pool, unsigned i, server_rec *s, apr_time_t now)
{
    rp_source_t *source = &pool->sources[i];
    const rp_found_t *found;
    const char *error = NULL;

    if (!rp_resolving_found(source->lookup, &found, &error)) {
        return;
    }
    if (found) {
        take(pool, i, found, s);
        source->found = 1;
    }
    tell(pool, i, found ? NULL : error, s);
    source->due = now + wait_after(pool, i, found ? found->ttl : 0);
    rp_resolving_release(source->lookup);
    source->lookup = NULL;
}

static void forget(rp_source_t *source)
{
    if (source->lookup) {
        rp_resolving_release(source->lookup);
    }
    if (source->p) {
        apr_pool_destroy(source->p);
    }
    memset(source, 0, sizeof(*source));
}

static const rp_member_conf_t *conf_of(const rp_pool_t *pool, unsigned i, apr_pool_t **p)
{
    const rp_slot_info_t *info = pool->members[i].info;
    const char *error;

    if (i < (unsigned)pool->conf->members->nelts) {
        return APR_ARRAY_IDX(pool->conf->members, (int)i, const rp_member_conf_t *);
    }
    if (rp_get(pool->state.slots[i].origin) != RP_SLOT_ADDED) {
        return NULL;
    }
    apr_pool_create(p, NULL);
    return rp_member_parse_text(*p, apr_pstrdup(*p, info->url), info->text, &error);
}

static int wants_lookup(const rp_pool_t *pool, unsigned i)
{
    const rp_source_t *source = &pool->sources[i];

    if (!source->conf || source->conf->scheme == RP_SCHEME_UNIX) {
        return 0;
    }
    return source->conf->resolve > 0 || !is_known(pool, i, source->conf) || (RP_IS_NAME(source->conf) && !source->found);
}

static void look_after_name(rp_pool_t *pool, unsigned i, server_rec *s, apr_time_t now)
{
    rp_source_t *source = &pool->sources[i];
    const rp_slot_t *slot = &pool->state.slots[i];
    apr_uint32_t generation = rp_get(slot->generation);

    if (!rp_slot_holds(slot) && rp_get(slot->origin) != RP_SLOT_NAME) {
        forget(source);
        return;
    }
    if (source->generation != generation) {
        forget(source);
        source->generation = generation;
        source->conf = conf_of(pool, i, &source->p);
    }
    if (source->lookup) {
        finish(pool, i, s, now);
    }
    else if (source->due <= now && wants_lookup(pool, i)) {
        source->lookup = rp_resolving_begin(source->conf);
    }
}

/* ------------------------------------------------------------------ those that are gone */

static void free_if_quiet(rp_pool_t *pool, unsigned i, apr_time_t now)
{
    rp_source_t *source = &pool->sources[i];
    rp_slot_t *slot = &pool->state.slots[i];
    apr_uint64_t picked = rp_get(slot->picked);

    if (source->quiet_since == 0 || picked != source->picked || rp_get(slot->inflight)) {
        source->picked = picked;
        source->quiet_since = now;
        return;
    }
    if (now - source->quiet_since < (pool->sticky ? REST_STICKY : REST)) {
        return;
    }
    rp_state_lock(&pool->state);
    if (rp_get(slot->origin) == RP_SLOT_DISCOVERED && rp_get(pool->members[i].info->gone)) {
        rp_pool_clear_out(pool, i);
        rp_state_plan(&pool->state);
    }
    rp_state_unlock(&pool->state);
}

void rp_discover(rp_pool_t *pool, server_rec *s, apr_time_t now)
{
    unsigned i;

    for (i = 0; i < pool->state.nslots; i++) {
        look_after_name(pool, i, s, now);
        if (rp_get(pool->state.slots[i].origin) == RP_SLOT_DISCOVERED && rp_get(pool->members[i].info->gone)) {
            free_if_quiet(pool, i, now);
        }
        else {
            pool->sources[i].quiet_since = 0;
        }
    }
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What a session calls its member: a token in our own cookie, or the route that an application appends. */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>
#include <openssl/crypto.h>

#include "balance/sticky.h"
#include "balance/sticky_learn.h"
#include "balance/sticky_token.h"

static apr_uint32_t hash(rp_str_t name)
{
    apr_uint32_t h = 2166136261u;
    size_t i;

    for (i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.ptr[i]) * 16777619u;
    }
    return h ^ h >> 15;
}

apr_status_t rp_sticky_init(rp_pool_t *pool, apr_pool_t *p)
{
    const rp_sticky_conf_t *conf = pool->conf->sticky;
    rp_sticky_t *sticky;
    apr_uint32_t size = 2;
    apr_status_t rv = APR_SUCCESS;

    if (!conf) {
        return APR_SUCCESS;
    }
    pool->sticky = sticky = apr_pcalloc(p, sizeof(*sticky));
    sticky->conf = conf;
    sticky->secret = conf->secret.ptr ? conf->secret : rp_sticky_memory_secret();
    while (size < 2 * pool->state.nslots) {
        size *= 2;
    }
    sticky->mask = size - 1;
    sticky->index = apr_palloc(p, size * sizeof(*sticky->index));
    sticky->names = apr_pcalloc(p, pool->state.nslots * sizeof(*sticky->names));
    sticky->generations = apr_pcalloc(p, pool->state.nslots * sizeof(*sticky->generations));
    if (conf->mode == RP_STICKY_LEARN) {
        sticky->learned = rp_sticky_memory_table(pool->conf->name, conf->size, &rv);
    }
    return rv == APR_SUCCESS ? pthread_rwlock_init(&sticky->lock, NULL) : rv;
}

/* The route= among the options that a member was added with at run time. */
static const char *route_in(const char *text, char *route, apr_size_t size)
{
    const char *at = !strncmp(text, "route=", 6) ? text : strstr(text, " route=");

    if (!at) {
        return "";
    }
    at = strchr(at, '=') + 1;
    apr_cpystrn(route, at, size);
    route[strcspn(route, " \t")] = '\0';
    return route;
}

static void name_member(rp_pool_t *pool, unsigned i)
{
    rp_sticky_t *sticky = pool->sticky;
    const rp_member_t *member = &pool->members[i];
    char *name = sticky->names[i], route[RP_ROUTE_MAX + 1];

    if (sticky->conf->mode == RP_STICKY_COOKIE) {
        rp_sticky_token(sticky->secret, pool->conf->name, member->info->url, name);
    }
    else if (sticky->conf->mode == RP_STICKY_LEARN) {
        apr_snprintf(name, sizeof(sticky->names[i]), RP_STICKY_ID, rp_get(member->slot->id));
    }
    else if (i < (unsigned)pool->conf->members->nelts && rp_get(member->slot->origin) == RP_SLOT_CONFIGURED) {
        const rp_member_conf_t *conf = APR_ARRAY_IDX(pool->conf->members, i, rp_member_conf_t *);

        apr_cpystrn(name, conf->route ? conf->route : "", sizeof(sticky->names[i]));
    }
    else {
        apr_cpystrn(name, route_in(member->info->text, route, sizeof(route)), sizeof(sticky->names[i]));
    }
}

/* Find the place of a name: of its slot, or the free one where it belongs. There are more places than slots. */
static apr_uint32_t place_of(const rp_sticky_t *sticky, rp_str_t name)
{
    apr_uint32_t at = hash(name) & sticky->mask;

    while (sticky->index[at] != RP_NOBODY) {
        const char *other = sticky->names[sticky->index[at]];

        if (strlen(other) == name.len && !CRYPTO_memcmp(other, name.ptr, name.len)) {
            break;
        }
        at = (at + 1) & sticky->mask;
    }
    return at;
}

/* Most changes are of weights and states: making tokens costs some microseconds each, and the pool's lock is held. */
static void refresh_name(rp_pool_t *pool, unsigned i)
{
    rp_sticky_t *sticky = pool->sticky;
    const rp_slot_t *slot = &pool->state.slots[i];

    if (!rp_slot_holds(slot)) {
        sticky->names[i][0] = '\0';
    }
    else if (!sticky->names[i][0] || sticky->generations[i] != rp_get(slot->generation)) {
        name_member(pool, i);
        sticky->generations[i] = rp_get(slot->generation);
    }
}

static void make_names(rp_pool_t *pool)
{
    rp_sticky_t *sticky = pool->sticky;
    unsigned i;

    for (i = 0; i <= sticky->mask; i++) {
        sticky->index[i] = RP_NOBODY;
    }
    for (i = 0; i < pool->state.nslots; i++) {
        const char *name = sticky->names[i];

        refresh_name(pool, i);
        if (*name) {
            sticky->index[place_of(sticky, (rp_str_t){ name, strlen(name) })] = (apr_uint16_t)i;
        }
    }
}

/* Take the lock for reading, with names that are of today. */
static void hold_names(rp_pool_t *pool)
{
    rp_sticky_t *sticky = pool->sticky;
    apr_uint32_t version = __atomic_load_n(&pool->state.shared->version, __ATOMIC_ACQUIRE);

    pthread_rwlock_rdlock(&sticky->lock);
    if (sticky->version == version) {
        return;
    }
    pthread_rwlock_unlock(&sticky->lock);
    pthread_rwlock_wrlock(&sticky->lock);
    if (sticky->version != version) {
        rp_state_lock(&pool->state);
        make_names(pool);
        sticky->version = rp_get(pool->state.shared->version);
        rp_state_unlock(&pool->state);
    }
    pthread_rwlock_unlock(&sticky->lock);
    pthread_rwlock_rdlock(&sticky->lock);
}

int rp_sticky_find(rp_pool_t *pool, rp_str_t name)
{
    rp_sticky_t *sticky = pool->sticky;
    apr_uint16_t slot;

    if (name.len == 0 || name.len > RP_ROUTE_MAX) {
        return -1;
    }
    hold_names(pool);
    slot = sticky->index[place_of(sticky, name)];
    pthread_rwlock_unlock(&sticky->lock);
    return slot == RP_NOBODY ? -1 : (int)slot;
}

const char *rp_sticky_name(rp_pool_t *pool, unsigned slot, apr_pool_t *p)
{
    const char *name;

    hold_names(pool);
    name = apr_pstrdup(p, pool->sticky->names[slot]);
    pthread_rwlock_unlock(&pool->sticky->lock);
    return name;
}

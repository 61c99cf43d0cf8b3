/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What operators change of pools while they run. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "balance/control.h"
#include "balance/member.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

static const char *who(const request_rec *r)
{
    return r->user ? apr_pstrcat(r->pool, r->user, ", ", r->useragent_ip, NULL) : r->useragent_ip;
}

/* By what operators see. */
static int is_taken(const rp_slot_t *slot)
{
    apr_uint32_t origin = rp_get(slot->origin);

    return origin != RP_SLOT_FREE && origin != RP_SLOT_NAME;
}

/* Holding the lock. @return the slot of that id, be it in use or removed; -1: none */
static int find(const rp_pool_t *pool, const char *id)
{
    unsigned i;

    for (i = 0; i < pool->state.nslots; i++) {
        char text[RP_ID_TEXT];

        rp_control_id(&pool->state.slots[i], text);
        if (is_taken(&pool->state.slots[i]) && !strcmp(text, id)) {
            return (int)i;
        }
    }
    return -1;
}

static int no_member(const request_rec *r, const rp_pool_t *pool, const char *id, const char **why)
{
    *why = apr_psprintf(r->pool, "pool %s has no member %s: look for its id in the list of its members", pool->conf->name, id);
    return HTTP_NOT_FOUND;
}

/* ------------------------------------------------------------------ state and weight */

static void apply(rp_pool_t *pool, rp_slot_t *slot, const rp_change_t *change)
{
    if (change->admin >= 0) {
        if (change->admin == RP_ADMIN_ENABLED && slot->admin == RP_ADMIN_DISABLED) {
            rp_put(slot->back_since, pool->state.eject->slow_start ? rp_now() : 0);
        }
        rp_put(slot->admin, (apr_uint32_t)change->admin);
    }
    if (change->weight >= 0) {
        rp_put(slot->weight, (apr_uint32_t)change->weight);
    }
    rp_state_plan(&pool->state);
}

static void log_change(const request_rec *r, const rp_pool_t *pool, const char *url, const rp_change_t *change)
{
    if (change->admin >= 0) {
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, RPLOGNO(0370) "pool %s, member %s is %s now, says %s", pool->conf->name,
                      url, rp_admin_name((rp_admin_e)change->admin), who(r));
    }
    if (change->weight >= 0) {
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, RPLOGNO(0371) "pool %s, member %s has weight %d now, says %s",
                      pool->conf->name, url, change->weight, who(r));
    }
}

int rp_control_change(const request_rec *r, rp_pool_t *pool, const char *id, const rp_change_t *change, const char **why)
{
    const char *url = NULL;
    int removed = 0;
    int i;

    rp_state_lock(&pool->state);
    i = find(pool, id);
    if (i >= 0) {
        url = apr_pstrdup(r->pool, pool->members[i].info->url);
        removed = pool->state.slots[i].origin == RP_SLOT_REMOVED;
        if (!removed) {
            apply(pool, &pool->state.slots[i], change);
        }
    }
    rp_state_unlock(&pool->state);
    if (i < 0) {
        return no_member(r, pool, id, why);
    }
    if (removed) {
        *why = apr_psprintf(r->pool, "member %s was removed: add its URL again first", url);
        return HTTP_CONFLICT;
    }
    rp_pool_wake(pool);
    log_change(r, pool, url, change);
    return OK;
}

/* ------------------------------------------------------------------ adding */

typedef struct addition_t {
    rp_member_conf_t *conf;
    const char *text;        /* options, as they are kept */
    rp_address_t addresses[RP_MAX_ADDRESSES];
    int naddresses;
} addition_t;

static int has_control(const char *word)
{
    for (; *word; word++) {
        if ((unsigned char)*word < ' ' || *word == 0x7f) {
            return 1;
        }
    }
    return 0;
}

static const char *join(apr_pool_t *p, const apr_array_header_t *options)
{
    const char *text = "";
    int i;

    for (i = 0; i < options->nelts; i++) {
        const char *word = APR_ARRAY_IDX(options, i, const char *);

        if (has_control(word)) {
            return NULL;
        }
        text = apr_pstrcat(p, text, *text ? " " : "", rp_member_word(p, word), NULL);
    }
    return text;
}

/* What can be judged without the lock: it may take a while. @return OK, or an HTTP status with *why */
static int prepare(apr_pool_t *p, const rp_pool_t *pool, const char *url, const apr_array_header_t *options,
                   addition_t *new, const char **why)
{
    rp_peer_t trial;

    new->text = join(p, options);
    if (!new->text || has_control(url)) {
        *why = "there are control characters in the URL or an option: write them without";
        return HTTP_BAD_REQUEST;
    }
    if (strlen(url) >= RP_MEMBER_URL_MAX || strlen(new->text) >= RP_MEMBER_TEXT_MAX) {
        *why = apr_psprintf(p, "the URL or the options are too long: write at most %d and %d bytes", RP_MEMBER_URL_MAX - 1,
                            RP_MEMBER_TEXT_MAX - 1);
        return HTTP_BAD_REQUEST;
    }
    new->conf = rp_member_parse_text(p, url, new->text, why);
    if (!new->conf) {
        return HTTP_BAD_REQUEST;
    }
    if (RP_IS_NAME(new->conf)) {
        *why = apr_psprintf(p, "%s: names that become members (expand, srv+) stand in the configuration only: add it without",
                            new->conf->url);
        return HTTP_BAD_REQUEST;
    }
    if ((unsigned)new->conf->level >= pool->state.nlevels) {
        *why = apr_psprintf(p, "priority=%d: this pool has %u: write at most %u, or give it room (RProxyRoom)",
                            new->conf->level, pool->state.nlevels, pool->state.nlevels - 1);
        return HTTP_BAD_REQUEST;
    }
    /* As each child will make it: what cannot be read shows here, not when a visitor's request needs it. */
    if (!rp_peer_init(&trial, new->conf, p, why)) {
        *why = apr_psprintf(p, "%s: %s", new->conf->url, *why);
        return HTTP_BAD_REQUEST;
    }
    new->naddresses = rp_resolve(new->conf, new->addresses, p, why);
    if (new->naddresses == 0) {
        *why = apr_psprintf(p, "%s; write a name that is known, or an address", *why);
        return HTTP_BAD_REQUEST;
    }
    return OK;
}

/*
 * A slot for a new member.  Requests may still be under way in one that is free: whoever counts itself
 * in after this looks at the slot's origin once more (rp_member_ready()), so one of both sees the other.
 */
static int free_slot(rp_pool_t *pool)
{
    unsigned i;

    for (i = (unsigned)pool->conf->members->nelts; i < pool->state.nslots; i++) {
        rp_slot_t *slot = &pool->state.slots[i];

        if (rp_get(slot->origin) == RP_SLOT_FREE) {
            rp_add(slot->generation, 1);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            if (rp_get(slot->inflight) == 0) {
                return (int)i;
            }
        }
    }
    return -1;
}

int rp_pool_find(const rp_pool_t *pool, const char *url)
{
    unsigned i;

    for (i = 0; i < pool->state.nslots; i++) {
        if (rp_get(pool->state.slots[i].origin) != RP_SLOT_FREE && !strcmp(pool->members[i].info->url, url)) {
            return (int)i;
        }
    }
    return -1;
}

int rp_pool_place(rp_pool_t *pool, const rp_member_conf_t *conf, const rp_placing_t *placing)
{
    int i = free_slot(pool);
    rp_slot_info_t *info;
    rp_slot_t *slot;

    if (i < 0) {
        return -1;
    }
    slot = &pool->state.slots[i];
    info = pool->members[i].info;
    rp_slot_clear(slot);
    rp_slot_fill(slot, info, conf);
    apr_cpystrn(info->text, placing->text, sizeof(info->text));
    apr_cpystrn(info->authority, placing->authority ? placing->authority : "", sizeof(info->authority));
    info->parent = placing->parent;
    rp_put(info->gone, 0);
    memset(&info->tls, 0, sizeof(info->tls));
    rp_addresses_set(&info->addresses, placing->addresses, placing->naddresses);
    rp_put(slot->back_since, pool->state.eject->slow_start ? rp_now() : 0);
    __atomic_store_n(&slot->origin, (apr_uint32_t)placing->origin, __ATOMIC_RELEASE);
    return i;
}

/* Holding the lock. @return OK, or an HTTP status with *why */
static int add(const request_rec *r, rp_pool_t *pool, const addition_t *new, int *index, const char **why)
{
    int i = rp_pool_find(pool, new->conf->url);

    *index = i;
    if (i >= 0 && pool->state.slots[i].origin != RP_SLOT_REMOVED) {
        *why = apr_psprintf(r->pool, "pool %s has %s already: change it, or remove it first", pool->conf->name,
                            new->conf->url);
        return HTTP_CONFLICT;
    }
    if (i >= 0 && *new->text) {
        *why = apr_psprintf(r->pool, "%s stands in the configuration and comes back as it is there: add it without options",
                            new->conf->url);
        return HTTP_CONFLICT;
    }
    if (i >= 0) {
        rp_put(pool->state.slots[i].admin, RP_ADMIN_ENABLED);
        rp_put(pool->state.slots[i].back_since, pool->state.eject->slow_start ? rp_now() : 0);
        __atomic_store_n(&pool->state.slots[i].origin, RP_SLOT_CONFIGURED, __ATOMIC_RELEASE);
    }
    else {
        *index = rp_pool_place(pool, new->conf, &(rp_placing_t){ .text = new->text, .addresses = new->addresses,
                               .naddresses = new->naddresses, .origin = RP_SLOT_ADDED });
    }
    if (*index < 0) {
        *why = apr_psprintf(r->pool, "pool %s has no room for another member: remove one, wait until removed ones have "
                            "finished, or write a larger RProxyRoom than %d", pool->conf->name, pool->conf->room);
        return HTTP_CONFLICT;
    }
    rp_state_plan(&pool->state);
    return OK;
}

int rp_control_add(const request_rec *r, rp_pool_t *pool, const char *url, const apr_array_header_t *options,
                   char id[RP_ID_TEXT], const char **why)
{
    addition_t *new = apr_pcalloc(r->pool, sizeof(*new));
    int status = prepare(r->pool, pool, url, options, new, why);
    int i;

    if (status != OK) {
        return status;
    }
    rp_state_lock(&pool->state);
    status = add(r, pool, new, &i, why);
    if (status == OK) {
        rp_control_id(&pool->state.slots[i], id);
    }
    rp_state_unlock(&pool->state);
    if (status == OK) {
        rp_pool_wake(pool);
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, RPLOGNO(0372) "pool %s, member %s was added (%s), says %s",
                      pool->conf->name, new->conf->url, *new->text ? new->text : "no options", who(r));
    }
    return status;
}

/* ------------------------------------------------------------------ removing */

void rp_pool_clear_out(rp_pool_t *pool, unsigned i)
{
    rp_put(pool->state.slots[i].origin, i < (unsigned)pool->conf->members->nelts ? RP_SLOT_REMOVED : RP_SLOT_FREE);
}

int rp_control_remove(const request_rec *r, rp_pool_t *pool, const char *id, const char **why)
{
    const char *url = NULL;
    int was_there = 0, found_by_name = 0;
    int i;

    rp_state_lock(&pool->state);
    i = find(pool, id);
    if (i >= 0) {
        url = apr_pstrdup(r->pool, pool->members[i].info->url);
        was_there = rp_slot_holds(&pool->state.slots[i]);
        found_by_name = rp_get(pool->state.slots[i].origin) == RP_SLOT_DISCOVERED;
        if (!found_by_name) {
            rp_pool_clear_out(pool, (unsigned)i);
            rp_state_plan(&pool->state);
        }
    }
    rp_state_unlock(&pool->state);
    if (i < 0) {
        return no_member(r, pool, id, why);
    }
    if (found_by_name) {
        *why = apr_psprintf(r->pool, "%s was found by a name and would be found again: drain or disable it, or take it "
                            "from the name's records", url);
        return HTTP_CONFLICT;
    }
    if (was_there) {
        rp_pool_wake(pool);
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, RPLOGNO(0373) "pool %s, member %s was removed, says %s",
                      pool->conf->name, url, who(r));
    }
    return OK;
}

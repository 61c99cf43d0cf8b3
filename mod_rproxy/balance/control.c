/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Pools as operators see them. */

#include <stdlib.h>
#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "balance/control.h"
#include "lane/lane.h"

static const char *const admin_names[] = { "enabled", "draining", "disabled" };

const char *rp_admin_name(rp_admin_e admin)
{
    return admin_names[admin];
}

int rp_admin_of(const char *name)
{
    int i;

    for (i = 0; i < (int)(sizeof(admin_names) / sizeof(*admin_names)); i++) {
        if (!strcmp(name, admin_names[i])) {
            return i;
        }
    }
    return -1;
}

const char *rp_origin_name(rp_origin_e origin)
{
    static const char *const names[] = { "free", "configured", "added", "discovered", "removed", "name" };

    return names[origin];
}

const char *rp_check_name(rp_check_e check)
{
    static const char *const names[] = { "none", "up", "down" };

    return names[check];
}

const char *rp_outcome_name(rp_outcome_e outcome)
{
    static const char *const names[] = { "ok", "error", "connect", "reset", "timeout" };

    return names[outcome];
}

static void collect(rp_pool_conf_t *conf, server_rec *s, void *data)
{
    (void)s;
    APR_ARRAY_PUSH((apr_array_header_t *)data, rp_pool_t *) = conf->pool;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(rp_pool_t *const *)a)->conf->name, (*(rp_pool_t *const *)b)->conf->name);
}

apr_array_header_t *rp_control_pools(apr_pool_t *p, server_rec *main_server)
{
    apr_array_header_t *pools = apr_array_make(p, 8, sizeof(rp_pool_t *));

    rp_each_pool(p, main_server, collect, pools);
    qsort(pools->elts, (size_t)pools->nelts, sizeof(rp_pool_t *), compare_names);
    return pools;
}

rp_pool_t *rp_control_pool(apr_pool_t *p, server_rec *main_server, const char *name)
{
    apr_array_header_t *pools = rp_control_pools(p, main_server);
    int i;

    for (i = 0; i < pools->nelts; i++) {
        rp_pool_t *pool = APR_ARRAY_IDX(pools, i, rp_pool_t *);

        if (!strcmp(pool->conf->name, name)) {
            return pool;
        }
    }
    return NULL;
}

void rp_control_id(const rp_slot_t *slot, char id[RP_ID_TEXT])
{
    apr_snprintf(id, RP_ID_TEXT, "%016" APR_UINT64_T_HEX_FMT, slot->id);
}

static void view_recent(const rp_quantile_t *const *of, unsigned n, apr_time_t now, rp_latencies_t *recent)
{
    static const int permilles[] = { 500, 950, 990 };
    apr_interval_time_t found[3];

    rp_quantiles(of, n, permilles, 3, now, found);
    recent->p50 = found[0];
    recent->p95 = found[1];
    recent->p99 = found[2];
}

static void view_member(apr_pool_t *p, const rp_member_t *member, rp_member_view_t *view, apr_time_t now)
{
    const rp_quantile_t *recent = &member->info->recent;
    const rp_slot_t *slot = member->slot;
    apr_int64_t until = rp_get(slot->out_until), changed = rp_get(slot->changed);
    int i;

    memset(view, 0, sizeof(*view));
    view->index = member->index;
    rp_control_id(slot, view->id);
    view->url = apr_pstrdup(p, member->info->url);
    view->options = apr_pstrdup(p, member->info->text);
    view->origin = (rp_origin_e)rp_get(slot->origin);
    view->admin = (rp_admin_e)rp_get(slot->admin);
    view->out = until ? (rp_out_e)rp_get(slot->out) : RP_OUT_NOT;
    view->out_for = until > now ? until - now : 0;
    view->check = (rp_check_e)rp_get(slot->check);
    /* Whoever checks writes it without the lock: it may grow while it is copied. */
    view->check_cause = apr_pstrndup(p, slot->check_cause, sizeof(slot->check_cause));
    view->connect_cause = apr_pstrndup(p, member->info->connect_cause, sizeof(member->info->connect_cause));
    view->weight = rp_get(slot->weight);
    view->conf_weight = slot->conf_weight;
    view->level = rp_get(slot->level);
    view->max = rp_get(slot->max);
    view->inflight = rp_get(slot->inflight);
    view->latency = (apr_interval_time_t)rp_latency_get(rp_get(slot->latency), now);
    view->picked = rp_get(slot->picked);
    for (i = 0; i < RP_OUTCOMES; i++) {
        view->outcomes[i] = rp_get(slot->outcomes[i]);
    }
    view->ejected = rp_get(slot->ejected);
    view->unchanged = changed ? now - changed : -1;
    view->last_ok = rp_get(slot->last_ok);
    view->last_bad = rp_get(slot->last_bad);
    view->tls.handshakes = rp_get(member->info->tls.handshakes);
    view->tls.resumed = rp_get(member->info->tls.resumed);
    view->tls.not_after = rp_get(member->info->tls.not_after);
    rp_histogram_sum(&view->latencies, &member->info->latencies);
    view_recent(&recent, 1, now, &view->recent);
}

rp_pool_view_t *rp_control_view(apr_pool_t *p, rp_pool_t *pool)
{
    rp_pool_view_t *view = apr_pcalloc(p, sizeof(*view));
    const rp_quantile_t **recent = apr_palloc(p, pool->state.nslots * sizeof(*recent));
    apr_time_t now = rp_now();
    unsigned i, n = 0;

    view->name = pool->conf->name;
    view->slots = pool->state.nslots;
    view->retries = rp_get(pool->state.shared->budget.granted);
    view->refused = rp_get(pool->state.shared->budget.denied);
    view->queue = rp_queue_count(pool->queue, &view->waiting);
    view->queue_length = (unsigned)pool->conf->queue.length;
    view->nlevels = pool->state.nlevels;
    view->members = apr_array_make(p, (int)pool->state.nslots, sizeof(rp_member_view_t));
    rp_state_lock(&pool->state);
    view->version = rp_get(pool->state.shared->version);
    for (i = 0; i < view->nlevels; i++) {
        const rp_level_t *level = &pool->state.shared->levels[i];

        view->levels[i].members = rp_get(level->members);
        view->levels[i].in = rp_get(level->in);
        view->levels[i].panic = (int)rp_get(level->panic);
    }
    for (i = 0; i < view->slots; i++) {
        apr_uint32_t origin = rp_get(pool->state.slots[i].origin);

        if (origin == RP_SLOT_FREE) {
            view->room++;
        }
        else if (origin != RP_SLOT_NAME) {
            view_member(p, &pool->members[i], apr_array_push(view->members), now);
            recent[n++] = &pool->members[i].info->recent;
        }
    }
    rp_state_unlock(&pool->state);
    view_recent(recent, n, now, &view->recent);
    return view;
}

int rp_view_usable(const rp_member_view_t *member)
{
    return member->origin != RP_SLOT_REMOVED && member->admin == RP_ADMIN_ENABLED && member->weight > 0
           && member->out == RP_OUT_NOT && member->check != RP_CHECK_DOWN;
}

int rp_view_count(const rp_pool_view_t *view, int usable)
{
    int i, n = 0;

    for (i = 0; i < view->members->nelts; i++) {
        const rp_member_view_t *member = &APR_ARRAY_IDX(view->members, i, rp_member_view_t);

        n += usable ? rp_view_usable(member) : member->origin != RP_SLOT_REMOVED;
    }
    return n;
}

const rp_member_view_t *rp_view_member(const rp_pool_view_t *view, const char *id)
{
    int i;

    for (i = 0; i < view->members->nelts; i++) {
        const rp_member_view_t *member = &APR_ARRAY_IDX(view->members, i, rp_member_view_t);

        if (!strcmp(member->id, id)) {
            return member;
        }
    }
    return NULL;
}

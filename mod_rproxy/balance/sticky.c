/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A request's session: found, kept, moved, told. */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "balance/sticky.h"
#include "balance/sticky_learn.h"
#include "balance/sticky_token.h"
#include "lane/lane.h"
#include "upstream/upstream.h"

/* What a client is told to wait when nobody knows how long it will take, in seconds. */
#define RETRY_AFTER 10

struct rp_session_t {
    rp_pool_t *pool;
    int slot;                /* of the member that it is with, or -1 */
    rp_str_t id;             /* learn=: what it is known by; ptr is NULL when it is not */
    apr_int64_t since;       /* cookie=: when the client was given it, or 0 */
    int refused;             /* its member cannot be used, and it may have no other */
    const rp_member_t *give; /* the client is to hear of this one */
};

/* ------------------------------------------------------------------ finding */

static void find_learned(rp_session_t *session, rp_str_t id)
{
    rp_sticky_t *sticky = session->pool->sticky;
    apr_uint64_t member = rp_learned_get(sticky->learned, id, rp_now(), sticky->conf->lifetime);
    char name[RP_ROUTE_MAX + 1];

    if (member) {
        apr_snprintf(name, sizeof(name), RP_STICKY_ID, member);
        session->id = id;
        session->slot = rp_sticky_find(session->pool, (rp_str_t){ name, strlen(name) });
    }
}

/* @return nonzero when value tells the session's member */
static int read_id(rp_session_t *session, rp_str_t value)
{
    rp_str_t token;

    switch (session->pool->sticky->conf->mode) {
    case RP_STICKY_COOKIE:
        rp_sticky_read(value, &token, &session->since);
        session->slot = rp_sticky_find(session->pool, token);
        break;
    case RP_STICKY_ROUTE:
        session->slot = rp_sticky_find(session->pool, rp_route_suffix(value));
        break;
    default:
        find_learned(session, value);
    }
    return session->slot >= 0;
}

/* Cookies of one name may be there for several paths, and older ones among them: the first that tells something
 * counts. */
static int read_cookies(void *data, const char *key, const char *cookies)
{
    rp_session_t *session = data;
    const char *wanted = session->pool->sticky->conf->name;
    rp_str_t rest = { cookies, strlen(cookies) };
    rp_str_t name, value;

    (void)key;
    while (rp_cookie_next(&rest, &name, &value)) {
        if (name.len == strlen(wanted) && !memcmp(name.ptr, wanted, name.len) && read_id(session, value)) {
            return 0;
        }
    }
    return 1;
}

static rp_session_t *find_session(rp_request_t *rq, rp_pool_t *pool)
{
    rp_session_t *session = apr_pcalloc(rq->r->pool, sizeof(*session));
    const char *param = pool->sticky->conf->param;
    rp_str_t value;

    session->pool = pool;
    session->slot = -1;
    apr_table_do(read_cookies, session, rq->r->headers_in, "Cookie", NULL);
    if (session->slot < 0 && param && rp_url_param(rq->url, param, &value)) {
        read_id(session, value);
    }
    return session;
}

/* ------------------------------------------------------------------ choosing */

static int is_anybody_in(const rp_state_t *state)
{
    unsigned level;

    for (level = 0; level < state->nlevels; level++) {
        if (rp_get(state->shared->levels[level].in)) {
            return 1;
        }
    }
    return 0;
}

int rp_sticky_wanted(rp_request_t *rq, rp_pool_t *pool, rp_pick_t *pick)
{
    rp_session_t *session;

    if (!pool->sticky) {
        return RP_STICKY_ANYBODY;
    }
    if (!rq->session) {
        rq->session = find_session(rq, pool);
    }
    session = rq->session;
    session->refused = 0;
    if (session->slot < 0) {
        return RP_STICKY_ANYBODY;
    }
    pick->session = 1;
    pick->full = 0;
    /* Whatever its method: elsewhere nobody knows the session. */
    pick->may_try = 1;
    /* When all are said to be ill, it stays where it is. */
    pick->last_resort = !is_anybody_in(&pool->state);
    if (rp_slot_fitness(&pool->state, (unsigned)session->slot, pick) != RP_UNFIT) {
        return session->slot;
    }
    /* A full one is waited for, unless nobody waits in this pool. */
    return pick->full && (pool->sticky->conf->refuse || pool->conf->queue.length > 0) ? session->slot
         : RP_STICKY_ANYBODY;
}

int rp_sticky_is_known(const rp_request_t *rq)
{
    return rq->session && rq->session->slot >= 0;
}

int rp_sticky_insists(rp_request_t *rq)
{
    rp_session_t *session = rq->session;

    if (!session || session->slot < 0 || !session->pool->sticky->conf->refuse) {
        return 0;
    }
    session->refused = 1;
    return 1;
}

/* It could take the request, now or when others have left it. */
static int is_there(rp_pool_t *pool, int slot)
{
    rp_pick_t pick = { .now = rp_now(), .may_try = 1, .session = 1, .last_resort = !is_anybody_in(&pool->state) };

    return rp_slot_fitness(&pool->state, (unsigned)slot, &pick) != RP_UNFIT || pick.full;
}

/* Seconds until the member may be tried again. */
static int retry_after(const rp_slot_t *slot)
{
    apr_interval_time_t left = rp_get(slot->out_until) - rp_now();

    return left > 0 ? (int)((left + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC) : RETRY_AFTER;
}

int rp_sticky_refused(rp_request_t *rq, rp_pool_t *pool)
{
    const rp_slot_t *slot;

    if (!rq->session || !rq->session->refused) {
        return 0;
    }
    slot = &pool->state.slots[rq->session->slot];
    apr_table_setn(rq->r->notes, "rproxy-session", "refused");
    /* What has become of a request that reached it is told as it is. */
    if (rq->attempts > 0 && !(rp_get(slot->out) == RP_OUT_CONNECT && rp_get(slot->out_until))) {
        return 0;
    }
    rp_failure_set(rq, HTTP_SERVICE_UNAVAILABLE, "destination_unavailable", "pick",
                   "the member that the session is with cannot be used, and RProxySticky says gone=refuse");
    apr_table_setn(rq->r->err_headers_out, "Retry-After", apr_itoa(rq->r->pool, retry_after(slot)));
    return 1;
}

/* ------------------------------------------------------------------ learning */

typedef struct lesson_t {
    const rp_member_t *member;
    int learned;
} lesson_t;

static void remember(const rp_member_t *member, rp_str_t id)
{
    rp_sticky_t *sticky = member->pool->sticky;

    rp_learned_put(sticky->learned, id, rp_get(member->slot->id), rp_now(), sticky->conf->lifetime);
}

static int learn(void *data, const char *key, const char *field)
{
    lesson_t *lesson = data;
    rp_str_t id;

    (void)key;
    /* A cookie that is taken away has no value, most of the time; if it has one, nobody will send it. */
    if (rp_set_cookie_read(field, lesson->member->pool->sticky->conf->name, &id) && id.len > 0) {
        remember(lesson->member, id);
        lesson->learned = 1;
    }
    return 1;
}

static int learn_from(const rp_request_t *rq, const rp_member_t *member)
{
    lesson_t lesson = { member, 0 };

    if (member->pool->sticky->learned) {
        apr_table_do(learn, &lesson, rq->response.fields, "Set-Cookie", NULL);
    }
    return lesson.learned;
}

/* ------------------------------------------------------------------ telling */

static const char *set_cookie(const rp_request_t *rq)
{
    rp_pool_t *pool = rq->session->pool;
    const rp_sticky_conf_t *conf = pool->sticky->conf;
    apr_pool_t *p = rq->r->pool;
    const char *since = conf->lifetime
                      ? apr_psprintf(p, ".%" APR_INT64_T_FMT, (apr_int64_t)apr_time_sec(apr_time_now())) : "";

    return apr_pstrcat(p, conf->name, "=", rp_sticky_name(pool, rq->session->give->index, p), since,
                       conf->attributes[!strcmp(rq->public_scheme, "https")], NULL);
}

static int is_due(const rp_session_t *session)
{
    const rp_sticky_conf_t *conf = session->pool->sticky->conf;

    return conf->mode == RP_STICKY_COOKIE
           && rp_sticky_is_due(session->since, apr_time_sec(conf->lifetime), apr_time_sec(apr_time_now()));
}

/* The session is with another member from now on. */
static void move(rp_request_t *rq, const rp_member_t *member)
{
    rp_session_t *session = rq->session;
    int was_known = session->slot >= 0 || session->id.ptr;

    session->slot = (int)member->index;
    session->give = member;
    if (session->id.ptr) {
        remember(member, session->id);
    }
    apr_table_setn(rq->r->notes, "rproxy-session", was_known ? "moved"
                   : member->pool->sticky->conf->mode == RP_STICKY_COOKIE ? "new" : "none");
}

void rp_sticky_answered(rp_request_t *rq, const rp_member_t *member)
{
    rp_session_t *session = rq->session;

    /* With a response that goes to nobody nothing begins. */
    if (!session || rq->detached != RP_ATTACHED) {
        return;
    }
    if (session->slot == (int)member->index) {
        session->give = session->give || is_due(session) ? member : NULL;
        apr_table_setn(rq->r->notes, "rproxy-session", "kept");
    }
    else if (session->slot >= 0 && is_there(session->pool, session->slot)) {
        apr_table_setn(rq->r->notes, "rproxy-session", "lent");
    }
    else {
        move(rq, member);
    }
    if (learn_from(rq, member)) {
        apr_table_setn(rq->r->notes, "rproxy-session", "new");
    }
    if (session->give && rq->response.status == HTTP_SWITCHING_PROTOCOLS
        && session->pool->sticky->conf->mode == RP_STICKY_COOKIE) {
        apr_table_addn(rq->response.fields, "Set-Cookie", set_cookie(rq));
    }
}

void rp_sticky_respond(rp_request_t *rq)
{
    request_rec *r = rq->r;
    const rp_session_t *session = rq->session;
    rp_sharing_e sharing;

    if (!session || !session->give || session->pool->sticky->conf->mode != RP_STICKY_COOKIE || rq->is_part
        || rq->detached != RP_ATTACHED) {
        return;
    }
    sharing = rp_response_sharing(r->pool, r->headers_out, apr_time_sec(apr_time_now()));
    if (sharing == RP_SHARING_INVITED) {
        return;
    }
    if (sharing == RP_SHARING_UNSAID) {
        apr_table_mergen(r->headers_out, "Cache-Control", "private");
    }
    /* Not among the response's own fields, which may be on their way to the cache. */
    apr_table_addn(r->err_headers_out, "Set-Cookie", set_cookie(rq));
}

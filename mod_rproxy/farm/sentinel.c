/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Who the master is: one of the Sentinels says so, and the server itself agrees. */

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "farm/link.h"
#include "lane/lane.h"

/* Send one command. @return its reply, or NULL */
static rp_reply_t *ask(rp_farm_t *farm, int index, const rp_str_t *argv, int argc, rp_limit_t *limit, apr_pool_t *p)
{
    rp_visit_t visit = { NULL, 0, 1, p, limit, 1 };
    rp_reply_t *reply = NULL;
    char *bytes = rp_redis_format(&argv, &argc, 1, &visit.len);

    visit.bytes = bytes;
    if (bytes && rp_node_visit(farm, index, &visit, &reply) != RP_FARM_OK) {
        reply = NULL;
    }
    free(bytes);
    return reply;
}

/* A Sentinel's answer: [host, port], or nil. @return the node, held; or -1 */
static int read_answer(rp_farm_t *farm, const rp_reply_t *reply)
{
    uint64_t port;

    if (reply->type != RP_REPLY_ARRAY || reply->n != 2 || reply->elements[0]->type != RP_REPLY_STRING
        || reply->elements[1]->type != RP_REPLY_STRING || !rp_parse_uint(reply->elements[1]->str, 65536, &port)
        || port > 65535) {
        return -1;
    }
    return rp_node_find(farm, reply->elements[0]->str, (int)port);
}

/* Sentinels know of a fail-over before the old master does, and the new one before all Sentinels do. */
static int is_master(rp_farm_t *farm, int index, rp_limit_t *limit, apr_pool_t *p)
{
    rp_str_t role = RP_STR("ROLE");
    rp_reply_t *reply = ask(farm, index, &role, 1, limit, p);

    return reply && reply->type == RP_REPLY_ARRAY && reply->n > 0 && rp_reply_is(reply->elements[0], "master");
}

static void set_master(rp_farm_t *farm, int index)
{
    int before;

    apr_thread_mutex_lock(farm->lock);
    before = farm->master;
    farm->master = index;
    apr_thread_mutex_unlock(farm->lock);
    if (before != index) {
        rp_farm_tell(farm, RP_TELL_MASTER, farm->nodes[index].name, farm->conf->url.master);
    }
}

/* Ask one Sentinel. @return 1 when it led to the master */
static int follow(rp_farm_t *farm, int sentinel, rp_limit_t *limit, apr_pool_t *p, char *why, size_t size)
{
    const char *name = farm->conf->url.master;
    rp_str_t argv[] = { RP_STR("SENTINEL"), RP_STR("get-master-addr-by-name"), { name, strlen(name) } };
    rp_reply_t *reply = ask(farm, sentinel, argv, 3, limit, p);
    int index, ok;

    if (!reply) {
        apr_snprintf(why, size, "%s does not answer", farm->nodes[sentinel].name);
        return 0;
    }
    index = read_answer(farm, reply);
    if (index < 0) {
        apr_snprintf(why, size, "%s does not know it", farm->nodes[sentinel].name);
        return 0;
    }
    ok = is_master(farm, index, limit, p);
    if (ok) {
        set_master(farm, index);
    }
    else {
        apr_snprintf(why, size, "%s names %s, which does not say that it is", farm->nodes[sentinel].name,
                     farm->nodes[index].name);
    }
    rp_node_release(farm, index);
    return ok;
}

int rp_sentinel_search(rp_farm_t *farm, rp_limit_t *limit, apr_pool_t *p, char *why, size_t size)
{
    int n = farm->nseeds, first = farm->turn, i;

    for (i = 0; i < n && rp_now() < limit->last; i++) {
        /* One that hangs leaves the others their share of the time. */
        apr_time_t share = rp_now() + (limit->last - rp_now()) / (n - i);
        rp_limit_t one = { share, share };

        if (follow(farm, (first + i) % n, &one, p, why, size)) {
            farm->turn = (first + i) % n;
            return 1;
        }
    }
    return 0;
}

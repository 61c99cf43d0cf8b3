/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A cluster's map of slots. */

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "farm/link.h"
#include "lane/lane.h"

/* Nodes asked for a map before a search is given up. */
#define ASKED 4

/* The map that is being read: node indexes, held once each by what is in ->held. */
typedef struct reading_t {
    rp_farm_t *farm;
    int asked;
    short slots[RP_SLOTS];
    unsigned char held[RP_FARM_NODES];
} reading_t;

static void read_range(void *data, unsigned first, unsigned last, const rp_slot_node_t *master)
{
    reading_t *reading = data;
    const char *host = reading->farm->nodes[reading->asked].host;
    int index = rp_node_find(reading->farm, master->host.len ? master->host : (rp_str_t){ host, strlen(host) },
                             master->port);

    if (index < 0) {
        return;
    }
    if (reading->held[index]) {
        rp_node_release(reading->farm, index);
    }
    reading->held[index] = 1;
    for (; first <= last; first++) {
        reading->slots[first] = (short)index;
    }
}

static int read_map(rp_farm_t *farm, int asked, const rp_reply_t *reply, apr_pool_t *p)
{
    reading_t *reading = apr_pcalloc(p, sizeof(*reading));
    int covered, i;

    reading->farm = farm;
    reading->asked = asked;
    memset(reading->slots, 0xff, sizeof(reading->slots));
    covered = rp_slot_map(reply, read_range, reading);
    if (covered > 0) {
        apr_thread_mutex_lock(farm->lock);
        memcpy(farm->slots, reading->slots, sizeof(reading->slots));
        apr_thread_mutex_unlock(farm->lock);
    }
    for (i = 0; i < RP_FARM_NODES; i++) {
        if (reading->held[i]) {
            rp_node_release(farm, i);
        }
    }
    return covered > 0;
}

/* Ask a node that is held. */
static int ask(rp_farm_t *farm, int index, rp_limit_t *limit, apr_pool_t *p, char *why, size_t size)
{
    rp_str_t argv_room[] = { RP_STR("CLUSTER"), RP_STR("SLOTS") };
    const rp_str_t *argv = argv_room;
    int argc = 2, ok = 0;
    rp_visit_t visit = { NULL, 0, 1, p, limit, 1 };
    char *bytes = rp_redis_format(&argv, &argc, 1, &visit.len);
    rp_reply_t *reply;

    visit.bytes = bytes;
    if (!bytes || rp_node_visit(farm, index, &visit, &reply) != RP_FARM_OK) {
        apr_snprintf(why, size, "%s does not answer", farm->nodes[index].name);
    }
    else if (reply->type == RP_REPLY_ERROR) {
        apr_snprintf(why, size, "%s says %.150s", farm->nodes[index].name, reply->str.ptr);
    }
    else {
        ok = read_map(farm, index, reply, p);
        apr_snprintf(why, size, "%s has no map that can be used", farm->nodes[index].name);
    }
    free(bytes);
    return ok;
}

/* The next node from *at on that may be asked, held: those first that are not left alone. -1 when there is none. */
static int next_node(rp_farm_t *farm, int *at, int *left)
{
    int found = -1;

    apr_thread_mutex_lock(farm->lock);
    for (; *left > 0 && found < 0; --*left) {
        int i = (*at)++ % RP_FARM_NODES, is_second_time = *left <= RP_FARM_NODES;

        if (farm->nodes[i].name[0] && rp_node_is_open(farm, i) != is_second_time) {
            farm->nodes[i].users += i >= farm->nseeds;
            found = i;
        }
    }
    apr_thread_mutex_unlock(farm->lock);
    return found;
}

int rp_cluster_search(rp_farm_t *farm, rp_limit_t *limit, apr_pool_t *p, char *why, size_t size)
{
    int at = farm->turn, left = 2 * RP_FARM_NODES, asked, index, ok = 0;

    for (asked = 0; asked < ASKED && !ok && rp_now() < limit->last; asked++) {
        apr_time_t share = rp_now() + (limit->last - rp_now()) / (ASKED - asked);
        rp_limit_t one = { share, share };

        index = next_node(farm, &at, &left);
        if (index < 0) {
            break;
        }
        ok = ask(farm, index, &one, p, why, size);
        rp_node_release(farm, index);
    }
    /* The next search begins with another one. */
    farm->turn = at % RP_FARM_NODES;
    return ok;
}

void rp_cluster_learn(rp_farm_t *farm, unsigned slot, int index)
{
    apr_thread_mutex_lock(farm->lock);
    farm->slots[slot] = (short)index;
    apr_thread_mutex_unlock(farm->lock);
    /* One slot that has moved is seldom alone. */
    __atomic_store_n(&farm->doubt, 1, __ATOMIC_RELAXED);
}

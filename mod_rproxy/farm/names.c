/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Servers' names to addresses.  The system's resolver waits as long as it likes, so that no call may: a thread of its
 * own asks it, and what is not known yet cannot be reached.
 */

#include <netdb.h>
#include <string.h>
#include <sys/un.h>

#include <apr_strings.h>

#include "farm/link.h"
#include "lane/lane.h"

/* A name that leads nowhere is looked up this often at most. */
#define PAUSE apr_time_from_sec(5)

static int unix_address(rp_node_t *node)
{
    struct sockaddr_un *sa = (struct sockaddr_un *)&node->addresses[0].sa;

    memset(sa, 0, sizeof(*sa));
    sa->sun_family = AF_UNIX;
    apr_cpystrn(sa->sun_path, node->host, sizeof(sa->sun_path));
    node->addresses[0].len = sizeof(*sa);
    node->naddresses = 1;
    return 1;
}

static int look_up(const char *host, int port, int flags, rp_address_t *addresses)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
    struct addrinfo *found, *ai;
    char text[8];
    int n = 0;

    apr_snprintf(text, sizeof(text), "%d", port);
    if (getaddrinfo(host, text, &hints, &found) != 0) {
        return 0;
    }
    for (ai = found; ai && n < RP_NODE_ADDRESSES; ai = ai->ai_next) {
        memcpy(&addresses[n].sa, ai->ai_addr, ai->ai_addrlen);
        addresses[n++].len = ai->ai_addrlen;
    }
    freeaddrinfo(found);
    return n;
}

int rp_name_resolve(rp_node_t *node, int wait)
{
    if (node->port == 0) {
        return unix_address(node);
    }
    node->naddresses = look_up(node->host, node->port, AI_NUMERICHOST, node->addresses);
    node->is_name = node->naddresses == 0;
    if (node->is_name && wait) {
        node->naddresses = look_up(node->host, node->port, 0, node->addresses);
    }
    return node->naddresses > 0;
}

/* A node that is to be looked up, or NULL; *pause: until one will be. */
static rp_node_t *next_stale(rp_farm_t *farm, apr_interval_time_t *pause)
{
    apr_time_t now = rp_now();
    int i;

    *pause = apr_time_from_sec(3600);
    for (i = 0; i < RP_FARM_NODES; i++) {
        rp_node_t *node = &farm->nodes[i];

        if (!node->name[0] || !node->is_stale) {
            continue;
        }
        if (node->looked_up == 0 || now - node->looked_up >= PAUSE) {
            return node;
        }
        if (node->looked_up + PAUSE - now < *pause) {
            *pause = node->looked_up + PAUSE - now;
        }
    }
    return NULL;
}

static void look_up_one(rp_farm_t *farm, rp_node_t *node)
{
    rp_address_t addresses[RP_NODE_ADDRESSES];
    char host[RP_REDIS_HOST_MAX];
    int port = node->port, n;

    apr_cpystrn(host, node->host, sizeof(host));
    apr_thread_mutex_unlock(farm->lock);
    n = look_up(host, port, 0, addresses);
    apr_thread_mutex_lock(farm->lock);
    /* Its place may be another's by now. */
    if (strcmp(node->host, host) || node->port != port) {
        return;
    }
    node->looked_up = rp_now();
    if (n > 0) {
        memcpy(node->addresses, addresses, sizeof(addresses));
        node->naddresses = n;
        node->is_stale = 0;
    }
}

static void *APR_THREAD_FUNC resolve(apr_thread_t *thread, void *data)
{
    rp_farm_t *farm = data;
    apr_interval_time_t pause;
    rp_node_t *node;

    (void)thread;
    apr_thread_mutex_lock(farm->lock);
    while (!farm->stop) {
        node = next_stale(farm, &pause);
        if (node) {
            look_up_one(farm, node);
        }
        else {
            apr_thread_cond_timedwait(farm->wake, farm->lock, pause);
        }
    }
    apr_thread_mutex_unlock(farm->lock);
    return NULL;
}

int rp_name_is_old(const rp_node_t *node)
{
    return node->is_name && !node->is_stale && rp_now() - node->looked_up >= PAUSE;
}

void rp_name_want(rp_farm_t *farm, rp_node_t *node)
{
    if (!node->is_name || node->is_stale || farm->stop) {
        return;
    }
    node->is_stale = 1;
    if (!farm->resolver
        && apr_thread_create(&farm->resolver, NULL, resolve, farm, farm->child_pool) != APR_SUCCESS) {
        /* The next failure asks again. */
        farm->resolver = NULL;
        node->is_stale = 0;
    }
    apr_thread_cond_signal(farm->wake);
}

void rp_names_stop(rp_farm_t *farm)
{
    apr_status_t ignored;

    apr_thread_mutex_lock(farm->lock);
    farm->stop = 1;
    apr_thread_cond_signal(farm->wake);
    apr_thread_mutex_unlock(farm->lock);
    if (farm->resolver) {
        apr_thread_join(&ignored, farm->resolver);
        farm->resolver = NULL;
    }
}

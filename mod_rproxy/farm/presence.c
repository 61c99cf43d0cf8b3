/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_general.h>
#include <apr_optional.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <mod_watchdog.h>

#include "config/config.h"
#include "farm/host.h"
#include "farm/kept.h"
#include "farm/presence.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

#define WATCHDOG "_rproxy_presence_"
#define INTERVAL apr_time_from_sec(2)
/* So often in a row there must be fewer hosts before that is believed. */
#define FEWER 3
/* Under which the process's pool keeps it, and what changes with its layout. */
#define KEY "mod_rproxy:presence"
#define LAYOUT (2 + (unsigned)sizeof(heard_t))

/* By Redis' clock, as hosts' clocks may differ. */
static const char beat_text[] =
    "local t = redis.call('TIME')\n"
    "redis.call('ZADD', KEYS[1], t[1], ARGV[1])\n"
    "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t[1] - 10)\n"
    "redis.call('EXPIRE', KEYS[1], 60)\n"
    "return redis.call('ZCARD', KEYS[1])\n";

typedef struct heard_t {
    apr_uint32_t hosts;
    apr_uint32_t fewer; /* how often in a row there were fewer than that */
    apr_int64_t at;
} heard_t;

/* Graceful restarts keep it. */
typedef struct memory_t {
    char id[33];    /* of this host */
    heard_t *heard; /* shared */
} memory_t;

static memory_t *memory; /* NULL: there is no farm */
static rp_farm_script_t beat_script;
static rp_str_t key;

static void hear(server_rec *s, apr_uint32_t hosts)
{
    /* A Redis that has lost its memory is told by all of them that they are there, one after the other. */
    if (hosts < rp_presence_hosts() && __atomic_add_fetch(&memory->heard->fewer, 1, __ATOMIC_RELAXED) < FEWER) {
        return;
    }
    __atomic_store_n(&memory->heard->fewer, 0, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&memory->heard->hosts, hosts, __ATOMIC_RELAXED) != hosts) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, RPLOGNO(0775) "the farm has %u hosts now", hosts);
    }
    __atomic_store_n(&memory->heard->at, rp_now(), __ATOMIC_RELAXED);
}

static apr_status_t beat(int state, void *data, apr_pool_t *p)
{
    rp_farm_t *farm = rp_farm_of_host();
    rp_str_t argv[] = { RP_STR("1"), key, { memory->id, strlen(memory->id) } };
    rp_farm_command_t command = { argv, 3, &beat_script };
    rp_reply_t *reply;

    if (state == AP_WATCHDOG_STATE_RUNNING && farm && rp_farm_call(farm, p, key, &command, 1, 0, &reply) == RP_FARM_OK
        && reply->type == RP_REPLY_INTEGER && reply->integer >= 1 && reply->integer <= 1000000) {
        hear(data, (apr_uint32_t)reply->integer);
    }
    return APR_SUCCESS;
}

static apr_status_t make(void *data, apr_pool_t *process_pool)
{
    memory_t *made = data;
    unsigned char random[16];
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, sizeof(heard_t), NULL, process_pool);

    rv = rv ? rv : apr_generate_random_bytes(random, sizeof(random));
    if (rv == APR_SUCCESS) {
        made->heard = apr_shm_baseaddr_get(shm);
        made->heard->hosts = 1;
        ap_bin2hex(random, sizeof(random), made->id);
    }
    return rv;
}

void rp_presence_init(apr_pool_t *pconf, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    const rp_farm_conf_t *conf = rp_server_conf(main_server)->farm;
    ap_watchdog_t *watchdog;
    apr_status_t rv;

    memory = NULL;
    if (!rp_farm_of_host()) {
        return;
    }
    memory = rp_kept(main_server->process->pool, KEY, LAYOUT, sizeof(*memory), make, &rv);
    if (!memory) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, main_server, RPLOGNO(0770) "no memory for the number of the farm's "
                     "hosts: this one takes itself for the only one while Redis is away");
        return;
    }
    rp_farm_script_init(&beat_script, beat_text);
    key.ptr = apr_pstrcat(pconf, "{", conf->name, "}:hosts", NULL);
    key.len = strlen(key.ptr);
    if (!get || !add || get(&watchdog, WATCHDOG, 0, 1, pconf) != APR_SUCCESS
        || add(watchdog, INTERVAL, main_server, beat) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server, RPLOGNO(0771) "mod_watchdog is not loaded: this host "
                     "does not tell the farm that it is there, and takes itself for the only one while Redis is away");
    }
}

unsigned rp_presence_hosts(void)
{
    return memory ? __atomic_load_n(&memory->heard->hosts, __ATOMIC_RELAXED) : 1;
}

apr_time_t rp_presence_heard(void)
{
    return memory ? __atomic_load_n(&memory->heard->at, __ATOMIC_RELAXED) : 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** <RProxyPool>, and RProxyMember's place in it. */

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "config/directives.h"

#define MAX_ROOM 1000

/* The pool whose section is being read. */
static rp_pool_conf_t *open_pool;

static int is_pool_name(const char *s)
{
    const char *c;

    for (c = s; *c; c++) {
        if (!apr_isalnum(*c) && *c != '-' && *c != '_' && *c != '.') {
            return 0;
        }
    }
    return c > s && c - s < RP_POOL_NAME_MAX;
}

const char *rp_cmd_pool(cmd_parms *cmd, void *dir, const char *args)
{
    rp_server_conf_t *conf = rp_server_conf(cmd->server);
    const char *end = ap_strrchr_c(args, '>');
    const char *error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    rp_pool_conf_t *pool, *other;

    (void)dir;
    if (error) {
        return error;
    }
    if (!end) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, "> is not closed: write <RProxyPool NAME>", NULL);
    }
    pool = apr_pcalloc(cmd->pool, sizeof(*pool));
    args = apr_pstrmemdup(cmd->pool, args, (apr_size_t)(end - args));
    pool->name = ap_getword_conf(cmd->pool, &args);
    pool->where = rp_where(cmd);
    pool->room = RP_DEFAULT_ROOM;
    rp_eject_conf_init(&pool->eject);
    rp_queue_conf_init(&pool->queue);
    pool->members = apr_array_make(cmd->pool, 4, sizeof(rp_member_conf_t *));
    if (!is_pool_name(pool->name) || *args || !strcasecmp(pool->name, "none")) {
        return apr_psprintf(cmd->pool, "<RProxyPool %s>: write one name of at most %d letters, digits, '-', '_' "
                            "and '.', other than 'none'", pool->name, RP_POOL_NAME_MAX - 1);
    }
    other = apr_hash_get(conf->pools, pool->name, APR_HASH_KEY_STRING);
    if (other) {
        return apr_psprintf(cmd->pool, "<RProxyPool %s> stands already at %s line %d: give this one another name or "
                            "put its members there", pool->name, other->where.file, other->where.line);
    }
    open_pool = pool;
    error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
    open_pool = NULL;
    if (error) {
        return error;
    }
    apr_hash_set(conf->pools, pool->name, APR_HASH_KEY_STRING, pool);
    return NULL;
}

rp_pool_conf_t *rp_open_pool(const cmd_parms *cmd, const char **error)
{
    if (!open_pool) {
        *error = apr_pstrcat(cmd->pool, cmd->cmd->name, " stands inside of <RProxyPool NAME> ... </RProxyPool>", NULL);
    }
    return open_pool;
}

const char *rp_cmd_member(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    rp_member_conf_t *m;
    int i;

    (void)dir;
    if (!pool) {
        return error;
    }
    m = rp_member_parse(cmd->pool, argc, argv, &error);
    if (!m) {
        return error;
    }
    m->where = rp_where(cmd);
    for (i = 0; i < pool->members->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(pool->members, i, rp_member_conf_t *)->url, m->url)) {
            return apr_psprintf(cmd->pool, "RProxyMember %s stands twice in pool %s: use weight= to give it more "
                                "requests", m->url, pool->name);
        }
    }
    APR_ARRAY_PUSH(pool->members, rp_member_conf_t *) = m;
    return NULL;
}

const char *rp_cmd_room(cmd_parms *cmd, void *dir, const char *n)
{
    const char *error = NULL;
    rp_pool_conf_t *pool = rp_open_pool(cmd, &error);
    uint64_t room;

    (void)dir;
    if (!pool) {
        return error;
    }
    if (!rp_parse_uint((rp_str_t){ n, strlen(n) }, MAX_ROOM + 1, &room) || room > MAX_ROOM) {
        return apr_psprintf(cmd->pool, "RProxyRoom %s: write a number from 0 to %d", n, MAX_ROOM);
    }
    pool->room = (int)room;
    return NULL;
}

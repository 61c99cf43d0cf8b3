/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the files of config/ share with the directive table. */
#ifndef RP_DIRECTIVES_H
#define RP_DIRECTIVES_H

#include "config/config.h"
#include "config/options.h"

rp_where_t rp_where(const cmd_parms *cmd);

/* pool_conf.c */
const char *rp_cmd_pool(cmd_parms *cmd, void *dir, const char *args);
const char *rp_cmd_member(cmd_parms *cmd, void *dir, int argc, char *const argv[]);

const char *rp_cmd_room(cmd_parms *cmd, void *dir, const char *n);

/** The pool whose section is being read, for the directives in it. @return NULL with *error outside of one */
rp_pool_conf_t *rp_open_pool(const cmd_parms *cmd, const char **error);

/* eject_conf.c */
const char *rp_cmd_eject(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
void rp_eject_conf_init(rp_eject_conf_t *conf);
extern const rp_option_t rp_eject_options[];

/* queue_conf.c */
const char *rp_cmd_queue(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
void rp_queue_conf_init(rp_queue_conf_t *conf);
extern const rp_option_t rp_queue_options[];

/* method_conf.c */
const char *rp_cmd_method(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
/** Find the method of another module. @return NULL, or what is wrong, in p */
const char *rp_method_check(apr_pool_t *p, rp_method_conf_t *method);

/* sticky_conf.c */
const char *rp_cmd_sticky(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
/** What of a pool's sessions cannot work. @return NULL, or a message with *where */
const char *rp_sticky_conf_check(apr_pool_t *p, const rp_pool_conf_t *pool, const rp_where_t **where);
extern const rp_option_t rp_sticky_options[];

/* member_conf.c */
extern const rp_option_t rp_member_options[];

/* check_pool_conf.c */
const char *rp_cmd_check(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
extern const rp_option_t rp_check_options[];

/* route_conf.c */
const char *rp_cmd_pass(cmd_parms *cmd, void *dir, const char *one, const char *two);
int rp_routes_sort(apr_array_header_t *routes, const rp_route_t **first, const rp_route_t **second);

/* server_conf.c */
const char *rp_cmd_name(cmd_parms *cmd, void *dir, const char *name);
const char *rp_cmd_resolver(cmd_parms *cmd, void *dir, const char *address);
const char *rp_cmd_trust(cmd_parms *cmd, void *dir, const char *address);
const char *rp_cmd_keep_alive_wait(cmd_parms *cmd, void *dir, const char *time);
const char *rp_cmd_lanes(cmd_parms *cmd, void *dir, const char *count);
const char *rp_cmd_lane_stack(cmd_parms *cmd, void *dir, const char *size);
const char *rp_cmd_cache_local(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
extern const rp_option_t rp_local_options[];

/* farm_conf.c */
const char *rp_cmd_farm(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_farm_tickets(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
/** @return NULL, or why the farm's tickets cannot work, in p */
const char *rp_tickets_check(const rp_server_conf_t *conf);
extern const rp_option_t rp_tickets_options[];

/* dir_conf.c */
const char *rp_cmd_preserve_host(cmd_parms *cmd, void *dir, int on);
const char *rp_cmd_timeout(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_client_cert(cmd_parms *cmd, void *dir, const char *which);
const char *rp_cmd_cache(cmd_parms *cmd, void *dir, int on);
const char *rp_cmd_cache_early(cmd_parms *cmd, void *dir, int on);
const char *rp_cmd_cache_allow(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_cache_targets(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
extern const rp_option_t rp_timeout_options[];

/* rules_conf.c */
const char *rp_cmd_ignore_client(cmd_parms *cmd, void *dir, int on);
const char *rp_cmd_cache_hints(cmd_parms *cmd, void *dir, int on);
const char *rp_cmd_cache_query(cmd_parms *cmd, void *dir, const char *size);
const char *rp_cmd_cache_status(cmd_parms *cmd, void *dir, const char *what);
const char *rp_cmd_heuristic(cmd_parms *cmd, void *dir, const char *part, const char *max);
const char *rp_cmd_cache_rule(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
void rp_rules_merge(apr_pool_t *p, rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add);
rp_rules_t *rp_rules_copy(apr_pool_t *p, const rp_rules_t *rules);
extern const rp_option_t rp_rule_options[];

const char *rp_cmd_purge(cmd_parms *cmd, void *dir, int on);

/* key_conf.c */
const char *rp_cmd_cache_key(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
void rp_key_conf_init(rp_dir_conf_t *conf);
void rp_key_conf_merge(rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add);
extern const rp_option_t rp_key_options[];

/* expr_conf.c */
/** What an expression asks for, so that it can be judged when it may be evaluated. */
typedef struct rp_expr_t {
    const ap_expr_info_t *info;
    int of_response; /* what is known only with the response's head */
    int is_late;     /* what the quick handler does not know yet */
} rp_expr_t;

/** Read the text behind "expr=" for a directive. @return NULL, or a message that says what the parser does not like */
const char *rp_expr_parse(cmd_parms *cmd, const char *text, rp_expr_t *expr);

/** The same of an expression that makes a text, as it stands behind "key=expr:". */
const char *rp_expr_parse_text(cmd_parms *cmd, const char *text, rp_expr_t *expr);

/** Nonzero inside of <If>, <ElseIf> or <Else>, which the quick handler does not know. */
int rp_is_in_if(const cmd_parms *cmd);

/* retry_conf.c */
const char *rp_cmd_retry(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_retry_budget(cmd_parms *cmd, void *dir, const char *share, const char *option);
const char *rp_cmd_hedge(cmd_parms *cmd, void *dir, const char *quantile, const char *option);
void rp_retry_conf_init(rp_dir_conf_t *conf);
void rp_retry_conf_merge(rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add);
extern const rp_option_t rp_retry_options[];
extern const rp_option_t rp_budget_options[];
extern const rp_option_t rp_hedge_options[];

/* collapse_conf.c */
const char *rp_cmd_cache_collapse(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_cache_aborted(cmd_parms *cmd, void *dir, const char *share);
void rp_collapse_conf_init(rp_dir_conf_t *conf);
void rp_collapse_conf_merge(rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add);
extern const rp_option_t rp_collapse_options[];

/* limit_conf.c */
const char *rp_cmd_limit(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
void rp_limits_merge(apr_pool_t *p, rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add);
/**
 * Give each limit of a server the id of what it counts.
 * @param seen  those of the servers before, by id
 * @return NULL, or what cannot work with *where
 */
const char *rp_limits_check(apr_pool_t *p, const server_rec *s, const rp_server_conf_t *conf, apr_hash_t *seen,
                            const rp_where_t **where);
extern const rp_option_t rp_limit_options[];

/* compress_conf.c */
const char *rp_cmd_compress(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_compress_types(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_compress_min(cmd_parms *cmd, void *dir, const char *size);
const char *rp_cmd_compress_stored(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_dictionary(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_compress_except(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *rp_cmd_compress_pad(cmd_parms *cmd, void *dir, const char *size);
const char *rp_cmd_compress_adapt(cmd_parms *cmd, void *dir, int on);
const char *rp_cmd_compress_backend(cmd_parms *cmd, void *dir, const char *what);
const char *rp_cmd_compress_level(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
void rp_compress_init(rp_dir_conf_t *conf);
void rp_compress_merge(rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add);

#endif

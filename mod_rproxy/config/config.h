/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * config/: directives to structs that nobody changes once the server runs.
 *
 * directives.def lists every directive (name, where it may stand, default, its sentence for the reference);
 * options.c reads key=value options from tables; pool_conf.c, route_conf.c, dir_conf.c and server_conf.c hold what
 * the directives fill, each with its merging; check.c is what fails `configtest` after everything has been read.
 */
#ifndef RP_CONFIG_H
#define RP_CONFIG_H

#include <httpd.h>
#include <http_config.h>
#include <apr_hash.h>
#include <ap_expr.h>

#include "balance/eject.h"
#include "balance/method.h"
#include "balance/queue.h"
#include "cache/store.h"
#include "encode/encode.h"
#include "farm/conf.h"
#include "limit/gcra.h"
#include "upstream/tls.h"

extern module AP_MODULE_DECLARE_DATA rproxy_module;

/** Where in the configuration something was said, for messages that come after it was read. */
typedef struct rp_where_t {
    const char *file;
    int line;
} rp_where_t;

typedef enum rp_scheme_e {
    RP_SCHEME_HTTP,
    RP_SCHEME_HTTPS,
    RP_SCHEME_UNIX
} rp_scheme_e;

/** One RProxyMember. */
typedef struct rp_member_conf_t {
    const char *url;       /* as written, for logs and notes */
    rp_scheme_e scheme;
    const char *host;      /* name or address without brackets; the path for unix: */
    apr_port_t port;
    const char *authority; /* host[:port] as a Host field would have it */
    int weight;
    int level;             /* priority: 0 is asked first */
    int backup;
    int max;               /* exchanges at a time; 0: any number */
    int keep;              /* idle connections kept per child process */
    apr_interval_time_t idle;
    apr_interval_time_t lifetime;
    apr_interval_time_t retry;
    rp_tls_conf_t tls;     /* of an https member */
    const char *route;     /* what its sessions' ids end in, or NULL */
    apr_interval_time_t resolve; /* how often its name is looked up; RP_UNSET: not said; 0: at start */
    int expand;            /* each of its name's addresses is a member */
    int srv;               /* the name has SRV records, and each target is a member */
    const char *inherited; /* of such a name: the options that its members have from it, as one text */
    int proxy_protocol;    /* each connection is for one client, and begins by saying for which; keep is 0 then */
    rp_where_t where;
} rp_member_conf_t;

/** RProxyCheck: what members are asked from time to time, and which answers are good. */
typedef struct rp_check_conf_t {
    const char *what;      /* "GET /healthz" or "tcp", for the log */
    const char *method;    /* NULL for tcp */
    const char *path;
    apr_interval_time_t interval;
    apr_interval_time_t timeout;
    int jitter;            /* percent of the interval that a wait may be shorter or longer */
    int rise;
    int fall;
    int port;              /* 0: the member's own */
    const char *host;      /* of the Host field; NULL: the member's authority */
    const char *expect;    /* as written */
    const char *body;      /* a regular expression; NULL: any */
    ap_regex_t *body_regex;
    const char *jitter_text;
    unsigned char expected[1000 / 8]; /* a bit for each status */
} rp_check_conf_t;

#define RP_CHECK_EXPECTS(check, status) ((check)->expected[(status) / 8] >> ((status) % 8) & 1)
/** RProxyMethod. */
typedef struct rp_method_conf_t {
    rp_method_e kind;
    const char *name;     /* as written; NULL: nothing was */
    rp_hash_by_e by;
    const char *field;    /* name of the header or cookie to hash by */
    unsigned bound;       /* percent of its fair share of what is under way that a member may have; 0: no bound */
    const void *provider; /* a rproxy_method_t, found by rp_method_check() */
    rp_where_t where;
} rp_method_conf_t;

/** The longest route= of a member. */
#define RP_ROUTE_MAX 63

/** How RProxySticky tells a session's member. */
typedef enum rp_sticky_mode_e {
    RP_STICKY_COOKIE, /* by a cookie of our own */
    RP_STICKY_ROUTE,  /* by what an application appends to its session's id */
    RP_STICKY_LEARN   /* by who has set an application's cookie */
} rp_sticky_mode_e;

/** One RProxySticky. */
typedef struct rp_sticky_conf_t {
    rp_sticky_mode_e mode;
    const char *name;             /* of the cookie */
    const char *param;            /* of the URL's parameter, or NULL */
    int refuse;                   /* when its member cannot be used, a session has no other */
    apr_interval_time_t lifetime; /* 0, of our own cookie: until the browser ends */
    unsigned size;                /* sessions to remember */
    const char *attributes[2];    /* of our own cookie, for http and for https */
    rp_str_t secret;              /* ptr is NULL without a file */
    rp_where_t where;
} rp_sticky_conf_t;

/** Bytes of what is kept in shared memory, with the ending zero. */
#define RP_POOL_NAME_MAX 64
#define RP_MEMBER_URL_MAX 288

struct rp_pool_t;

/** RProxyRetryBudget: how much of a pool's traffic may be retries. */
typedef struct rp_budget_conf_t {
    int share; /* percent of the requests */
    int floor; /* a second */
} rp_budget_conf_t;

/** RProxyHedge: when a request that has no answer yet is sent to a second member, too. */
typedef struct rp_hedge_conf_t {
    int permille;                /* of the responses are there by then */
    apr_interval_time_t soonest;
} rp_hedge_conf_t;

/** One <RProxyPool>. */
typedef struct rp_pool_conf_t {
    const char *name;
    apr_array_header_t *members; /* of rp_member_conf_t * */
    int room;                    /* for members added at run time */
    rp_eject_conf_t eject;
    rp_queue_conf_t queue;
    const rp_budget_conf_t *budget; /* NULL: ask rp_retry_budget() */
    rp_method_conf_t method;
    const rp_hedge_conf_t *hedge;   /* NULL: off */
    rp_sticky_conf_t *sticky;    /* NULL: none */
    rp_where_t where;
    rp_check_conf_t *check;      /* NULL: none */
    struct rp_pool_t *pool;      /* its life, made by rp_balance_init() */
} rp_pool_conf_t;

/** One RProxyPass. */
typedef struct rp_route_t {
    const char *path;       /* public prefix without trailing slash, "" for "/"; NULL in a section that has no plain path */
    apr_size_t path_len;
    const char *pool_name;  /* NULL: "none" */
    const char *base;       /* replaces path towards the backend, without trailing slash; NULL: the URL goes on as it came */
    rp_pool_conf_t *pool;   /* found by check.c; NULL for none */
    rp_where_t where;
} rp_route_t;

/** Which client certificate fields backends get (RFC 9440). */
typedef enum rp_client_cert_e {
    RP_CLIENT_CERT_OFF,
    RP_CLIENT_CERT_LEAF,
    RP_CLIENT_CERT_CHAIN
} rp_client_cert_e;

/** What RProxyCacheStatus tells. */
typedef enum rp_cache_status_e {
    RP_CACHE_STATUS_OFF,
    RP_CACHE_STATUS_ON,
    RP_CACHE_STATUS_FULL
} rp_cache_status_e;

/** What may be stored beyond what RFC 9111 allows by itself: bits for RProxyCacheAllow. */
#define RP_ALLOW_AUTHORIZATION 1
#define RP_ALLOW_SET_COOKIE 2
#define RP_ALLOW_SHARED_COOKIE 4
#define RP_ALLOW_ANONYMOUS_COOKIE 8
#define RP_ALLOW_LANGUAGE 16
#define RP_ALLOW_PLAIN_PARTS 32
#define RP_DEFAULT_ALLOW RP_ALLOW_SHARED_COOKIE

/** Lifetimes by status: an entry of fresh= in RProxyCacheRule. */
typedef struct rp_fresh_t {
    int first, last;    /* statuses; both 0: those that rp_rule_is_common() knows */
    rp_secs_t lifetime; /* RP_NO_TIME: "off", as the response says */
} rp_fresh_t;

/** One RProxyCacheRule: what it says of each action, and when. */
typedef struct rp_rule_t {
    const ap_expr_info_t *expr; /* NULL: always */
    int is_late;                /* the expression needs what the quick handler does not know */
    int for_request;            /* has actions of the request, decided before the look-up, */
    int for_response;           /* of the response */
    int bypass;                 /* flags and times are RP_UNSET, lists NULL, where the rule says nothing */
    int no_store;
    int no_collapse;
    int strict_age;
    apr_interval_time_t stale_while_revalidate;
    apr_interval_time_t stale_if_error;
    apr_interval_time_t keep;
    apr_int64_t largest;
    apr_array_header_t *fresh;         /* of rp_fresh_t; the last that fits counts */
    apr_array_header_t *default_fresh;
    apr_array_header_t *ignore;        /* of const char *, lower case; empty for "none" */
    apr_array_header_t *strip;
    const char *fresh_text, *default_fresh_text, *ignore_text, *strip_text; /* as written, while it is read */
} rp_rule_t;

/** The rules that apply somewhere, outer ones first; later ones win. */
typedef struct rp_rules_t {
    apr_array_header_t *rules; /* of rp_rule_t */
    int for_request;           /* any of them is */
    int for_response;
} rp_rules_t;

/** An expression whose outcome is part of a key. */
typedef struct rp_key_expr_t {
    const ap_expr_info_t *info;
    int is_late;               /* it needs what the quick handler does not know */
} rp_key_expr_t;

/** RProxyCacheKey. Numbers are RP_UNSET and lists NULL where nothing was said; an empty list is "none". */
typedef struct rp_key_conf_t {
    int no_query;
    apr_array_header_t *only;    /* of const char *: parameters; NULL: all, also when no_query is said */
    apr_array_header_t *drop;
    int sort;
    int lower;                   /* the path */
    const char *host;            /* "": the request's */
    apr_array_header_t *cookies; /* of const char * */
    const char *fields;          /* of rp_vary_names(); "" for none */
    apr_array_header_t *exprs;   /* of rp_key_expr_t */
} rp_key_conf_t;

/** What RProxyLimit counts requests by. */
typedef enum rp_limit_by_e {
    RP_LIMIT_BY_ADDRESS, /* the client's; of IPv6 the first 64 bits */
    RP_LIMIT_BY_HEADER,
    RP_LIMIT_BY_COOKIE,
    RP_LIMIT_BY_EXPR,    /* the text that an expression makes; requests for which it makes none are not counted */
    RP_LIMIT_BY_NOTHING  /* all together */
} rp_limit_by_e;

#define RP_LIMIT_ID 8

/** One RProxyLimit: of a rate, or of requests at a time. */
typedef struct rp_limit_conf_t {
    const char *name;           /* NULL: none was given */
    const char *shown;          /* for logs and notes */
    const char *text;           /* as written, but for its name: two places of one name say the same */
    const char *section;        /* where it stands, with all sections around */
    rp_limit_by_e by;
    const char *field;          /* of the header or cookie */
    const ap_expr_info_t *value;
    const ap_expr_info_t *expr; /* NULL: for all requests */
    int is_late;                /* an expression needs what the quick handler does not know */
    rp_gcra_t rate;             /* interval is 0 where requests at a time are limited */
    int concurrent;             /* 0 where a rate is */
    int dry_run;
    unsigned char id[RP_LIMIT_ID]; /* of what it counts, the same on each host of a farm; made by check.c */
    int number;                 /* of those that count one thing, in shared memory; made by check.c, too */
    rp_where_t where;
    int burst;                  /* what follows is of use while it is read */
    const char *rate_text, *key_text;
} rp_limit_conf_t;

/** What may make a request go to another member: bits for RProxyRetry on=. */
#define RP_RETRY_CONNECT 1
#define RP_RETRY_RESET 2
#define RP_RETRY_TIMEOUT 4
#define RP_RETRY_STATUS 8 /* one of the listed ones */
#define RP_RETRY_RANGES 16

typedef struct rp_statuses_t {
    int first, last;
} rp_statuses_t;

typedef struct rp_retry_on_t {
    int causes;
    int nranges;
    rp_statuses_t ranges[RP_RETRY_RANGES];
} rp_retry_on_t;

#define RP_UNSET (-1)

/** Per server, virtual host or Location; RP_UNSET where nothing was said. */
typedef struct rp_dir_conf_t {
    rp_route_t *route; /* from a section that the table of prefixes cannot express */
    int preserve_host;
    apr_interval_time_t connect_timeout;
    apr_interval_time_t first_byte_timeout;
    apr_interval_time_t idle_timeout;
    struct {
        int enabled;
        int attempts;
        const rp_retry_on_t *on;      /* NULL when unset: ask rp_retry_on() */
        const char *on_text;          /* as written, while it is read */
        apr_interval_time_t patience; /* of one try, from connecting to the head; 0: no bound of its own */
        apr_int64_t body;             /* bytes */
        int unsafe;
    } retry;
    int client_cert;   /* rp_client_cert_e */
    int cache;
    int cache_early;
    int cache_allow;
    int cache_status;  /* rp_cache_status_e */
    int ignore_client;
    int cache_hints;
    int purge;         /* PURGE requests are answered here */
    apr_off_t cache_query; /* the largest content of a QUERY that the cache has to do with; -2: off */
    int heuristic_percent; /* 0: off */
    apr_interval_time_t heuristic_max;
    const char *const *cache_targets; /* RProxyCacheTargets; NULL when unset: ask rp_cache_targets() */
    rp_rules_t *cache_rules; /* NULL: none */
    rp_key_conf_t cache_key;
    struct {
        int on;
        apr_interval_time_t wait;
        apr_interval_time_t stall;
    } collapse;
    apr_array_header_t *limits; /* of const rp_limit_conf_t *, those of outer sections first; NULL: none */
    int limits_alone;  /* outer sections' do not count here */
    int aborted_share; /* percent of a body that must be there for its rest to be fetched without a client; 101: never */
    rp_encode_conf_t compress;
} rp_dir_conf_t;

/** Defaults of what may be RP_UNSET. */
#define RP_DEFAULT_HEURISTIC_PERCENT 10
#define RP_DEFAULT_CACHE_QUERY 65536
#define RP_CACHE_QUERY_OFF (-2)
#define RP_DEFAULT_HEURISTIC_MAX apr_time_from_sec(24 * 60 * 60)
#define RP_DEFAULT_CONNECT_TIMEOUT apr_time_from_sec(5)
#define RP_DEFAULT_FIRST_BYTE_TIMEOUT apr_time_from_sec(60)
#define RP_DEFAULT_IDLE_TIMEOUT apr_time_from_sec(60)
#define RP_DEFAULT_ROOM 16
#define RP_DEFAULT_RETRY_ATTEMPTS 3
#define RP_DEFAULT_RETRY_BODY 65536
#define RP_DEFAULT_COLLAPSE_WAIT apr_time_from_sec(15)
#define RP_DEFAULT_COLLAPSE_STALL apr_time_from_sec(5)
#define RP_DEFAULT_ABORTED_SHARE 50

#define RP_OR_DEFAULT(value, dflt) ((value) == RP_UNSET ? (dflt) : (value))

/** How often names are looked up that become several members. */
#define RP_DEFAULT_RESOLVE apr_time_from_sec(30)

/** Bytes of options that its members may have from a name. */
#define RP_INHERITED_MAX 440

/** Nonzero for a name that becomes members, and is none itself. */
#define RP_IS_NAME(member_conf) ((member_conf)->expand || (member_conf)->srv)

/** RProxyFarmTickets. */
typedef struct rp_tickets_conf_t {
    int on;
    apr_interval_time_t rotate; /* a key encrypts for so long */
    rp_where_t where;
} rp_tickets_conf_t;

/** Per server and virtual host. */
typedef struct rp_server_conf_t {
    const char *name;           /* RProxyName; NULL when unset */
    const char *item;           /* it as an Item of Structured Fields, for Cache-Status and Proxy-Status; made by check.c */
    const char *via;            /* made of it by check.c: what Via gets when there is none */
    apr_array_header_t *trust;  /* of apr_ipsubnet_t *; NULL when unset */
    apr_array_header_t *routes; /* of rp_route_t *, longest path first once checked */
    apr_hash_t *pools;          /* name to rp_pool_conf_t * */
    apr_interval_time_t keep_alive_wait; /* 0: off; RP_UNSET */
    int lanes;                  /* how many; 0: off; RP_LANES_AUTO; RP_UNSET */
    int lane_stack;             /* bytes; the main server's counts; RP_UNSET */
    int caches;                 /* RProxyCache on stands somewhere in it */
    apr_array_header_t *limits; /* of rp_limit_conf_t *: those that stand in it */
    struct sockaddr_storage *resolver; /* the main server's counts; NULL: the system's */
    rp_store_local_conf_t local; /* the main server's counts; dir is NULL when unset */
    int local_off;               /* RProxyCacheLocal off; the main server's counts */
    rp_where_t local_where;      /* where that stands */
    const rp_farm_conf_t *farm;  /* the main server's counts; NULL: none */
    rp_tickets_conf_t tickets;   /* the main server's, and all virtual hosts' */
} rp_server_conf_t;

#define RP_DEFAULT_NAME "rproxy"

extern const command_rec rp_directives[];

void *rp_create_dir_conf(apr_pool_t *p, char *dir);
void *rp_merge_dir_conf(apr_pool_t *p, void *base, void *add);
/** A copy in p that outlives the request for which conf was merged. */
rp_dir_conf_t *rp_dir_conf_copy(apr_pool_t *p, const rp_dir_conf_t *conf);
void *rp_create_server_conf(apr_pool_t *p, server_rec *s);
void *rp_merge_server_conf(apr_pool_t *p, void *base, void *add);

#define rp_server_conf(s) ((rp_server_conf_t *)ap_get_module_config((s)->module_config, &rproxy_module))
#define rp_dir_conf(r) ((rp_dir_conf_t *)ap_get_module_config((r)->per_dir_config, &rproxy_module))

/**
 * Resolve names between directives, sort routes, and refuse what cannot work: unknown pools, pools without members,
 * two routes for one path.  Says file and line of each on the error log, as httpd does of syntax errors.
 * @return OK, or HTTP_INTERNAL_SERVER_ERROR after at least one error
 */
int rp_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server);

/**
 * Read what stands behind RProxyMember: a URL and options.
 * @return in p, with its strings in p or in argv; NULL with *error, which says what to write instead
 */
rp_member_conf_t *rp_member_parse(apr_pool_t *p, int argc, char *const argv[], const char **error);

/** What RProxyRetry on= says. */
const rp_retry_on_t *rp_retry_on(const rp_dir_conf_t *conf);

/** Nonzero when a response with that status is one to be followed by another try. */
int rp_retry_is_on(const rp_retry_on_t *on, int status);

const rp_budget_conf_t *rp_retry_budget(const rp_pool_conf_t *pool);

/** A word as configuration files have it: in quotes if it must be; in p. */
const char *rp_member_word(apr_pool_t *p, const char *word);

/** The targeted fields that a response's directives are taken from, as rp_response_cc() wants them. */
const char *const *rp_cache_targets(const rp_dir_conf_t *conf);

/** The route of the longest path that path lies under, or NULL. */
const rp_route_t *rp_route_find(const rp_server_conf_t *conf, const char *path);

/** Nonzero when the peer's address is one of RProxyTrust. */
int rp_is_trusted(const rp_server_conf_t *conf, apr_sockaddr_t *peer);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What is said of a farm's Redis: its URL and the options behind it. Needs no httpd. */
#ifndef RP_FARM_CONF_H
#define RP_FARM_CONF_H

#include <apr_pools.h>
#include <apr_time.h>

#include "config/options.h"
#include "farm/redis_url.h"
#include "http/http.h"
#include "upstream/tls.h"

typedef struct rp_farm_conf_t {
    rp_redis_url_t url;
    const char *shown;       /* the URL without user and password */
    const char *name;        /* of the farm: letters, digits, '.', '_', '-' */
    const char *password_file;
    const char *password_env;
    const char *sentinel_password_file;
    const char *secret_file;
    const char *old_secret_file;
    const char *password;    /* or NULL */
    const char *sentinel_password;
    rp_str_t secret;         /* what the files have; .len 0: none */
    rp_str_t old_secret;
    int db;
    int use_tls;
    rp_tls_conf_t tls;
    apr_interval_time_t connect;
    apr_interval_time_t timeout;
    apr_interval_time_t trial;
    apr_interval_time_t lost;
    apr_uint64_t largest;    /* of what goes into the second store, bytes */
} rp_farm_conf_t;

extern const rp_option_t rp_farm_options[];

/** Makes an absolute path of one that is relative to the configuration (ap_server_root_relative), or NULL. */
typedef char *(*rp_farm_path_fn)(apr_pool_t *p, const char *path);

/**
 * Read a URL and its options; passwords are read from where they are, certificates' files are looked into.
 * @param path  for relative names of files; NULL: as they are
 * @return in p; NULL with *error, which says what to write instead and has no password in it
 */
rp_farm_conf_t *rp_farm_conf_parse(apr_pool_t *p, int argc, char *const argv[], rp_farm_path_fn path,
                                   const char **error);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>
#include <string.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "farm/conf.h"
#include "farm/seal.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_farm_conf_t, field), dflt, sentence },

const rp_option_t rp_farm_options[] = {
#include "farm/farm_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

#define NAME_MAX_LEN 64
#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static const char *check_name(const char *name)
{
    size_t len = strlen(name);

    /* Braces would decide on the slot in a cluster, colons end the name in keys. */
    return len <= NAME_MAX_LEN && strspn(name, NAME_BYTES) == len ? NULL
         : "name= is not accepted; write at most 64 letters, digits, '.', '_' and '-'";
}

static const char *check_db(apr_pool_t *p, rp_farm_conf_t *conf)
{
    int has_place = conf->url.kind == RP_REDIS_SENTINEL || conf->url.hosts[0].port == 0;

    if (conf->db >= 0 && !has_place) {
        return conf->url.kind == RP_REDIS_CLUSTER ? "a cluster has one database only: leave out db="
             : apr_psprintf(p, "db= is for unix: and sentinel://; write the number behind the host, as in /%d",
                            conf->db);
    }
    conf->db = conf->db >= 0 ? conf->db : conf->url.db >= 0 ? conf->url.db : 0;
    return NULL;
}

static const char *check_tls(apr_pool_t *p, rp_farm_conf_t *conf)
{
    const rp_tls_conf_t *tls = &conf->tls;
    const char *error;

    if (conf->use_tls && conf->url.kind == RP_REDIS_SINGLE) {
        return "tls= is for sentinel:// and cluster://; write rediss:// instead of redis://";
    }
    conf->use_tls = conf->use_tls || conf->url.tls;
    if (!conf->use_tls && (tls->ca || tls->cert || tls->key || !tls->verify)) {
        return "ca=, cert=, key= and verify= are for TLS: write rediss:// or, with sentinel:// and cluster://, tls=on";
    }
    error = conf->use_tls ? rp_tls_check(p, tls) : NULL;
    return error;
}

/* What a file has, up to *len bytes. */
static const char *read_file(apr_pool_t *p, const char *option, const char *path, const char *what, char *bytes,
                             apr_size_t *len)
{
    char text[120];
    apr_file_t *file;
    apr_status_t rv = apr_file_open(&file, path, APR_FOPEN_READ, 0, p);

    if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(file, bytes, *len, len);
        apr_file_close(file);
        rv = APR_STATUS_IS_EOF(rv) ? APR_SUCCESS : rv;
    }
    return rv == APR_SUCCESS ? NULL : apr_psprintf(p, "%s=%s cannot be read (%s): name a file %s", option, path,
                                                   apr_strerror(rv, text, sizeof(text)), what);
}

/* The first line of a file. */
static const char *read_password(apr_pool_t *p, const char *option, const char *path, const char **password)
{
    char line[RP_REDIS_SECRET_MAX + 2];
    apr_size_t len = sizeof(line) - 1;
    const char *error = read_file(p, option, path, "whose first line is the password", line, &len);

    if (error) {
        return error;
    }
    line[len] = '\0';
    len = strcspn(line, "\r\n");
    if (len == 0 || len > RP_REDIS_SECRET_MAX) {
        return apr_psprintf(p, "%s=%s has no first line of 1 to %d bytes: write the password there", option, path,
                            RP_REDIS_SECRET_MAX);
    }
    *password = apr_pstrmemdup(p, line, len);
    return NULL;
}

static const char *read_passwords(apr_pool_t *p, rp_farm_conf_t *conf)
{
    int given = (conf->url.password != NULL) + (conf->password_file != NULL) + (conf->password_env != NULL);
    const char *error = NULL;

    conf->password = conf->url.password;
    if (given > 1) {
        return "the password is given more than once: write it in the URL, or name it by password-file= or "
               "password-env=";
    }
    if (conf->sentinel_password_file && conf->url.kind != RP_REDIS_SENTINEL) {
        return "sentinel-password-file= is for sentinel://; write password-file= for the password of Redis";
    }
    if (conf->password_env) {
        conf->password = getenv(conf->password_env);
        if (!conf->password || !*conf->password || strlen(conf->password) > RP_REDIS_SECRET_MAX) {
            return apr_psprintf(p, "password-env=%s is not accepted: httpd's environment has no such variable, or "
                                "nothing in it; set it where httpd is started", conf->password_env);
        }
        conf->password = apr_pstrdup(p, conf->password);
    }
    if (conf->password_file) {
        error = read_password(p, "password-file", conf->password_file, &conf->password);
    }
    if (!error && conf->sentinel_password_file) {
        error = read_password(p, "sentinel-password-file", conf->sentinel_password_file, &conf->sentinel_password);
    }
    if (!error && conf->url.user && !conf->password) {
        return "the URL names a user and no password: write USER:PASSWORD@, or password-file= or password-env=";
    }
    return error;
}

/* All of a file, but for the end of its last line. */
static const char *read_secret(apr_pool_t *p, const char *option, const char *path, rp_str_t *secret)
{
    char bytes[RP_REDIS_SECRET_MAX + 1];
    apr_size_t len = sizeof(bytes);
    const char *error = read_file(p, option, path, "with at least 32 random bytes", bytes, &len);

    if (error) {
        return error;
    }
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r')) {
        len--;
    }
    if (len < RP_SEAL_SECRET_MIN || len > RP_REDIS_SECRET_MAX) {
        return apr_psprintf(p, "%s=%s has not %d to %d bytes: make one by openssl rand -base64 48 > %s", option, path,
                            RP_SEAL_SECRET_MIN, RP_REDIS_SECRET_MAX, path);
    }
    *secret = (rp_str_t){ apr_pstrmemdup(p, bytes, len), len };
    return NULL;
}

static const char *read_secrets(apr_pool_t *p, rp_farm_conf_t *conf)
{
    const char *error = NULL;

    if (conf->old_secret_file && !conf->secret_file) {
        return "old-secret= is of no use without secret=: name the present one there";
    }
    if (conf->secret_file) {
        error = read_secret(p, "secret", conf->secret_file, &conf->secret);
    }
    if (!error && conf->old_secret_file) {
        error = read_secret(p, "old-secret", conf->old_secret_file, &conf->old_secret);
    }
    return error;
}

static void resolve_paths(apr_pool_t *p, rp_farm_conf_t *conf, rp_farm_path_fn path)
{
    const char **const files[] = { &conf->tls.ca, &conf->tls.cert, &conf->tls.key, &conf->password_file,
                                   &conf->sentinel_password_file,
                                   &conf->secret_file, &conf->old_secret_file };
    size_t i;

    for (i = 0; path && i < sizeof(files) / sizeof(files[0]); i++) {
        const char *absolute = *files[i] ? path(p, *files[i]) : NULL;

        *files[i] = absolute ? absolute : *files[i];
    }
}

rp_farm_conf_t *rp_farm_conf_parse(apr_pool_t *p, int argc, char *const argv[], rp_farm_path_fn path,
                                   const char **error)
{
    rp_farm_conf_t *conf = apr_pcalloc(p, sizeof(*conf));
    int i;

    if (argc < 1) {
        *error = "RProxyFarm needs a URL: write RProxyFarm redis://HOST[:PORT][/DB]";
        return NULL;
    }
    conf->shown = rp_redis_url_shown(p, argv[0]);
    conf->name = "rproxy";
    conf->db = -1;
    rp_option_defaults(rp_farm_options, conf);
    *error = rp_redis_url_parse(p, argv[0], &conf->url);
    for (i = 1; i < argc && !*error; i++) {
        *error = rp_option_set(p, rp_farm_options, conf, argv[i]);
    }
    resolve_paths(p, conf, path);
    *error = *error ? *error : check_name(conf->name);
    *error = *error ? *error : check_db(p, conf);
    *error = *error ? *error : check_tls(p, conf);
    *error = *error ? *error : read_passwords(p, conf);
    *error = *error ? *error : read_secrets(p, conf);
    if (*error) {
        *error = apr_psprintf(p, "RProxyFarm %s: %s", conf->shown, *error);
        return NULL;
    }
    return conf;
}

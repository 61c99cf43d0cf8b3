/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyDictionary. */

#include <stddef.h>
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "config/directives.h"

/* What is written, before it is checked. */
typedef struct written_t {
    const char *match, *dest, *id, *file, *url;
} written_t;

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(written_t, field), dflt, sentence },

const rp_option_t rp_dictionary_options[] = {
#include "config/dictionary_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

/* DEST,... to ("DEST" ...), an Inner List. @return NULL when it is none */
static const char *dest_list(apr_pool_t *p, const char *dests)
{
    rp_str_t list = { dests, strlen(dests) }, dest;
    const char *text = "";

    while (rp_list_next(&list, &dest)) {
        if (!rp_is_token(dest)) {
            return NULL;
        }
        text = apr_pstrcat(p, text, *text ? " \"" : "\"", apr_pstrmemdup(p, dest.ptr, dest.len), "\"", NULL);
    }
    return *text ? apr_pstrcat(p, "(", text, ")", NULL) : NULL;
}

/* @return an error, or NULL with conf->field */
static const char *make_field(cmd_parms *cmd, const written_t *w, rp_dictionary_conf_t *conf)
{
    apr_pool_t *p = cmd->pool;
    apr_table_t *fields = apr_table_make(p, 1);
    const char *dests = w->dest ? dest_list(p, w->dest) : NULL;
    rp_dictionary_use_t use;

    if (!w->match || (*w->match != '/' && *w->match != '*')) {
        return "RProxyDictionary: write match=/PATH with * for anything, such as match=/app/*.js";
    }
    if (w->dest && !dests) {
        return apr_psprintf(p, "RProxyDictionary dest=%s: write words such as dest=script or dest=document,frame", w->dest);
    }
    conf->id = w->id ? w->id : "";
    conf->field = apr_pstrcat(p, "match=", rp_sf_string(p, w->match), dests ? ", match-dest=" : "", dests ? dests : "",
                              w->id ? ", id=" : "", w->id ? rp_sf_string(p, w->id) : "", NULL);
    apr_table_setn(fields, "Use-As-Dictionary", conf->field);
    if (!rp_dictionary_use(p, fields, &use)) {
        return apr_psprintf(p, "RProxyDictionary match=%s: no browser would use that: write a path with * for anything, "
                            "without parentheses, and an id of at most 1024 characters", w->match);
    }
    return NULL;
}

/* @return an error, or NULL with the file's bytes and hash */
static const char *read_file(cmd_parms *cmd, const char *name, rp_dictionary_t *dictionary)
{
    const char *path = ap_server_root_relative(cmd->pool, name);
    apr_finfo_t info;
    apr_file_t *file;
    apr_status_t rv = path ? apr_file_open(&file, path, APR_READ | APR_BINARY, 0, cmd->temp_pool) : APR_EBADPATH;
    char *bytes;

    if (rv == APR_SUCCESS) {
        rv = apr_file_info_get(&info, APR_FINFO_SIZE | APR_FINFO_TYPE, file);
    }
    if (rv != APR_SUCCESS || info.filetype != APR_REG) {
        return apr_psprintf(cmd->pool, "RProxyDictionary file=%s: cannot be read: %pm: write the path of a file that is there",
                            name, &rv);
    }
    if (info.size == 0 || info.size > (apr_off_t)RP_DICTIONARY_MAX) {
        return apr_psprintf(cmd->pool, "RProxyDictionary file=%s: write the path of a file of 1 byte to 6M", name);
    }
    bytes = apr_palloc(cmd->pool, (apr_size_t)info.size);
    rv = apr_file_read_full(file, bytes, (apr_size_t)info.size, NULL);
    if (rv != APR_SUCCESS || !EVP_Digest(bytes, (apr_size_t)info.size, dictionary->hash, NULL, EVP_sha256(), NULL)) {
        return apr_psprintf(cmd->pool, "RProxyDictionary file=%s: cannot be read: %pm", name, &rv);
    }
    dictionary->bytes = (rp_str_t){ bytes, (size_t)info.size };
    return NULL;
}

static const char *make_external(cmd_parms *cmd, const written_t *w, rp_dictionary_conf_t *conf)
{
    char hex[2 * RP_DICTIONARY_HASH + 1];
    const char *c;

    if (!w->file || !w->url || *w->url != '/') {
        return "RProxyDictionary: file= and url= belong together: write file=PATH url=/PATH/IT/IS/SERVED/UNDER";
    }
    for (c = w->url; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("/._-~", *c)) {
            return apr_psprintf(cmd->pool, "RProxyDictionary url=%s: write a path of letters, digits and /._-~", w->url);
        }
    }
    conf->url = w->url;
    conf->link = apr_pstrcat(cmd->pool, "<", w->url, ">; rel=\"compression-dictionary\"", NULL);
    c = read_file(cmd, w->file, &conf->dictionary);
    ap_bin2hex(conf->dictionary.hash, RP_DICTIONARY_HASH, hex);
    conf->etag = apr_pstrcat(cmd->pool, "\"", apr_pstrmemdup(cmd->pool, hex, 32), "\"", NULL);
    return c;
}

const char *rp_cmd_dictionary(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_encode_conf_t *compress = &((rp_dir_conf_t *)dir)->compress;
    rp_dictionary_conf_t *conf = apr_pcalloc(cmd->pool, sizeof(*conf));
    written_t w = { NULL, NULL, NULL, NULL, NULL };
    const char *error = NULL;
    int i;

    if (argc == 1 && !strcasecmp(argv[0], "off")) {
        compress->use = compress->external = conf;
        return NULL;
    }
    for (i = 0; i < argc && !error; i++) {
        error = rp_option_set(cmd->pool, rp_dictionary_options, &w, argv[i]);
        error = error ? apr_psprintf(cmd->pool, "RProxyDictionary: %s", error) : NULL;
    }
    error = error ? error : make_field(cmd, &w, conf);
    if (!error && (w.file || w.url)) {
        error = make_external(cmd, &w, conf);
        compress->external = conf;
    }
    else {
        compress->use = conf;
    }
    return error;
}

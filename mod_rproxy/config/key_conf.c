/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyCacheKey: what the cache knows a response by. */

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "config/directives.h"

/* An option's text, while a directive is read; sort goes to the configuration at once. */
typedef struct key_texts_t {
    const char *query_text, *drop_text, *case_text, *host_text, *cookie_text, *field_text;
    int sort;
} key_texts_t;

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(key_texts_t, field), dflt, sentence },

const rp_option_t rp_key_options[] = {
#include "config/key_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

void rp_key_conf_init(rp_dir_conf_t *conf)
{
    conf->cache_key.no_query = RP_UNSET;
    conf->cache_key.sort = RP_UNSET;
    conf->cache_key.lower = RP_UNSET;
}

/* Lists are those of one section or the other, never of both: nothing is made for a request. */
void rp_key_conf_merge(rp_dir_conf_t *merged, const rp_dir_conf_t *base, const rp_dir_conf_t *add)
{
    const rp_key_conf_t *outer = &base->cache_key;
    const rp_key_conf_t *inner = &add->cache_key;
    rp_key_conf_t *key = &merged->cache_key;

    key->no_query = RP_OR_DEFAULT(inner->no_query, outer->no_query);
    key->only = inner->no_query != RP_UNSET ? inner->only : outer->only;
    key->drop = inner->drop ? inner->drop : outer->drop;
    key->sort = RP_OR_DEFAULT(inner->sort, outer->sort);
    key->lower = RP_OR_DEFAULT(inner->lower, outer->lower);
    key->host = inner->host ? inner->host : outer->host;
    key->cookies = inner->cookies ? inner->cookies : outer->cookies;
    key->fields = inner->fields ? inner->fields : outer->fields;
    key->exprs = inner->exprs ? inner->exprs : outer->exprs;
}

/* ------------------------------------------------------------------ lists */

/* @return what is wrong with a word, or NULL */
typedef const char *refuse_t(apr_pool_t *p, const char *word);

/* Several directives of one section add to one list; "none" begins it anew. */
static const char *add_words(apr_pool_t *p, const char *key, const char *text, refuse_t *refuse,
                             apr_array_header_t **words)
{
    rp_str_t list = { text, strlen(text) };
    rp_str_t item;
    int n = 0;

    if (!*words || !strcasecmp(text, "none")) {
        *words = apr_array_make(p, 4, sizeof(const char *));
    }
    if (!strcasecmp(text, "none")) {
        return NULL;
    }
    while (rp_list_next(&list, &item)) {
        const char *word = apr_pstrmemdup(p, item.ptr, item.len);
        const char *error = refuse(p, word);

        if (error) {
            return apr_psprintf(p, "%s=%s: %s", key, text, error);
        }
        APR_ARRAY_PUSH(*words, const char *) = word;
        n++;
    }
    return n ? NULL : apr_psprintf(p, "%s=%s names nothing: write names with commas between them, or none", key, text);
}

static const char *refuse_parameter(apr_pool_t *p, const char *word)
{
    const char *odd = strpbrk(word, "[]\\&=;#");

    if (odd && *odd == '[') {
        return apr_psprintf(p, "write '%.*s', without the brackets, in query= (it stands for them too), and with a * "
                            "in drop=",
                            (int)(odd - word), word);
    }
    return odd ? apr_psprintf(p, "no parameter has a '%c' in its name; write names with commas between them, * and ? "
                              "standing for other characters", *odd) : NULL;
}

static const char *refuse_cookie(apr_pool_t *p, const char *word)
{
    return rp_is_token((rp_str_t){ word, strlen(word) }) ? NULL
        : apr_psprintf(p, "'%s' is no name of a cookie; write names with commas between them", word);
}

static const char *refuse_field(apr_pool_t *p, const char *word)
{
    if (!strcasecmp(word, "cookie")) {
        return "hardly two clients send the same cookies; write cookie=NAME with those that make a difference";
    }
    if (!strcasecmp(word, "host")) {
        return "the host is part of the key already";
    }
    return rp_is_token((rp_str_t){ word, strlen(word) }) ? NULL
        : apr_psprintf(p, "'%s' is no field name; write names with commas between them", word);
}

/* ------------------------------------------------------------------ single options */

static const char *read_query(apr_pool_t *p, const char *text, rp_key_conf_t *key)
{
    const char *error = NULL;

    key->no_query = !strcasecmp(text, "none");
    if (key->no_query || !strcasecmp(text, "all")) {
        key->only = NULL;
    }
    else {
        error = add_words(p, "query", text, refuse_parameter, &key->only);
    }
    return error;
}

static const char *read_case(apr_pool_t *p, const char *text, rp_key_conf_t *key)
{
    key->lower = !strcasecmp(text, "lower");
    return key->lower || !strcasecmp(text, "exact") ? NULL : apr_psprintf(p, "case=%s: write lower, or exact", text);
}

static const char *read_host(apr_pool_t *p, const char *text, rp_key_conf_t *key)
{
    char *host = apr_pstrdup(p, text);

    if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]") != strlen(text)) {
        return apr_psprintf(p, "host=%s is no host name; write one such as www.example.org, or client", text);
    }
    ap_str_tolower(host);
    key->host = strcmp(host, "client") ? host : "";
    return NULL;
}

static const char *read_fields(apr_pool_t *p, const char *text, rp_key_conf_t *key)
{
    apr_array_header_t *words = NULL;
    const char *error = add_words(p, "field", text, refuse_field, &words);
    const char *before = key->fields && words && words->nelts ? key->fields : "";

    if (!error) {
        key->fields = rp_vary_names(p, apr_pstrcat(p, before, ",", apr_array_pstrcat(p, words, ','), NULL));
        key->fields = key->fields ? key->fields : "";
    }
    return error;
}

static const char *read_expr(cmd_parms *cmd, const char *text, rp_key_conf_t *key)
{
    rp_expr_t expr;
    const char *error;

    if (!key->exprs) {
        key->exprs = apr_array_make(cmd->pool, 2, sizeof(rp_key_expr_t));
    }
    if (!strcasecmp(text, "none")) {
        key->exprs = apr_array_make(cmd->pool, 2, sizeof(rp_key_expr_t));
        return NULL;
    }
    error = rp_expr_parse(cmd, text, &expr);
    if (error) {
        return error;
    }
    if (expr.of_response) {
        return "a key is made before there is a response: write an expression without %{resp:...} and "
               "%{REQUEST_STATUS}";
    }
    APR_ARRAY_PUSH(key->exprs, rp_key_expr_t) = (rp_key_expr_t){ expr.info, expr.is_late };
    return NULL;
}

/* ------------------------------------------------------------------ the directive */

static const char *read_option(cmd_parms *cmd, const char *word, rp_key_conf_t *key)
{
    key_texts_t texts = { .sort = RP_UNSET };
    const char *error = rp_option_set(cmd->pool, rp_key_options, &texts, word);

    if (error) {
        return error;
    }
    key->sort = RP_OR_DEFAULT(texts.sort, key->sort);
    return texts.query_text ? read_query(cmd->pool, texts.query_text, key)
         : texts.drop_text ? add_words(cmd->pool, "drop", texts.drop_text, refuse_parameter, &key->drop)
         : texts.case_text ? read_case(cmd->pool, texts.case_text, key)
         : texts.host_text ? read_host(cmd->pool, texts.host_text, key)
         : texts.cookie_text ? add_words(cmd->pool, "cookie", texts.cookie_text, refuse_cookie, &key->cookies)
         : texts.field_text ? read_fields(cmd->pool, texts.field_text, key) : NULL;
}

const char *rp_cmd_cache_key(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_key_conf_t *key = &((rp_dir_conf_t *)dir)->cache_key;
    const char *error = argc ? NULL : "write at least one of query=, drop=, sort, case=, host=, cookie=, field= and "
                                      "\"expr=...\"";
    int i;

    if (rp_is_in_if(cmd)) {
        return "RProxyCacheKey does not stand inside of <If>, as all clients of a URL must agree on its key: write it "
               "outside, and \"expr=...\" for what makes a difference";
    }
    for (i = 0; i < argc && !error; i++) {
        error = strncasecmp(argv[i], "expr=", 5) ? read_option(cmd, argv[i], key) : read_expr(cmd, argv[i] + 5, key);
    }
    return error ? apr_psprintf(cmd->pool, "RProxyCacheKey: %s", error) : NULL;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <apr_strings.h>
#include <util_filter.h>

#include "cache/dictionary.h"
#include "cache/dictionary_keep.h"

/* ------------------------------------------------------------------ which coding */

/* RFC 9842 §8: in secure contexts only. */
static int is_secure(const rp_request_t *rq)
{
    return !strcmp(rq->public_scheme, "https");
}

void rp_dictionary_choose(rp_request_t *rq)
{
    const rp_encode_conf_t *conf = &rq->dconf->compress;
    const apr_table_t *in = rq->r->headers_in;
    rp_dictionary_t *dictionary;
    rp_coding_e coding;

    if (!conf->dictionaries || !apr_table_get(in, "Available-Dictionary") || !is_secure(rq)) {
        return;
    }
    coding = rp_encode_choose(conf, in, 1);
    dictionary = apr_pcalloc(rq->r->pool, sizeof(*dictionary));
    if (rp_coding_has_dictionary(coding) && rp_dictionary_available(rq->r->pool, in, dictionary->hash)) {
        rq->coding = coding;
        rq->dictionary = dictionary;
    }
}

void rp_dictionary_forgo(rp_request_t *rq)
{
    rq->coding = rq->plain_coding;
    rq->dictionary = NULL;
}

/* The file of RProxyDictionary, when that is what the client has. */
static const rp_dictionary_conf_t *external_for(const rp_request_t *rq)
{
    const rp_dictionary_conf_t *external = rq->dconf->compress.external;

    return external && external->url && !memcmp(external->dictionary.hash, rq->dictionary->hash, RP_DICTIONARY_HASH)
           ? external : NULL;
}

/* ------------------------------------------------------------------ where they are */

const char *rp_dictionary_hex(apr_pool_t *p, const unsigned char hash[RP_DICTIONARY_HASH])
{
    char *hex = apr_palloc(p, 2 * RP_DICTIONARY_HASH + 1);

    ap_bin2hex(hash, RP_DICTIONARY_HASH, hex);
    return hex;
}

const char *rp_dictionary_origin(const rp_request_t *rq)
{
    return rp_cache_key_prefix(rq, "");
}

const char *rp_dictionary_key(apr_pool_t *p, const char *origin, const unsigned char hash[RP_DICTIONARY_HASH],
                              unsigned char key[RP_KEY_LEN])
{
    /* No URL has a tab; a purge of all of the origin reaches it. */
    const char *text = apr_pstrcat(p, origin, "/\tdictionary ", rp_dictionary_hex(p, hash), NULL);

    rp_cache_hash(text, NULL, key);
    return text;
}

/* @return its id, "" for none; NULL when it is not there */
static const char *find(rp_store_t *store, const char *origin, apr_pool_t *p, const rp_dictionary_t *dictionary,
                        rp_entry_t *entry)
{
    unsigned char key[RP_KEY_LEN];
    const char *text = rp_dictionary_key(p, origin, dictionary->hash, key);
    rp_record_t record;

    return store->ops->get(store, key, p, entry) == APR_SUCCESS && !entry->soft
           && rp_record_decode(p, entry->record, &record) && record.kind == RP_RECORD_ENCODED
           && !strcmp(record.key, text) ? record.reason : NULL;
}

int rp_dictionary_read(rp_store_t *store, const char *origin, apr_pool_t *p, rp_dictionary_t *dictionary)
{
    rp_entry_t entry;

    return find(store, origin, p, dictionary, &entry) && rp_dictionary_bytes(&entry, p, &dictionary->bytes);
}

void rp_dictionary_match(rp_request_t *rq, rp_store_t *store, const apr_table_t *response)
{
    const char *id = "", *known;
    rp_entry_t entry;

    if (rq->dictionary && apr_table_get(rq->r->headers_in, "Dictionary-ID")) {
        id = rp_dictionary_id(rq->r->pool, rq->r->headers_in);
    }
    if (rq->dictionary && id && *id) {
        known = external_for(rq) ? external_for(rq)->id
              : store ? find(store, rp_dictionary_origin(rq), rq->r->pool, rq->dictionary, &entry) : NULL;
        id = known && !strcmp(known, id) ? id : NULL;
    }
    if (rq->dictionary && (!id || !rp_dictionary_may_serve(rq->r->headers_in, response))) {
        rp_dictionary_forgo(rq);
    }
}

void rp_dictionary_settle(rp_request_t *rq, rp_store_t *store, const apr_table_t *response)
{
    rp_dictionary_match(rq, store, response);
    if (!rq->dictionary || rq->dictionary->bytes.ptr) {
        return;
    }
    if (external_for(rq)) {
        rq->dictionary->bytes = external_for(rq)->dictionary.bytes;
        return;
    }
    if (!store || !rp_dictionary_read(store, rp_dictionary_origin(rq), rq->r->pool, rq->dictionary)) {
        rp_dictionary_forgo(rq);
    }
}

/* ------------------------------------------------------------------ RProxyDictionary */

void rp_dictionary_offer(const rp_request_t *rq, int status, apr_table_t *fields)
{
    const rp_dictionary_conf_t *use = rq->dconf->compress.use;

    if (use && use->field && status == HTTP_OK && is_secure(rq) && !apr_table_get(fields, "Use-As-Dictionary")) {
        apr_table_setn(fields, "Use-As-Dictionary", use->field);
    }
}

void rp_dictionary_announce(rp_request_t *rq)
{
    const rp_dictionary_conf_t *external = rq->dconf->compress.external;
    const char *type = rq->r->content_type;

    if (external && external->link && is_secure(rq) && rq->r->status == HTTP_OK && type
        && !strncasecmp(type, "text/html", 9)) {
        apr_table_mergen(rq->r->headers_out, "Link", external->link);
    }
}

int rp_dictionary_serve(rp_request_t *rq)
{
    const rp_dictionary_conf_t *external = rq->dconf->compress.external;
    request_rec *r = rq->r;
    apr_bucket_brigade *bb;
    int status;

    if (!external || !external->url || r->method_number != M_GET || strcmp(r->uri, external->url)) {
        return DECLINED;
    }
    ap_set_content_type(r, "application/octet-stream");
    apr_table_setn(r->headers_out, "ETag", external->etag);
    apr_table_setn(r->headers_out, "Cache-Control", "public, max-age=2592000");
    apr_table_setn(r->headers_out, "Use-As-Dictionary", external->field);
    ap_set_content_length(r, (apr_off_t)external->dictionary.bytes.len);
    status = ap_meets_conditions(r);
    if (status != OK) {
        return status;
    }
    bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    if (!r->header_only) {
        /* Configuration lives as long as the process. */
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_immortal_create(external->dictionary.bytes.ptr,
                                                               external->dictionary.bytes.len, bb->bucket_alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
    ap_pass_brigade(r->output_filters, bb);
    return OK;
}

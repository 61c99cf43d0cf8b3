/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Keeping responses as dictionaries: their bytes under their hash. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "cache/background.h"
#include "cache/collapse.h"
#include "cache/dictionary_keep.h"
#include "cache/marker.h"
#include "http/digest.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* Beside the response: it is kept already, under the hash that .reason has. */
#define BESIDE "dictionary"
/* For as long as clients may use it, and a week in any case. */
#define KEEP_LEAST (7 * 86400)
#define KEEP_MOST ((rp_secs_t)366 * 86400)

typedef struct keep_t {
    apr_pool_t *p;
    server_rec *server;
    rp_lookup_t lookup; /* .key and .flight are of what lies beside the response */
    unsigned char source[RP_KEY_LEN];
    const char *origin;
    uint64_t body;
} keep_t;

int rp_dictionary_bytes(const rp_entry_t *entry, apr_pool_t *p, rp_str_t *bytes)
{
    uint64_t at = 0;
    char *buf;

    if (entry->body_len == 0 || entry->body_len > RP_DICTIONARY_MAX) {
        return 0;
    }
    if (entry->body.ptr) {
        *bytes = entry->body;
        return 1;
    }
    buf = apr_palloc(p, (apr_size_t)entry->body_len);
    while (at < entry->body_len) {
        apr_size_t len = (apr_size_t)(entry->body_len - at);

        if (entry->store->ops->read(entry, at, buf + at, &len) != APR_SUCCESS || len == 0) {
            return 0;
        }
        at += len;
    }
    *bytes = (rp_str_t){ buf, (size_t)at };
    return 1;
}

/* ------------------------------------------------------------------ in the background */

static apr_time_t expiry(const rp_record_t *record)
{
    rp_secs_t left = record->lifetime - record->initial_age;

    left = left < KEEP_LEAST ? KEEP_LEAST : left > KEEP_MOST ? KEEP_MOST : left;
    return apr_time_now() + apr_time_from_sec(left);
}

/* @param name  by which purges of prefixes reach it, or NULL */
static int store_under(keep_t *keep, const unsigned char key[RP_KEY_LEN], rp_record_t *record, const char *name,
                       rp_str_t bytes, apr_time_t expires)
{
    rp_store_t *store = keep->lookup.store;
    rp_store_writer_t *writer;
    rp_put_t put;

    record->kind = RP_RECORD_ENCODED;
    record->vary = BESIDE;
    if (store->ops->begin(store, key, bytes.len, keep->p, &writer) != APR_SUCCESS) {
        return 0;
    }
    if (bytes.len > 0 && store->ops->write(writer, bytes.ptr, bytes.len) != APR_SUCCESS) {
        return 0;
    }
    put = rp_marker_put(keep->p, record, expires, keep->lookup.since);
    if (name) {
        put.name = (rp_str_t){ memmem(put.record.ptr, put.record.len, name, strlen(name)), strlen(name) };
    }
    return store->ops->commit(writer, &put) == APR_SUCCESS;
}

typedef struct unpacked_t {
    char *buf;
    apr_size_t len;
} unpacked_t;

static apr_status_t take_unpacked(void *ctx, const char *data, apr_size_t len)
{
    unpacked_t *u = ctx;

    if (len > RP_DICTIONARY_MAX - u->len) {
        return APR_ENOSPC;
    }
    memcpy(u->buf + u->len, data, len);
    u->len += len;
    return APR_SUCCESS;
}

/* Dictionaries are the content without its coding (RFC 9842 §2.2). */
static int unpack(apr_pool_t *p, rp_str_t *bytes)
{
    rp_codec_how_t how = { .level = 0, .size = -1 };
    unpacked_t u = { apr_palloc(p, RP_DICTIONARY_MAX), 0 };
    rp_encoder_t *undoing = rp_encoder_open(p, RP_UNGZIP, &how, take_unpacked, &u);

    if (!undoing || rp_encoder_run(undoing, RP_CODEC_GO, bytes->ptr, bytes->len) != APR_SUCCESS
        || rp_encoder_run(undoing, RP_CODEC_FINISH, NULL, 0) != APR_SUCCESS) {
        return 0;
    }
    *bytes = (rp_str_t){ u.buf, u.len };
    return u.len > 0;
}

/* @return the hash in hexadecimal digits, or NULL when it is not kept */
static const char *keep_it(keep_t *keep)
{
    rp_store_t *store = keep->lookup.store;
    rp_record_t found, record = { .selection = "" };
    rp_dictionary_use_t use;
    rp_dictionary_t dictionary;
    unsigned char key[RP_KEY_LEN];
    rp_entry_t entry;

    if (store->ops->get(store, keep->source, keep->p, &entry) != APR_SUCCESS
        || !rp_record_decode(keep->p, entry.record, &found) || found.kind != RP_RECORD_RESPONSE
        || found.body != keep->body || !rp_dictionary_use(keep->p, found.fields, &use)
        || !rp_dictionary_bytes(&entry, keep->p, &dictionary.bytes)
        || (rp_encode_is_gzip(apr_table_get(found.fields, "Content-Encoding")) && !unpack(keep->p, &dictionary.bytes))
        || !EVP_Digest(dictionary.bytes.ptr, dictionary.bytes.len, dictionary.hash, NULL, rp_sha256(), NULL)) {
        return NULL;
    }
    record.key = rp_dictionary_key(keep->p, keep->origin, dictionary.hash, key);
    record.reason = use.id;
    if (!store_under(keep, key, &record, record.key, dictionary.bytes, expiry(&found))) {
        return NULL;
    }
    record.key = found.key;
    record.selection = found.selection;
    record.body = found.body;
    record.reason = rp_dictionary_hex(keep->p, dictionary.hash);
    store_under(keep, keep->lookup.key, &record, NULL, (rp_str_t){ NULL, 0 }, expiry(&found));
    return record.reason;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    keep_t *keep = data;
    const char *hex = keep_it(keep);

    (void)thread;
    if (hex) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, keep->server, RPLOGNO(0507) "kept as a dictionary, SHA-256 %s: %s", hex,
                     keep->lookup.key_text);
    }
    rp_collapse_end(keep->p, &keep->lookup, RP_FLIGHT_STORED, 0);
    apr_pool_destroy(keep->p);
    return NULL;
}

/* ------------------------------------------------------------------ asking for it */

static int is_kept(rp_request_t *rq, const rp_lookup_t *lookup, const unsigned char beside[RP_KEY_LEN],
                   const rp_record_t *of)
{
    apr_pool_t *p = rq->r->pool;
    rp_record_t record;
    rp_entry_t entry;

    return lookup->store->ops->get(lookup->store, beside, p, &entry) == APR_SUCCESS
           && rp_record_decode(p, entry.record, &record) && record.kind == RP_RECORD_ENCODED
           && record.body == of->body && !strcmp(record.key, of->key);
}

void rp_dictionary_keep(rp_request_t *rq, rp_lookup_t *lookup, const unsigned char key[RP_KEY_LEN],
                        const rp_record_t *record, uint64_t body_len, int is_new)
{
    rp_lookup_t mine = *lookup;
    rp_dictionary_use_t use;
    keep_t *keep;
    apr_pool_t *p;

    if (!rq->dconf->compress.dictionaries || record->kind != RP_RECORD_RESPONSE || record->status != HTTP_OK
        || body_len == 0 || body_len > RP_DICTIONARY_MAX || strcmp(rq->public_scheme, "https")
        || (apr_table_get(record->fields, "Content-Encoding")
            && !rp_encode_is_gzip(apr_table_get(record->fields, "Content-Encoding")))
        || !rp_dictionary_use(rq->r->pool, record->fields, &use)) {
        return;
    }
    mine.flight.token = 0;
    mine.lease = NULL;
    rp_cache_hash_beside(key, BESIDE, mine.key);
    if ((!is_new && is_kept(rq, lookup, mine.key, record)) || !rp_collapse_lead(rq, &mine)) {
        return;
    }
    p = rp_background_pool();
    keep = p ? apr_pcalloc(p, sizeof(*keep)) : NULL;
    if (keep) {
        keep->p = p;
        keep->server = rq->r->server;
        keep->lookup = mine;
        keep->lookup.key_text = apr_pstrdup(p, record->key);
        memcpy(keep->source, key, RP_KEY_LEN);
        keep->origin = apr_pstrdup(p, rp_dictionary_origin(rq));
        keep->body = record->body;
    }
    if (!keep || rp_background_push(NULL, run, keep) != APR_SUCCESS) {
        rp_collapse_end(rq->r->pool, &mine, RP_FLIGHT_LEFT, 0);
        if (p) {
            apr_pool_destroy(p);
        }
    }
}

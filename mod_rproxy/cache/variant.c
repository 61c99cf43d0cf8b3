/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <httpd.h>
#include <apr_strings.h>

#include "cache/dictionary.h"
#include "cache/variant.h"

int rp_variant_is_of(const rp_record_t *record, const rp_record_t *found, const char *name)
{
    return record->kind == RP_RECORD_ENCODED && record->body == found->body && !strcmp(record->key, found->key)
           && !strcmp(record->selection, found->selection) && !strcmp(record->vary, name);
}

/* Could it go out in the request's coding? */
static int applies(const rp_request_t *rq, const rp_lookup_t *lookup)
{
    const rp_encode_conf_t *conf = &rq->dconf->compress;
    apr_table_t *fields = lookup->record.fields;
    rp_encode_facts_t facts = {
        .status = lookup->record.status,
        .content_type = apr_table_get(fields, "Content-Type"),
        .content_encoding = apr_table_get(fields, "Content-Encoding"),
        .cache_control = apr_table_getm(rq->r->pool, fields, "Cache-Control"),
        .length = (apr_off_t)lookup->entry.body_len,
    };

    return rq->coding != RP_CODING_IDENTITY && conf->stored.on != 0 && !rq->is_part
           && lookup->record.kind == RP_RECORD_RESPONSE
           && (rp_encode_applies(conf, &facts)
               || (rq->coding != RP_CODING_GZIP && rp_encode_undoes(conf, &facts)));
}

const char *rp_variant_name(apr_pool_t *p, rp_coding_e coding, const rp_dictionary_t *dictionary)
{
    const char *name = rp_coding_name(coding);

    return dictionary ? apr_pstrcat(p, name, " ", rp_dictionary_hex(p, dictionary->hash), NULL) : name;
}

/* Look for the variant in rq->coding. @return 0 when it is not there */
static int find(rp_request_t *rq, const rp_lookup_t *lookup, const unsigned char key[RP_KEY_LEN], const char *name,
                rp_entry_t *entry, rp_record_t *record)
{
    apr_pool_t *p = rq->r->pool;

    return lookup->store->ops->get(lookup->store, key, p, entry) == APR_SUCCESS
           && rp_record_decode(p, entry->record, record) && rp_variant_is_of(record, &lookup->record, name);
}

/* As rp_variant_take(), for the coding that rq has now. @return 0 when it has another one then: to be called again */
static int take(rp_request_t *rq, rp_lookup_t *lookup, rp_coding_e *taken)
{
    apr_pool_t *p = rq->r->pool;
    const char *name = rp_variant_name(p, rq->coding, rq->dictionary);
    unsigned char key[RP_KEY_LEN];
    rp_record_t record;
    rp_entry_t entry;

    *taken = RP_CODING_IDENTITY;
    rp_cache_hash_beside(lookup->key, name, key);
    if (!find(rq, lookup, key, name, &entry, &record)) {
        rp_dictionary_settle(rq, lookup->store, lookup->record.fields);
        if (name != rp_coding_name(rq->coding) && !rq->dictionary) {
            return 0;
        }
        rp_variant_later(rq, lookup, key);
        return 1;
    }
    if (entry.body_len == 0) {
        int again = rq->dictionary != NULL;

        rq->plain_coding = again ? rq->plain_coding : RP_CODING_IDENTITY;
        rp_dictionary_forgo(rq);
        return !again;
    }
    rp_encode_vary(&rq->dconf->compress, lookup->record.fields);
    rp_encode_fields(p, lookup->record.fields, rq->coding, record.reason);
    rp_variant_used(key, entry.body_len);
    lookup->entry = entry;
    *taken = rq->coding;
    return 1;
}

rp_coding_e rp_variant_take(rp_request_t *rq, rp_lookup_t *lookup)
{
    rp_coding_e taken = RP_CODING_IDENTITY;

    if (!applies(rq, lookup)) {
        return taken;
    }
    rp_dictionary_match(rq, lookup->store, lookup->record.fields);
    /* Twice at most: the second time without a dictionary. */
    while (rq->coding != RP_CODING_IDENTITY && !take(rq, lookup, &taken)) {
    }
    return taken;
}

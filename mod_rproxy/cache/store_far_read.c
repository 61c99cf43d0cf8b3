/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The second store: finding an entry in Redis, judging it, and putting it into the local store. */

#include <string.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_strings.h>

#include "cache/store_far.h"
#include "lane/lane.h"
#include "log.h"

#define PAUSE apr_time_from_sec(60)

static const struct {
    int level;
    const char *text;
} lines[RP_FAR_TELL_KINDS] = {
    [RP_FAR_BARE] = { APLOG_WARNING, RPLOGNO(0231) "in Redis %s is not sealed, as nothing of this farm is: not used" },
    [RP_FAR_STRANGER] = { APLOG_WARNING, RPLOGNO(0232) "in Redis %s was sealed with another secret than ours: not used" },
    [RP_FAR_FORGED] = { APLOG_ERR, RPLOGNO(0233) "in Redis %s is not what one of this farm has put there: somebody has "
                        "changed, moved or kept it; not used" },
    [RP_FAR_UNSOUND] = { APLOG_WARNING, RPLOGNO(0234) "in Redis %s cannot be understood: not used" },
    [RP_FAR_GONE] = { APLOG_WARNING, RPLOGNO(0235) "a piece of a body has gone from Redis while it was read (%s): the "
                      "response breaks off" },
    [RP_FAR_DROPPED] = { APLOG_WARNING, RPLOGNO(0236) "more is to be put into Redis than it takes: %s is not" },
};

void rp_far_tell(rp_far_t *far, rp_far_tell_e kind, const char *what)
{
    apr_int64_t *next = &far->shared->told[kind], due = __atomic_load_n(next, __ATOMIC_RELAXED);
    apr_time_t now = rp_now();
    char text[400];

    if (now >= due && __atomic_compare_exchange_n(next, &due, now + PAUSE, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        apr_snprintf(text, sizeof(text), lines[kind].text, what);
        far->log(far->log_ctx, lines[kind].level, APR_SUCCESS, text);
    }
}

int rp_far_open(rp_far_t *far, rp_str_t key, uint64_t generation, rp_str_t from, apr_pool_t *p, rp_str_t *text)
{
    static const rp_far_tell_e kinds[] = {
        [RP_UNSEAL_BARE] = RP_FAR_BARE, [RP_UNSEAL_STRANGER] = RP_FAR_STRANGER, [RP_UNSEAL_FORGED] = RP_FAR_FORGED,
    };
    rp_seal_place_t place = { key, generation };
    rp_unseal_e outcome;
    unsigned char *out;
    size_t len;

    *text = from;
    if (!far->conf.seal) {
        return 1;
    }
    out = apr_palloc(p, from.len + 1);
    outcome = rp_unseal(far->conf.seal, &place, from, out, &len);
    if (outcome != RP_UNSEAL_OK) {
        rp_far_count(far, unsealed, 1);
        rp_far_tell(far, kinds[outcome], key.ptr);
        return 0;
    }
    *text = (rp_str_t){ (const char *)out, len };
    return 1;
}

/* ------------------------------------------------------------------ finding */

/* What is in Redis under a key, and the position of the last purge of its URL. @return 0 when there is none */
static int ask(rp_far_t *far, const unsigned char key[RP_KEY_LEN], rp_str_t name, apr_pool_t *p, rp_str_t *bytes,
               rp_position_t *purged)
{
    rp_str_t argv[] = { RP_STR("MGET"), name, rp_farm_key_purged(p, far->conf.name, key) };
    rp_farm_command_t command = { argv, 3, NULL };
    rp_reply_t *reply;

    *purged = (rp_position_t){ 0, 0 };
    if (rp_farm_call(far->farm, p, name, &command, 1, 0, &reply) != RP_FARM_OK || reply->type != RP_REPLY_ARRAY
        || reply->n != 2) {
        rp_far_count(far, away, 1);
        return 0;
    }
    if (reply->elements[0]->type != RP_REPLY_STRING) {
        rp_far_count(far, misses, 1);
        return 0;
    }
    *bytes = reply->elements[0]->str;
    rp_far_count(far, bytes_in, bytes->len);
    /* A mark that cannot be read is as good as one behind everything. */
    if (reply->elements[1]->type == RP_REPLY_STRING && !rp_position_parse(reply->elements[1]->str, purged)) {
        *purged = (rp_position_t){ UINT64_MAX, UINT64_MAX };
    }
    return 1;
}

/* Is it what it should be, and what is known of purges? */
static int is_sound(rp_far_t *far, rp_str_t name, rp_str_t text, rp_farm_value_t *value)
{
    if (!rp_farm_value_read(text, value)) {
        rp_far_count(far, unsound, 1);
        rp_far_tell(far, RP_FAR_UNSOUND, name.ptr);
        return 0;
    }
    return value->expires > apr_time_now() && value->body_len <= far->conf.largest;
}

static int is_purged(rp_far_t *far, const unsigned char key[RP_KEY_LEN], const rp_farm_value_t *value,
                     rp_position_t purged, rp_put_t *put, int *soft)
{
    *put = (rp_put_t){
        .record = value->record, .name = value->name, .expires = value->expires, .tags = value->tags,
        .ntags = value->ntags, .since = rp_farm_stamp_of(value->since),
    };
    if (rp_position_compare(value->since, purged) < 0
        || rp_store_local_judge(far->local, key, put, soft) != APR_SUCCESS) {
        rp_far_count(far, purged, 1);
        return 1;
    }
    if (put->since == 0) {
        /* It is older than what this host knows of the log. */
        *soft = RP_DOUBT;
    }
    return 0;
}

apr_status_t rp_far_find(rp_far_t *far, const unsigned char key[RP_KEY_LEN], apr_pool_t *p, rp_entry_t *entry)
{
    rp_str_t name = rp_farm_key_entry(p, far->conf.name, key), bytes, text;
    rp_farm_value_t value;
    rp_position_t purged;
    rp_put_t put;
    int soft;

    if (!rp_farm_is_there(far->farm, name)) {
        rp_far_count(far, away, 1);
        return APR_NOTFOUND;
    }
    if (!ask(far, key, name, p, &bytes, &purged)) {
        return APR_NOTFOUND;
    }
    if (!rp_far_open(far, name, 0, bytes, p, &text) || !is_sound(far, name, text, &value)
        || is_purged(far, key, &value, purged, &put, &soft)
        || !(entry->reading = rp_far_reading(far, key, &value, &put, p))) {
        rp_far_count(far, misses, 1);
        return APR_NOTFOUND;
    }
    rp_far_count(far, hits, 1);
    memcpy(entry->key, key, RP_KEY_LEN);
    entry->store = &far->store;
    entry->object = value.generation;
    entry->record = value.record;
    entry->body_len = value.body_len;
    entry->soft = soft;
    entry->body = value.body_len <= RP_STORE_INLINE ? value.body : (rp_str_t){ NULL, 0 };
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ putting it into the local store */

static apr_status_t put_here(rp_far_t *far, const rp_entry_t *entry, const rp_put_t *put, apr_pool_t *p)
{
    const rp_store_ops_t *ops = far->local->ops;
    rp_store_writer_t *w;
    apr_status_t rv = ops->begin(far->local, entry->key, entry->body_len, p, &w);

    if (rv == APR_SUCCESS) {
        rv = ops->write(w, entry->body.ptr, entry->body.len);
    }
    return rv == APR_SUCCESS ? ops->commit(w, put) : rv;
}

apr_status_t rp_far_adopt(rp_far_t *far, rp_entry_t *entry, apr_pool_t *p)
{
    const rp_put_t *put = rp_far_put_of(entry->reading);
    rp_entry_t local;
    apr_status_t rv;

    /* The local store would not know that it is in doubt. */
    if (far->conf.passing || entry->soft == RP_DOUBT) {
        return APR_SUCCESS;
    }
    if (!entry->body.ptr) {
        rp_far_fill(entry->reading);
        return APR_SUCCESS;
    }
    rv = put_here(far, entry, put, p);
    if (rv == APR_SUCCESS && far->local->ops->get(far->local, entry->key, p, &local) == APR_SUCCESS) {
        *entry = local;
        entry->store = &far->store;
    }
    /* Else a local store that takes nothing is no reason not to use it. */
    return rv == APR_NOTFOUND ? APR_NOTFOUND : APR_SUCCESS;
}

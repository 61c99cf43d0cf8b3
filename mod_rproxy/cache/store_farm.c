/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The second store's face: what goes to the local store, what to Redis. */

#include <string.h>

#include "cache/store_far.h"

static rp_far_t *far_of(rp_store_t *store)
{
    return (rp_far_t *)store;
}

/* What lies in the local store is handed out as ours, for update() to know. reading is NULL then. */
static rp_entry_t local_entry(const rp_entry_t *entry)
{
    rp_entry_t local = *entry;

    local.store = far_of(entry->store)->local;
    return local;
}

/* ------------------------------------------------------------------ finding */

static apr_status_t get(rp_store_t *store, const unsigned char key[RP_KEY_LEN], apr_pool_t *p, rp_entry_t *entry)
{
    rp_far_t *far = far_of(store);

    if (far->local->ops->get(far->local, key, p, entry) == APR_SUCCESS) {
        entry->store = store;
        return APR_SUCCESS;
    }
    return rp_far_find(far, key, p, entry) == APR_SUCCESS ? rp_far_adopt(far, entry, p) : APR_NOTFOUND;
}

static apr_status_t other(rp_store_t *store, const rp_entry_t *than, apr_pool_t *p, rp_entry_t *entry)
{
    if (than->reading || rp_far_find(far_of(store), than->key, p, entry) != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    return entry->record.len == than->record.len && !memcmp(entry->record.ptr, than->record.ptr, than->record.len)
           ? APR_NOTFOUND : APR_SUCCESS;
}

static apr_status_t adopt(rp_entry_t *entry, apr_pool_t *p)
{
    return entry->reading ? rp_far_adopt(far_of(entry->store), entry, p) : APR_SUCCESS;
}

static apr_status_t read_body(const rp_entry_t *entry, uint64_t offset, char *buf, apr_size_t *len)
{
    if (!entry->reading) {
        rp_entry_t local = local_entry(entry);

        return local.store->ops->read(&local, offset, buf, len);
    }
    if (offset >= entry->body_len || *len == 0) {
        *len = 0;
        return APR_SUCCESS;
    }
    if (entry->body.ptr) {
        *len = *len < entry->body.len - offset ? *len : entry->body.len - (apr_size_t)offset;
        memcpy(buf, entry->body.ptr + offset, *len);
        return APR_SUCCESS;
    }
    return rp_far_read(entry->reading, offset, buf, len);
}

static apr_status_t follow(rp_store_t *store, uint64_t object, apr_pool_t *p, rp_entry_t *entry)
{
    rp_far_t *far = far_of(store);
    apr_status_t rv = far->local->ops->follow(far->local, object, p, entry);

    entry->store = store;
    return rv;
}

/* ------------------------------------------------------------------ writing: the local store's, and then on to Redis */

typedef struct far_writer_t {
    rp_far_t *far;
    unsigned char key[RP_KEY_LEN];
    rp_store_writer_t *local;
} far_writer_t;

/* Writers are opaque to callers: this store's are its own. */
static far_writer_t *writer_of(const rp_store_writer_t *w)
{
    return (far_writer_t *)(uintptr_t)w;
}

static apr_status_t begin(rp_store_t *store, const unsigned char key[RP_KEY_LEN], uint64_t expected_len, apr_pool_t *p,
                          rp_store_writer_t **writer)
{
    rp_far_t *far = far_of(store);
    far_writer_t *w = apr_palloc(p, sizeof(*w));

    w->far = far;
    memcpy(w->key, key, RP_KEY_LEN);
    *writer = (rp_store_writer_t *)w;
    return far->local->ops->begin(far->local, key, expected_len, p, &w->local);
}

static apr_status_t write_body(rp_store_writer_t *writer, const char *data, apr_size_t len)
{
    far_writer_t *w = writer_of(writer);

    return w->far->local->ops->write(w->local, data, len);
}

/* As the local store is to have it. */
static rp_put_t put_here(const rp_far_t *far, const rp_put_t *put)
{
    rp_put_t here = *put;

    if (far->conf.passing) {
        apr_time_t until = apr_time_now() + far->conf.passing;

        here.expires = here.expires < until ? here.expires : until;
    }
    return here;
}

static apr_status_t publish(rp_store_writer_t *writer, const rp_put_t *put)
{
    far_writer_t *w = writer_of(writer);
    rp_put_t here = put_here(w->far, put);

    return w->far->local->ops->publish(w->local, &here);
}

static uint64_t object(const rp_store_writer_t *writer)
{
    far_writer_t *w = writer_of(writer);

    return w->far->local->ops->object(w->local);
}

static uint64_t published(const rp_store_writer_t *writer)
{
    far_writer_t *w = writer_of(writer);

    return w->far->local->ops->published(w->local);
}

static apr_status_t commit(rp_store_writer_t *writer, const rp_put_t *put)
{
    far_writer_t *w = writer_of(writer);
    rp_put_t here = put_here(w->far, put);
    apr_status_t rv = w->far->local->ops->commit(w->local, &here);

    if (rv == APR_SUCCESS) {
        rp_far_push(w->far, w->key, RP_FAR_PUT, put->expires, NULL);
    }
    return rv;
}

static void abort_writing(rp_store_writer_t *writer)
{
    far_writer_t *w = writer_of(writer);

    w->far->local->ops->abort(w->local);
}

/* ------------------------------------------------------------------ changing */

/* A small body that only Redis has is at hand: the entry is made anew. */
static apr_status_t put_anew(rp_far_t *far, const rp_entry_t *entry, const rp_put_t *put)
{
    apr_pool_t *p;
    rp_store_writer_t *w;
    apr_status_t rv = apr_pool_create(&p, NULL);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = begin(&far->store, entry->key, entry->body_len, p, &w);
    if (rv == APR_SUCCESS) {
        rv = write_body(w, entry->body.ptr, entry->body.len);
    }
    if (rv == APR_SUCCESS) {
        rv = commit(w, put);
    }
    apr_pool_destroy(p);
    return rv;
}

static apr_status_t freshen_there(rp_far_t *far, const rp_entry_t *entry, const rp_put_t *put)
{
    rp_farm_value_t value = {
        .generation = entry->object, .since = rp_farm_position_of(put->since), .expires = put->expires,
        .body_len = entry->body_len, .record = put->record, .name = put->name, .tags = put->tags, .ntags = put->ntags,
    };

    rp_far_push(far, entry->key, RP_FAR_FRESHEN, put->expires, &value);
    return APR_SUCCESS;
}

static apr_status_t update(const rp_entry_t *entry, const rp_put_t *put)
{
    rp_far_t *far = far_of(entry->store);
    rp_entry_t local;
    rp_put_t here;
    apr_status_t rv;

    if (entry->reading) {
        return entry->body.ptr ? put_anew(far, entry, put) : freshen_there(far, entry, put);
    }
    local = local_entry(entry);
    here = put_here(far, put);
    rv = far->local->ops->update(&local, &here);
    if (rv == APR_SUCCESS) {
        rp_far_push(far, entry->key, RP_FAR_PUT, put->expires, NULL);
    }
    return rv;
}

static uint64_t stamp(rp_store_t *store)
{
    rp_far_t *far = far_of(store);

    return far->local->ops->stamp(far->local);
}

static apr_status_t remove_entry(rp_store_t *store, const unsigned char key[RP_KEY_LEN])
{
    rp_far_t *far = far_of(store);
    apr_status_t rv = far->local->ops->remove(far->local, key);

    rp_far_push(far, key, RP_FAR_REMOVE, 0, NULL);
    return rv;
}

/* ------------------------------------------------------------------ purging */

/* KEYS: the URL's own entry, index, position of the purge. ARGV: "MS-SEQ" or "", how long it is remembered (ms), what
 * variants' names begin with, what pieces' names begin with, how long pieces stay for those who read them (ms). */
static rp_farm_script_t purge_script;
static const char purge_text[] =
    "local rows = redis.call('HGETALL', KEYS[2])\n"
    "for i = 1, #rows, 2 do\n"
    "  if rows[i] ~= '-' then redis.call('DEL', ARGV[3] .. rows[i]) end\n"
    "  local generation, pieces = string.match(rows[i + 1], '^(%x+) (%d+)$')\n"
    "  for n = 0, tonumber(pieces or 0) - 1 do\n"
    "    redis.call('PEXPIRE', ARGV[4] .. generation .. ':' .. n, ARGV[5])\n"
    "  end\n"
    "end\n"
    "local gone = redis.call('DEL', KEYS[1], KEYS[2])\n"
    "if ARGV[1] ~= '' then redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2]) end\n"
    "return gone\n";

#define REMEMBER_PURGE "3600000"
#define GRACE "60000"

apr_status_t rp_store_farm_purge_key(rp_store_t *store, const unsigned char key[RP_KEY_HALF], rp_position_t position)
{
    static const unsigned char none[RP_KEY_HALF];
    rp_far_t *far = far_of(store);
    unsigned char own[RP_KEY_LEN];
    rp_farm_command_t command;
    rp_reply_t *reply;
    apr_status_t rv = APR_EGENERAL;
    apr_pool_t *p;

    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return APR_ENOMEM;
    }
    memcpy(own, key, RP_KEY_HALF);
    memcpy(own + RP_KEY_HALF, none, RP_KEY_HALF);
    {
        rp_str_t entry = rp_farm_key_entry(p, far->conf.name, own);
        rp_str_t argv[] = {
            RP_STR("3"), entry, rp_farm_key_index(p, far->conf.name, key), rp_farm_key_purged(p, far->conf.name, key),
            position.ms || position.seq ? rp_position_text(p, position) : RP_STR(""), RP_STR(REMEMBER_PURGE),
            rp_farm_key_variants(p, far->conf.name, key), rp_farm_key_pieces(p, far->conf.name, key), RP_STR(GRACE),
        };

        command = (rp_farm_command_t){ argv, (int)(sizeof(argv) / sizeof(argv[0])), &purge_script };
        if (rp_farm_call(far->farm, p, entry, &command, 1, 0, &reply) == RP_FARM_OK && reply->type == RP_REPLY_INTEGER) {
            rv = APR_SUCCESS;
        }
    }
    apr_pool_destroy(p);
    return rv;
}

static apr_status_t purge(rp_store_t *store, const rp_purge_t *what, apr_uint64_t *count)
{
    rp_far_t *far = far_of(store);
    apr_status_t rv = far->local->ops->purge(far->local, what, count);

    if (what->kind == RP_PURGE_KEY && !what->soft) {
        rp_store_farm_purge_key(store, what->key, (rp_position_t){ 0, 0 });
    }
    return rv;
}

/* ------------------------------------------------------------------ open */

static const rp_store_ops_t far_ops = {
    "farm",
    get,
    other,
    adopt,
    read_body,
    begin,
    write_body,
    publish,
    object,
    published,
    follow,
    commit,
    abort_writing,
    update,
    stamp,
    remove_entry,
    purge,
};

void rp_store_farm_then(rp_store_t *store, void (*done)(void *data, apr_pool_t *p), void *data, apr_pool_t *p)
{
    if (store->ops != &far_ops || !rp_far_push_then(far_of(store), done, data)) {
        done(data, p);
    }
}

size_t rp_store_farm_shared_size(void)
{
    return sizeof(rp_far_shared_t);
}

apr_status_t rp_store_farm_open(const rp_store_farm_conf_t *conf, rp_store_t *local, rp_farm_t *farm, void *shared,
                                apr_pool_t *p, rp_store_log_fn log, void *ctx, rp_store_t **store)
{
    rp_far_t *far = apr_pcalloc(p, sizeof(*far));

    far->store.ops = &far_ops;
    far->local = local;
    far->farm = farm;
    far->conf = *conf;
    far->shared = shared;
    far->log = log;
    far->log_ctx = ctx;
    rp_farm_script_init(&purge_script, purge_text);
    rp_far_put_init();
    *store = &far->store;
    return rp_far_push_begin(far, p);
}

void rp_store_farm_figures(const void *shared, rp_store_farm_figures_t *figures)
{
    *figures = ((const rp_far_shared_t *)shared)->figures;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Making variants: one at a time on the whole host, on a thread that gives way to everybody else. */

#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <httpd.h>
#include <http_log.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <apr_thread_pool.h>
#include <openssl/evp.h>

#include "cache/background.h"
#include "cache/collapse.h"
#include "cache/dictionary.h"
#include "cache/effort.h"
#include "cache/marker.h"
#include "cache/variant.h"
#include "cache/variant_room.h"
#include "encode/codec.h"
#include "http/digest.h"
#include "lane/lane.h"
#include "log.h"

APLOG_USE_MODULE(rproxy);

/* What does not find a place is left to the next request for it. */
#define MAX_WAITING 64
#define PATIENCE apr_time_from_sec(120)
#define LOOK_EVERY apr_time_from_msec(50)
/* A body of RProxyCompressStored's largest= may take that long at the highest level. */
#define LEASE apr_time_from_sec(600)
#define NICE 10
/* As long as what is stored with a validator is kept beyond its freshness. */
#define KEEP apr_time_from_sec(7 * 86400)
/* A variant that is longer than this share of the response saves less than it costs. */
#define WORTH_PERCENT 95

static rp_effort_t *effort;
static rp_room_t *room;
static apr_thread_pool_t *threads;
static volatile int stopping;

typedef struct job_t {
    apr_pool_t *p;
    server_rec *server;
    rp_lookup_t lookup; /* .key and .flight are the variant's */
    unsigned char source[RP_KEY_LEN];
    uint64_t body;
    int is_gzip;
    rp_coding_e coding;
    rp_dictionary_t *dictionary; /* for coding, or NULL; its bytes are read when its turn comes */
    const char *origin;
    const char *name;
    int level;
    int percent;
    uint64_t most_room;
    apr_time_t until;
    rp_entry_t from;
    rp_store_writer_t *writer;
    rp_encoder_t *undoing, *encoder; /* the first one when it is a backend's gzip */
    EVP_MD_CTX *digest;
    uint64_t made, most;
    rp_record_t record;
} job_t;

void rp_variant_prepare(apr_pool_t *pconf, server_rec *main_server)
{
    apr_shm_t *shm;
    apr_size_t size = sizeof(*effort) + rp_room_size();
    apr_status_t rv = apr_shm_create(&shm, size, NULL, pconf);

    effort = NULL;
    if (rv == APR_SUCCESS) {
        memset(apr_shm_baseaddr_get(shm), 0, size);
        rv = rp_room_init(apr_shm_baseaddr_get(shm), &room) ? APR_SUCCESS : APR_EGENERAL;
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, main_server, RPLOGNO(0504) "no shared memory: cached responses are "
                     "compressed for each client anew");
        return;
    }
    /* Behind the table, whose size is a multiple of what it needs to begin at. */
    effort = (rp_effort_t *)((char *)apr_shm_baseaddr_get(shm) + rp_room_size());
}

static apr_status_t stop(void *unused)
{
    (void)unused;
    stopping = 1;
    return APR_SUCCESS;
}

void rp_variant_child_init(apr_pool_t *p, server_rec *main_server)
{
    apr_pool_t *sub;
    apr_status_t rv;

    stopping = 0;
    apr_pool_create(&sub, p);
    rv = effort ? apr_thread_pool_create(&threads, 0, 1, sub) : APR_ENOSHMAVAIL;
    if (rv != APR_SUCCESS) {
        threads = NULL;
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, main_server, RPLOGNO(0505) "no thread for compressing in the background: "
                     "cached responses are compressed for each client anew");
        return;
    }
    apr_pool_pre_cleanup_register(p, NULL, stop);
}

/* ------------------------------------------------------------------ the work */

static apr_status_t take_output(void *ctx, const char *data, apr_size_t len)
{
    job_t *job = ctx;

    job->made += len;
    if (job->made > job->most) {
        return APR_ENOSPC;
    }
    EVP_DigestUpdate(job->digest, data, len);
    return job->lookup.store->ops->write(job->writer, data, len);
}

/* What was unpacked goes on into the encoder. */
static apr_status_t take_unpacked(void *ctx, const char *data, apr_size_t len)
{
    return rp_encoder_run(((job_t *)ctx)->encoder, RP_CODEC_GO, data, len);
}

/* Is what it was asked for still there, and not coded yet? */
static int is_wanted(job_t *job)
{
    rp_store_t *store = job->lookup.store;
    rp_record_t record;
    rp_entry_t entry;

    if (store->ops->get(store, job->source, job->p, &job->from) != APR_SUCCESS
        || !rp_record_decode(job->p, job->from.record, &record) || record.kind != RP_RECORD_RESPONSE
        || record.body != job->body || strcmp(record.key, job->lookup.key_text)) {
        return 0;
    }
    job->is_gzip = rp_encode_is_gzip(apr_table_get(record.fields, "Content-Encoding"));
    job->record.kind = RP_RECORD_ENCODED;
    job->record.key = record.key;
    job->record.selection = record.selection;
    job->record.body = record.body;
    job->record.vary = job->name;
    return store->ops->get(store, job->lookup.key, job->p, &entry) != APR_SUCCESS
           || !rp_record_decode(job->p, entry.record, &record)
           || !rp_variant_is_of(&record, &job->record, job->name);
}

/* The next piece of the body, in buf when it is not in memory anyway. @return 0 when it is gone */
static int read_piece(const job_t *job, uint64_t at, char *buf, rp_str_t *piece)
{
    apr_size_t len = RP_STORE_CHUNK;

    if (job->from.body.ptr) {
        *piece = (rp_str_t){ job->from.body.ptr + at, job->from.body.len - at };
        return 1;
    }
    if (job->from.store->ops->read(&job->from, at, buf, &len) != APR_SUCCESS || len == 0) {
        return 0;
    }
    *piece = (rp_str_t){ buf, len };
    return 1;
}

/* @return APR_SUCCESS; APR_ENOSPC: it does not get shorter; or it cannot be done */
static apr_status_t encode(job_t *job)
{
    rp_codec_how_t how = { .level = job->level, .size = (apr_off_t)job->from.body_len, .thorough = 1,
                           .dictionary = job->dictionary };
    rp_codec_how_t undo = { .level = 0, .size = -1 };
    char *buf = apr_palloc(job->p, RP_STORE_CHUNK);
    apr_status_t rv;
    rp_str_t piece;
    uint64_t at;

    how.size = job->is_gzip ? -1 : how.size;
    job->encoder = rp_encoder_open(job->p, job->coding, &how, take_output, job);
    job->undoing = job->is_gzip ? rp_encoder_open(job->p, RP_UNGZIP, &undo, take_unpacked, job) : job->encoder;
    rv = job->encoder && job->undoing ? APR_SUCCESS : APR_ENOMEM;

    for (at = 0; rv == APR_SUCCESS && at < job->from.body_len; at += piece.len) {
        if (stopping || !read_piece(job, at, buf, &piece)) {
            rv = APR_NOTFOUND;
            break;
        }
        /* A sign of life, for those who would begin the same. */
        rp_collapse_readable(&job->lookup, 1, at);
        rv = rp_encoder_run(job->undoing, RP_CODEC_GO, piece.ptr, piece.len);
    }
    if (rv == APR_SUCCESS && job->is_gzip) {
        rv = rp_encoder_run(job->undoing, RP_CODEC_FINISH, NULL, 0);
    }
    return rv == APR_SUCCESS ? rp_encoder_run(job->encoder, RP_CODEC_FINISH, NULL, 0) : rv;
}

static const char *digest_of(job_t *job)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char *hex = apr_palloc(job->p, RP_ENCODE_DIGEST + 1);

    EVP_DigestFinal_ex(job->digest, digest, NULL);
    ap_bin2hex(digest, RP_ENCODE_DIGEST / 2, hex);
    return hex;
}

static apr_status_t commit(job_t *job)
{
    rp_put_t put = rp_marker_put(job->p, &job->record, apr_time_now() + KEEP, job->lookup.since);

    return job->lookup.store->ops->commit(job->writer, &put);
}

static apr_status_t begin(job_t *job, uint64_t len)
{
    return job->lookup.store->ops->begin(job->lookup.store, job->lookup.key, len, job->p, &job->writer);
}

void rp_variant_used(const unsigned char key[RP_KEY_LEN], uint64_t bytes)
{
    if (effort && !rp_room_used(room, key, apr_time_now())) {
        rp_room_enter(room, key, bytes, apr_time_now());
    }
}

void rp_variant_figures(uint64_t *variants, uint64_t *bytes)
{
    *variants = *bytes = 0;
    if (effort) {
        rp_room_figures(room, variants, bytes);
    }
}

/* Enter what was made, and let go what has not been asked for the longest. */
static void make_room(const job_t *job)
{
    unsigned char key[RP_KEY_LEN];

    rp_room_enter(room, job->lookup.key, job->made, apr_time_now());
    while (!stopping && rp_room_excess(room, job->most_room, key)) {
        job->lookup.store->ops->remove(job->lookup.store, key);
    }
}

static apr_status_t make(job_t *job)
{
    apr_status_t rv;

    if (job->dictionary && !job->dictionary->bytes.ptr
        && !rp_dictionary_read(job->lookup.store, job->origin, job->p, job->dictionary)) {
        return APR_NOTFOUND;
    }
    rv = begin(job, UINT64_MAX);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    job->most = job->from.body_len / 100 * WORTH_PERCENT + job->from.body_len % 100;
    job->digest = EVP_MD_CTX_new();
    rv = job->digest && EVP_DigestInit_ex(job->digest, rp_sha256(), NULL) ? encode(job) : APR_ENOMEM;
    if (rv == APR_SUCCESS) {
        job->record.reason = digest_of(job);
        rv = commit(job);
        if (rv == APR_SUCCESS) {
            make_room(job);
        }
    }
    else {
        job->lookup.store->ops->abort(job->writer);
    }
    EVP_MD_CTX_free(job->digest);
    if (job->made > job->most) {
        job->record.reason = "";
        rv = begin(job, 0);
        rv = rv == APR_SUCCESS ? commit(job) : rv;
        job->made = job->from.body_len;
    }
    return rv;
}

static apr_interval_time_t cpu_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return apr_time_from_sec(t.tv_sec) + t.tv_nsec / 1000;
}

/* Wait for a turn. @return 0 when it was waited for too long */
static int await_turn(const job_t *job, apr_time_t *turn)
{
    while (!rp_effort_begin(effort, rp_now(), LEASE, turn)) {
        if (stopping || rp_now() >= job->until) {
            return 0;
        }
        apr_sleep(LOOK_EVERY);
    }
    return 1;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    job_t *job = data;
    apr_interval_time_t before = cpu_time(), spent;
    apr_time_t turn;

    (void)thread;
    /* Of this thread alone, on Linux. */
    setpriority(PRIO_PROCESS, 0, NICE);
    if (await_turn(job, &turn)) {
        apr_status_t rv = is_wanted(job) ? make(job) : APR_EEXIST;

        spent = cpu_time() - before;
        rp_effort_end(effort, turn, rp_now(), spent, job->percent);
        if (rv != APR_EEXIST) {
            ap_log_error(APLOG_MARK, APLOG_DEBUG, rv, job->server, RPLOGNO(0506) "%s %d in the background: %" APR_UINT64_T_FMT
                         " bytes to %" APR_UINT64_T_FMT ", %" APR_TIME_T_FMT " us: %s", rp_coding_name(job->coding),
                         job->level, job->from.body_len, job->made, spent, job->lookup.key_text);
        }
    }
    rp_collapse_end(job->p, &job->lookup, RP_FLIGHT_STORED, 0);
    apr_pool_destroy(job->p);
    return NULL;
}

/* ------------------------------------------------------------------ asking for it */

static int level_for(const rp_encode_conf_t *conf, rp_coding_e coding, uint64_t len)
{
    int level, least, most, usual;

    coding = coding == RP_CODING_DCZ ? RP_CODING_ZSTD : coding == RP_CODING_DCB ? RP_CODING_BR : coding;
    level = conf->stored.level[coding];

    if (level != RP_UNSET) {
        return level;
    }
    rp_encode_levels(coding, &least, &most, &usual);
    /* The last two take ten times as long as the ones before, for some percent. */
    return coding == RP_CODING_BR && len > RP_ENCODE_STORED_HIGHEST ? most - 2 : most;
}

void rp_variant_later(rp_request_t *rq, const rp_lookup_t *lookup, const unsigned char key[RP_KEY_LEN])
{
    const rp_encode_conf_t *conf = &rq->dconf->compress;
    rp_lookup_t mine = *lookup;
    apr_pool_t *p;
    job_t *job;

    if (!threads || apr_thread_pool_tasks_count(threads) >= MAX_WAITING
        || lookup->entry.body_len > (conf->stored.largest ? conf->stored.largest : RP_ENCODE_STORED_LARGEST)) {
        return;
    }
    memcpy(mine.key, key, RP_KEY_LEN);
    mine.lease = NULL;
    if (!rp_collapse_lead(rq, &mine)) {
        return;
    }
    p = rp_background_pool();
    job = p ? apr_pcalloc(p, sizeof(*job)) : NULL;
    if (job) {
        job->p = p;
        job->server = rq->r->server;
        job->lookup = mine;
        job->lookup.key_text = apr_pstrdup(p, lookup->record.key);
        memcpy(job->source, lookup->key, RP_KEY_LEN);
        job->body = lookup->record.body;
        job->coding = rq->coding;
        if (rq->dictionary) {
            const rp_dictionary_conf_t *external = conf->external;

            job->dictionary = apr_pcalloc(p, sizeof(*job->dictionary));
            memcpy(job->dictionary->hash, rq->dictionary->hash, RP_DICTIONARY_HASH);
            if (external && rq->dictionary->bytes.ptr == external->dictionary.bytes.ptr) {
                job->dictionary->bytes = external->dictionary.bytes;
            }
            job->origin = apr_pstrdup(p, rp_dictionary_origin(rq));
        }
        job->name = rp_variant_name(p, job->coding, job->dictionary);
        job->level = level_for(conf, rq->coding, lookup->entry.body_len);
        job->most_room = conf->stored.room ? conf->stored.room : RP_ENCODE_STORED_ROOM;
        job->percent = RP_OR_DEFAULT(conf->stored.budget, RP_ENCODE_STORED_BUDGET);
        job->until = rp_now() + PATIENCE;
    }
    if (!job || rp_background_push(threads, run, job) != APR_SUCCESS) {
        rp_collapse_end(rq->r->pool, &mine, RP_FLIGHT_LEFT, 0);
        if (p) {
            apr_pool_destroy(p);
        }
    }
}

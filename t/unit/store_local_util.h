/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the tests of the local store share: a directory of their own, bodies that can be checked by
 * themselves. */
#ifndef STORE_LOCAL_UTIL_H
#define STORE_LOCAL_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>
#include "cache/store_local.h"

#define MIB ((apr_uint64_t)1024 * 1024)
#define FAR (apr_time_now() + apr_time_from_sec(3600))

typedef struct box_t {
    apr_pool_t *pool;
    apr_pool_t *open_pool; /* of the store, when it is open */
    char dir[64];
    rp_store_local_conf_t conf;
    rp_store_t *s;
    char log[8192];
} box_t;

static inline void note(void *ctx, int level, apr_status_t rv, const char *text)
{
    box_t *b = ctx;

    (void)level;
    (void)rv;
    if (strlen(b->log) + strlen(text) + 2 < sizeof(b->log)) {
        strcat(b->log, text);
        strcat(b->log, "\n");
    }
}

static inline void box_prepare(box_t *b)
{
    const char *error;
    apr_status_t rv = rp_store_local_prepare(&b->conf, -1, -1, b->pool, &error, note, b);

    if (rv) {
        print_error("prepare: %d %s\n", rv, error);
    }
    assert_int_equal(rv, APR_SUCCESS);
}

static inline void box_open(box_t *b)
{
    apr_pool_create(&b->open_pool, NULL);
    assert_int_equal(rp_store_local_open(&b->conf, b->open_pool, note, b, &b->s), APR_SUCCESS);
    /* Tests look at what is left at once; the one of readers says otherwise. */
    ((rp_local_t *)b->s)->grace = 0;
}

static inline void box_close(box_t *b)
{
    if (b->open_pool) {
        apr_pool_destroy(b->open_pool);
        b->open_pool = NULL;
        b->s = NULL;
    }
}

static inline box_t *box_make(apr_uint64_t size)
{
    box_t *b = calloc(1, sizeof(*b));

    apr_pool_create(&b->pool, NULL);
    strcpy(b->dir, access("/dev/shm", W_OK) ? "/tmp/rp-store-XXXXXX" : "/dev/shm/rp-store-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    b->conf.dir = b->dir;
    b->conf.size = size;
    return b;
}

static inline void box_remove(box_t *b)
{
    char command[128];

    box_close(b);
    snprintf(command, sizeof(command), "rm -rf '%s'", b->dir);
    assert_int_equal(system(command), 0);
    apr_pool_destroy(b->pool);
    free(b);
}

static inline void key_of(unsigned char key[RP_KEY_LEN], unsigned primary, unsigned variant)
{
    uint64_t x = primary * 0x9E3779B97F4A7C15u + 1, y = variant * 0xC2B2AE3D27D4EB4Fu + 7;

    memset(key, 0, RP_KEY_LEN);
    memcpy(key, &x, 8);
    memcpy(key + 8, &primary, 4);
    memcpy(key + RP_KEY_HALF, &y, 8);
}

/** The bytes of body number seed from offset on: a stream that no other seed has. */
static inline void fill(char *to, size_t len, uint64_t seed, uint64_t offset)
{
    size_t i;

    for (i = 0; i < len; i++) {
        uint64_t at = offset + i, x = (seed + 1) * 0x9E3779B97F4A7C15u + (at >> 3) * 0xD6E8FEB86659FD93u;
        x ^= x >> 32;
        to[i] = (char)(x >> (8 * (at & 7)));
    }
}

static inline int is_filled(const char *data, size_t len, uint64_t seed, uint64_t offset)
{
    char want[4096];

    while (len) {
        size_t n = len < sizeof(want) ? len : sizeof(want);
        fill(want, n, seed, offset);
        if (memcmp(want, data, n)) {
            return 0;
        }
        data += n;
        offset += n;
        len -= n;
    }
    return 1;
}

/** A put of a record alone. */
#define PUT(until, ...) (&(rp_put_t){.record = __VA_ARGS__, .expires = (until)})

/** Store body number seed under a key, handed over in pieces; its record says which it is. */
static inline apr_status_t put(rp_store_t *s, const unsigned char *key, uint64_t seed, uint64_t len,
                               size_t piece, uint64_t expected, apr_time_t expires)
{
    apr_pool_t *p;
    rp_store_writer_t *w;
    rp_str_t record;
    uint64_t at = 0;
    apr_status_t rv;
    char *data;

    apr_pool_create(&p, NULL);
    data = apr_palloc(p, piece + 1);
    record.ptr = apr_psprintf(p, "%lu %lu", (unsigned long)seed, (unsigned long)len);
    record.len = strlen(record.ptr);
    rv = s->ops->begin(s, key, expected, p, &w);
    while (!rv && at < len) {
        size_t n = len - at < piece ? (size_t)(len - at) : piece;
        fill(data, n, seed, at);
        rv = s->ops->write(w, data, n);
        at += n;
    }
    if (!rv) {
        rv = s->ops->commit(w, &(rp_put_t){.record = record, .name = record, .expires = expires});
    }
    apr_pool_destroy(p);
    return rv;
}

static inline apr_status_t put1(rp_store_t *s, unsigned n, uint64_t seed, uint64_t len)
{
    unsigned char key[RP_KEY_LEN];

    key_of(key, n, 0);
    return put(s, key, seed, len, 50000, len, FAR);
}

/** @return the body's seed when the entry is found whole, -1 when there is none, -2 when it went away, -3
 * when torn */
static inline int64_t look(rp_store_t *s, const unsigned char *key)
{
    unsigned long seed, len;
    rp_entry_t e;
    apr_pool_t *p;
    int64_t result;
    uint64_t at = 0;
    char text[64] = "", *buf;

    apr_pool_create(&p, NULL);
    buf = apr_palloc(p, RP_STORE_CHUNK);
    if (s->ops->get(s, key, p, &e) != APR_SUCCESS) {
        apr_pool_destroy(p);
        return -1;
    }
    memcpy(text, e.record.ptr, e.record.len < sizeof(text) ? e.record.len : sizeof(text) - 1);
    result = sscanf(text, "%lu %lu", &seed, &len) == 2 && len == e.body_len ? (int64_t)seed : -3;
    while (result >= 0 && at < e.body_len) {
        apr_size_t n = RP_STORE_CHUNK;
        if (s->ops->read(&e, at, buf, &n) != APR_SUCCESS) {
            result = -2;
        }
        else if (n == 0 || !is_filled(buf, n, seed, at)) {
            result = -3;
        }
        at += n;
    }
    apr_pool_destroy(p);
    return result;
}

static inline int64_t look1(rp_store_t *s, unsigned n)
{
    unsigned char key[RP_KEY_LEN];

    key_of(key, n, 0);
    return look(s, key);
}

/** Rows of one of the named databases. */
static inline size_t rows(rp_store_t *s, int db)
{
    rp_local_t *l = (rp_local_t *)s;
    MDB_stat st = {0};
    int rc;
    rp_local_reader_t *r = rp_local_reader_take(l, &rc);

    assert_non_null(r);
    assert_int_equal(mdb_stat(r->txn, l->dbi[db], &st), 0);
    rp_local_reader_give(l, r);
    return st.ms_entries;
}

static inline apr_uint64_t bytes(rp_store_t *s)
{
    rp_store_local_stats_t st;

    assert_int_equal(rp_store_local_stats(s, &st), APR_SUCCESS);
    return st.bytes;
}

static inline void sweep_all(rp_store_t *s)
{
    int i;

    for (i = 0; i < 400; i++) {
        rp_store_local_sweep(s, apr_time_now());
    }
}

#endif

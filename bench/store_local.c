/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the local store's calls cost, in nanoseconds: store_local [DIR].  DIR is made, used and left; without
 * it a temporary one under /dev/shm is used.  Not a test: nothing fails when it is slow.
 *
 * cc -O2 -std=gnu11 -Imod_rproxy $(apr-1-config --cppflags --cflags --includes) bench/store_local.c
 *    mod_rproxy/cache/store_local*.c -llmdb -lpthread $(apr-1-config --link-ld)
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <apr_general.h>
#include "cache/store.h"

#define ENTRIES 100000
#define HOT 100
#define RECORD 400
#define BODY 1000

static rp_store_t *s;
static char data[65536];

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static unsigned rnd(unsigned *x)
{
    *x = *x * 1664525 + 1013904223;
    return *x >> 7;
}

static void key_of(unsigned char key[RP_KEY_LEN], unsigned n)
{
    uint64_t x = (n + 1) * 0x9E3779B97F4A7C15u, y = x * 0xD6E8FEB86659FD93u;

    memset(key, 0, RP_KEY_LEN);
    memcpy(key, &y, 8);
    memcpy(key + 8, &x, 8);
}

static void set(apr_pool_t *p, unsigned n, size_t len)
{
    unsigned char key[RP_KEY_LEN];
    rp_store_writer_t *w;
    apr_status_t rv;

    key_of(key, n);
    rv = s->ops->begin(s, key, len, p, &w);
    if (!rv) {
        rv = s->ops->write(w, data, len);
    }
    if (!rv) {
        rp_put_t put = {.record = {data, RECORD}, .expires = apr_time_now() + apr_time_from_sec(3600)};
        rv = s->ops->commit(w, &put);
    }
    if (rv) {
        printf("a set failed: %d\n", rv);
        exit(1);
    }
    apr_pool_clear(p);
}

static void sets(const char *what, unsigned from, unsigned n, size_t len)
{
    rp_store_local_stats_t before, after;
    apr_pool_t *p;
    double begun, spent;
    unsigned i;

    apr_pool_create(&p, NULL);
    rp_store_local_stats(s, &before);
    begun = now_ns();
    for (i = 0; i < n; i++) {
        set(p, from + i, len);
    }
    spent = now_ns() - begun;
    rp_store_local_stats(s, &after);
    printf("%-46s %9.0f ns   %lu evictions\n", what, spent / n,
           (unsigned long)(after.evictions - before.evictions));
    apr_pool_destroy(p);
}

typedef struct run_t {
    unsigned among, n, found, seed;
} run_t;

static void *gets(void *arg)
{
    run_t *r = arg;
    unsigned i, x = r->seed;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    for (i = 0; i < r->n; i++) {
        unsigned char key[RP_KEY_LEN];
        rp_entry_t e;
        key_of(key, rnd(&x) % r->among);
        r->found += s->ops->get(s, key, p, &e) == APR_SUCCESS;
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return NULL;
}

static void measure_gets(const char *what, unsigned among, unsigned nthreads)
{
    pthread_t threads[16];
    run_t runs[16];
    double begun = now_ns();
    unsigned i, found = 0, n = 0;

    for (i = 0; i < nthreads; i++) {
        runs[i] = (run_t){among, 500000, 0, i};
        pthread_create(&threads[i], NULL, gets, &runs[i]);
    }
    for (i = 0; i < nthreads; i++) {
        pthread_join(threads[i], NULL);
        found += runs[i].found;
        n += runs[i].n;
    }
    printf("%-46s %9.0f ns   %.1f %% found\n", what, (now_ns() - begun) / n, 100.0 * found / n);
}

static void measure_read(void)
{
    unsigned char key[RP_KEY_LEN];
    uint64_t at, size = 0;
    apr_pool_t *p;
    rp_entry_t e;
    double begun;
    int i;

    apr_pool_create(&p, NULL);
    key_of(key, ENTRIES + 1);
    if (s->ops->get(s, key, p, &e)) {
        printf("the large entry is gone\n");
        return;
    }
    begun = now_ns();
    for (i = 0; i < 2000; i++) {
        for (at = 0; at < e.body_len;) {
            apr_size_t len = RP_STORE_CHUNK;
            if (s->ops->read(&e, at, data, &len) || len == 0) {
                return;
            }
            at += len;
            size += len;
        }
    }
    printf("%-46s %9.0f ns\n", "read, per 64 KiB", (now_ns() - begun) / (double)size * 65536);
    apr_pool_destroy(p);
}

int main(int argc, char **argv)
{
    char temp[] = "/dev/shm/rp-bench-XXXXXX", command[64];
    rp_store_local_conf_t conf = {.size = (apr_uint64_t)512 * 1024 * 1024};
    const char *error;
    apr_pool_t *p;

    conf.dir = argc > 1 ? argv[1] : mkdtemp(temp);
    apr_initialize();
    apr_pool_create(&p, NULL);
    if (rp_store_local_prepare(&conf, -1, -1, p, &error, NULL, NULL) ||
        rp_store_local_open(&conf, p, NULL, NULL, &s)) {
        printf("cannot open a store in %s\n", conf.dir);
        return 1;
    }
    sets("set, 1.4 KB, while there is room", 0, ENTRIES, BODY);
    measure_gets("get, 1.4 KB, 100 hot ones", HOT, 1);
    measure_gets("get, 1.4 KB, uniform over 100,000", ENTRIES, 1);
    measure_gets("get, 1.4 KB, uniform, 2 threads (wall)", ENTRIES, 2);
    measure_gets("get, 1.4 KB, uniform, 8 threads (wall)", ENTRIES, 8);
    sets("set, 64 KiB, while there is room", ENTRIES, 2000, 65536);
    measure_read();
    sets("set, 1.4 KB, filling up", 1000000, 200000, BODY);
    sets("set, 1.4 KB, full: each evicts", 2000000, 50000, BODY);
    sets("set, 64 KiB, full of small ones", 3000000, 3000, 65536);
    sets("set, 64 KiB, full", 4000000, 6000, 65536);
    apr_pool_destroy(p);
    if (argc < 2) {
        snprintf(command, sizeof(command), "rm -rf %s", temp);
        return system(command);
    }
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * How many requests the local store answers when it is too small: store_hits.  The same requests go to the
 * store, to an LRU list and to a fixed choice of what is asked for most, the latter two as large as what the
 * store held.  bench/store builds and runs it.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include "cache/store.h"

#define OBJECTS 100000
#define REQUESTS 1000000
#define RECORD 300

static double sum[OBJECTS];
static unsigned sizes[OBJECTS]; /* of bodies */
static uint64_t seed;

static double rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

/** An object by rank, 0 the most popular: Zipf with exponent 0.9. */
static unsigned zipf(void)
{
    double x = rnd() * sum[OBJECTS - 1];
    unsigned low = 0, high = OBJECTS - 1;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (sum[middle] < x) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

/* ------------------------------------------------------------------ the requests */

typedef enum trace_e { STEADY, SCAN, SHIFT } trace_e;

typedef struct trace_t {
    trace_e kind;
    unsigned at, scanned, total, scan;
} trace_t;

/** The next object; those from OBJECTS on are never asked for again. @return 0 at the end */
static int next(trace_t *t, unsigned *object)
{
    if (t->at == REQUESTS) {
        return 0;
    }
    if (t->kind == SCAN && t->at >= REQUESTS / 2 && t->scanned < t->scan && t->total++ % 2) {
        *object = OBJECTS + t->scanned++;
        return 1;
    }
    *object = zipf();
    if (t->kind == SHIFT && t->at >= REQUESTS / 2) {
        *object = (*object + OBJECTS / 2) % OBJECTS; /* what was popular is not any more */
    }
    t->at++;
    return 1;
}

/** Hits among the popular, in quarters of the requests. */
typedef struct result_t {
    double hits[4];
} result_t;

static void count(result_t *r, const trace_t *t, unsigned object)
{
    if (object < OBJECTS) {
        r->hits[(t->at - 1) / (REQUESTS / 4)]++;
    }
}

/* ------------------------------------------------------------------ the store */

static void key_of(unsigned char key[RP_KEY_LEN], unsigned n)
{
    uint64_t x = (n + 1) * 0x9E3779B97F4A7C15u, y;

    x = (x ^ x >> 32) * 0xD6E8FEB86659FD93u;
    x ^= x >> 29;
    y = x * 0xC2B2AE3D27D4EB4Fu;
    memset(key, 0, RP_KEY_LEN);
    memcpy(key, &x, 8);
    memcpy(key + 8, &y, 8);
}

static unsigned size_of(unsigned object)
{
    return sizes[object % OBJECTS];
}

/** Ask for everything, at the end: what was held, in entries and in bytes of records and bodies. */
static void weigh(rp_store_t *s, unsigned scanned, uint64_t *entries, uint64_t *bytes)
{
    apr_pool_t *p;
    unsigned i;

    *entries = *bytes = 0;
    apr_pool_create(&p, NULL);
    for (i = 0; i < OBJECTS + scanned; i++) {
        unsigned char key[RP_KEY_LEN];
        rp_entry_t e;
        key_of(key, i);
        if (s->ops->get(s, key, p, &e) == APR_SUCCESS) {
            ++*entries;
            *bytes += e.record.len + e.body_len;
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
}

static void ask_store(rp_store_t *s, trace_t t, result_t *r, uint64_t *entries, uint64_t *bytes)
{
    static char data[1024 * 1024];
    unsigned object;
    apr_pool_t *p;

    memset(r, 0, sizeof(*r));
    apr_pool_create(&p, NULL);
    while (next(&t, &object)) {
        unsigned char key[RP_KEY_LEN];
        rp_store_writer_t *w;
        rp_put_t put = {.record = {data, RECORD}, .expires = apr_time_now() + apr_time_from_sec(86400)};
        rp_entry_t e;
        key_of(key, object);
        if (s->ops->get(s, key, p, &e) == APR_SUCCESS) {
            count(r, &t, object);
        }
        else if (s->ops->begin(s, key, size_of(object), p, &w) || s->ops->write(w, data, size_of(object)) ||
                 s->ops->commit(w, &put)) {
            printf("a set failed\n");
            exit(1);
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    weigh(s, t.scanned, entries, bytes);
}

/* ------------------------------------------------------------------ what it is compared with */

#define NONE UINT32_MAX

static void ask_lru(trace_t t, uint64_t capacity, result_t *r)
{
    unsigned n = OBJECTS + t.scan, object;
    unsigned *newer = malloc((n + 1) * sizeof(*newer)), *older = malloc((n + 1) * sizeof(*older));
    uint64_t bytes = 0;

    memset(r, 0, sizeof(*r));
    memset(newer, 0xff, (n + 1) * sizeof(*newer));
    newer[n] = older[n] = n; /* the ring's head: newer[n] is the oldest */
    while (next(&t, &object)) {
        if (newer[object] != NONE) {
            count(r, &t, object);
            newer[older[object]] = newer[object];
            older[newer[object]] = older[object];
        }
        else {
            bytes += RECORD + size_of(object);
        }
        newer[object] = n;
        older[object] = older[n];
        newer[older[n]] = object;
        older[n] = object;
        while (bytes > capacity) {
            unsigned last = newer[n];
            newer[n] = newer[last];
            older[newer[last]] = n;
            newer[last] = NONE;
            bytes -= RECORD + size_of(last);
        }
    }
    free(newer);
    free(older);
}

static void ask_fixed(trace_t t, uint64_t capacity, result_t *r)
{
    unsigned object, chosen = 0;
    uint64_t bytes = 0;

    memset(r, 0, sizeof(*r));
    while (chosen < OBJECTS && bytes + RECORD + size_of(chosen) <= capacity) {
        bytes += RECORD + size_of(chosen++);
    }
    while (next(&t, &object)) {
        if (object < chosen) {
            count(r, &t, object);
        }
    }
}

/* ------------------------------------------------------------------ rows */

static double percent(const result_t *r, int from, int quarters)
{
    double n = 0;
    int i;

    for (i = from; i < from + quarters; i++) {
        n += r->hits[i];
    }
    return 100.0 * n / (REQUESTS / 4 * quarters);
}

static void row(const char *what, trace_t trace, int mixed, apr_uint64_t size, int from, int quarters)
{
    char dir[] = "/dev/shm/rp-bench-XXXXXX", command[64];
    rp_store_local_conf_t conf = {.size = size};
    result_t ours, lru, fixed;
    uint64_t entries, bytes;
    const char *error;
    apr_pool_t *p;
    rp_store_t *s;
    unsigned i;

    seed = 42;
    for (i = 0; i < OBJECTS; i++) {
        double x = rnd();
        sizes[i] = !mixed ? 1024 : x < 0.7 ? (unsigned)(200 + 3000 * rnd()) : (unsigned)(3000 + 40000 * rnd());
    }
    conf.dir = mkdtemp(dir);
    apr_pool_create(&p, NULL);
    if (!conf.dir || rp_store_local_prepare(&conf, -1, -1, p, &error, NULL, NULL) ||
        rp_store_local_open(&conf, p, NULL, NULL, &s)) {
        printf("cannot open a store in %s\n", dir);
        exit(1);
    }
    seed = 4711;
    ask_store(s, trace, &ours, &entries, &bytes);
    seed = 4711;
    ask_lru(trace, bytes, &lru);
    seed = 4711;
    ask_fixed(trace, bytes, &fixed);
    apr_pool_destroy(p);
    printf("%-42s %7lu %6.1f %8.2f %8.2f %8.2f\n", what, (unsigned long)entries, (double)bytes / 1048576,
           percent(&ours, from, quarters), percent(&lru, from, quarters), percent(&fixed, from, quarters));
    fflush(stdout);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command)) {
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const apr_uint64_t small = (apr_uint64_t)38 * 1024 * 1024, mixed = (apr_uint64_t)130 * 1024 * 1024;
    trace_t steady = {STEADY, 0, 0, 0, 0}, scan = {SCAN, 0, 0, 0, 100000}, shift = {SHIFT, 0, 0, 0, 0};
    unsigned i;

    apr_initialize();
    for (i = 0; i < OBJECTS; i++) {
        sum[i] = (i ? sum[i - 1] : 0) + pow(i + 1, -0.9);
    }
    printf("%-42s %7s %6s %8s %8s %8s\n", "hits of a hundred requests", "entries", "MiB", "store", "LRU", "fixed");
    row("1 KiB: all, beginning empty", steady, 0, small, 0, 4);
    if (argc > 1 && !strcmp(argv[1], "short")) {
        return 0;
    }
    row("1 KiB: third quarter, 100,000 others once", scan, 0, small, 2, 1);
    row("1 KiB: third quarter, all popularity new", shift, 0, small, 2, 1);
    row("1 KiB: fourth quarter, thereafter", shift, 0, small, 3, 1);
    row("0.2 to 43 KB: all, beginning empty", steady, 1, mixed, 0, 4);
    row("1 KiB: third quarter", steady, 0, small, 2, 1);
    row("0.2 to 43 KB: third quarter, others once", scan, 1, mixed, 2, 1);
    return 0;
}

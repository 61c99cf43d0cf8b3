/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What finding an entry of 1 KiB costs in stores of 100, 10,000 and 1,000,000: store_gets.  Popularity is
 * Zipf's with exponent 0.9; in brackets with all alike.  bench/store builds and runs it.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <apr_general.h>
#include "cache/store.h"

#define RECORD 300
#define BODY 1024
#define GETS 1000000

static unsigned asked[GETS];

/** The process's own time: what others do on the machine should not count. */
static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double rnd(void)
{
    static uint64_t seed = 42;

    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static void key_of(unsigned char key[RP_KEY_LEN], unsigned n)
{
    uint64_t x = (n + 1) * 0x9E3779B97F4A7C15u;

    x = (x ^ x >> 29) * 0xD6E8FEB86659FD93u;
    x ^= x >> 32;
    memset(key, 0, RP_KEY_LEN);
    memcpy(key, &x, 8);
}

static void choose(unsigned n, int zipf)
{
    double top = pow(n, 0.1) - 1;
    unsigned i;

    for (i = 0; i < GETS; i++) {
        /* The inverse of the continuous distribution: near enough. */
        double x = zipf ? pow(1 + rnd() * top, 10) - 1 : rnd() * n;
        asked[i] = x < n ? (unsigned)x : n - 1;
    }
}

/** Nanoseconds a call, the best of three rounds. */
static double measure(rp_store_t *s)
{
    double best = 0;
    apr_pool_t *p;
    unsigned i, k;

    apr_pool_create(&p, NULL);
    for (k = 0; k < 4; k++) {
        double begun = now_ns(), spent;
        for (i = 0; i < GETS; i++) {
            unsigned char key[RP_KEY_LEN];
            rp_entry_t e;
            key_of(key, asked[i]);
            if (s->ops->get(s, key, p, &e)) {
                printf("entry %u is not there\n", asked[i]);
                exit(1);
            }
            apr_pool_clear(p);
        }
        spent = (now_ns() - begun) / GETS;
        best = k == 1 || (k && spent < best) ? spent : best; /* the first only warms up */
    }
    apr_pool_destroy(p);
    return best;
}

static void row(unsigned n, apr_uint64_t size)
{
    static char data[BODY];
    char dir[] = "/dev/shm/rp-bench-XXXXXX", command[64];
    rp_store_local_conf_t conf = {.size = size};
    static double first[2];
    double ns[2];
    const char *error;
    apr_pool_t *p, *each;
    rp_store_t *s;
    unsigned i;

    conf.dir = mkdtemp(dir);
    apr_pool_create(&p, NULL);
    apr_pool_create(&each, p);
    if (!conf.dir || rp_store_local_prepare(&conf, -1, -1, p, &error, NULL, NULL) ||
        rp_store_local_open(&conf, p, NULL, NULL, &s)) {
        printf("cannot open a store in %s\n", dir);
        exit(1);
    }
    for (i = 0; i < n; i++) {
        unsigned char key[RP_KEY_LEN];
        rp_store_writer_t *w;
        rp_put_t put = {.record = {data, RECORD}, .expires = apr_time_now() + apr_time_from_sec(86400)};
        key_of(key, i);
        if (s->ops->begin(s, key, BODY, each, &w) || s->ops->write(w, data, BODY) ||
            s->ops->commit(w, &put)) {
            printf("a set failed\n");
            exit(1);
        }
        apr_pool_clear(each);
    }
    for (i = 0; i < 2; i++) {
        choose(n, i == 0);
        ns[i] = measure(s);
        first[i] = first[i] ? first[i] : ns[i];
    }
    printf("%8u entries %7.0f ns, %.2f times the first   (%7.0f ns, %.2f)\n", n, ns[0], ns[0] / first[0], ns[1],
           ns[1] / first[1]);
    fflush(stdout);
    apr_pool_destroy(p);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    if (system(command)) {
        exit(1);
    }
}

int main(void)
{
    const apr_uint64_t mib = 1024 * 1024;

    apr_initialize();
    row(100, 16 * mib);
    row(10000, 128 * mib);
    row(1000000, 5000 * mib);
    return 0;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Entries stored per second when many threads do so at once, in a full store: store_commits.  bench/store
 * builds and runs it.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <apr_general.h>
#include "cache/store.h"

#define RECORD 300
#define BODY 1024
#define SECONDS 3
#define MOST 200000 /* latencies that a thread notes */

static rp_store_t *s;
static char data[BODY];

typedef struct writer_t {
    unsigned number, n;
    float *us;
} writer_t;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *store(void *arg)
{
    writer_t *me = arg;
    double end = now() + SECONDS, begun;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    for (me->n = 0; me->n < MOST && (begun = now()) < end; me->n++) {
        unsigned char key[RP_KEY_LEN] = {0};
        uint64_t x = ((uint64_t)me->number << 32 | me->n) * 0x9E3779B97F4A7C15u;
        rp_store_writer_t *w;
        rp_put_t put = {.record = {data, RECORD}, .expires = apr_time_now() + apr_time_from_sec(86400)};
        x = (x ^ x >> 29) * 0xD6E8FEB86659FD93u;
        memcpy(key, &x, 8);
        if (s->ops->begin(s, key, BODY, p, &w) || s->ops->write(w, data, BODY) ||
            s->ops->commit(w, &put)) {
            printf("a set failed\n");
            exit(1);
        }
        me->us[me->n] = (float)((now() - begun) * 1e6);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return *(const float *)a < *(const float *)b ? -1 : *(const float *)a > *(const float *)b;
}

static void measure(unsigned nthreads, unsigned round, int print)
{
    pthread_t threads[32];
    writer_t writers[32];
    float *all = malloc((size_t)nthreads * MOST * sizeof(*all));
    size_t n = 0;
    unsigned i;

    for (i = 0; i < nthreads; i++) {
        writers[i] = (writer_t){round * 100 + i, 0, malloc(MOST * sizeof(float))};
        pthread_create(&threads[i], NULL, store, &writers[i]);
    }
    for (i = 0; i < nthreads; i++) {
        pthread_join(threads[i], NULL);
        memcpy(all + n, writers[i].us, writers[i].n * sizeof(*all));
        n += writers[i].n;
        free(writers[i].us);
    }
    qsort(all, n, sizeof(*all), compare);
    if (print) {
        printf("%2u threads %9.0f a second %9.0f us median %9.0f us p99 %9.0f us most\n", nthreads,
               (double)n / SECONDS, all[n / 2], all[n * 99 / 100], all[n - 1]);
    }
    free(all);
}

int main(void)
{
    char dir[] = "/dev/shm/rp-bench-XXXXXX", command[64];
    rp_store_local_conf_t conf = {.size = (apr_uint64_t)64 * 1024 * 1024};
    const char *error;
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    conf.dir = mkdtemp(dir);
    if (!conf.dir || rp_store_local_prepare(&conf, -1, -1, p, &error, NULL, NULL) ||
        rp_store_local_open(&conf, p, NULL, NULL, &s)) {
        printf("cannot open a store in %s\n", dir);
        return 1;
    }
    measure(4, 9, 0); /* until it is full */
    measure(1, 1, 1);
    measure(8, 2, 1);
    measure(32, 3, 1);
    apr_pool_destroy(p);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

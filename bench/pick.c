/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* What choosing a member costs one thread alone, by method and size of the pool: nanoseconds of CPU time. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "balance/method.h"
#include "balance/table.h"

#define PICKS 400000
#define ROUNDS 7 /* of which the fastest counts */

static apr_int64_t cpu_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * (apr_int64_t)1000000000 + t.tv_nsec;
}

/* Members of weights 1 to 3, of which all have been heard. */
static void *make_pool(rp_state_t *state, unsigned n, const rp_eject_conf_t *eject)
{
    size_t size = rp_state_size(n, 1, 1);
    void *mem = aligned_alloc(64, (size + 63) & ~(size_t)63);
    unsigned i;

    if (!mem) {
        abort();
    }
    memset(mem, 0, size);
    rp_state_map(state, mem, n, 1, 1, eject);
    for (i = 0; i < n; i++) {
        rp_slot_t *slot = &state->slots[i];

        slot->origin = RP_SLOT_CONFIGURED;
        slot->weight = 1 + i % 3;
        slot->id = rp_mix(i + 1);
        rp_latency_add(&slot->latency, 10000 + i % 7 * 100, 1000000);
    }
    rp_state_plan(state);
    return mem;
}

static double measure(rp_state_t *state, rp_method_fn method)
{
    apr_int64_t best = 0;
    apr_uint64_t random = 1;
    int round, n;

    for (round = 0; round < ROUNDS; round++) {
        apr_int64_t start = cpu_time(), took;

        for (n = 0; n < PICKS; n++) {
            rp_pick_t pick = { .now = 1000000 + n * 10, .random = rp_mix(++random), .may_try = 1 };

            pick.hash = pick.random;
            if (rp_state_pick(state, method, &pick) < 0) {
                abort();
            }
        }
        took = cpu_time() - start;
        best = !best || took < best ? took : best;
    }
    return (double)best / PICKS;
}

int main(void)
{
    static const struct {
        const char *name;
        rp_method_e kind;
        unsigned bound;
    } methods[] = {
        { "round-robin", RP_METHOD_ROUND_ROBIN, 0 }, { "random", RP_METHOD_RANDOM, 0 }, { "p2c", RP_METHOD_P2C, 0 },
        { "hash", RP_METHOD_HASH, 0 }, { "hash bound=125%", RP_METHOD_HASH, 125 },
        { "least-connections", RP_METHOD_LEAST, 0 },
    };
    static const unsigned sizes[] = { 2, 20, 500 };
    rp_eject_conf_t eject = { .on = 1, .failures = 3, .errors = 10, .most = 75, .panic = 20 };
    size_t m, s;

    printf("| ns                | %4u members | %4u members | %4u members | 500/2 |\n", sizes[0], sizes[1], sizes[2]);
    printf("|-------------------|-------------:|-------------:|-------------:|------:|\n");
    for (m = 0; m < sizeof(methods) / sizeof(*methods); m++) {
        double ns[3];

        for (s = 0; s < 3; s++) {
            rp_state_t state;
            void *mem = make_pool(&state, sizes[s], &eject);

            state.bound = methods[m].bound;
            ns[s] = measure(&state, rp_method_of(methods[m].kind));
            free(mem);
        }
        printf("| %-17s | %12.1f | %12.1f | %12.1f | %5.1f |\n", methods[m].name, ns[0], ns[1], ns[2], ns[2] / ns[0]);
    }
    return 0;
}

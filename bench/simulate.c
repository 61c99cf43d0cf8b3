/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * What the balancing methods make of members that differ, in virtual time: no sockets, no threads, the same numbers
 * each time.  The code that chooses and the code that judges outcomes are the module's own.
 *
 * Ten members, each a queue before eight workers; requests come at random (Poisson), and how long one takes is
 * lognormal.  What one process does the others see at once, as in shared memory: how many there are changes nothing.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balance/method.h"
#include "balance/table.h"

#define MEMBERS 10
#define WORKERS 8
#define SERVICE 10000.0      /* microseconds, mean */
#define SIGMA 1.0            /* of the lognormal's logarithm */
#define SLOWER 5             /* times */
#define REFUSAL 200.0        /* microseconds until a failing member says 500 */
#define PATIENCE 5000000     /* a response that takes longer than this is an error */
#define LENGTH 120000000     /* microseconds of arrivals */
#define WARM_UP 10000000     /* that are not counted */
#define KEYS 10000           /* for hashing, of which some are asked for more often than others (Zipf, 0.8) */

typedef enum fault_t { NOBODY, ONE_SLOW, ONE_FAILS } fault_t;

typedef struct job_t {
    apr_int64_t arrived;
    unsigned member;
    int trial;
    int failed;
    struct job_t *next; /* behind it in the member's queue */
} job_t;

/* Of the future: a job that ends. */
typedef struct event_t {
    apr_int64_t at;
    job_t *job;
} event_t;

typedef struct member_t {
    double slower;
    int fails;
    int busy; /* workers */
    job_t *first, *last;
} member_t;

typedef struct run_t {
    rp_state_t state;
    rp_method_fn method;
    member_t members[MEMBERS];
    event_t *heap;
    size_t events, room;
    apr_uint64_t random;
    double *latencies;
    size_t served, requests, errors;
    size_t of_bad; /* requests that the faulty member got */
} run_t;

static double popular[KEYS]; /* cumulated */

static apr_uint64_t bits(run_t *run)
{
    run->random += 0x9e3779b97f4a7c15u;
    return rp_mix(run->random);
}

/* In (0, 1). */
static double uniform(run_t *run)
{
    return ((double)(bits(run) >> 11) + 0.5) * 0x1p-53;
}

static double lognormal(run_t *run, double mean)
{
    double normal = sqrt(-2 * log(uniform(run))) * cos(2 * M_PI * uniform(run));

    return mean * exp(SIGMA * normal - SIGMA * SIGMA / 2);
}

static void make_popular(void)
{
    double sum = 0;
    int k;

    for (k = 0; k < KEYS; k++) {
        sum += 1 / pow(k + 1, 0.8);
        popular[k] = sum;
    }
    for (k = 0; k < KEYS; k++) {
        popular[k] /= sum;
    }
}

static apr_uint64_t key(run_t *run)
{
    double u = uniform(run);
    int low = 0, high = KEYS - 1;

    while (low < high) {
        int middle = (low + high) / 2;

        if (popular[middle] < u) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return rp_mix((apr_uint64_t)low + 1);
}

static void push(run_t *run, apr_int64_t at, job_t *job)
{
    size_t i = run->events++;

    if (run->events > run->room) {
        run->room = run->room * 2 + 1024;
        run->heap = realloc(run->heap, run->room * sizeof(*run->heap));
        if (!run->heap) {
            abort();
        }
    }
    for (; i && run->heap[(i - 1) / 2].at > at; i = (i - 1) / 2) {
        run->heap[i] = run->heap[(i - 1) / 2];
    }
    run->heap[i] = (event_t){ at, job };
}

static job_t *pop(run_t *run)
{
    job_t *job = run->heap[0].job;
    event_t last = run->heap[--run->events];
    size_t i = 0, child;

    for (child = 1; child < run->events; child = 2 * i + 1) {
        if (child + 1 < run->events && run->heap[child + 1].at < run->heap[child].at) {
            child++;
        }
        if (run->heap[child].at >= last.at) {
            break;
        }
        run->heap[i] = run->heap[child];
        i = child;
    }
    run->heap[i] = last;
    return job;
}

static void serve(run_t *run, job_t *job, apr_int64_t now)
{
    member_t *member = &run->members[job->member];

    member->busy++;
    push(run, now + 1 + (apr_int64_t)lognormal(run, SERVICE * member->slower), job);
}

static void arrive(run_t *run, apr_int64_t now)
{
    rp_pick_t pick = { .now = now, .random = bits(run), .hash = key(run), .may_try = 1 };
    job_t *job = calloc(1, sizeof(*job));
    int i = rp_state_pick(&run->state, run->method, &pick);
    member_t *member;

    if (now >= WARM_UP) {
        run->requests++;
    }
    if (!job || i < 0 || !rp_state_enter(&run->state, (unsigned)i)) {
        run->errors++;
        free(job);
        return;
    }
    member = &run->members[i];
    job->arrived = now;
    job->member = (unsigned)i;
    job->trial = pick.trial;
    job->failed = member->fails;
    if (member->fails) {
        push(run, now + (apr_int64_t)REFUSAL, job);
    }
    else if (member->busy < WORKERS) {
        serve(run, job, now);
    }
    else if (member->first) {
        member->last = member->last->next = job;
    }
    else {
        member->first = member->last = job;
    }
}

static void count(run_t *run, const job_t *job, apr_int64_t latency, int ok)
{
    if (job->arrived < WARM_UP) {
        return;
    }
    run->of_bad += job->member == MEMBERS - 1;
    run->errors += !ok;
    if (ok) {
        run->latencies[run->served++] = (double)latency;
    }
}

static void finish(run_t *run, job_t *job, apr_int64_t now)
{
    member_t *member = &run->members[job->member];
    apr_int64_t latency = now - job->arrived;
    rp_outcome_e outcome = job->failed ? RP_OUTCOME_ERROR : latency > PATIENCE ? RP_OUTCOME_TIMEOUT : RP_OUTCOME_OK;

    rp_state_leave(&run->state, job->member);
    rp_state_report(&run->state, job->member, outcome, job->trial, latency, now);
    count(run, job, latency, outcome == RP_OUTCOME_OK);
    if (!job->failed) {
        member->busy--;
        if (member->first) {
            job_t *next = member->first;

            member->first = next->next;
            serve(run, next, now);
        }
    }
    free(job);
}

static void plan_members(run_t *run, fault_t fault)
{
    unsigned i;

    for (i = 0; i < MEMBERS; i++) {
        rp_slot_t *slot = &run->state.slots[i];
        char url[32];

        snprintf(url, sizeof(url), "http://10.0.0.%u:8080", i + 1);
        slot->origin = RP_SLOT_CONFIGURED;
        slot->weight = 1;
        slot->retry = apr_time_from_sec(1);
        slot->id = rp_slot_id(url);
        run->members[i].slower = 1;
    }
    run->members[MEMBERS - 1].slower = fault == ONE_SLOW ? SLOWER : 1;
    run->members[MEMBERS - 1].fails = fault == ONE_FAILS;
    rp_state_plan(&run->state);
}

/* @param load  share of what the members that are of use could do */
static void simulate(run_t *run, fault_t fault, double load)
{
    double members = fault == ONE_SLOW ? MEMBERS - 1 + 1.0 / SLOWER : fault == ONE_FAILS ? MEMBERS - 1 : MEMBERS;
    double gap = SERVICE / (members * WORKERS * load), next = 0;
    apr_int64_t review = 0;

    plan_members(run, fault);
    while (next < LENGTH || run->events) {
        apr_int64_t at = run->events ? run->heap[0].at : LENGTH;
        int is_arrival = next < LENGTH && (!run->events || next <= (double)at);
        apr_int64_t now = is_arrival ? (apr_int64_t)next : at;

        if (now >= review) {
            rp_state_review(&run->state, now, NULL, NULL);
            review = now + APR_USEC_PER_SEC;
        }
        if (is_arrival) {
            arrive(run, now + 1);
            next += -log(uniform(run)) * gap;
        }
        else {
            finish(run, pop(run), now);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double quantile(const run_t *run, double q)
{
    return run->served ? run->latencies[(size_t)((double)(run->served - 1) * q)] / 1000 : 0;
}

static void row(const char *name, rp_method_e kind, unsigned bound, fault_t fault, double load, int ejects)
{
    rp_eject_conf_t eject = {
        .on = ejects, .failures = 3, .errors = 10, .deviations = 190, .requests = 20, .interval = apr_time_from_sec(10),
        .time = apr_time_from_sec(10), .longest = apr_time_from_sec(300), .most = 75, .panic = 20
    };
    int hashing = kind == RP_METHOD_HASH;
    size_t size = rp_state_size(MEMBERS, 1, hashing);
    run_t run = { .method = rp_method_of(kind), .random = 1 };
    void *mem = aligned_alloc(64, (size + 63) & ~(size_t)63);

    run.latencies = malloc((size_t)(LENGTH / SERVICE * MEMBERS * WORKERS * 2) * sizeof(double));
    if (!mem || !run.latencies) {
        abort();
    }
    memset(mem, 0, size);
    rp_state_map(&run.state, mem, MEMBERS, 1, hashing, &eject);
    run.state.bound = bound;
    simulate(&run, fault, load);
    qsort(run.latencies, run.served, sizeof(double), by_size);
    printf("| %-18s | %7.1f | %7.1f | %8.1f | %8.3f %% | %8.3f %% |\n", name, quantile(&run, 0.5), quantile(&run, 0.99),
           quantile(&run, 0.999), 100.0 * (double)run.errors / (double)run.requests,
           100.0 * (double)run.of_bad / (double)run.requests);
    fflush(stdout);
    free(run.latencies);
    free(run.heap);
    free(mem);
}

static void table(const char *title, fault_t fault, double load, int ejects)
{
    printf("\n%s, %.0f %% load%s:\n\n", title, load * 100, ejects ? "" : ", RProxyEject off");
    printf("| method             |  p50 ms |  p99 ms | p99.9 ms |     errors |  its share |\n");
    printf("|--------------------|--------:|--------:|---------:|-----------:|-----------:|\n");
    row("round-robin", RP_METHOD_ROUND_ROBIN, 0, fault, load, ejects);
    row("random", RP_METHOD_RANDOM, 0, fault, load, ejects);
    row("least-connections", RP_METHOD_LEAST, 0, fault, load, ejects);
    row("p2c", RP_METHOD_P2C, 0, fault, load, ejects);
    row("hash", RP_METHOD_HASH, 0, fault, load, ejects);
    row("hash bound=125%", RP_METHOD_HASH, 125, fault, load, ejects);
}

int main(void)
{
    static const double loads[] = { 0.5, 0.7 };
    unsigned i;

    make_popular();
    for (i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
        table("All alike", NOBODY, loads[i], 1);
        table("One of ten five times slower", ONE_SLOW, loads[i], 1);
        table("One of ten fails at once", ONE_FAILS, loads[i], 1);
        table("One of ten fails at once", ONE_FAILS, loads[i], 0);
    }
    return 0;
}

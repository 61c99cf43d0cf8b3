/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What may block is not done on a lane: another thread does it, while the coroutine waits. */

#include "lane/coroutine.h"
#include "lane/lane.h"
#include "lane/loop.h"

typedef struct errand_t {
    rp_task_t task;
    rp_lane_t *lane;
    rp_coroutine_t *coroutine;
    void (*fn)(void *data);
    void *data;
} errand_t;

static apr_status_t (*elsewhere)(void (*fn)(void *), void *data);

void rp_blocking_by(apr_status_t (*start)(void (*fn)(void *), void *data))
{
    elsewhere = start;
}

static void come_back(void *data)
{
    rp_coroutine_resume(((errand_t *)data)->coroutine);
}

/* On the other thread; behind the last line the errand is gone. */
static void run(void *data)
{
    errand_t *errand = data;

    errand->fn(errand->data);
    rp_lane_post(errand->lane, &errand->task);
}

void rp_blocking(void (*fn)(void *data), void *data)
{
    errand_t errand = { { NULL, come_back, &errand }, rp_lane_current(), rp_coroutine_current(), fn, data };

    if (!errand.coroutine || !elsewhere || elsewhere(run, &errand) != APR_SUCCESS) {
        fn(data);
        return;
    }
    rp_coroutine_pause();
}

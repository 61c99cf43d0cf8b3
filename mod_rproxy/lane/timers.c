/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>

#include "lane/timers.h"

static void put(rp_timers_t *timers, rp_timer_t *timer, unsigned place)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void rise(rp_timers_t *timers, rp_timer_t *timer, unsigned place)
{
    while (place > 1 && timers->heap[place / 2]->at > timer->at) {
        put(timers, timers->heap[place / 2], place);
        place /= 2;
    }
    put(timers, timer, place);
}

static void sink(rp_timers_t *timers, rp_timer_t *timer, unsigned place)
{
    unsigned child;

    while ((child = 2 * place) <= timers->n) {
        child += child < timers->n && timers->heap[child + 1]->at < timers->heap[child]->at;
        if (timers->heap[child]->at >= timer->at) {
            break;
        }
        put(timers, timers->heap[child], place);
        place = child;
    }
    put(timers, timer, place);
}

int rp_timers_add(rp_timers_t *timers, rp_timer_t *timer)
{
    if (timers->n + 1 >= timers->room) {
        unsigned room = timers->room ? 2 * timers->room : 64;
        rp_timer_t **heap = realloc(timers->heap, room * sizeof(*heap));

        if (!heap) {
            return 0;
        }
        timers->heap = heap;
        timers->room = room;
    }
    rise(timers, timer, ++timers->n);
    return 1;
}

void rp_timers_remove(rp_timers_t *timers, rp_timer_t *timer)
{
    unsigned place = timer->place;
    rp_timer_t *last;

    if (!place) {
        return;
    }
    timer->place = 0;
    last = timers->heap[timers->n--];
    if (last == timer) {
        return;
    }
    if (place > 1 && timers->heap[place / 2]->at > last->at) {
        rise(timers, last, place);
    }
    else {
        sink(timers, last, place);
    }
}

rp_timer_t *rp_timers_first(const rp_timers_t *timers)
{
    return timers->n ? timers->heap[1] : NULL;
}

void rp_timers_free(rp_timers_t *timers)
{
    free(timers->heap);
}

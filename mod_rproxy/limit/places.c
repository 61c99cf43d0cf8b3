/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdint.h>
#include <string.h>

#include "lane/shared_lock.h"
#include "limit/places.h"

/* 8,000 keys at a time; of a row only what is used becomes memory. */
#define SETS 1024
#define WAYS 8

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_SEQ_CST)
#define STORE(field, value) __atomic_store_n(&(field), value, __ATOMIC_SEQ_CST)

typedef struct place_entry_t {
    unsigned char key[RP_LIMIT_KEY];
    unsigned taken;  /* the sum over all rows; 0: the entry is free */
    unsigned deaths; /* of children, when that sum was made */
} place_entry_t;

typedef struct place_set_t {
    pthread_mutex_t lock;
    place_entry_t entries[WAYS];
} place_set_t;

typedef struct place_row_t {
    apr_int64_t pid; /* 0: free */
    unsigned taken[SETS * WAYS];
} place_row_t;

struct rp_places_t {
    unsigned nrows;
    unsigned deaths;
    place_set_t sets[SETS];
    place_row_t rows[];
};

apr_size_t rp_places_size(unsigned nrows)
{
    return sizeof(rp_places_t) + nrows * sizeof(place_row_t);
}

int rp_places_init(rp_places_t *places, unsigned nrows)
{
    places->nrows = nrows;
    return rp_shared_locks_init(&places->sets[0].lock, SETS, sizeof(place_set_t));
}

int rp_places_claim(rp_places_t *places, apr_int64_t pid)
{
    unsigned i;

    for (i = 0; i < places->nrows; i++) {
        apr_int64_t none = 0;

        if (__atomic_compare_exchange_n(&places->rows[i].pid, &none, pid, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return (int)i;
        }
    }
    return -1;
}

void rp_places_gone(rp_places_t *places, apr_int64_t pid)
{
    unsigned i, at;

    for (i = 0; i < places->nrows && LOAD(places->rows[i].pid) != pid; i++) {
    }
    if (i == places->nrows) {
        return;
    }
    for (at = 0; at < SETS * WAYS; at++) {
        /* Reading pages that nobody has written makes no memory of them. */
        if (LOAD(places->rows[i].taken[at])) {
            STORE(places->rows[i].taken[at], 0);
        }
    }
    __atomic_fetch_add(&places->deaths, 1, __ATOMIC_SEQ_CST);
    STORE(places->rows[i].pid, 0);
}

/* Under the set's lock, without which no row of a living child changes there. */
static void count_anew(const rp_places_t *places, place_set_t *set)
{
    unsigned deaths = LOAD(places->deaths);
    int way;

    for (way = 0; way < WAYS; way++) {
        place_entry_t *entry = &set->entries[way];
        unsigned at = (unsigned)(set - places->sets) * WAYS + (unsigned)way;
        unsigned i;

        if (entry->deaths == deaths) {
            continue;
        }
        entry->taken = 0;
        for (i = 0; i < places->nrows; i++) {
            entry->taken += LOAD(places->rows[i].taken[at]);
        }
        entry->deaths = deaths;
    }
}

static int lock(const rp_places_t *places, place_set_t *set)
{
    int orphaned, way;
    int ok = rp_shared_lock(&set->lock, &orphaned);

    for (way = 0; ok && orphaned && way < WAYS; way++) {
        set->entries[way].deaths = LOAD(places->deaths) - 1;
    }
    if (ok) {
        count_anew(places, set);
    }
    return ok;
}

/* The key's way in a set, or a free one; -1: there is none. */
static int way_of(const place_set_t *set, const unsigned char *key)
{
    int room = -1;
    int way;

    for (way = 0; way < WAYS; way++) {
        const place_entry_t *entry = &set->entries[way];

        if (entry->taken && !memcmp(entry->key, key, RP_LIMIT_KEY)) {
            return way;
        }
        room = room < 0 && !entry->taken ? way : room;
    }
    return room;
}

static unsigned take_locked(rp_places_t *places, place_set_t *set, int row, const unsigned char *key, unsigned most,
                            int *place)
{
    int way = way_of(set, key);
    place_entry_t *entry = way < 0 ? NULL : &set->entries[way];

    if (!entry) {
        return 1;
    }
    if (entry->taken >= most) {
        return 0;
    }
    if (!entry->taken) {
        memcpy(entry->key, key, RP_LIMIT_KEY);
    }
    *place = (int)(set - places->sets) * WAYS + way;
    __atomic_fetch_add(&places->rows[row].taken[*place], 1, __ATOMIC_SEQ_CST);
    return ++entry->taken;
}

unsigned rp_places_take(rp_places_t *places, int row, const unsigned char key[RP_LIMIT_KEY], unsigned most, int *place)
{
    place_set_t *set;
    uint32_t word;
    unsigned taken;

    *place = RP_PLACE_NONE;
    memcpy(&word, key, sizeof(word));
    set = &places->sets[(word ^ key[RP_LIMIT_KEY - 1]) % SETS];
    if (row < 0 || !lock(places, set)) {
        return 1;
    }
    taken = take_locked(places, set, row, key, most, place);
    pthread_mutex_unlock(&set->lock);
    return taken;
}

void rp_places_leave(rp_places_t *places, int row, apr_int64_t pid, int place)
{
    place_set_t *set = &places->sets[place / WAYS];

    if (!lock(places, set)) {
        return;
    }
    /* The parent may take a child for gone that lives on a while, and has cleared its row then. */
    if (LOAD(places->rows[row].pid) == pid && LOAD(places->rows[row].taken[place])) {
        __atomic_fetch_sub(&places->rows[row].taken[place], 1, __ATOMIC_SEQ_CST);
        set->entries[place % WAYS].taken--;
    }
    pthread_mutex_unlock(&set->lock);
}

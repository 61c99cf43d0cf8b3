/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cache/flight_table.h"
#include "cache/store_local.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_SEQ_CST)
#define STORE(field, value) __atomic_store_n(&(field), value, __ATOMIC_SEQ_CST)

apr_size_t rp_flights_size(void)
{
    return sizeof(rp_flights_t);
}

apr_status_t rp_flights_init(void *mem, rp_flights_t **flights)
{
    rp_flights_t *f = mem;
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr), i;

    if (!rc) {
        rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    }
    if (!rc) {
        rc = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    }
    for (i = 0; !rc && i < RP_FLIGHT_SETS; i++) {
        rc = pthread_mutex_init(&f->sets[i].lock, &attr);
    }
    f->next = 1;
    *flights = f;
    return rc;
}

/* ------------------------------------------------------------------ slots */

static uint64_t word_of(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* The URL's half and the variant's: both are hashes, or the second is zero. */
static uint64_t hash_of(const unsigned char key[RP_KEY_LEN])
{
    return word_of(key) ^ word_of(key + RP_KEY_HALF);
}

/* Whoever died with the lock left at worst a slot whose fetcher is dead. */
static int lock_set(rp_flight_set_t *set)
{
    int rc = pthread_mutex_lock(&set->lock);

    if (rc == EOWNERDEAD) {
        rc = pthread_mutex_consistent(&set->lock);
    }
    return rc == 0;
}

static int is_over(const rp_flight_slot_t *slot)
{
    return LOAD(slot->phase) >= RP_FLIGHT_STORED;
}

static int is_lost(const rp_flight_slot_t *slot, apr_time_t now, apr_interval_time_t stall)
{
    int pid = LOAD(slot->pid);

    /* Once its response can be followed it has deadlines of its own. */
    if (LOAD(slot->phase) == RP_FLIGHT_ASKED && now - LOAD(slot->alive) > stall) {
        return 1;
    }
    return pid != getpid() && rp_local_start_time(pid) != LOAD(slot->start);
}

static void ring(rp_flights_t *f, rp_flight_slot_t *slot)
{
    __atomic_fetch_add(&slot->version, 1, __ATOMIC_SEQ_CST);
    if (LOAD(slot->waiting)) {
        rp_bell_ring(&f->bell);
    }
}

/* Under the set's lock. */
static void take(rp_flights_t *f, rp_flight_slot_t *slot, const unsigned char key[RP_KEY_LEN], apr_time_t now)
{
    static int self;
    static uint64_t start;
    int pid = getpid();

    if (LOAD(self) != pid) {
        STORE(start, rp_local_start_time(pid));
        STORE(self, pid);
    }
    STORE(slot->token, 0);
    memcpy(slot->key, key, RP_KEY_LEN);
    STORE(slot->pid, pid);
    STORE(slot->start, LOAD(start));
    STORE(slot->alive, now);
    STORE(slot->object, 0);
    STORE(slot->published, 0);
    STORE(slot->status, 0);
    STORE(slot->followers, 0);
    STORE(slot->phase, RP_FLIGHT_ASKED);
    STORE(slot->token, __atomic_fetch_add(&f->next, 1, __ATOMIC_SEQ_CST));
    /* Those who waited for the one before it learn that it is gone. */
    ring(f, slot);
    STORE(slot->waiting, 0);
}

static rp_flight_role_e join_locked(rp_flights_t *f, rp_flight_set_t *set, const unsigned char key[RP_KEY_LEN],
                                    apr_time_t now, apr_interval_time_t stall, rp_flight_slot_t **joined, int *follows)
{
    rp_flight_slot_t *room = NULL;
    int i;

    for (i = 0; i < RP_FLIGHT_WAYS; i++) {
        rp_flight_slot_t *slot = &set->slots[i];

        if (!LOAD(slot->token) || is_over(slot)) {
            *follows |= LOAD(slot->token) && !memcmp(slot->key, key, RP_KEY_LEN);
            room = room ? room : slot;
            continue;
        }
        if (!memcmp(slot->key, key, RP_KEY_LEN)) {
            *joined = slot;
            if (is_lost(slot, now, stall)) {
                take(f, slot, key, now);
                return RP_FLIGHT_FETCH;
            }
            return RP_FLIGHT_WAIT;
        }
    }
    for (i = 0; !room && i < RP_FLIGHT_WAYS; i++) {
        room = is_lost(&set->slots[i], now, stall) ? &set->slots[i] : NULL;
    }
    if (!room) {
        return RP_FLIGHT_ALONE;
    }
    take(f, room, key, now);
    *joined = room;
    return RP_FLIGHT_FETCH;
}

rp_flight_role_e rp_flight_join(rp_flights_t *f, const unsigned char key[RP_KEY_LEN], apr_time_t now,
                                apr_interval_time_t stall, rp_flight_t *flight)
{
    unsigned at = (unsigned)(hash_of(key) % RP_FLIGHT_SETS);
    rp_flight_set_t *set = &f->sets[at];
    rp_flight_slot_t *slot = NULL;
    rp_flight_role_e role;

    flight->token = 0;
    flight->follows = 0;
    if (!lock_set(set)) {
        return RP_FLIGHT_ALONE;
    }
    role = join_locked(f, set, key, now, stall, &slot, &flight->follows);
    if (slot) {
        flight->slot = at * RP_FLIGHT_WAYS + (unsigned)(slot - set->slots);
        flight->token = LOAD(slot->token);
    }
    pthread_mutex_unlock(&set->lock);
    return role;
}

/* ------------------------------------------------------------------ the fetcher */

/* Its slot, with the set locked; NULL (and no lock) when somebody has taken over. */
static rp_flight_slot_t *own(rp_flights_t *f, const rp_flight_t *flight)
{
    rp_flight_slot_t *slot = rp_flight_slot(f, flight);
    rp_flight_set_t *set = &f->sets[flight->slot / RP_FLIGHT_WAYS];

    if (!flight->token || !lock_set(set)) {
        return NULL;
    }
    if (LOAD(slot->token) != flight->token) {
        pthread_mutex_unlock(&set->lock);
        return NULL;
    }
    return slot;
}

static void disown(rp_flights_t *f, const rp_flight_t *flight)
{
    pthread_mutex_unlock(&f->sets[flight->slot / RP_FLIGHT_WAYS].lock);
}

void rp_flight_readable(rp_flights_t *f, const rp_flight_t *flight, uint64_t object, uint64_t published, apr_time_t now)
{
    rp_flight_slot_t *slot = own(f, flight);

    if (!slot) {
        return;
    }
    STORE(slot->alive, now);
    STORE(slot->object, object);
    STORE(slot->published, published);
    STORE(slot->phase, RP_FLIGHT_READABLE);
    ring(f, slot);
    disown(f, flight);
}

void rp_flight_end(rp_flights_t *f, rp_flight_t *flight, rp_flight_phase_e phase, int status)
{
    rp_flight_slot_t *slot = own(f, flight);

    if (slot) {
        STORE(slot->status, status);
        STORE(slot->phase, phase);
        ring(f, slot);
        disown(f, flight);
    }
    flight->token = 0;
}

/* ------------------------------------------------------------------ those who wait */

void rp_flight_news(rp_flights_t *f, const rp_flight_t *flight, rp_flight_news_t *news)
{
    rp_flight_slot_t *slot = rp_flight_slot(f, flight);

    news->version = LOAD(slot->version);
    news->phase = (rp_flight_phase_e)LOAD(slot->phase);
    news->status = LOAD(slot->status);
    news->object = LOAD(slot->object);
    news->published = LOAD(slot->published);
    /* Last: what was read before is this flight's when it still has the slot. */
    if (LOAD(slot->token) != flight->token) {
        news->phase = RP_FLIGHT_LEFT;
    }
}

void rp_flight_follow(rp_flights_t *f, const rp_flight_t *flight, int step)
{
    rp_flight_slot_t *slot = rp_flight_slot(f, flight);

    if (LOAD(slot->token) == flight->token) {
        __atomic_fetch_add(&slot->followers, (unsigned)step, __ATOMIC_SEQ_CST);
    }
}

int rp_flight_is_followed(rp_flights_t *f, const rp_flight_t *flight)
{
    const rp_flight_slot_t *slot = rp_flight_slot(f, flight);

    return LOAD(slot->waiting) || LOAD(slot->followers);
}

int rp_flight_is_lost(rp_flights_t *f, const rp_flight_t *flight, apr_time_t now, apr_interval_time_t stall)
{
    rp_flight_slot_t *slot = rp_flight_slot(f, flight);

    return LOAD(slot->token) != flight->token || (!is_over(slot) && is_lost(slot, now, stall));
}

typedef struct wish_t {
    const rp_flight_slot_t *slot;
    uint64_t token;
    unsigned version;
} wish_t;

static int has_news(const void *data)
{
    const wish_t *wish = data;

    return LOAD(wish->slot->version) != wish->version || LOAD(wish->slot->token) != wish->token;
}

apr_status_t rp_flights_bell(rp_flights_t *f, apr_pool_t *p, rp_bell_t **bell)
{
    return rp_bell_create(&f->bell, p, bell);
}

apr_status_t rp_flight_wait(rp_flights_t *f, rp_bell_t *bell, const rp_flight_t *flight, const rp_flight_news_t *seen,
                            int client_fd, apr_time_t deadline)
{
    rp_flight_slot_t *slot = rp_flight_slot(f, flight);
    wish_t wish = { slot, flight->token, seen->version };
    apr_status_t rv;

    __atomic_fetch_add(&slot->waiting, 1, __ATOMIC_SEQ_CST);
    rv = rp_bell_wait(bell, has_news, &wish, client_fd, deadline);
    if (LOAD(slot->token) == flight->token) {
        __atomic_fetch_sub(&slot->waiting, 1, __ATOMIC_SEQ_CST);
    }
    return rv;
}

/* ------------------------------------------------------------------ what is not for sharing */

static uint64_t *private_word(const rp_flights_t *f, uint64_t hash)
{
    return (uint64_t *)&f->private_[hash % RP_FLIGHT_PRIVATE];
}

void rp_flights_set_private(rp_flights_t *f, const unsigned char key[RP_KEY_LEN], apr_time_t until)
{
    uint64_t hash = hash_of(key);

    STORE(*private_word(f, hash), (hash & 0xFFFFFFFF00000000u) | (uint32_t)apr_time_sec(until));
}

int rp_flights_is_private(const rp_flights_t *f, const unsigned char key[RP_KEY_LEN], apr_time_t now)
{
    uint64_t hash = hash_of(key), word = LOAD(*private_word(f, hash));

    return word && (word >> 32) == (hash >> 32) && (uint32_t)word > (uint32_t)apr_time_sec(now);
}

void rp_flights_set_shared(rp_flights_t *f, const unsigned char key[RP_KEY_LEN])
{
    uint64_t hash = hash_of(key), *at = private_word(f, hash);

    if (LOAD(*at) && (LOAD(*at) >> 32) == (hash >> 32)) {
        STORE(*at, 0);
    }
}

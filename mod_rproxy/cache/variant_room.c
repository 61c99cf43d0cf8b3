/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "cache/variant_room.h"

/* Sets that are looked at for the one that was not used for the longest. */
#define LOOK_AT 16

typedef struct place_t {
    unsigned char key[RP_KEY_LEN]; /* written under the lock; a reader that meets it half written takes it for another */
    uint64_t bytes;                /* 0: free */
    apr_time_t used;
} place_t;

struct rp_room_t {
    pthread_mutex_t lock;
    uint64_t variants, bytes;
    unsigned hand;
    /* Evicted from a full set by another one, and to be removed from the store. */
    unsigned char pushed[RP_KEY_LEN];
    int has_pushed;
    place_t places[RP_ROOM_SETS][RP_ROOM_WAYS];
};

apr_size_t rp_room_size(void)
{
    return sizeof(rp_room_t);
}

int rp_room_init(void *mem, rp_room_t **room)
{
    pthread_mutexattr_t attr;
    int ok;

    *room = mem;
    ok = !pthread_mutexattr_init(&attr) && !pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED)
         && !pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) && !pthread_mutex_init(&(*room)->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return ok;
}

static void lock(rp_room_t *room)
{
    if (pthread_mutex_lock(&room->lock) == EOWNERDEAD) {
        /* The sums may be a place ahead or behind. */
        pthread_mutex_consistent(&room->lock);
    }
}

static place_t *set_of(rp_room_t *room, const unsigned char key[RP_KEY_LEN])
{
    uint32_t n;

    /* Variants of one response share the first half of the key. */
    memcpy(&n, key + RP_KEY_HALF, sizeof(n));
    return room->places[n % RP_ROOM_SETS];
}

static place_t *find(place_t *set, const unsigned char key[RP_KEY_LEN])
{
    int i;

    for (i = 0; i < RP_ROOM_WAYS; i++) {
        if (__atomic_load_n(&set[i].bytes, __ATOMIC_RELAXED) && !memcmp(set[i].key, key, RP_KEY_LEN)) {
            return &set[i];
        }
    }
    return NULL;
}

int rp_room_used(rp_room_t *room, const unsigned char key[RP_KEY_LEN], apr_time_t now)
{
    place_t *place = find(set_of(room, key), key);

    if (place) {
        __atomic_store_n(&place->used, now, __ATOMIC_RELAXED);
    }
    return place != NULL;
}

static void set_bytes(rp_room_t *room, place_t *place, uint64_t bytes)
{
    room->bytes += bytes - place->bytes;
    room->variants += (bytes != 0) - (place->bytes != 0);
    __atomic_store_n(&place->bytes, bytes, __ATOMIC_RELAXED);
}

/* The place in a set that is free, or was not used for the longest. */
static place_t *oldest(place_t *set, int free_too)
{
    place_t *best = NULL;
    int i;

    for (i = 0; i < RP_ROOM_WAYS; i++) {
        if (!set[i].bytes) {
            if (free_too) {
                return &set[i];
            }
            continue;
        }
        if (!best || set[i].used < best->used) {
            best = &set[i];
        }
    }
    return best;
}

void rp_room_enter(rp_room_t *room, const unsigned char key[RP_KEY_LEN], uint64_t bytes, apr_time_t now)
{
    place_t *set = set_of(room, key), *place;

    lock(room);
    place = find(set, key);
    if (!place) {
        place = oldest(set, 1);
        if (place->bytes) {
            memcpy(room->pushed, place->key, RP_KEY_LEN);
            room->has_pushed = 1;
            set_bytes(room, place, 0);
        }
        memcpy(place->key, key, RP_KEY_LEN);
    }
    place->used = now;
    set_bytes(room, place, bytes);
    pthread_mutex_unlock(&room->lock);
}

static place_t *next_victim(rp_room_t *room)
{
    place_t *best = NULL, *place;
    unsigned looked;

    for (looked = 0; looked < RP_ROOM_SETS && (looked < LOOK_AT || !best); looked++) {
        place = oldest(room->places[room->hand++ % RP_ROOM_SETS], 0);
        if (place && (!best || place->used < best->used)) {
            best = place;
        }
    }
    return best;
}

int rp_room_excess(rp_room_t *room, uint64_t most, unsigned char key[RP_KEY_LEN])
{
    place_t *victim = NULL;
    int found = 0;

    lock(room);
    if (room->has_pushed) {
        memcpy(key, room->pushed, RP_KEY_LEN);
        room->has_pushed = 0;
        found = 1;
    }
    else if (room->bytes > most && (victim = next_victim(room)) != NULL) {
        memcpy(key, victim->key, RP_KEY_LEN);
        set_bytes(room, victim, 0);
        found = 1;
    }
    pthread_mutex_unlock(&room->lock);
    return found;
}

void rp_room_figures(rp_room_t *room, uint64_t *variants, uint64_t *bytes)
{
    lock(room);
    *variants = room->variants;
    *bytes = room->bytes;
    pthread_mutex_unlock(&room->lock);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The table as it lies in shared memory; private to flight.c. */
#ifndef RP_FLIGHT_TABLE_H
#define RP_FLIGHT_TABLE_H

#include <pthread.h>

#include "cache/flight.h"

#define RP_FLIGHT_SETS 512
#define RP_FLIGHT_WAYS 8
#define RP_FLIGHT_PRIVATE 65536

typedef struct rp_flight_slot_t {
    uint64_t token;  /* 0: free; written last */
    uint64_t start;  /* of the fetcher's process, as in store_local.h */
    uint64_t object;
    uint64_t published;
    apr_time_t alive; /* the fetcher's last sign of life, rp_now() */
    unsigned char key[RP_KEY_LEN];
    int pid;
    int status;
    unsigned phase;
    unsigned version;
    unsigned waiting; /* a hint: more than 0 when somebody may want to know */
    unsigned followers; /* a hint: those who read what it writes */
} rp_flight_slot_t;

typedef struct rp_flight_set_t {
    pthread_mutex_t lock;
    rp_flight_slot_t slots[RP_FLIGHT_WAYS];
} rp_flight_set_t;

struct rp_flights_t {
    uint64_t next;     /* token */
    unsigned bell;     /* grows when something changes that somebody waits for */
    rp_flight_set_t sets[RP_FLIGHT_SETS];
    uint64_t private_[RP_FLIGHT_PRIVATE]; /* upper half: of the key's hash; lower: second of rp_now() until which it holds */
};

static inline rp_flight_slot_t *rp_flight_slot(rp_flights_t *f, const rp_flight_t *flight)
{
    return &f->sets[flight->slot / RP_FLIGHT_WAYS].slots[flight->slot % RP_FLIGHT_WAYS];
}

#endif

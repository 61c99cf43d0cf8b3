/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Fetches in progress on this host: so that of many requests for one missing or expired response one asks a backend,
 * and the others wait for what it gets (request collapsing, RFC 9111 §4).
 *
 * A table in memory that the parent makes and all children share.  Nothing in it is needed for correctness: a full
 * table, a killed process or a lost flight cost an additional fetch.  A fetcher announces the object that it writes to
 * the store, those who wait read it from there (store.h: follow).  Sets of slots have a robust lock each, held for a few
 * comparisons; what only ever grows is read without it.
 */
#ifndef RP_FLIGHT_H
#define RP_FLIGHT_H

#include "cache/store.h"
#include "lane/bell.h"

typedef struct rp_flights_t rp_flights_t;

/** One fetch, as its fetcher or one who waits for it holds it. */
typedef struct rp_flight_t {
    unsigned slot;
    uint64_t token; /* tells it from others that had the slot before or have it later; 0: none */
    int follows;    /* the fetcher's: another for the same key was over just before, so look again what that has stored */
} rp_flight_t;

typedef enum rp_flight_role_e {
    RP_FLIGHT_ALONE, /* the table is full: fetch, but nobody will follow */
    RP_FLIGHT_FETCH, /* this request fetches, and calls rp_flight_end() whatever happens */
    RP_FLIGHT_WAIT   /* somebody else does */
} rp_flight_role_e;

typedef enum rp_flight_phase_e {
    RP_FLIGHT_ASKED,    /* no response to follow yet */
    RP_FLIGHT_READABLE, /* an object that is being written can be followed */
    RP_FLIGHT_STORED,   /* over: look it up again */
    RP_FLIGHT_PRIVATE,  /* over: a response for one client only, so everybody asks for himself */
    RP_FLIGHT_FAILED,   /* over: no backend answered; .status is what everybody gets */
    RP_FLIGHT_LEFT      /* over without a result; somebody takes over */
} rp_flight_phase_e;

typedef struct rp_flight_news_t {
    rp_flight_phase_e phase;
    int status;         /* HTTP status of RP_FLIGHT_FAILED */
    uint64_t object;    /* of RP_FLIGHT_READABLE */
    uint64_t published; /* bytes of its body that can be read */
    unsigned version;   /* grows with each change */
} rp_flight_news_t;

/** Bytes of shared memory that a table takes, and making one of them (zeroed, by the parent, before it forks). */
apr_size_t rp_flights_size(void);
apr_status_t rp_flights_init(void *mem, rp_flights_t **flights);

/**
 * Take part in the fetch for a key: as the fetcher when nobody else is, or when the fetcher is dead, or still has
 * no response after stall.
 * @param now  rp_now(), here and below
 */
rp_flight_role_e rp_flight_join(rp_flights_t *f, const unsigned char key[RP_KEY_LEN], apr_time_t now,
                                apr_interval_time_t stall, rp_flight_t *flight);

/** The fetcher's: so many bytes of this object can be read now. Also a sign of life. */
void rp_flight_readable(rp_flights_t *f, const rp_flight_t *flight, uint64_t object, uint64_t published, apr_time_t now);

/** The fetcher's: it is over. Does nothing the second time, or when somebody has taken over. */
void rp_flight_end(rp_flights_t *f, rp_flight_t *flight, rp_flight_phase_e phase, int status);

/** What has become of it; when its slot has been taken by another one, RP_FLIGHT_LEFT. */
void rp_flight_news(rp_flights_t *f, const rp_flight_t *flight, rp_flight_news_t *news);

/** Begin (1) or end (-1) to read what a flight writes; a fetcher whose client goes away may ask whether anybody does. */
void rp_flight_follow(rp_flights_t *f, const rp_flight_t *flight, int step);
int rp_flight_is_followed(rp_flights_t *f, const rp_flight_t *flight);

/** Is its fetcher dead, or without a response for longer than stall? */
int rp_flight_is_lost(rp_flights_t *f, const rp_flight_t *flight, apr_time_t now, apr_interval_time_t stall);

/**
 * Keys whose responses are not for sharing are remembered for a while, so that requests for them do not wait for one
 * another (64,000 of them; a hint that may be forgotten or, once in 4 billion, be another key's).
 */
void rp_flights_set_private(rp_flights_t *f, const unsigned char key[RP_KEY_LEN], apr_time_t until);
int rp_flights_is_private(const rp_flights_t *f, const unsigned char key[RP_KEY_LEN], apr_time_t now);
void rp_flights_set_shared(rp_flights_t *f, const unsigned char key[RP_KEY_LEN]);

/* ------------------------------------------------------------------ waiting for news */

/** In each child: what its requests wait with. */
apr_status_t rp_flights_bell(rp_flights_t *f, apr_pool_t *p, rp_bell_t **bell);

/** Wait until there is other news than seen.version; otherwise as rp_bell_wait(). */
apr_status_t rp_flight_wait(rp_flights_t *f, rp_bell_t *bell, const rp_flight_t *flight, const rp_flight_news_t *seen,
                            int client_fd, apr_time_t deadline);

#endif

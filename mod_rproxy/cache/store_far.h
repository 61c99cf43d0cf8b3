/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the second store is made of; private to store_farm.c and the store_far_*.c. */
#ifndef RP_STORE_FAR_H
#define RP_STORE_FAR_H

#include <pthread.h>

#include <apr_thread_proc.h>

#include "cache/farm_position.h"
#include "cache/farm_value.h"
#include "cache/store_farm.h"

/** Kinds of lines for the log, each written at most once a minute by all children together. */
typedef enum rp_far_tell_e {
    RP_FAR_BARE,
    RP_FAR_STRANGER,
    RP_FAR_FORGED,
    RP_FAR_UNSOUND,
    RP_FAR_GONE,
    RP_FAR_DROPPED,
    RP_FAR_TELL_KINDS
} rp_far_tell_e;

typedef struct rp_far_shared_t {
    rp_store_farm_figures_t figures;
    apr_int64_t told[RP_FAR_TELL_KINDS]; /* rp_now() from which the next line is written */
} rp_far_shared_t;

/** Keys that wait to be put into Redis. */
#define RP_FAR_QUEUE 4096

typedef enum rp_far_what_e {
    RP_FAR_PUT,    /* what the local store has */
    RP_FAR_FRESHEN, /* another record in front of the same body, which only Redis has */
    RP_FAR_REMOVE,
    RP_FAR_THEN     /* what waits for those before it */
} rp_far_what_e;

typedef struct rp_far_item_t {
    unsigned char key[RP_KEY_LEN];
    rp_far_what_e what;
    apr_time_t expires;
    rp_farm_value_t *value; /* of RP_FAR_FRESHEN: one block of malloc() */
    void (*done)(void *data, apr_pool_t *p); /* of RP_FAR_THEN */
    void *data;
} rp_far_item_t;

typedef struct rp_far_queue_t {
    pthread_mutex_t lock; /* the rest but thread */
    pthread_cond_t more;
    rp_far_item_t *items;
    unsigned first, n;
    int stop;
    apr_thread_t *thread;
} rp_far_queue_t;

/** Bodies that are put into the local store while they are sent, at most so many at a time in a child. */
#define RP_FAR_FILLS 16

typedef struct rp_far_t {
    rp_store_t store; /* first: what callers hold */
    rp_store_t *local;
    rp_farm_t *farm;
    rp_store_farm_conf_t conf;
    rp_far_shared_t *shared;
    rp_store_log_fn log;
    void *log_ctx;
    rp_far_queue_t queue;
    uint64_t fills[RP_FAR_FILLS]; /* hashes of their keys, 0: free; atomics */
} rp_far_t;

#define rp_far_count(far, field, n) \
    __atomic_fetch_add(&(far)->shared->figures.field, (apr_uint64_t)(n), __ATOMIC_RELAXED)

/** What an entry from Redis goes on with (rp_entry_t.reading). */
typedef struct rp_far_reading_t rp_far_reading_t;

/* ---- store_far_read.c */

/** Find what Redis has. @return APR_SUCCESS, APR_NOTFOUND */
apr_status_t rp_far_find(rp_far_t *far, const unsigned char key[RP_KEY_LEN], apr_pool_t *p, rp_entry_t *entry);

/**
 * Put an entry of rp_far_find() into the local store: now, or as it is read.
 * @param entry  becomes the local store's when it is there
 * @return APR_NOTFOUND when it was purged: it is not to be used; else APR_SUCCESS
 */
apr_status_t rp_far_adopt(rp_far_t *far, rp_entry_t *entry, apr_pool_t *p);

/** Open what was sealed for a key, when anything is. @return 1; 0 (counted, logged) */
int rp_far_open(rp_far_t *far, rp_str_t key, uint64_t generation, rp_str_t from, apr_pool_t *p, rp_str_t *text);

void rp_far_tell(rp_far_t *far, rp_far_tell_e kind, const char *what);

/* ---- store_far_body.c */

/**
 * Get ready to read a body; the first of several pieces is got now.
 * @param put  how the entry would be put into the local store; copied, but for what it points to
 * @return NULL when not all pieces are there
 */
rp_far_reading_t *rp_far_reading(rp_far_t *far, const unsigned char key[RP_KEY_LEN], const rp_farm_value_t *value,
                                 const rp_put_t *put, apr_pool_t *p);

const rp_put_t *rp_far_put_of(const rp_far_reading_t *reading);

/** Have the local store filled while it is read from its beginning to its end. */
void rp_far_fill(rp_far_reading_t *reading);

apr_status_t rp_far_read(rp_far_reading_t *reading, uint64_t offset, char *buf, apr_size_t *len);

/* ---- store_far_push.c */

apr_status_t rp_far_push_begin(rp_far_t *far, apr_pool_t *p);

/** Have it done in the background. value, of RP_FAR_FRESHEN, is copied. */
void rp_far_push(rp_far_t *far, const unsigned char key[RP_KEY_LEN], rp_far_what_e what, apr_time_t expires,
                 const rp_farm_value_t *value);

/** Have it done behind those that wait. @return 0 when that cannot be: nothing will be done */
int rp_far_push_then(rp_far_t *far, void (*done)(void *data, apr_pool_t *p), void *data);

/* ---- store_far_put.c */

/** What the pushing thread has for itself. */
typedef struct rp_far_hand_t {
    rp_far_t *far;
    apr_pool_t *p;      /* cleared with each item */
    apr_pool_t *scratch; /* for one call */
    char *pieces;       /* room for some pieces of a body, sealed */
} rp_far_hand_t;

#define RP_FAR_PIECES 4 /* at a time */
#define RP_FAR_PIECE (RP_STORE_CHUNK + RP_SEAL_OVERHEAD)

/** Before the first. */
void rp_far_put_init(void);

/** Carry out an item. */
void rp_far_put(rp_far_hand_t *hand, const rp_far_item_t *item);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <apr_siphash.h>

#include "balance/sticky_learn.h"

#define WAYS 16   /* entries of a bucket, */
#define FILL 8    /* of which so many are used on average when the table has as many sessions as promised */
#define LOCKS 64

typedef struct entry_t {
    apr_uint64_t key;    /* 0: free */
    apr_uint64_t member;
    apr_int64_t until;
} entry_t;

typedef struct bucket_t {
    entry_t entries[WAYS];
} bucket_t;

struct rp_learned_t {
    unsigned char secret[RP_LEARN_KEY_LEN];
    apr_uint32_t nbuckets;
    struct {
        pthread_mutex_t mutex __attribute__((aligned(64)));
    } locks[LOCKS];
    bucket_t buckets[];
};

static apr_uint32_t buckets_for(unsigned sessions)
{
    return sessions / FILL + 1;
}

apr_size_t rp_learned_size(unsigned sessions)
{
    return sizeof(rp_learned_t) + buckets_for(sessions) * sizeof(bucket_t);
}

int rp_learned_init(rp_learned_t *table, unsigned sessions, const unsigned char key[RP_LEARN_KEY_LEN])
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);
    int i;

    if (rc != 0) {
        return rc;
    }
    memcpy(table->secret, key, RP_LEARN_KEY_LEN);
    table->nbuckets = buckets_for(sessions);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    for (i = 0; i < LOCKS && rc == 0; i++) {
        rc = pthread_mutex_init(&table->locks[i].mutex, &attr);
    }
    pthread_mutexattr_destroy(&attr);
    return rc;
}

static apr_uint64_t hash(const rp_learned_t *table, rp_str_t id)
{
    apr_uint64_t key = apr_siphash24(id.ptr ? id.ptr : "", id.len, table->secret);

    return key ? key : 1;
}

static apr_uint32_t bucket_of(const rp_learned_t *table, apr_uint64_t key)
{
    return (apr_uint32_t)((key >> 32) * table->nbuckets >> 32);
}

/* @return the bucket, to be given back by unlock(); NULL when it cannot be had */
static bucket_t *lock(rp_learned_t *table, apr_uint32_t i)
{
    int rc = pthread_mutex_lock(&table->locks[i % LOCKS].mutex);

    /* Whoever died in here left an entry whole or free: see write_entry(). */
    if (rc == EOWNERDEAD) {
        rc = pthread_mutex_consistent(&table->locks[i % LOCKS].mutex);
    }
    return rc == 0 ? &table->buckets[i] : NULL;
}

static void unlock(rp_learned_t *table, apr_uint32_t i)
{
    pthread_mutex_unlock(&table->locks[i % LOCKS].mutex);
}

static entry_t *find(bucket_t *bucket, apr_uint64_t key)
{
    int i;

    for (i = 0; i < WAYS; i++) {
        if (bucket->entries[i].key == key) {
            return &bucket->entries[i];
        }
    }
    return NULL;
}

/* The session's own place, a free one, or that of the session which has not been used for the longest time. */
static entry_t *room_for(bucket_t *bucket, apr_uint64_t key)
{
    entry_t *room = find(bucket, key);
    int i;

    if (room) {
        return room;
    }
    room = &bucket->entries[0];
    for (i = 1; i < WAYS && room->key; i++) {
        if (!bucket->entries[i].key || bucket->entries[i].until < room->until) {
            room = &bucket->entries[i];
        }
    }
    return room;
}

/* In such an order that a process may be killed anywhere in it. */
static void write_entry(entry_t *entry, apr_uint64_t key, apr_uint64_t member, apr_int64_t until)
{
    __atomic_store_n(&entry->key, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&entry->member, member, __ATOMIC_RELEASE);
    __atomic_store_n(&entry->until, until, __ATOMIC_RELEASE);
    __atomic_store_n(&entry->key, key, __ATOMIC_RELEASE);
}

static void put_hashed(rp_learned_t *table, apr_uint64_t key, apr_uint64_t member, apr_int64_t until)
{
    apr_uint32_t i = bucket_of(table, key);
    bucket_t *bucket = lock(table, i);

    if (bucket) {
        write_entry(room_for(bucket, key), key, member, until);
        unlock(table, i);
    }
}

void rp_learned_put(rp_learned_t *table, rp_str_t id, apr_uint64_t member, apr_time_t now,
                    apr_interval_time_t lifetime)
{
    put_hashed(table, hash(table, id), member, now + lifetime);
}

apr_uint64_t rp_learned_get(rp_learned_t *table, rp_str_t id, apr_time_t now, apr_interval_time_t lifetime)
{
    apr_uint64_t key = hash(table, id), member = 0;
    apr_uint32_t i = bucket_of(table, key);
    bucket_t *bucket = lock(table, i);
    entry_t *entry;

    if (!bucket) {
        return 0;
    }
    entry = find(bucket, key);
    if (entry && entry->until > now) {
        entry->until = now + lifetime;
        member = entry->member;
    }
    unlock(table, i);
    return member;
}

void rp_learned_copy(rp_learned_t *to, rp_learned_t *from, apr_time_t now)
{
    apr_uint32_t i;

    for (i = 0; i < from->nbuckets; i++) {
        /* Children of the old generation go on writing there. */
        bucket_t *bucket = lock(from, i);
        bucket_t copy;
        int way;

        if (!bucket) {
            continue;
        }
        copy = *bucket;
        unlock(from, i);
        for (way = 0; way < WAYS; way++) {
            if (copy.entries[way].key && copy.entries[way].until > now) {
                put_hashed(to, copy.entries[way].key, copy.entries[way].member, copy.entries[way].until);
            }
        }
    }
}

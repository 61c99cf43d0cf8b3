/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdint.h>
#include <string.h>

#include "lane/shared_lock.h"
#include "limit/rates.h"

/* 64,000 keys at a time, in 4 MB. */
#define SETS 8192
#define WAYS 8

typedef struct rate_entry_t {
    unsigned char key[RP_LIMIT_KEY];
    apr_int64_t used_until;
    apr_int64_t learned; /* the farm has said so */
} rate_entry_t;

typedef struct rate_set_t {
    pthread_mutex_t lock;
    rate_entry_t entries[WAYS];
} rate_set_t;

struct rp_rates_t {
    rate_set_t sets[SETS];
};

apr_size_t rp_rates_size(void)
{
    return sizeof(rp_rates_t);
}

int rp_rates_init(rp_rates_t *rates)
{
    return rp_shared_locks_init(&rates->sets[0].lock, SETS, sizeof(rate_set_t));
}

static rate_set_t *set_of(rp_rates_t *rates, const unsigned char *key)
{
    uint32_t word;

    memcpy(&word, key, sizeof(word));
    /* The key's end is the limit's, its beginning the client's. */
    return &rates->sets[(word ^ key[RP_LIMIT_KEY - 1]) % SETS];
}

/* The key's entry, or one for it, which is then its own; an entry whose time has come knows nothing. */
static rate_entry_t *entry_of(rate_set_t *set, const unsigned char *key, int make)
{
    rate_entry_t *soonest = &set->entries[0];
    int i;

    for (i = 0; i < WAYS; i++) {
        rate_entry_t *entry = &set->entries[i];

        if (!memcmp(entry->key, key, RP_LIMIT_KEY)) {
            return entry;
        }
        soonest = entry->used_until < soonest->used_until ? entry : soonest;
    }
    if (!make) {
        return NULL;
    }
    memcpy(soonest->key, key, RP_LIMIT_KEY);
    soonest->used_until = 0;
    soonest->learned = 0;
    return soonest;
}

/* Whoever died with the lock may have left an entry half written: nobody is to be refused by that. */
static int lock(rate_set_t *set)
{
    int orphaned;
    int ok = rp_shared_lock(&set->lock, &orphaned);

    if (ok && orphaned) {
        memset(set->entries, 0, sizeof(set->entries));
    }
    return ok;
}

int rp_rates_take(rp_rates_t *rates, const unsigned char key[RP_LIMIT_KEY], const rp_gcra_t *rate, apr_int64_t now,
                  apr_int64_t *wait)
{
    rate_set_t *set = set_of(rates, key);
    rate_entry_t *entry;
    int ok;

    *wait = 0;
    if (!lock(set)) {
        return 1;
    }
    entry = entry_of(set, key, 1);
    ok = rp_gcra_take(rate, &entry->used_until, now, wait);
    entry->learned = 0;
    pthread_mutex_unlock(&set->lock);
    return ok;
}

void rp_rates_learn(rp_rates_t *rates, const unsigned char key[RP_LIMIT_KEY], apr_int64_t used_until, apr_int64_t now)
{
    rate_set_t *set = set_of(rates, key);
    rate_entry_t *entry;

    if (!lock(set)) {
        return;
    }
    entry = entry_of(set, key, used_until > now);
    /* Replies overtake one another: what is later is newer. */
    if (entry && (!entry->learned || entry->used_until < used_until)) {
        entry->used_until = used_until;
        entry->learned = 1;
    }
    pthread_mutex_unlock(&set->lock);
}

apr_int64_t rp_rates_learned_wait(rp_rates_t *rates, const unsigned char key[RP_LIMIT_KEY], const rp_gcra_t *rate,
                                  apr_int64_t now)
{
    rate_set_t *set = set_of(rates, key);
    apr_int64_t wait = 0;
    rate_entry_t *entry;

    if (!lock(set)) {
        return 0;
    }
    entry = entry_of(set, key, 0);
    if (entry && entry->learned) {
        wait = rp_gcra_wait(rate, entry->used_until, now);
    }
    pthread_mutex_unlock(&set->lock);
    return wait;
}

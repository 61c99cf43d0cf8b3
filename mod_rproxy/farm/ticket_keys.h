/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Keys of TLS session tickets (RFC 5077, RFC 8446 §4.6.1) that a farm shares: three at a time, of which one encrypts.
 *
 * The next one is known to all before anybody encrypts with it, the previous one opens what it has encrypted for as
 * long as it did.  Each change has a greater generation, by which two that made keys at the same time come to one mind.
 * Pure but for random bytes; times are seconds of Redis' clock.
 */
#ifndef RP_TICKET_KEYS_H
#define RP_TICKET_KEYS_H

#include <apr_pools.h>

#include "farm/seal.h"

#define RP_TICKET_NAME 16

typedef struct rp_ticket_key_t {
    unsigned char name[RP_TICKET_NAME]; /* stands in a ticket: tells which key it was */
    unsigned char cipher[32];           /* AES-256-CBC */
    unsigned char mac[32];              /* HMAC-SHA256 */
} rp_ticket_key_t;

typedef enum rp_ticket_turn_e {
    RP_TICKET_PREVIOUS,
    RP_TICKET_CURRENT,
    RP_TICKET_NEXT,
    RP_TICKET_KEYS
} rp_ticket_turn_e;

typedef struct rp_ticket_keys_t {
    uint64_t generation; /* 0: there are none */
    int64_t since;       /* the current one encrypts since then */
    rp_ticket_key_t keys[RP_TICKET_KEYS];
} rp_ticket_keys_t;

/** Make all of them. @return 1, or 0 without random bytes */
int rp_ticket_keys_make(rp_ticket_keys_t *keys, int64_t now);

/** One step on: the next one encrypts, and there is a new next one. @return 1, or 0 without random bytes */
int rp_ticket_keys_rotate(rp_ticket_keys_t *keys, int64_t now);

/** Nonzero when they have been used for rotate seconds, or a clock was set back. */
int rp_ticket_keys_are_due(const rp_ticket_keys_t *keys, int64_t now, int64_t rotate);

/** Seal them. @return in p; .len is 0 when OpenSSL fails */
rp_str_t rp_ticket_keys_seal(apr_pool_t *p, const rp_seal_t *seal, const rp_ticket_keys_t *keys);

/** Open what rp_ticket_keys_seal() has made. */
rp_unseal_e rp_ticket_keys_unseal(const rp_seal_t *seal, rp_str_t text, rp_ticket_keys_t *keys);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "farm/ticket_keys.h"

/* The generation in front, to which the rest is bound; within, since when, and the keys. All little-endian. */
#define FRONT 8
#define TEXT (8 + RP_TICKET_KEYS * sizeof(rp_ticket_key_t))

static const rp_str_t place_name = RP_STR("tickets");

static int make_key(rp_ticket_key_t *key)
{
    return RAND_bytes(key->name, sizeof(key->name)) == 1 && RAND_priv_bytes(key->cipher, sizeof(key->cipher)) == 1
           && RAND_priv_bytes(key->mac, sizeof(key->mac)) == 1;
}

/* Greater than the one before, and than what others have made before. */
static void begin(rp_ticket_keys_t *keys, int64_t now)
{
    keys->generation = keys->generation >= (uint64_t)now ? keys->generation + 1 : (uint64_t)now;
    keys->since = now;
}

int rp_ticket_keys_make(rp_ticket_keys_t *keys, int64_t now)
{
    int i;

    keys->generation = 0;
    for (i = 0; i < RP_TICKET_KEYS; i++) {
        if (!make_key(&keys->keys[i])) {
            return 0;
        }
    }
    begin(keys, now);
    return 1;
}

int rp_ticket_keys_rotate(rp_ticket_keys_t *keys, int64_t now)
{
    rp_ticket_key_t key;
    int ok = make_key(&key);

    if (ok) {
        keys->keys[RP_TICKET_PREVIOUS] = keys->keys[RP_TICKET_CURRENT];
        keys->keys[RP_TICKET_CURRENT] = keys->keys[RP_TICKET_NEXT];
        keys->keys[RP_TICKET_NEXT] = key;
        begin(keys, now);
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return ok;
}

int rp_ticket_keys_are_due(const rp_ticket_keys_t *keys, int64_t now, int64_t rotate)
{
    return now - keys->since >= rotate || keys->since - now >= rotate;
}

static void put_number(unsigned char *out, uint64_t n)
{
    int i;

    for (i = 0; i < 8; i++) {
        out[i] = (unsigned char)(n >> (8 * i));
    }
}

static uint64_t get_number(const unsigned char *in)
{
    uint64_t n = 0;
    int i;

    for (i = 7; i >= 0; i--) {
        n = n << 8 | in[i];
    }
    return n;
}

rp_str_t rp_ticket_keys_seal(apr_pool_t *p, const rp_seal_t *seal, const rp_ticket_keys_t *keys)
{
    rp_seal_place_t place = { place_name, keys->generation };
    unsigned char text[TEXT];
    unsigned char *sealed = apr_palloc(p, FRONT + TEXT + RP_SEAL_OVERHEAD);
    int ok;

    put_number(text, (uint64_t)keys->since);
    memcpy(text + 8, keys->keys, sizeof(keys->keys));
    put_number(sealed, keys->generation);
    ok = rp_seal(seal, &place, (rp_str_t){ (const char *)text, sizeof(text) }, sealed + FRONT);
    OPENSSL_cleanse(text, sizeof(text));
    return (rp_str_t){ (const char *)sealed, ok ? FRONT + TEXT + RP_SEAL_OVERHEAD : 0 };
}

rp_unseal_e rp_ticket_keys_unseal(const rp_seal_t *seal, rp_str_t text, rp_ticket_keys_t *keys)
{
    unsigned char open[TEXT + RP_SEAL_OVERHEAD];
    rp_seal_place_t place = { place_name, 0 };
    rp_unseal_e found;
    size_t len = 0;

    if (text.len != FRONT + TEXT + RP_SEAL_OVERHEAD) {
        return RP_UNSEAL_BARE;
    }
    place.generation = get_number((const unsigned char *)text.ptr);
    found = rp_unseal(seal, &place, (rp_str_t){ text.ptr + FRONT, text.len - FRONT }, open, &len);
    if (found == RP_UNSEAL_OK) {
        keys->generation = place.generation;
        keys->since = (int64_t)get_number(open);
        memcpy(keys->keys, open + 8, sizeof(keys->keys));
    }
    OPENSSL_cleanse(open, sizeof(open));
    return found;
}

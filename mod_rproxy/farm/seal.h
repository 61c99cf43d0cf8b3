/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Sealing what is put into Redis, so that whoever can write there can plant, swap and replay nothing.
 *
 * AES-256-GCM.  From a secret a key is derived for each farm and purpose (HKDF-SHA256, RFC 5869), and from that one for
 * each sealed text by 16 random bytes that stand in front of it (HMAC-SHA256); with the 12 of the nonce that is so much
 * chance that no number of hosts comes to an end of it.  Under which name a text lies, and which generation it is of,
 * is bound to it.  Pure but for the random bytes.
 *
 * A sealed text is 4 bytes "RPs1", 4 of the key's id, 16 of salt, 12 of nonce, the text, and 16 of tag.
 */
#ifndef RP_SEAL_H
#define RP_SEAL_H

#include <stdint.h>

#include "http/http.h"

/** A secret has so many bytes at least. */
#define RP_SEAL_SECRET_MIN 32
/** A sealed text is longer by so many bytes. */
#define RP_SEAL_OVERHEAD (4 + 4 + 16 + 12 + 16)
/** The longest text. */
#define RP_SEAL_TEXT_MAX (1u << 30)

typedef struct rp_seal_key_t {
    unsigned char key[32];
    unsigned char id[4]; /* tells which of several keys a text was sealed with; says nothing of the key */
} rp_seal_key_t;

/** What to seal and open with: the first key seals, the second one, of an older secret, opens only. */
typedef struct rp_seal_t {
    rp_seal_key_t keys[2];
    int n;
} rp_seal_t;

/**
 * Derive the key of a farm for a purpose.
 * @param secret  at least RP_SEAL_SECRET_MIN bytes
 * @return 1; 0 when the secret is too short, or OpenSSL fails
 */
int rp_seal_key(rp_seal_key_t *key, rp_str_t secret, const char *farm, const char *purpose);

/** What a text is bound to: it opens only under the same. */
typedef struct rp_seal_place_t {
    rp_str_t name;
    uint64_t generation;
} rp_seal_place_t;

/** Seal text into out, which has room for text.len + RP_SEAL_OVERHEAD. @return 1, or 0 when OpenSSL fails */
int rp_seal(const rp_seal_t *seal, const rp_seal_place_t *place, rp_str_t text, unsigned char *out);

typedef enum rp_unseal_e {
    RP_UNSEAL_OK,
    RP_UNSEAL_BARE,     /* it is not sealed, or by another version */
    RP_UNSEAL_STRANGER, /* it was sealed with a secret that is not ours */
    RP_UNSEAL_FORGED    /* it is not what was sealed for this place */
} rp_unseal_e;

/**
 * Open a sealed text.
 * @param out  room for sealed.len; nothing of use is in it unless the text opens
 * @param len  out: the text's
 */
rp_unseal_e rp_unseal(const rp_seal_t *seal, const rp_seal_place_t *place, rp_str_t sealed, unsigned char *out,
                      size_t *len);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include "farm/seal.h"

#define MAGIC "RPs1"
#define ID_AT 4
#define SALT_AT 8
#define NONCE_AT 24
#define TEXT_AT 36
#define SALT_LEN 16
#define NONCE_LEN 12
#define TAG_LEN 16
#define KEY_LEN 32

static int hkdf(rp_str_t secret, const char *farm, const char *purpose, unsigned char *out, size_t len)
{
    static char label[] = "mod_rproxy farm";
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    /* Each with its NUL, so that no two pairs of names are the same bytes. */
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret.ptr, secret.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, label, sizeof(label)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)farm, strlen(farm) + 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)purpose, strlen(purpose) + 1),
        OSSL_PARAM_construct_end()
    };
    int ok = ctx && EVP_KDF_derive(ctx, out, len, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

int rp_seal_key(rp_seal_key_t *key, rp_str_t secret, const char *farm, const char *purpose)
{
    unsigned char bytes[KEY_LEN + sizeof(key->id)];
    int ok = secret.len >= RP_SEAL_SECRET_MIN && hkdf(secret, farm, purpose, bytes, sizeof(bytes));

    if (ok) {
        memcpy(key->key, bytes, KEY_LEN);
        memcpy(key->id, bytes + KEY_LEN, sizeof(key->id));
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return ok;
}

static void put_number(unsigned char *out, uint64_t n)
{
    int i;

    for (i = 0; i < 8; i++) {
        out[i] = (unsigned char)(n >> (8 * i));
    }
}

/* The key of one text; what it is bound to goes into the context. @return NULL when OpenSSL fails */
static EVP_CIPHER_CTX *begin(const rp_seal_key_t *key, const rp_seal_place_t *place, const unsigned char *head,
                             int seals)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char one[KEY_LEN], numbers[16];
    unsigned len = sizeof(one);
    int ignored, ok;

    put_number(numbers, place->generation);
    put_number(numbers + 8, place->name.len);
    ok = ctx && place->name.len <= RP_SEAL_TEXT_MAX
         && HMAC(EVP_sha256(), key->key, KEY_LEN, head + SALT_AT, SALT_LEN, one, &len)
         && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, one, head + NONCE_AT, seals) == 1
         && EVP_CipherUpdate(ctx, NULL, &ignored, head, SALT_AT) == 1
         && EVP_CipherUpdate(ctx, NULL, &ignored, numbers, sizeof(numbers)) == 1
         && (place->name.len == 0 || EVP_CipherUpdate(ctx, NULL, &ignored, (const unsigned char *)place->name.ptr,
                                                      (int)place->name.len) == 1);
    OPENSSL_cleanse(one, sizeof(one));
    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

int rp_seal(const rp_seal_t *seal, const rp_seal_place_t *place, rp_str_t text, unsigned char *out)
{
    EVP_CIPHER_CTX *ctx;
    int len = 0, more = 0, ok;

    if (seal->n < 1 || text.len > RP_SEAL_TEXT_MAX || RAND_bytes(out + SALT_AT, SALT_LEN + NONCE_LEN) != 1) {
        return 0;
    }
    memcpy(out, MAGIC, ID_AT);
    memcpy(out + ID_AT, seal->keys[0].id, sizeof(seal->keys[0].id));
    ctx = begin(&seal->keys[0], place, out, 1);
    ok = ctx
         && (text.len == 0 || EVP_CipherUpdate(ctx, out + TEXT_AT, &len, (const unsigned char *)text.ptr,
                                               (int)text.len) == 1)
         && EVP_CipherFinal_ex(ctx, out + TEXT_AT + len, &more) == 1
         && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, out + TEXT_AT + text.len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static const rp_seal_key_t *key_by_id(const rp_seal_t *seal, const char *id)
{
    int i;

    for (i = 0; i < seal->n; i++) {
        if (!memcmp(seal->keys[i].id, id, sizeof(seal->keys[i].id))) {
            return &seal->keys[i];
        }
    }
    return NULL;
}

rp_unseal_e rp_unseal(const rp_seal_t *seal, const rp_seal_place_t *place, rp_str_t sealed, unsigned char *out,
                      size_t *len)
{
    const unsigned char *bytes = (const unsigned char *)sealed.ptr;
    unsigned char tag[TAG_LEN];
    const rp_seal_key_t *key;
    EVP_CIPHER_CTX *ctx;
    int got = 0, more = 0, ok;

    *len = 0;
    if (sealed.len < RP_SEAL_OVERHEAD || sealed.len > RP_SEAL_TEXT_MAX + (size_t)RP_SEAL_OVERHEAD
        || memcmp(sealed.ptr, MAGIC, ID_AT)) {
        return RP_UNSEAL_BARE;
    }
    key = key_by_id(seal, sealed.ptr + ID_AT);
    if (!key) {
        return RP_UNSEAL_STRANGER;
    }
    *len = sealed.len - RP_SEAL_OVERHEAD;
    memcpy(tag, bytes + TEXT_AT + *len, TAG_LEN);
    ctx = begin(key, place, bytes, 0);
    ok = ctx && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1
         && (*len == 0 || EVP_CipherUpdate(ctx, out, &got, bytes + TEXT_AT, (int)*len) == 1)
         && EVP_CipherFinal_ex(ctx, out + got, &more) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        /* What was deciphered before the tag was looked at is nobody's to see. */
        OPENSSL_cleanse(out, *len);
        *len = 0;
    }
    return ok ? RP_UNSEAL_OK : RP_UNSEAL_FORGED;
}

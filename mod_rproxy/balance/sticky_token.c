/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "balance/sticky_token.h"

#define RAW 16

void rp_sticky_token(rp_str_t secret, const char *pool, const char *url, char token[RP_TOKEN_LEN + 1])
{
    unsigned char mac[EVP_MAX_MD_SIZE], text[RAW / 3 * 4 + 4 + 1];
    /* No name of a pool has a blank in it. */
    unsigned char named[strlen(pool) + 1 + strlen(url)];
    int i;

    memcpy(named, pool, strlen(pool));
    named[strlen(pool)] = ' ';
    memcpy(named + strlen(pool) + 1, url, strlen(url));
    memset(mac, 0, sizeof(mac));
    HMAC(EVP_sha256(), secret.ptr, (int)secret.len, named, sizeof(named), mac, NULL);
    EVP_EncodeBlock(text, mac, RAW);
    for (i = 0; i < RP_TOKEN_LEN; i++) {
        token[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    }
    token[RP_TOKEN_LEN] = '\0';
}

void rp_sticky_read(rp_str_t value, rp_str_t *token, apr_int64_t *since)
{
    const char *dot = value.len ? memchr(value.ptr, '.', value.len) : NULL;
    uint64_t seconds;

    *token = (rp_str_t){ value.ptr, dot ? (size_t)(dot - value.ptr) : value.len };
    *since = 0;
    if (dot && rp_parse_uint((rp_str_t){ dot + 1, value.len - token->len - 1 }, INT64_MAX, &seconds)) {
        *since = (apr_int64_t)seconds;
    }
}

int rp_sticky_is_due(apr_int64_t since, apr_int64_t lifetime, apr_int64_t now)
{
    return lifetime > 0 && (since > now || now - since > lifetime / 2);
}

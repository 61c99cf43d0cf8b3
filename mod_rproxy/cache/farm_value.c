/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdio.h>
#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "cache/farm_value.h"

#define VERSION "RPf1"
/* Version, generation, position, times and length; lengths of record and name; number of tags. */
#define FIXED (4 + 6 * 8 + 3 * 4 + 2)

static char *put(char *to, uint64_t n, int bytes)
{
    while (bytes-- > 0) {
        *to++ = (char)(n & 0xff);
        n >>= 8;
    }
    return to;
}

static char *put_bytes(char *to, const void *from, size_t len)
{
    if (len) {
        memcpy(to, from, len);
    }
    return to + len;
}

static uint64_t take(const char **from, int bytes)
{
    uint64_t n = 0;
    int i;

    for (i = bytes - 1; i >= 0; i--) {
        n = n << 8 | (unsigned char)(*from)[i];
    }
    *from += bytes;
    return n;
}

size_t rp_farm_value_len(const rp_farm_value_t *value)
{
    return FIXED + (size_t)value->ntags * RP_STORE_TAG_LEN + value->record.len + value->body.len;
}

void rp_farm_value_write(const rp_farm_value_t *value, char *to)
{
    to = put_bytes(to, VERSION, 4);
    to = put(to, value->generation, 8);
    to = put(to, value->since.ms, 8);
    to = put(to, value->since.seq, 8);
    to = put(to, (uint64_t)value->stored, 8);
    to = put(to, (uint64_t)value->expires, 8);
    to = put(to, value->body_len, 8);
    to = put(to, value->record.len, 4);
    to = put(to, value->name.len ? (uint64_t)(value->name.ptr - value->record.ptr) : 0, 4);
    to = put(to, value->name.len, 4);
    to = put(to, (uint64_t)value->ntags, 2);
    to = put_bytes(to, value->tags, (size_t)value->ntags * RP_STORE_TAG_LEN);
    to = put_bytes(to, value->record.ptr, value->record.len);
    put_bytes(to, value->body.ptr, value->body.len);
}

int rp_farm_value_read(rp_str_t bytes, rp_farm_value_t *value)
{
    const char *at = bytes.ptr + 4;
    size_t rest, name_at, name_len, tags;

    if (bytes.len < FIXED || memcmp(bytes.ptr, VERSION, 4)) {
        return 0;
    }
    value->generation = take(&at, 8);
    value->since.ms = take(&at, 8);
    value->since.seq = take(&at, 8);
    value->stored = (apr_time_t)take(&at, 8);
    value->expires = (apr_time_t)take(&at, 8);
    value->body_len = take(&at, 8);
    value->record.len = (size_t)take(&at, 4);
    name_at = (size_t)take(&at, 4);
    name_len = (size_t)take(&at, 4);
    value->ntags = (int)take(&at, 2);
    rest = bytes.len - FIXED;
    tags = (size_t)value->ntags * RP_STORE_TAG_LEN;
    if (value->ntags > RP_STORE_TAGS || tags > rest || value->record.len > RP_FARM_RECORD_MAX
        || value->record.len > rest - tags || name_at > value->record.len || name_len > value->record.len - name_at
        || value->body_len > INT64_MAX) {
        return 0;
    }
    rest -= tags + value->record.len;
    if (rest != (value->body_len <= RP_STORE_INLINE ? value->body_len : 0)) {
        return 0;
    }
    value->tags = (const rp_store_tag_t *)at;
    value->record.ptr = at + tags;
    value->name = (rp_str_t){ value->record.ptr + name_at, name_len };
    value->body = (rp_str_t){ value->record.ptr + value->record.len, rest };
    return 1;
}

unsigned rp_farm_pieces(uint64_t body_len)
{
    return body_len <= RP_STORE_INLINE ? 0 : (unsigned)((body_len + RP_STORE_CHUNK - 1) / RP_STORE_CHUNK);
}

/* ------------------------------------------------------------------ names */

#define HEX (2 * RP_KEY_HALF + 1)

static const char *hex(const unsigned char half[RP_KEY_HALF], char text[HEX])
{
    apr_escape_hex(text, half, RP_KEY_HALF, 0, NULL);
    return text;
}

static int has_variant(const unsigned char key[RP_KEY_LEN])
{
    static const unsigned char none[RP_KEY_HALF];

    return memcmp(key + RP_KEY_HALF, none, RP_KEY_HALF) != 0;
}

static rp_str_t text_of(const char *text)
{
    return (rp_str_t){ text, strlen(text) };
}

static rp_str_t name(apr_pool_t *p, const char *farm, const unsigned char *key, const char *what)
{
    char half[HEX];

    return text_of(apr_pstrcat(p, farm, ":{", hex(key, half), "}:", what, NULL));
}

/* With the variant behind it, if there is one. */
static rp_str_t name_of_both(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_LEN], const char *what)
{
    char variant[HEX];

    return name(p, farm, key,
                has_variant(key) ? apr_pstrcat(p, what, ":", hex(key + RP_KEY_HALF, variant), NULL) : what);
}

rp_str_t rp_farm_key_entry(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_LEN])
{
    return name_of_both(p, farm, key, "e");
}

rp_str_t rp_farm_key_lease(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_LEN])
{
    return name_of_both(p, farm, key, "l");
}

rp_str_t rp_farm_key_index(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF])
{
    return name(p, farm, key, "i");
}

rp_str_t rp_farm_key_purged(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF])
{
    return name(p, farm, key, "p");
}

rp_str_t rp_farm_key_variants(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF])
{
    return name(p, farm, key, "e:");
}

rp_str_t rp_farm_key_pieces(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF])
{
    return name(p, farm, key, "c:");
}

rp_str_t rp_farm_key_piece(apr_pool_t *p, const char *farm, const unsigned char key[RP_KEY_HALF], uint64_t generation,
                           unsigned n)
{
    char what[40];

    snprintf(what, sizeof(what), "c:%016llx:%u", (unsigned long long)generation, n);
    return name(p, farm, key, what);
}

rp_str_t rp_farm_index_field(apr_pool_t *p, const unsigned char key[RP_KEY_LEN])
{
    char variant[HEX];

    return has_variant(key) ? text_of(apr_pstrdup(p, hex(key + RP_KEY_HALF, variant))) : RP_STR("-");
}

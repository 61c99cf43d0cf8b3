/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The second store: putting an entry into Redis.
 *
 * The entry itself is put last, when all pieces of its body are there, so that who finds it finds all of it.  A body's
 * generation is a digest of it and its key: who puts the same body again, as after it was found to be valid still,
 * finds the pieces there and only has them kept longer.
 */

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "cache/store_far.h"

/* Pieces outlive their entry, for those who have just found that. */
#define PIECES_STAY 60000
/* Of one URL; a purge of it names them all in one step, during which Redis does nothing else. */
#define VARIANTS_MAX 2048

/*
 * KEYS: the entry, position of the URL's last purge, index.
 * ARGV: the value, for how long (ms), ms and seq of its position, what the index calls it, generation, pieces, what
 * pieces' names begin with, for how long pieces of the body before stay (ms), what variants' names begin with, how many
 * entries a URL may have.
 * The index may list what has expired: with each new variant some of it, drawn by lot, are looked for, so that it is
 * a small part of them.
 * Lua's numbers are exact to 2^53, which is enough for a position's.
 */
static rp_farm_script_t put_script;
static const char put_text[] =
    "local purged = redis.call('GET', KEYS[2])\n"
    "if purged then\n"
    "  local ms, seq = string.match(purged, '^(%d+)%-(%d+)$')\n"
    "  ms, seq = tonumber(ms or 0), tonumber(seq or 0)\n"
    "  local own = tonumber(ARGV[3])\n"
    "  if own < ms or (own == ms and tonumber(ARGV[4]) < seq) then return 0 end\n"
    "end\n"
    "local before = redis.call('HGET', KEYS[3], ARGV[5])\n"
    "if ARGV[5] ~= '-' and not before then\n"
    "  local n = redis.call('HLEN', KEYS[3])\n"
    "  if n >= 64 then\n"
    "    for _, field in ipairs(redis.call('HRANDFIELD', KEYS[3], 16)) do\n"
    "      if field ~= '-' and redis.call('EXISTS', ARGV[10] .. field) == 0 then\n"
    "        redis.call('HDEL', KEYS[3], field)\n"
    "        n = n - 1\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "  if n >= tonumber(ARGV[11]) then return 0 end\n"
    "end\n"
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
    "if ARGV[7] ~= '0' or ARGV[5] ~= '-' then\n"
    "  redis.call('HSET', KEYS[3], ARGV[5], ARGV[6] .. ' ' .. ARGV[7])\n"
    "  if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[3], ARGV[2]) end\n"
    "elseif before then redis.call('HDEL', KEYS[3], ARGV[5]) end\n"
    "if before then\n"
    "  local generation, pieces = string.match(before, '^(%x+) (%d+)$')\n"
    "  if generation and generation ~= ARGV[6] then\n"
    "    for n = 0, tonumber(pieces) - 1 do\n"
    "      redis.call('PEXPIRE', ARGV[8] .. generation .. ':' .. n, ARGV[9])\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return 1\n";

void rp_far_put_init(void)
{
    rp_farm_script_init(&put_script, put_text);
}

static rp_str_t number(apr_pool_t *p, apr_int64_t n)
{
    char *text = apr_palloc(p, 24);

    return (rp_str_t){ text, (size_t)snprintf(text, 24, "%lld", (long long)n) };
}

static rp_str_t name_of(rp_far_hand_t *hand, const rp_far_item_t *item)
{
    return rp_farm_key_entry(hand->p, hand->far->conf.name, item->key);
}

/* For how long, in ms; 0: it is over. */
static apr_int64_t time_left(const rp_far_item_t *item)
{
    apr_time_t left = item->expires - apr_time_now();

    return left > 0 ? apr_time_as_msec(left) : 0;
}

/* ------------------------------------------------------------------ the entry itself */

static rp_str_t sealed(rp_far_hand_t *hand, rp_str_t name, uint64_t generation, rp_str_t text, char *room)
{
    rp_seal_place_t place = { name, generation };

    if (!hand->far->conf.seal) {
        return text;
    }
    return rp_seal(hand->far->conf.seal, &place, text, (unsigned char *)room)
           ? (rp_str_t){ room, text.len + RP_SEAL_OVERHEAD } : (rp_str_t){ NULL, 0 };
}

static rp_str_t bytes_of(rp_far_hand_t *hand, rp_str_t name, const rp_farm_value_t *value)
{
    size_t len = rp_farm_value_len(value);
    char *text = apr_palloc(hand->p, len);

    rp_farm_value_write(value, text);
    return sealed(hand, name, 0, (rp_str_t){ text, len }, apr_palloc(hand->p, len + RP_SEAL_OVERHEAD));
}

static void put_entry(rp_far_hand_t *hand, const rp_far_item_t *item, const rp_farm_value_t *value)
{
    rp_far_t *far = hand->far;
    apr_pool_t *p = hand->p;
    const char *farm = far->conf.name;
    rp_str_t name = name_of(hand, item), bytes = bytes_of(hand, name, value);
    char generation[17];
    rp_str_t argv[] = {
        RP_STR("3"), name, rp_farm_key_purged(p, farm, item->key), rp_farm_key_index(p, farm, item->key),
        bytes, number(p, time_left(item)), number(p, (apr_int64_t)value->since.ms),
        number(p, (apr_int64_t)value->since.seq), rp_farm_index_field(p, item->key),
        { generation, (size_t)snprintf(generation, sizeof(generation), "%016llx", (unsigned long long)value->generation) },
        number(p, rp_farm_pieces(value->body_len)), rp_farm_key_pieces(p, farm, item->key), number(p, PIECES_STAY),
        rp_farm_key_variants(p, farm, item->key), number(p, VARIANTS_MAX),
    };
    rp_farm_command_t command = { argv, (int)(sizeof(argv) / sizeof(argv[0])), &put_script };
    rp_reply_t *reply;

    if (!bytes.ptr || time_left(item) == 0
        || rp_farm_call(far->farm, p, name, &command, 1, 0, &reply) != RP_FARM_OK || reply->type != RP_REPLY_INTEGER) {
        rp_far_count(far, failed, 1);
    }
    else if (reply->integer == 0) {
        rp_far_count(far, refused, 1);
    }
    else {
        rp_far_count(far, stored, 1);
        rp_far_count(far, bytes_out, bytes.len);
    }
}

/* ------------------------------------------------------------------ pieces */

/* A digest of the key and the body, of which entry is. @return 0 when the body is gone */
static uint64_t generation_of(rp_far_hand_t *hand, const rp_entry_t *entry)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    apr_size_t len = entry->body.len;
    uint64_t at = 0, generation = 0;
    int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1
             && EVP_DigestUpdate(ctx, entry->key, RP_KEY_LEN) == 1;

    if (ok && entry->body.ptr) {
        ok = EVP_DigestUpdate(ctx, entry->body.ptr, entry->body.len) == 1;
    }
    for (; ok && !entry->body.ptr && at < entry->body_len; at += len) {
        len = RP_STORE_CHUNK;
        ok = entry->store->ops->read(entry, at, hand->pieces, &len) == APR_SUCCESS && len > 0
             && EVP_DigestUpdate(ctx, hand->pieces, len) == 1;
    }
    if (ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1) {
        memcpy(&generation, digest, sizeof(generation));
    }
    EVP_MD_CTX_free(ctx);
    return generation;
}

/* Have pieces that are there kept. @return 0 when Redis does not answer; missing[] says which are not there */
static int keep_pieces(rp_far_hand_t *hand, const rp_far_item_t *item, uint64_t generation, unsigned first, unsigned n,
                       unsigned char *missing)
{
    rp_str_t argv[RP_FARM_PIPELINE][3], stay = number(hand->scratch, time_left(item) + PIECES_STAY);
    rp_farm_command_t commands[RP_FARM_PIPELINE];
    rp_reply_t *replies[RP_FARM_PIPELINE];
    unsigned i;

    for (i = 0; i < n; i++) {
        argv[i][0] = RP_STR("PEXPIRE");
        argv[i][1] = rp_farm_key_piece(hand->scratch, hand->far->conf.name, item->key, generation, first + i);
        argv[i][2] = stay;
        commands[i] = (rp_farm_command_t){ argv[i], 3, NULL };
    }
    if (rp_farm_call(hand->far->farm, hand->scratch, argv[0][1], commands, (int)n, 0, replies) != RP_FARM_OK) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (replies[i]->type != RP_REPLY_INTEGER) {
            return 0;
        }
        missing[i] = replies[i]->integer != 1;
    }
    return 1;
}

/* Read a piece of a body, up to RP_STORE_CHUNK, which the local store may give in parts. */
static int read_piece(const rp_entry_t *entry, unsigned n, char *to, size_t *len)
{
    uint64_t at = (uint64_t)n * RP_STORE_CHUNK;
    size_t want = entry->body_len - at < RP_STORE_CHUNK ? (size_t)(entry->body_len - at) : RP_STORE_CHUNK;

    for (*len = 0; *len < want;) {
        apr_size_t some = want - *len;

        if (entry->store->ops->read(entry, at + *len, to + *len, &some) != APR_SUCCESS || some == 0) {
            return 0;
        }
        *len += some;
    }
    return 1;
}

/* Send some pieces, whose numbers are in which[]. */
static int send_pieces(rp_far_hand_t *hand, const rp_far_item_t *item, const rp_entry_t *entry, uint64_t generation,
                       const unsigned *which, unsigned n)
{
    rp_str_t argv[RP_FAR_PIECES][5], stay = number(hand->scratch, time_left(item) + PIECES_STAY);
    rp_farm_command_t commands[RP_FAR_PIECES];
    rp_reply_t *replies[RP_FAR_PIECES];
    char *bare = apr_palloc(hand->scratch, RP_STORE_CHUNK);
    unsigned i;

    for (i = 0; i < n; i++) {
        char *room = hand->pieces + (size_t)i * RP_FAR_PIECE, *to = hand->far->conf.seal ? bare : room;
        rp_str_t name = rp_farm_key_piece(hand->scratch, hand->far->conf.name, item->key, generation, which[i]);
        size_t len;

        if (!read_piece(entry, which[i], to, &len)) {
            return 0;
        }
        argv[i][0] = RP_STR("SET");
        argv[i][1] = name;
        argv[i][2] = sealed(hand, name, generation, (rp_str_t){ to, len }, room);
        argv[i][3] = RP_STR("PX");
        argv[i][4] = stay;
        if (!argv[i][2].ptr) {
            return 0;
        }
        commands[i] = (rp_farm_command_t){ argv[i], 5, NULL };
    }
    if (rp_farm_call(hand->far->farm, hand->scratch, argv[0][1], commands, (int)n, 0, replies) != RP_FARM_OK) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (!rp_reply_is(replies[i], "OK")) {
            return 0;
        }
        rp_far_count(hand->far, bytes_out, argv[i][2].len);
    }
    return 1;
}

/* See that all pieces are there. @param entry  NULL: who has the body is Redis alone */
static int put_pieces(rp_far_hand_t *hand, const rp_far_item_t *item, const rp_entry_t *entry, uint64_t body_len,
                      uint64_t generation)
{
    unsigned pieces = rp_farm_pieces(body_len), first, i;
    unsigned char missing[RP_FARM_PIPELINE];

    for (first = 0; first < pieces; first += RP_FARM_PIPELINE) {
        unsigned n = pieces - first < RP_FARM_PIPELINE ? pieces - first : RP_FARM_PIPELINE;
        unsigned which[RP_FAR_PIECES], some = 0;

        apr_pool_clear(hand->scratch);
        if (!keep_pieces(hand, item, generation, first, n, missing)) {
            return 0;
        }
        for (i = 0; i < n; i++) {
            if (missing[i]) {
                which[some++] = first + i;
            }
            if (some > 0 && (some == RP_FAR_PIECES || i == n - 1)) {
                apr_pool_clear(hand->scratch);
                if (!entry || !send_pieces(hand, item, entry, generation, which, some)) {
                    return 0;
                }
                some = 0;
            }
        }
    }
    return 1;
}

/* ------------------------------------------------------------------ items */

static void put_here(rp_far_hand_t *hand, const rp_far_item_t *item)
{
    rp_far_t *far = hand->far;
    rp_far_item_t own = *item;
    rp_farm_value_t value;
    rp_entry_t entry;
    rp_put_t put;

    if (rp_store_local_facts(far->local, item->key, hand->p, &entry, &put) != APR_SUCCESS) {
        return;
    }
    if (!far->conf.passing) {
        own.expires = put.expires; /* of what is there by now */
    }
    if (time_left(&own) == 0) {
        return;
    }
    if (entry.body_len > far->conf.largest) {
        rp_far_count(far, too_large, 1);
        return;
    }
    value = (rp_farm_value_t){
        .generation = generation_of(hand, &entry), .since = rp_farm_position_of(put.since), .stored = apr_time_now(),
        .expires = own.expires, .body_len = entry.body_len, .record = put.record, .name = put.name,
        .tags = put.tags, .ntags = put.ntags, .body = entry.body,
    };
    if (!value.generation) {
        return;
    }
    if (!put_pieces(hand, &own, &entry, entry.body_len, value.generation)) {
        rp_far_count(far, failed, 1);
        return;
    }
    put_entry(hand, &own, &value);
}

static void freshen(rp_far_hand_t *hand, const rp_far_item_t *item)
{
    rp_farm_value_t value = *item->value;

    if (time_left(item) == 0) {
        return;
    }
    value.stored = apr_time_now();
    if (put_pieces(hand, item, NULL, value.body_len, value.generation)) {
        put_entry(hand, item, &value);
    }
    else {
        rp_far_count(hand->far, failed, 1);
    }
}

static void remove_there(rp_far_hand_t *hand, const rp_far_item_t *item)
{
    rp_str_t argv[] = { RP_STR("DEL"), name_of(hand, item) };
    rp_farm_command_t command = { argv, 2, NULL };
    rp_reply_t *reply;

    rp_farm_call(hand->far->farm, hand->p, argv[1], &command, 1, 0, &reply);
}

void rp_far_put(rp_far_hand_t *hand, const rp_far_item_t *item)
{
    if (!rp_farm_is_there(hand->far->farm, name_of(hand, item))) {
        rp_far_count(hand->far, failed, item->what != RP_FAR_REMOVE);
        return;
    }
    switch (item->what) {
    case RP_FAR_PUT: put_here(hand, item); break;
    case RP_FAR_FRESHEN: freshen(hand, item); break;
    default: remove_there(hand, item);
    }
}

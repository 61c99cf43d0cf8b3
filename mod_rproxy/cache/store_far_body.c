/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The second store: bodies that lie in Redis in pieces.
 *
 * A piece's name has the generation of its body, so pieces of two bodies never meet.  That all are there is asked when
 * the entry is found; one that goes meanwhile is an error for whoever reads.  A few pieces are got at a time, first one,
 * then more, and who reads from the beginning to the end fills the local store on the way.
 */

#include <string.h>

#include "cache/store_far.h"

struct rp_far_reading_t {
    rp_far_t *far;
    unsigned char key[RP_KEY_LEN];
    uint64_t generation, body_len;
    unsigned pieces;
    rp_put_t put;
    apr_pool_t *p;
    apr_pool_t *window_pool;
    rp_str_t window[RP_FAR_PIECES];
    unsigned first, n; /* pieces in the window */
    rp_store_writer_t *fill;
    uint64_t filled;
    uint64_t *filling; /* its place in far->fills */
};

const rp_put_t *rp_far_put_of(const rp_far_reading_t *reading)
{
    return &reading->put;
}

static size_t piece_len(const rp_far_reading_t *r, unsigned n)
{
    uint64_t at = (uint64_t)n * RP_STORE_CHUNK;

    return r->body_len - at < RP_STORE_CHUNK ? (size_t)(r->body_len - at) : RP_STORE_CHUNK;
}

/* ------------------------------------------------------------------ the window */

/* GET commands for n pieces from first. */
static void get_pieces(rp_far_reading_t *r, unsigned first, unsigned n, rp_str_t (*argv)[2], rp_farm_command_t *commands)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        argv[i][0] = RP_STR("GET");
        argv[i][1] = rp_farm_key_piece(r->window_pool, r->far->conf.name, r->key, r->generation, first + i);
        commands[i] = (rp_farm_command_t){ argv[i], 2, NULL };
    }
}

static int take_pieces(rp_far_reading_t *r, unsigned first, unsigned n, rp_str_t (*argv)[2], rp_reply_t **replies)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (replies[i]->type != RP_REPLY_STRING
            || !rp_far_open(r->far, argv[i][1], r->generation, replies[i]->str, r->window_pool, &r->window[i])
            || r->window[i].len != piece_len(r, first + i)) {
            return 0;
        }
        rp_far_count(r->far, bytes_in, replies[i]->str.len);
    }
    r->first = first;
    r->n = n;
    return 1;
}

static int load(rp_far_reading_t *r, unsigned first)
{
    unsigned n = r->n < RP_FAR_PIECES / 2 ? 2 * r->n : RP_FAR_PIECES;
    rp_farm_command_t commands[RP_FAR_PIECES];
    rp_str_t argv[RP_FAR_PIECES][2];
    rp_reply_t *replies[RP_FAR_PIECES];

    n = n < 1 ? 1 : n;
    n = n < r->pieces - first ? n : r->pieces - first;
    r->n = 0;
    apr_pool_clear(r->window_pool);
    get_pieces(r, first, n, argv, commands);
    return rp_farm_call(r->far->farm, r->window_pool, argv[0][1], commands, (int)n, 0, replies) == RP_FARM_OK
           && take_pieces(r, first, n, argv, replies);
}

/* Are all pieces there? Gets the first of them as well: both of two, as one more way costs more than waiting for it. */
static int begin(rp_far_reading_t *r)
{
    rp_str_t get[2][2], *exists = apr_palloc(r->window_pool, (r->pieces + 1) * sizeof(*exists));
    unsigned n = r->pieces <= 2 ? r->pieces : 1, i;
    rp_farm_command_t commands[3];
    rp_reply_t *replies[3];

    exists[0] = RP_STR("EXISTS");
    for (i = 0; i < r->pieces; i++) {
        exists[i + 1] = rp_farm_key_piece(r->window_pool, r->far->conf.name, r->key, r->generation, i);
    }
    commands[0] = (rp_farm_command_t){ exists, (int)r->pieces + 1, NULL };
    get_pieces(r, 0, n, get, commands + 1);
    return rp_farm_call(r->far->farm, r->window_pool, exists[1], commands, (int)n + 1, 0, replies) == RP_FARM_OK
           && replies[0]->type == RP_REPLY_INTEGER && replies[0]->integer == r->pieces
           && take_pieces(r, 0, n, get, replies + 1);
}

rp_far_reading_t *rp_far_reading(rp_far_t *far, const unsigned char key[RP_KEY_LEN], const rp_farm_value_t *value,
                                 const rp_put_t *put, apr_pool_t *p)
{
    rp_far_reading_t *r = apr_pcalloc(p, sizeof(*r));

    r->far = far;
    memcpy(r->key, key, RP_KEY_LEN);
    r->generation = value->generation;
    r->body_len = value->body_len;
    r->pieces = rp_farm_pieces(value->body_len);
    r->put = *put;
    r->p = p;
    if (r->pieces == 0) {
        return r;
    }
    return apr_pool_create(&r->window_pool, p) == APR_SUCCESS && begin(r) ? r : NULL;
}

/* ------------------------------------------------------------------ filling the local store */

/* A body that several clients read at once is put into the local store once. */
static uint64_t *claim(rp_far_t *far, const unsigned char key[RP_KEY_LEN])
{
    uint64_t *place = NULL, hash;
    int i;

    memcpy(&hash, key, sizeof(hash));
    hash ^= (uint64_t)key[RP_KEY_HALF] << 32 | 1;
    for (i = 0; i < RP_FAR_FILLS; i++) {
        uint64_t has = __atomic_load_n(&far->fills[i], __ATOMIC_ACQUIRE);

        if (has == hash) {
            return NULL;
        }
        place = !has ? &far->fills[i] : place;
    }
    hash = place && !__atomic_exchange_n(place, hash, __ATOMIC_ACQ_REL) ? hash : 0;
    return hash ? place : NULL;
}

static apr_status_t end_fill(void *data)
{
    rp_far_reading_t *r = data;

    if (r->filling) {
        __atomic_store_n(r->filling, 0, __ATOMIC_RELEASE);
        r->filling = NULL;
    }
    r->fill = NULL;
    return APR_SUCCESS;
}

void rp_far_fill(rp_far_reading_t *r)
{
    const rp_store_ops_t *ops = r->far->local->ops;

    r->filling = claim(r->far, r->key);
    if (!r->filling) {
        return;
    }
    apr_pool_cleanup_register(r->p, r, end_fill, apr_pool_cleanup_null);
    if (ops->begin(r->far->local, r->key, r->body_len, r->p, &r->fill) != APR_SUCCESS) {
        end_fill(r);
    }
}

static void fill(rp_far_reading_t *r, uint64_t offset, const char *data, apr_size_t len)
{
    const rp_store_ops_t *ops = r->far->local->ops;

    if (!r->fill) {
        return;
    }
    if (offset != r->filled) {
        /* Somebody wants a part of it. */
        ops->abort(r->fill);
        end_fill(r);
        return;
    }
    if (ops->write(r->fill, data, len) != APR_SUCCESS) {
        end_fill(r);
        return;
    }
    r->filled += len;
    if (r->filled == r->body_len) {
        ops->commit(r->fill, &r->put);
        end_fill(r);
    }
}

/* ------------------------------------------------------------------ reading */

apr_status_t rp_far_read(rp_far_reading_t *r, uint64_t offset, char *buf, apr_size_t *len)
{
    unsigned n = (unsigned)(offset / RP_STORE_CHUNK);
    size_t in = (size_t)(offset % RP_STORE_CHUNK), room = *len;
    rp_str_t piece;

    *len = 0;
    if ((n < r->first || n >= r->first + r->n) && !load(r, n)) {
        rp_far_count(r->far, broken, 1);
        rp_far_tell(r->far, RP_FAR_GONE, rp_farm_key_entry(r->window_pool, r->far->conf.name, r->key).ptr);
        return APR_NOTFOUND;
    }
    piece = r->window[n - r->first];
    *len = room < piece.len - in ? room : piece.len - in;
    memcpy(buf, piece.ptr + in, *len);
    fill(r, offset, buf, *len);
    return APR_SUCCESS;
}

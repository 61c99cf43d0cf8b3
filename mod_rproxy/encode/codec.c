/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "encode/codec.h"
#include "encode/encode.h"

struct rp_encoder_t {
    rp_encoder_t *next; /* while idle */
    rp_coding_e coding;
    int level;
    void *state;

    /* Of the stream in hand: */
    apr_pool_t *pool;
    rp_codec_out_fn out;
    void *ctx;
    int unflushed; /* data was taken since the last flush */
    int thorough;  /* freed at its end */
    const rp_dictionary_t *heading; /* to be named at the beginning, until it has been */
};

typedef struct idle_t {
    rp_encoder_t *first; /* the one used last, warm in the caches */
    int n;
} idle_t;

/* The lock guards lists of pointers only and is never held while memory is made or freed. */
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static idle_t idle[RP_NCODECS][RP_CODEC_LEVELS];

const rp_codec_t *rp_codec(rp_coding_e coding)
{
    switch (coding) {
    case RP_CODING_GZIP:
        return &rp_codec_gzip;
    case RP_CODING_BR:
        return &rp_codec_br;
    case RP_CODING_ZSTD:
        return &rp_codec_zstd;
    case RP_CODING_DCB:
        return &rp_codec_dcb;
    case RP_CODING_DCZ:
        return &rp_codec_dcz;
    case RP_UNGZIP:
        return &rp_codec_ungzip;
    default:
        return NULL;
    }
}

static rp_encoder_t *take_idle(rp_coding_e coding, int level)
{
    idle_t *list = &idle[coding][level];
    pthread_mutex_lock(&idle_lock);
    rp_encoder_t *encoder = list->first;
    if (encoder) {
        list->first = encoder->next;
        list->n--;
    }
    pthread_mutex_unlock(&idle_lock);
    return encoder;
}

/** @return 0 when there are enough of its kind */
static int put_idle(rp_encoder_t *encoder)
{
    idle_t *list = &idle[encoder->coding][encoder->level];
    pthread_mutex_lock(&idle_lock);
    int room = list->n < RP_CODEC_IDLE;
    if (room) {
        encoder->next = list->first;
        list->first = encoder;
        list->n++;
    }
    pthread_mutex_unlock(&idle_lock);
    return room;
}

static void destroy(rp_encoder_t *encoder)
{
    rp_codec(encoder->coding)->destroy(encoder->state);
    free(encoder);
}

static rp_encoder_t *create(rp_coding_e coding, int level)
{
    rp_encoder_t *encoder = calloc(1, sizeof(*encoder));
    if (!encoder) {
        return NULL;
    }
    encoder->coding = coding;
    encoder->level = level;
    encoder->state = rp_codec(coding)->create(level);
    if (!encoder->state) {
        free(encoder);
        return NULL;
    }
    return encoder;
}

static apr_status_t give_back(void *data)
{
    rp_encoder_t *encoder = data;
    const rp_codec_t *codec = rp_codec(encoder->coding);
    if (codec->end) {
        codec->end(encoder->state);
    }
    if (encoder->thorough || !put_idle(encoder)) {
        destroy(encoder);
    }
    return APR_SUCCESS;
}

/* Is there such a coding and level, with a dictionary where it needs one? */
static int is_possible(const rp_codec_t *codec, const rp_codec_how_t *how)
{
    return codec && codec->create && how->level >= codec->level_min && how->level <= codec->level_max
           && !codec->magic.len == !how->dictionary;
}

rp_encoder_t *rp_encoder_open(apr_pool_t *p, rp_coding_e coding, const rp_codec_how_t *how, rp_codec_out_fn out,
                              void *ctx)
{
    const rp_codec_t *codec = rp_codec(coding);
    if (!is_possible(codec, how)) {
        return NULL;
    }
    rp_encoder_t *encoder = how->thorough ? NULL : take_idle(coding, how->level);
    if (!encoder) {
        encoder = create(coding, how->level);
    }
    if (!encoder) {
        return NULL;
    }
    if (!codec->begin(encoder->state, how)) {
        destroy(encoder);
        return NULL;
    }
    encoder->pool = p;
    encoder->out = out;
    encoder->ctx = ctx;
    encoder->unflushed = 0;
    encoder->thorough = how->thorough;
    encoder->heading = how->dictionary;
    apr_pool_cleanup_register(p, encoder, give_back, apr_pool_cleanup_null);
    return encoder;
}

/** What a stream with a dictionary begins with (RFC 9842 §4, §5). */
static apr_status_t put_heading(rp_encoder_t *encoder)
{
    const rp_str_t *magic = &rp_codec(encoder->coding)->magic;
    const rp_dictionary_t *dictionary = encoder->heading;
    char heading[16 + RP_DICTIONARY_HASH];

    encoder->heading = NULL;
    memcpy(heading, magic->ptr, magic->len);
    memcpy(heading + magic->len, dictionary->hash, RP_DICTIONARY_HASH);
    return encoder->out(encoder->ctx, heading, magic->len + RP_DICTIONARY_HASH);
}

apr_status_t rp_encoder_run(rp_encoder_t *encoder, rp_codec_op_e op, const char *data, apr_size_t len)
{
    apr_status_t rv;
    if (len == 0 && (op == RP_CODEC_GO || (op == RP_CODEC_FLUSH && !encoder->unflushed))) {
        return APR_SUCCESS;
    }
    encoder->unflushed = op == RP_CODEC_GO;
    rv = encoder->heading ? put_heading(encoder) : APR_SUCCESS;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return rp_codec(encoder->coding)->run(encoder->state, op, data, len, encoder->out, encoder->ctx);
}

void rp_encoder_close(rp_encoder_t *encoder)
{
    apr_pool_cleanup_run(encoder->pool, encoder, give_back);
}

apr_status_t rp_encoders_free_idle(void *data)
{
    (void)data;
    for (int coding = 0; coding < RP_NCODECS; coding++) {
        for (int level = 0; level < RP_CODEC_LEVELS; level++) {
            rp_encoder_t *encoder;
            while ((encoder = take_idle((rp_coding_e)coding, level))) {
                destroy(encoder);
            }
        }
    }
    return APR_SUCCESS;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a content coding can do, and the encoders that do it.
 *
 * A coding is one static table (gzip.c, br.c, zstd.c).  Its encoder is costly to make, hundreds of KiB up to
 * a few MiB, so codec.c keeps idle ones per process, by coding and level; one in use belongs to a pool, whose
 * cleanup gives it back.  An encoder is used by one thread at a time; open and close may be called by any.
 */
#ifndef RP_CODEC_H
#define RP_CODEC_H

#include <apr_errno.h>
#include <apr_pools.h>
#include "http/http.h"

/** Output comes in pieces of at most this many bytes. */
#define RP_CODEC_PIECE (16 * 1024)

/**
 * At most this many idle encoders are kept for each coding and level: more work at once than there are cores.
 */
#define RP_CODEC_IDLE 8

/** Levels are below this number in all codings. */
#define RP_CODEC_LEVELS 20

/** The coding's library refused to go on; any other error of a run is what the output function returned. */
#define RP_CODEC_FAILED APR_EGENERAL

typedef enum rp_codec_op_e {
    RP_CODEC_GO,    /* take the data; output may come later */
    RP_CODEC_FLUSH, /* hand out what makes everything taken so far decodable */
    RP_CODEC_FINISH /* hand out the rest and the coding's end */
} rp_codec_op_e;

/** Takes a piece of output; data is valid during the call only.  An error ends the run. */
typedef apr_status_t (*rp_codec_out_fn)(void *ctx, const char *data, apr_size_t len);

/** Bytes that decoders pass over, of gzip and Zstandard: what both can carry in one place. */
#define RP_CODEC_PAD 4096

/** How a stream is to be coded. */
typedef struct rp_codec_how_t {
    int level;
    apr_off_t size; /* how long the body will probably be, to use no more memory than that takes; -1 when unknown */
    int thorough;   /* use the largest window that every decoder takes */
    const rp_dictionary_t *dictionary; /* for the codings that need one; else NULL */
    rp_str_t pad;   /* what decoders pass over, at most RP_CODEC_PAD bytes; stays until the stream is over */
} rp_codec_how_t;

/** A coding; "state" is its library's encoder with what belongs to it. */
typedef struct rp_codec_t {
    const char *name;
    rp_str_t magic; /* with a dictionary: what stands before its hash, at the beginning of the stream */
    int level_min;
    int level_max;
    int level_default;

    /** NULL when the library cannot do it. @return NULL when there is no memory */
    void *(*create)(int level);

    /**
     * Make ready for a new stream, whatever became of the last one.
     * @return 1, or 0 when there is no memory
     */
    int (*begin)(void *state, const rp_codec_how_t *how);

    apr_status_t (*run)(void *state, rp_codec_op_e op, const char *data, apr_size_t len, rp_codec_out_fn out,
                        void *ctx);

    /** The stream is over; keep no more memory than the next one profits from.  May be NULL. */
    void (*end)(void *state);

    void (*destroy)(void *state);
} rp_codec_t;

extern const rp_codec_t rp_codec_gzip;
extern const rp_codec_t rp_codec_br;
extern const rp_codec_t rp_codec_zstd;
extern const rp_codec_t rp_codec_dcb;
extern const rp_codec_t rp_codec_dcz;
extern const rp_codec_t rp_codec_ungzip;

/** A number more than codings have, since nobody asks for RP_UNGZIP. */
#define RP_NCODECS (RP_NCODINGS + 1)

/** The coding's table; NULL for identity. */
const rp_codec_t *rp_codec(rp_coding_e coding);

typedef struct rp_encoder_t rp_encoder_t;

/**
 * Begin a stream, with an idle encoder if there is one; a thorough one is made for it, and freed at its end, as it may
 * hold a hundred MiB.
 * @param p    closes the encoder when it is cleaned up
 * @param out  gets the output of all runs, with ctx
 * @return NULL when there is no memory, no such coding or level, or no dictionary where one is needed
 */
rp_encoder_t *rp_encoder_open(apr_pool_t *p, rp_coding_e coding, const rp_codec_how_t *how, rp_codec_out_fn out,
                              void *ctx);

/**
 * Feed a stream.  A flush with nothing taken since the last one makes no output.  After FINISH or an error
 * only rp_encoder_close() may follow.
 * @param data  may be NULL when len is 0
 */
apr_status_t rp_encoder_run(rp_encoder_t *encoder, rp_codec_op_e op, const char *data, apr_size_t len);

/** Give the encoder back before its pool does; the stream need not be finished. */
void rp_encoder_close(rp_encoder_t *encoder);

/** Free the idle encoders, at the exit of a process.  In the form of a pool cleanup; data is not used. */
apr_status_t rp_encoders_free_idle(void *data);

#endif

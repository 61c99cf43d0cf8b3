/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a store is: a place that keeps response records with their bodies under 32-byte keys.
 *
 * A store knows nothing of HTTP.  It keeps an opaque record (what cache/record.c encodes) and a body, which
 * may be 1 GiB and never sits in memory as a whole: it is written and read in pieces.  store_local.c (LMDB)
 * is the host's, shared by all child processes; the farm's Redis is the second one behind the same face.
 *
 * The promise to the caller: no call fails a request.  Whatever goes wrong is a miss (APR_NOTFOUND) or a
 * store that did not happen (any other error), is logged by the store at most once a minute per kind, and
 * what is found is whole: a body is complete when its entry can be found at all.
 *
 * A key is two halves of 16 bytes: the primary key's hash and the variant's.  All variants of a URL share the
 * first half, so that they lie side by side.
 */
#ifndef RP_STORE_H
#define RP_STORE_H

#include <stdint.h>
#include <apr_pools.h>
#include <apr_time.h>
#include "http/http.h"

#define RP_KEY_HALF 16
#define RP_KEY_LEN  (2 * RP_KEY_HALF)

/** Bodies up to this many bytes are kept beside their record and come with it. */
#define RP_STORE_INLINE 8192
/** A good size of buffer for reading and writing larger ones; a whole number of what the local store keeps
 * together. */
#define RP_STORE_CHUNK 65280

/** Tags that one entry may carry, and how each is given: the hash of its name. */
#define RP_STORE_TAGS 160
#define RP_STORE_TAG_LEN    16

typedef struct rp_store_t rp_store_t;
typedef struct rp_store_writer_t rp_store_writer_t;

typedef struct rp_store_tag_t {
    unsigned char hash[RP_STORE_TAG_LEN];
} rp_store_tag_t;

/** What is put in front of a body, and what the store itself must know of it. Everything is copied. */
typedef struct rp_put_t {
    rp_str_t record;
    rp_str_t name;       /* by which prefixes are purged: a part of record (the same bytes), or empty: no purge of a
                          * prefix covers it, and none counts it */
    apr_time_t expires;  /* when it is of no use any more (wall clock): may be dropped from then on */
    const rp_store_tag_t *tags;
    int ntags;           /* at most RP_STORE_TAGS */
    uint64_t since;      /* stamp() of before the backend was asked */
} rp_put_t;

/** What has happened to an entry since it was fetched. */
#define RP_SOFT  1 /* purged softly: to be treated as stale */
#define RP_DOUBT 2 /* perhaps purged, nobody can tell: not to be used without asking */

/** An entry as found; record and body live in the pool given to get(). */
typedef struct rp_entry_t {
    rp_store_t *store;
    unsigned char key[RP_KEY_LEN];
    uint64_t object; /* identifies this very body: a replaced entry has another */
    rp_str_t record;
    uint64_t body_len; /* UINT64_MAX: of follow(), still being written */
    int soft;          /* 0, RP_SOFT, RP_DOUBT */
    rp_str_t body;     /* the whole body when body_len <= RP_STORE_INLINE; else ptr is NULL: use read() */
    void *reading;     /* the store's own, for read(); in the pool given to get(); NULL when it needs none */
} rp_entry_t;

typedef enum rp_purge_kind_e {
    RP_PURGE_KEY,    /* all variants of a URL */
    RP_PURGE_TAG,    /* what carries a tag: takes as long for 100,000 entries as for one */
    RP_PURGE_PREFIX, /* what has a name that begins so */
    RP_PURGE_ALL,
    RP_PURGE_DOUBT   /* all, as RP_DOUBT: some of it was purged, but nobody knows what */
} rp_purge_kind_e;

typedef struct rp_purge_t {
    rp_purge_kind_e kind;
    int soft; /* entries stay, to be asked for again when they are wanted; else they are gone */
    unsigned char key[RP_KEY_HALF];
    rp_store_tag_t tag;
    rp_str_t prefix; /* at most RP_STORE_PREFIX_MAX bytes */
} rp_purge_t;

#define RP_STORE_PREFIX_MAX 4096

/** What a store is made of; one static table per kind of store. */
typedef struct rp_store_ops_t {
    const char *name; /* "local" */

    /** Find an entry. @return APR_SUCCESS, APR_NOTFOUND */
    apr_status_t (*get)(rp_store_t *s, const unsigned char key[RP_KEY_LEN], apr_pool_t *p, rp_entry_t *entry);

    /**
     * An entry that was found is of no use as it is: does a store behind the one that had it have another one?  Takes
     * as long as a question to that store; in one store there is none.
     * @return APR_NOTFOUND when it has none, or the very same
     */
    apr_status_t (*other)(rp_store_t *s, const rp_entry_t *than, apr_pool_t *p, rp_entry_t *entry);

    /**
     * That other one is the better one: put it in the other's place.
     * @return APR_NOTFOUND when it is of no use after all
     */
    apr_status_t (*adopt)(rp_entry_t *entry, apr_pool_t *p);

    /**
     * Copy body bytes from offset into buf, at most *len; *len becomes what was copied: fewer when the body
     * ends or the store has had enough for one call, 0 only at or behind the body's end. Holds no lock and
     * pins nothing between calls.
     * For an entry of follow() the body's end is not known: 0 bytes mean that no more are there yet, APR_EOF
     * that it was committed and offset is at or behind its end.
     * @return APR_NOTFOUND when the body is gone (evicted, replaced, its writer aborted or died), which can
     * happen between any two calls
     */
    apr_status_t (*read)(const rp_entry_t *entry, uint64_t offset, char *buf, apr_size_t *len);

    /**
     * Begin a new entry, to replace one of the same key at commit.  Not visible before.  The writer lives in
     * p and is aborted by p's cleanup when neither commit() nor abort() was called.
     * @param expected_len  the body's length, or UINT64_MAX when unknown; commit() fails when it turns out
     * otherwise
     * @return APR_SUCCESS; APR_ENOSPC when it is larger than the store's largest object
     */
    apr_status_t (*begin)(rp_store_t *s, const unsigned char key[RP_KEY_LEN], uint64_t expected_len,
                          apr_pool_t *p, rp_store_writer_t **writer);

    /**
     * Append to the body.  Takes time (a write transaction) once in RP_STORE_CHUNK bytes.  After an error the
     * writer is aborted and further calls do nothing but return it.
     */
    apr_status_t (*write)(rp_store_writer_t *w, const char *data, apr_size_t len);

    /**
     * Let other processes read what was written so far, and the record (as commit()'s is going to be), by
     * follow() and read(). May be called often; each call that has something new takes a write transaction. An
     * error aborts the writer, as one of write() does.
     */
    apr_status_t (*publish)(rp_store_writer_t *w, const rp_put_t *put);

    /** What a published writer's object is, now and when it is committed; 0 before publish(). */
    uint64_t (*object)(const rp_store_writer_t *w);

    /** How many bytes of the body others can read by now: write() too makes them more. 0 before publish(). */
    uint64_t (*published)(const rp_store_writer_t *w);

    /**
     * Find what a writer, of any process of the host, has published and not committed; entry->body_len is
     * UINT64_MAX. @return APR_NOTFOUND when there is no such object, or it is committed: get() finds it by its
     * key, with the same object id
     */
    apr_status_t (*follow)(rp_store_t *s, uint64_t object, apr_pool_t *p, rp_entry_t *entry);

    /**
     * Make the entry visible, atomically, in place of an older one.
     * @return APR_NOTFOUND when it was purged after put->since: nothing was stored
     */
    apr_status_t (*commit)(rp_store_writer_t *w, const rp_put_t *put);

    /** Forget what was begun, and the chunks already written. */
    void (*abort)(rp_store_writer_t *w);

    /**
     * Put another record in front of the same body.
     * @return APR_NOTFOUND when the entry is another by now, or was purged (not softly) after put->since
     */
    apr_status_t (*update)(const rp_entry_t *entry, const rp_put_t *put);

    /** The moment, in the store's own count, to say later on whether a purge came in between. Costs nothing. */
    uint64_t (*stamp)(rp_store_t *s);

    /** Remove one entry. @return APR_SUCCESS also when there was none */
    apr_status_t (*remove)(rp_store_t *s, const unsigned char key[RP_KEY_LEN]);

    /**
     * Purge: what was stored, and what is being fetched since before now (see rp_put_t.since), is not found any more,
     * or only as entry->soft.  In effect when this returns; all but a prefix take a transaction or two, a prefix is
     * in effect at once and then looks at every entry, to remove and to count.
     * @param count  NULL: nobody wants to know, and a prefix takes no longer than the others; how many entries it
     * covered: exact for a key (of those that have a name) and a prefix; of a tag those that carry it and were
     * not covered by an earlier hard purge of the same tag or of all; of all what is stored, with what was purged
     * earlier and is not removed yet
     * @return an error (logged) when it may not be in effect
     */
    apr_status_t (*purge)(rp_store_t *s, const rp_purge_t *what, apr_uint64_t *count);
} rp_store_ops_t;

struct rp_store_t {
    const rp_store_ops_t *ops;
};

/* ------------------------------------------------------------------ store_local.c */

typedef struct rp_store_local_conf_t {
    const char *dir;      /* absolute; created with mode 0700 when missing */
    apr_uint64_t size;    /* bytes: the data file never grows beyond it; at least RP_STORE_LOCAL_MIN */
    apr_uint64_t largest; /* of the largest body kept; 0: a quarter of size; never more than about half */
} rp_store_local_conf_t;

#define RP_STORE_LOCAL_MIN ((apr_uint64_t)4 * 1024 * 1024)

/** How the store tells what went wrong: level is an APLOG_ one, text ends without a newline. */
typedef void (*rp_store_log_fn)(void *ctx, int level, apr_status_t rv, const char *text);

/**
 * Called by the parent process at every start and graceful restart (as root; the store not open in this
 * process): creates the directory, gives it and its files to uid:gid (-1: leave) and sees that the data file
 * can be worked with. One that is foreign, damaged or of another version is set aside as data.mdb.bad-TIME
 * (one of them is kept); one left by a crash of the machine (which LMDB without fsync does not survive:
 * another boot without a seal), or larger than conf->size, is begun anew.  Children of before a graceful
 * restart that still have the old file go on with it, unharmed. The work is done by a forked process of that
 * user, so that root touches nothing of what the user may have put there and no damaged file can crash the
 * caller. A directory that has other things in it, or that others may write to, is refused.
 * @return APR_SUCCESS, or the error with *error telling what and which path
 */
apr_status_t rp_store_local_prepare(const rp_store_local_conf_t *conf, int uid, int gid, apr_pool_t *p,
                                    const char **error, rp_store_log_fn log, void *ctx);

/**
 * Open the store in this process (each child, after the fork; LMDB must not be carried across one).  Closed
 * by p's cleanup; entries and writers must not be used after that.  A second open of the same directory in
 * one process fails: LMDB's locks are the process's, and closing the one would drop those of the other.
 * @param p  a pool of the process's life
 * @return APR_SUCCESS; an error (logged) when it was not prepared in this boot or its files were replaced
 */
apr_status_t rp_store_local_open(const rp_store_local_conf_t *conf, apr_pool_t *p, rp_store_log_fn log,
                                 void *ctx, rp_store_t **store);

/**
 * Find an entry as get() does, with what it was put with: record, name, tags, expires and since, all in p. For whoever
 * hands it on; it does not count as a use of the entry.
 */
apr_status_t rp_store_local_facts(rp_store_t *s, const unsigned char key[RP_KEY_LEN], apr_pool_t *p, rp_entry_t *entry,
                                  rp_put_t *put);

/**
 * Would an entry that is put so be found, by what is known of purges?
 * @param soft  out: only as rp_entry_t.soft
 * @return APR_SUCCESS; APR_NOTFOUND when it was purged, or that cannot be told
 */
apr_status_t rp_store_local_judge(rp_store_t *s, const unsigned char key[RP_KEY_LEN], const rp_put_t *put, int *soft);

/**
 * Called by the parent on its way out, after its children: sync the file and mark it sealed, so that it
 * survives a reboot.  Does nothing while any process has it open.
 */
void rp_store_local_seal(const rp_store_local_conf_t *conf);

/**
 * Housekeeping, a few ms at most: expired entries, chunks of writers that died, readers that died.  Called
 * now and then (a second or so) by any child; several at once do no harm.  Evicting does not depend on it.
 */
void rp_store_local_sweep(rp_store_t *s, apr_time_t now);

/** Figures for status, of all processes. */
typedef struct rp_store_local_stats_t {
    apr_uint64_t entries;
    apr_uint64_t bytes;     /* in use, of size; it is kept below about 80 % (small) to 94 % (large) of that */
    apr_uint64_t evictions; /* since the data file was made */
} rp_store_local_stats_t;
apr_status_t rp_store_local_stats(rp_store_t *s, rp_store_local_stats_t *out);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Private to the files of the local store (store_local*.c) and their tests.
 *
 * One LMDB environment per directory, opened by every child process.  Its named databases:
 *
 *   entries  key[32] -> rp_local_head_t, record, and the body when it is small
 *   chunks   object id, index (both big endian) -> one page's worth of a large body
 *   order    sequence -> rp_local_row_t: entries on trial, oldest first
 *   main     object id -> rp_local_row_t: entries that have stood it; what is not in one is in the other
 *   pending  object id -> rp_local_owner_t: chunks of a writer that has not committed; when it is published,
 *            its key and an entry's value without a body follow
 *   garbage  object id -> nothing: chunks that nobody needs any more, freed a few at a time
 *   tags     tag's hash -> rp_local_tag_t: how many entries carry it, and when it was purged
 *   purges   what was purged lately, see store_local_purge.c
 *   log      what is known of the farm's log of purges, see store_local_log.c
 *   meta     "state" -> rp_local_meta_t
 *
 * A chunk fills exactly one page (LMDB's overflow page less its header), because LMDB finds room for a value
 * of several pages only where as many free ones lie side by side; in a store that is always full, after some
 * hours of small and large objects, they do not, and every write would first search the whole list of free
 * pages.
 *
 * Room is measured in LMDB's own page counts, which are exact and cost nothing.  Only the two queues' bytes
 * are counted by hand; they are changed together with the queues, in one transaction.
 *
 * Directory:  data.mdb, lock.mdb (LMDB's), state (format, boot id, whether sealed), touched (how often keys
 * were used), damaged (a process found the data file unsound; the next prepare sets it aside), data.mdb.bad-TIME.
 */
#ifndef RP_STORE_LOCAL_H
#define RP_STORE_LOCAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>
#include <syslog.h>
#include "cache/frequency.h"
#include "cache/store.h"

/** Changes with any change of what is on disk; another one is set aside by prepare. */
#define RP_LOCAL_FORMAT 6

/** Slots in lock.mdb: threads that read at the same instant, over all processes. 64 bytes each. */
#define RP_LOCAL_READERS 4096

/** Idle read transactions kept per process. */
#define RP_LOCAL_IDLE 64

/** The file `touched` is at most this large. */
#define RP_LOCAL_TOUCHED_MAX ((size_t)64 * 1024 * 1024)

/** Room before the sketch of frequencies in the file `touched`: counters shared by all processes. */
#define RP_LOCAL_SKETCH_AT 4096

/** Records are HTTP header sections: what is longer than this is refused. */
#define RP_LOCAL_RECORD_MAX (256 * 1024)

/** What make_room() says when deleting alone did not make enough of it; not one of LMDB's codes. */
#define RP_LOCAL_SHORT (-1)

enum {
    RP_DB_ENTRIES,
    RP_DB_CHUNKS,
    RP_DB_ORDER,
    RP_DB_MAIN,
    RP_DB_PENDING,
    RP_DB_GARBAGE,
    RP_DB_META,
    RP_DB_TAGS,
    RP_DB_PURGES,
    RP_DB_LOG,
    RP_NDBS
};

#define RP_LOCAL_HEAD_MAGIC 0x52504C31u
#define RP_LOCAL_SOFT       1u

typedef struct rp_local_head_t {
    uint32_t magic;
    uint32_t record_len;
    uint64_t object;
    uint64_t sequence; /* of its row in `order`, unless it has gone to `main` */
    uint64_t body_len;
    int64_t expires;
    uint64_t since;   /* the newest purge that it has nothing to do with */
    uint32_t name_at; /* the name, within the record */
    uint32_t name_len;
    uint16_t ntags; /* they follow the head, before the record */
    uint16_t flags; /* RP_LOCAL_SOFT: purged softly, since `since` */
    uint32_t unused;
} rp_local_head_t;

typedef struct rp_local_row_t {
    unsigned char key[RP_KEY_LEN];
    uint64_t object;
    int64_t expires; /* a hint: the entry's own counts */
    uint64_t bytes;  /* that its queue was charged with */
} rp_local_row_t;

typedef struct rp_local_owner_t {
    uint64_t start; /* when the process began, as /proc/PID/stat has it; 0 when unknown */
    int64_t begun;
    int32_t pid;
    int32_t unused;
} rp_local_owner_t;

typedef struct rp_local_meta_t {
    uint32_t format;
    uint32_t chunk;
    uint64_t next; /* the next object id or sequence */
    uint64_t trial; /* bytes in `order`, */
    uint64_t main;  /* and in `main` */
} rp_local_meta_t;

/** In `purges`, once: what holds for all of the store. */
typedef struct rp_local_purges_t {
    uint64_t newest;    /* purge's stamp */
    uint64_t forgotten; /* of the purges whose rows are gone, the newest */
    uint64_t all_hard, all_soft, all_doubt;
    uint64_t lazy;      /* the newest that left entries to be removed later on, by the sweep: */
    uint64_t reclaimed; /* up to this one all are, */
    uint64_t reclaims;  /* and up to this one by the walk that is at */
    unsigned char at[RP_KEY_LEN];
} rp_local_purges_t;

/** In `tags`. An entry is of the old ones when its `since` is below `counted`. */
typedef struct rp_local_tag_t {
    uint64_t hard, soft; /* stamps of its last purges */
    uint64_t counted;    /* the newest hard purge, of this tag or of all, that the counts know of */
    uint64_t live, old;  /* entries that carry it */
    uint64_t past;       /* stamp of its row for the time of its last purge; 0: there is none */
} rp_local_tag_t;

/** Places for stamps of purges of keys, and as many for tags, which share them by their hashes. */
#define RP_LOCAL_STAMPS 192

/** In the first page of `touched`; changed with atomic operations only. */
typedef struct rp_local_shared_t {
    uint64_t purge_newest; /* stamps, each set before the purge's transaction is committed: what is not newer
                              than they say needs no look into the database */
    uint64_t purge_all;
    uint64_t purge_prefix;
    uint64_t purge_keys[RP_LOCAL_STAMPS];
    uint64_t purge_tags[RP_LOCAL_STAMPS];
    uint64_t evictions;
    uint64_t used; /* increments in the sketch since it was halved; roughly */
    uint64_t hand; /* where in `main` the next victim is looked for */
} rp_local_shared_t;

/** Kinds of trouble, each logged at most once a minute. */
typedef enum rp_local_kind_e {
    RP_LOG_READ,
    RP_LOG_WRITE,
    RP_LOG_FULL,
    RP_LOG_DISK,
    RP_LOG_UNSOUND,
    RP_LOG_DAMAGED,
    RP_LOG_KINDS
} rp_local_kind_e;

typedef struct rp_local_reader_t {
    MDB_txn *txn;
    MDB_cursor *chunks; /* NULL until a large body is read */
} rp_local_reader_t;

typedef struct rp_local_slot_t {
    rp_local_reader_t *reader;
    char apart[64 - sizeof(void *)];
} rp_local_slot_t;

typedef struct rp_local_job_t rp_local_job_t;

typedef struct rp_local_t {
    rp_store_t store; /* first: what callers hold */
    const char *dir;
    uint64_t largest;
    MDB_env *env;
    MDB_dbi dbi[RP_NDBS];
    rp_store_log_fn log;
    void *log_ctx;
    apr_time_t logged[RP_LOG_KINDS];

    size_t page;        /* bytes */
    size_t chunk;       /* bytes of a body in one page */
    size_t batch;       /* chunks in one write transaction */
    uint64_t pages;     /* the map's */
    uint64_t high;      /* evict when more are in use */
    uint64_t hard;      /* write nothing when more are in use */
    unsigned evict_max; /* entries in one write transaction, */
    unsigned free_max;  /* and chunks */
    apr_interval_time_t grace; /* for how long a body without an entry stays, if there is room: somebody may be reading it */
    uint64_t garbage_at;       /* where to go on looking for some that are older; guarded by LMDB's writer's lock */

    pthread_mutex_t jobs_lock;  /* jobs, jobs_end, jobs_led */
    rp_local_job_t *jobs;       /* what waits for a write transaction */
    rp_local_job_t **jobs_end;
    int jobs_led;               /* a thread is at work on them */
    pthread_mutex_t lock;       /* writers, looked, swept_to */
    rp_store_writer_t *writers; /* those of this process that have chunks in `pending` */
    apr_time_t looked;          /* for dead writers, last */
    uint64_t swept_to;
    int swept_main; /* in `main`, not `order` */
    int broken;             /* no reads, no writes */
    apr_time_t stuck_until; /* no writes before then; 0: all is well */
    apr_time_t stuck_since;

    rp_local_shared_t *shared; /* the whole of `touched`, or private memory */
    size_t shared_size;
    int shared_mapped;
    rp_frequency_t frequency;
    uint64_t *hints; /* NULL: none; changed with atomic operations only */
    unsigned hint_bits;
    rp_local_owner_t self;
    rp_local_slot_t idle[RP_LOCAL_IDLE];
} rp_local_t;

/** A write transaction and what goes with it. */
typedef struct rp_local_txn_t {
    rp_local_t *s;
    MDB_txn *txn;
    uint64_t next; /* object ids and sequences: take with t->next++ */
    uint64_t trial, main;
    rp_local_meta_t was;
    unsigned evicted;
    rp_local_purges_t purges;
    int purges_known;
} rp_local_txn_t;

struct rp_store_writer_t {
    rp_local_t *s;
    apr_pool_t *pool;
    unsigned char key[RP_KEY_LEN];
    uint64_t expected;
    uint64_t written; /* handed to write() */
    uint64_t object;  /* 0: nothing spilled yet */
    uint64_t index;   /* the next chunk's */
    char *buf;
    size_t len, cap;
    uint64_t shown;                  /* bytes of the body in the store */
    int published;
    char *told;                      /* the row in `pending`, once published */
    size_t told_len;
    apr_status_t rv;                 /* APR_SUCCESS, or why it is over */
    rp_store_writer_t *next, **link; /* in s->writers when link is set */
};

/* ---------------------------------------------- store_local.c: open, transactions, trouble */

/** Create and open an environment with our settings, and its databases (made when create is set). @return
 * LMDB's code */
int rp_local_env_open(MDB_env **env, MDB_dbi dbi[RP_NDBS], const char *dir, uint64_t size, int create);

/** Log under a kind, at most once a minute and process. */
void rp_local_log(rp_local_t *s, rp_local_kind_e kind, int level, int rc, const char *what);

/** Note an LMDB failure: give up on the store when it can only be damage. @return rc as an apr_status_t */
apr_status_t rp_local_status(rp_local_t *s, rp_local_kind_e kind, int rc, const char *what);

/** A process's start time from /proc, 0 when there is no such process (or no /proc). */
uint64_t rp_local_start_time(int pid);

/** Leave word for the next prepare, which sets the data file aside. */
void rp_local_mark_damaged(rp_local_t *s);

int rp_local_begin(rp_local_t *s, rp_local_txn_t *t);
int rp_local_commit(rp_local_txn_t *t);
void rp_local_abort(rp_local_txn_t *t);

/* ------------------------------------------------------------------ store_local_run.c */

/**
 * What is done in a write transaction, alone or among others' work; called again after a time that came to
 * nothing. It holds no lock: it may run on another thread than rp_local_run()'s caller, who waits.
 * @return LMDB's code
 */
typedef int (*rp_local_work_fn)(rp_local_txn_t *t, void *arg);

/**
 * Make room for need pages, do work and commit; when the map is full anyway, evict more and try again, within
 * limits.
 * @return APR_SUCCESS, APR_NOTFOUND when work says MDB_NOTFOUND, APR_ENOSPC, APR_TIMEUP when other writers
 * did not finish
 */
apr_status_t rp_local_run(rp_local_t *s, size_t need, rp_local_work_fn work, void *arg);

/* ------------------------------------------------------------------ store_local_state.c: the file `state` */

typedef struct rp_local_state_t {
    int format; /* 0: there is no such file, or it is not ours */
    int clean;
    uint64_t ino; /* of data.mdb */
    char boot[64];
} rp_local_state_t;

void rp_local_state_read(int dirfd, rp_local_state_t *st);
/** Write it so that it is on disk before this returns. @return 0 or errno */
int rp_local_state_write(int dirfd, const rp_local_state_t *st);
/** This boot's id, "none" where the system has none. */
void rp_local_boot_id(char id[64]);
/**
 * Map `touched`, made and given its disk space when it is missing or smaller than for a store of so many
 * bytes.  Processes with an older, smaller mapping agree with newer ones on part of the keys only.
 * @return NULL with errno set
 */
void *rp_local_touched_map(int dirfd, uint64_t store_size, size_t *size);

/* ------------------------------------------------------------------ store_local_read.c */

/** Take a read transaction that sees what is committed by now; NULL with *rc set. Give it back soon. */
rp_local_reader_t *rp_local_reader_take(rp_local_t *s, int *rc);
void rp_local_reader_give(rp_local_t *s, rp_local_reader_t *r);
void rp_local_readers_close(rp_local_t *s);

/** The key of a chunk: big endian, so that a body's chunks lie in order. */
static inline void rp_local_chunk_key(unsigned char key[12], uint64_t object, uint32_t index)
{
    int i;

    for (i = 0; i < 8; i++) {
        key[i] = (unsigned char)(object >> (56 - 8 * i));
    }
    for (i = 0; i < 4; i++) {
        key[8 + i] = (unsigned char)(index >> (24 - 8 * i));
    }
}

/** Read an entry's header. @return 1 when it is sound: every length in it agrees with the value's */
int rp_local_head_read(const MDB_val *value, rp_local_head_t *head);

/** Where a sound entry's record begins; a small body follows it. */
static inline const char *rp_local_record(const MDB_val *value, const rp_local_head_t *head)
{
    return (const char *)value->mv_data + sizeof(*head) + (size_t)head->ntags * RP_STORE_TAG_LEN;
}

/** A row of `pending` that is published. @param value  out: the entry's, pointing into row */
int rp_local_pending_read(const MDB_val *row, const unsigned char **key, MDB_val *value, rp_local_head_t *head);

apr_status_t rp_local_get(rp_store_t *store, const unsigned char key[RP_KEY_LEN], apr_pool_t *p,
                          rp_entry_t *entry);
apr_status_t rp_local_read(const rp_entry_t *entry, uint64_t offset, char *buf, apr_size_t *len);
apr_status_t rp_local_follow(rp_store_t *store, uint64_t object, apr_pool_t *p, rp_entry_t *entry);

/* ------------------------------------------------------------------ store_local_hint.c */

/** After the map's size is known. Without memory there are no hints. */
void rp_local_hints_open(rp_local_t *s);
void rp_local_hints_close(rp_local_t *s);

/** Let the processor fetch what a get() of this key is going to read. Changes nothing. */
void rp_local_foresee(const rp_local_t *s, uint64_t hash);

/** It was found there, in the map. */
void rp_local_hint(const rp_local_t *s, uint64_t hash, const MDB_val *value);

/* ---------------------------------------------- store_local_write.c, store_local_remove.c */

apr_status_t rp_local_writer_begin(rp_store_t *store, const unsigned char key[RP_KEY_LEN], uint64_t expected,
                                   apr_pool_t *p, rp_store_writer_t **writer);
apr_status_t rp_local_writer_write(rp_store_writer_t *w, const char *data, apr_size_t len);
apr_status_t rp_local_writer_publish(rp_store_writer_t *w, const rp_put_t *put);
uint64_t rp_local_writer_object(const rp_store_writer_t *w);
uint64_t rp_local_writer_published(const rp_store_writer_t *w);
apr_status_t rp_local_writer_commit(rp_store_writer_t *w, const rp_put_t *put);
void rp_local_writer_abort(rp_store_writer_t *w);

apr_status_t rp_local_remove(rp_store_t *store, const unsigned char key[RP_KEY_LEN]);

/** Remove what belongs to an entry with this value: its row in `order`; a large body goes to the garbage. */
int rp_local_drop_parts(rp_local_txn_t *t, const MDB_val *value);
/** The same, and the entry. */
int rp_local_drop(rp_local_txn_t *t, const unsigned char key[RP_KEY_LEN], const MDB_val *value);

/* ------------------------------------------------------------------ store_local_value.c */

/** Can it be put? @return APR_ENOSPC, APR_EINVAL */
apr_status_t rp_local_put_check(const rp_put_t *put);

/** The head of what is put; object, sequence and body_len are the caller's. */
rp_local_head_t rp_local_head_of(const rp_put_t *put);

/** How long an entry's value is in front of its body, and how many pages that may need. */
size_t rp_local_value_len(const rp_put_t *put);
size_t rp_local_put_pages(rp_local_t *s, const rp_put_t *put);

/** Write an entry's value, but for the body. @return where that goes */
char *rp_local_value_fill(char *to, const rp_local_head_t *head, const rp_put_t *put);

/** Put an entry's value together in the place that LMDB gives for it. */
int rp_local_put_entry(rp_local_txn_t *t, const unsigned char *key, const rp_local_head_t *head, const rp_put_t *put,
                       const char *body);

apr_status_t rp_local_update(const rp_entry_t *entry, const rp_put_t *put);

/* ------------------------------------------------------------------ store_local_purge.c, store_local_past.c */

uint64_t rp_local_stamp(rp_store_t *store);
apr_status_t rp_local_purge(rp_store_t *store, const rp_purge_t *what, apr_uint64_t *count);

/** Let the shared stamps know what the database does. @return LMDB's code */
int rp_local_purge_open(rp_local_t *s);

/** What a purge may cover. */
typedef struct rp_local_subject_t {
    const unsigned char *key; /* its first half counts */
    rp_str_t name;
    const rp_store_tag_t *tags;
    int ntags;
    uint64_t since;
} rp_local_subject_t;

typedef enum rp_local_verdict_e { RP_PURGED_NOT, RP_PURGED_SOFT, RP_PURGED_DOUBT, RP_PURGED_HARD } rp_local_verdict_e;

/** An entry as such, pointing into value. */
void rp_local_subject(const unsigned char *key, const MDB_val *value, const rp_local_head_t *head,
                      rp_local_subject_t *subject);

/** Is there a purge newer than its `since` that covers it?  Costs next to nothing when there is none at all. */
int rp_local_judge(rp_local_t *s, MDB_txn *txn, const rp_local_subject_t *subject, rp_local_verdict_e *verdict);

/**
 * May what was fetched be stored?  head->since becomes one that this store has given out, head->flags what a soft purge
 * makes of it. @return 0, MDB_NOTFOUND when it was purged meanwhile or that cannot be told any more
 */
int rp_local_admit(rp_local_txn_t *t, const unsigned char *key, const rp_put_t *put, rp_local_head_t *head);

/** The row for all, as of this transaction; rp_local_purges_put() writes it back. NULL with *rc set. */
rp_local_purges_t *rp_local_purges(rp_local_txn_t *t, int *rc);
int rp_local_purges_read(rp_local_t *s, MDB_txn *txn, rp_local_purges_t *purges);
int rp_local_purges_put(rp_local_txn_t *t);

/** How a purge is remembered in `purges`, for a fetch that began before it. */
#define RP_LOCAL_REMEMBER apr_time_from_sec(3600)

/** Purge a key; it is in effect when this is committed. */
int rp_local_key_purge(rp_local_txn_t *t, const unsigned char primary[RP_KEY_HALF], uint64_t stamp, int soft);

/** Apply what was purged under a key to some of its entries. @param applied  to how many @param done  that was all */
int rp_local_key_apply(rp_local_txn_t *t, const unsigned char primary[RP_KEY_HALF], apr_uint64_t *applied, int *done);

/** Is a key purged? */
int rp_local_key_judge(rp_local_t *s, MDB_txn *txn, const rp_local_subject_t *subject, rp_local_verdict_e *verdict);

/** Note when a purge of a key ('K') or tag ('G') was made, whose row refers to it by the stamp. */
int rp_local_past_add(rp_local_txn_t *t, char kind, const unsigned char what[RP_KEY_HALF], uint64_t stamp);
int rp_local_past_remove(rp_local_txn_t *t, uint64_t stamp);

/** Is there a purge of a key or tag made before then? */
int rp_local_is_forgettable(rp_local_t *s, MDB_txn *txn, apr_time_t before);

/** Forget purges of keys and tags made before then, at most max. @return MDB_NOTFOUND: no more */
int rp_local_forget(rp_local_txn_t *t, apr_time_t before, unsigned max);

/** Mark an entry as softly purged. */
int rp_local_mark_soft(rp_local_txn_t *t, const unsigned char key[RP_KEY_LEN], const MDB_val *value);

/** A stamp makes a verdict. */
static inline void rp_local_verdict(uint64_t hard, uint64_t soft, uint64_t since, rp_local_verdict_e *verdict)
{
    if (hard > since) {
        *verdict = RP_PURGED_HARD;
    }
    else if (soft > since && *verdict == RP_PURGED_NOT) {
        *verdict = RP_PURGED_SOFT;
    }
}

/** Keys of rows in `purges`: a letter, and a number in big endian. */
#define RP_LOCAL_STAMP_KEY 9
static inline void rp_local_stamp_key(unsigned char key[RP_LOCAL_STAMP_KEY], char letter, uint64_t stamp)
{
    int i;

    key[0] = (unsigned char)letter;
    for (i = 0; i < 8; i++) {
        key[1 + i] = (unsigned char)(stamp >> (56 - 8 * i));
    }
}

static inline uint64_t rp_local_stamp_of(const unsigned char key[RP_LOCAL_STAMP_KEY])
{
    uint64_t stamp = 0;
    int i;

    for (i = 1; i < RP_LOCAL_STAMP_KEY; i++) {
        stamp = stamp << 8 | key[i];
    }
    return stamp;
}

/** The newest stamp. Within a write transaction it stays what it is, but for those taken there. */
uint64_t rp_local_newest(const rp_local_t *s);

/** Take a stamp without purging anything, and make it the newest. @return LMDB's code */
int rp_local_stamp_use(rp_local_txn_t *t);

/* ------------------------------------------------------------------ store_local_tags.c */

/** An entry with these tags and that `since` comes, or goes. */
int rp_local_tags_add(rp_local_txn_t *t, const rp_store_tag_t *tags, int ntags, uint64_t since);
int rp_local_tags_remove(rp_local_txn_t *t, const rp_store_tag_t *tags, int ntags, uint64_t since);

/** Purge a tag; *count is how many entries carry it that no purge of it or of all has made old. */
int rp_local_tag_purge(rp_local_txn_t *t, const rp_store_tag_t *tag, uint64_t stamp, int soft, apr_uint64_t *count);

/** @return MDB_NOTFOUND when there is no such row */
int rp_local_tag_read(rp_local_t *s, MDB_txn *txn, const rp_store_tag_t *tag, rp_local_tag_t *row);

/** The row for the time of the tag's purge is forgotten: the tag too, if nothing carries it. */
int rp_local_tag_forget(rp_local_txn_t *t, const rp_store_tag_t *tag, uint64_t stamp);

/* ------------------------------------------------------------------ store_local_scan.c: what takes a walk */

/** A purge of a prefix was made with that stamp: apply it to all entries, until then at most. @param count  those that
 * it was applied to are added. @return APR_TIMEUP when it was not finished */
apr_status_t rp_local_scan_prefix(rp_local_t *s, uint64_t stamp, apr_time_t until, apr_uint64_t *count);

/** Add a purge of a prefix. @return MDB_KEYEXIST when there are too many that are not finished: *oldest is one */
int rp_local_prefix_add(rp_local_txn_t *t, rp_str_t prefix, int soft, uint64_t stamp, uint64_t *oldest);

/** Is it purged by a prefix? */
int rp_local_prefix_judge(rp_local_t *s, MDB_txn *txn, const rp_local_subject_t *subject, rp_local_verdict_e *verdict);

/** Housekeeping: rows of long ago, walks that nobody goes on with, entries that were purged lazily. */
void rp_local_purge_sweep(rp_local_t *s, apr_time_t now);

/* ------------------------------------------------------------------ store_local_queue.c: whom to evict */

/** A key's hash, well mixed: by which it is counted and hinted at. */
uint64_t rp_local_hash(const unsigned char key[RP_KEY_LEN]);

/** Note that the key with this hash was asked for or stored. */
void rp_local_touch(rp_local_t *s, uint64_t hash);

/** An entry with that header was put under key: on trial, in head->sequence's place. */
int rp_local_queue_add(rp_local_txn_t *t, const unsigned char key[RP_KEY_LEN], const rp_local_head_t *head);
/** Its expires is another now. */
int rp_local_queue_renew(rp_local_txn_t *t, const rp_local_head_t *head);
/** It goes: take its row away. */
int rp_local_queue_drop(rp_local_txn_t *t, const rp_local_head_t *head);

/** Take a row, read from that queue, away. */
int rp_local_queue_remove(rp_local_txn_t *t, int db, uint64_t id, const rp_local_row_t *row);

/** How much one transaction may do to evict. */
typedef struct rp_local_hand_t {
    unsigned left;       /* entries that may still be evicted; becomes 0 when promotions are over */
    unsigned promotions; /* entries that may go to `main`, which makes no room */
    int must;            /* evict something in each step */
    apr_time_t now;
} rp_local_hand_t;

/** Take one step: an entry is evicted, or promoted. @return MDB_NOTFOUND when there is none */
int rp_local_queue_step(rp_local_txn_t *t, rp_local_hand_t *hand);

/** Let old uses count less when there were many new ones. */
void rp_local_queue_age(rp_local_txn_t *t);

/* ------------------------------------------------------------------ store_local_room.c: room, garbage */

/** Pages in use as this transaction sees them, without those on LMDB's free list. */
uint64_t rp_local_used(rp_local_t *s, MDB_txn *txn);

/** Free and evict until need pages more stay under the mark. @return 0, RP_LOCAL_SHORT, or LMDB's code */
int rp_local_make_room(rp_local_txn_t *t, size_t need);

/**
 * Free at most max chunks of the garbage; *freed is how many.
 * @param look   rows that are looked at for some that are old enough, beginning where the last look ended
 * @param until  when bodies must have lost their entry: those that readers may be in the middle of stay for a while
 */
int rp_local_free_garbage(rp_local_txn_t *t, unsigned max, unsigned look, apr_time_t until, unsigned *freed);

/** Nobody has needed them since then. */
#define RP_LOCAL_OLD_ENOUGH(s) (apr_time_now() - (s)->grace)

/** Move what dead writers left to the garbage; *found is how many there were. */
int rp_local_bury_writers(rp_local_txn_t *t, unsigned *found);

/** Is the store left alone for the moment, because not even deleting worked or it was asked to? */
int rp_local_is_stuck(rp_local_t *s);

/** Write nothing for a second. */
void rp_local_pause(rp_local_t *s);

/** After MDB_MAP_FULL: clear what readers and writers that died hold, and evict. @return 0 when another try
 * makes sense */
int rp_local_relieve(rp_local_t *s);

#endif

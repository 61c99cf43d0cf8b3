/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The local store: opening it in a process, its write transactions, and what is done about trouble. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <apr_strings.h>
#include "cache/store_local.h"
#include "status/counters.h"

/** For readers of bodies whose entry has been replaced. */
#define GRACE apr_time_from_sec(60)

static apr_status_t no_other(rp_store_t *s, const rp_entry_t *than, apr_pool_t *p, rp_entry_t *entry)
{
    (void)s;
    (void)than;
    (void)p;
    (void)entry;
    return APR_NOTFOUND;
}

static apr_status_t no_adoption(rp_entry_t *entry, apr_pool_t *p)
{
    (void)entry;
    (void)p;
    return APR_SUCCESS;
}

static const rp_store_ops_t local_ops = {
    "local",
    rp_local_get,
    no_other,
    no_adoption,
    rp_local_read,
    rp_local_writer_begin,
    rp_local_writer_write,
    rp_local_writer_publish,
    rp_local_writer_object,
    rp_local_writer_published,
    rp_local_follow,
    rp_local_writer_commit,
    rp_local_writer_abort,
    rp_local_update,
    rp_local_stamp,
    rp_local_remove,
    rp_local_purge,
};

/* ------------------------------------------------------------------ trouble */

void rp_local_log(rp_local_t *s, rp_local_kind_e kind, int level, int rc, const char *what)
{
    apr_time_t now = apr_time_now();
    apr_time_t last = __atomic_load_n(&s->logged[kind], __ATOMIC_RELAXED);

    if (!s->log || (last && now - last < apr_time_from_sec(60) && now >= last)) {
        return;
    }
    if (__atomic_compare_exchange_n(&s->logged[kind], &last, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        char text[512];
        snprintf(text, sizeof(text), "cache store %s: %s%s%s", s->dir, what, rc ? ": " : "",
                 rc ? mdb_strerror(rc) : "");
        s->log(s->log_ctx, level, rc > 0 ? APR_FROM_OS_ERROR(rc) : APR_SUCCESS, text);
    }
}

void rp_local_mark_damaged(rp_local_t *s)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/damaged", s->dir);
    fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
}

/** LMDB says EIO where a write was short, which it is when the disk becomes full on the way. */
static int is_disk_full(const rp_local_t *s, int rc)
{
    struct statvfs fs;

    return rc == ENOSPC || rc == EDQUOT ||
           (rc == EIO && !statvfs(s->dir, &fs) && fs.f_bavail < 1024 * 1024 / fs.f_frsize);
}

apr_status_t rp_local_status(rp_local_t *s, rp_local_kind_e kind, int rc, const char *what)
{
    switch (rc) {
    case 0: return APR_SUCCESS;
    case MDB_NOTFOUND: return APR_NOTFOUND;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        __atomic_store_n(&s->broken, 1, __ATOMIC_RELAXED);
        rp_local_mark_damaged(s);
        rp_count(RP_COUNT_STORE_DAMAGED, 1);
        rp_local_log(s, RP_LOG_DAMAGED, LOG_ERR, rc,
                     "the data file is damaged; not used any more, and made anew at the next restart");
        return APR_EGENERAL;
    case MDB_PANIC:
        __atomic_store_n(&s->broken, 1, __ATOMIC_RELAXED);
        rp_local_log(s, RP_LOG_DAMAGED, LOG_ERR, rc, "not used any more by this process");
        return APR_EGENERAL;
    case MDB_MAP_FULL:
    case RP_LOCAL_SHORT:
        rp_count(RP_COUNT_STORE_NO_ROOM, 1);
        rp_local_log(s, RP_LOG_FULL, LOG_WARNING, MDB_MAP_FULL, "no room could be made, entry dropped");
        return APR_ENOSPC;
    default:
        if (is_disk_full(s, rc)) {
            rp_local_pause(s);
            rp_count(RP_COUNT_STORE_DISK_FULL, 1);
            rp_local_log(s, RP_LOG_DISK, LOG_WARNING, 0, "the disk is full; nothing is stored for now");
            return APR_ENOSPC;
        }
        rp_count(RP_COUNT_STORE_OTHER, 1);
        rp_local_log(s, kind, LOG_WARNING, rc, what);
        return rc > 0 ? APR_FROM_OS_ERROR(rc) : APR_EGENERAL;
    }
}

/* ------------------------------------------------------------------ write transactions */

int rp_local_begin(rp_local_t *s, rp_local_txn_t *t)
{
    MDB_val key = {5, "state"}, value;
    rp_local_meta_t meta;
    int rc = mdb_txn_begin(s->env, NULL, 0, &t->txn);

    if (rc) {
        return rc;
    }
    t->s = s;
    t->evicted = 0;
    t->purges_known = 0;
    rc = mdb_get(t->txn, s->dbi[RP_DB_META], &key, &value);
    if (rc || value.mv_size != sizeof(meta)) {
        mdb_txn_abort(t->txn);
        return rc && rc != MDB_NOTFOUND ? rc : MDB_CORRUPTED;
    }
    memcpy(&meta, value.mv_data, sizeof(meta));
    t->was = meta;
    t->next = meta.next;
    t->trial = meta.trial;
    t->main = meta.main;
    return 0;
}

int rp_local_commit(rp_local_txn_t *t)
{
    rp_local_t *s = t->s;
    int rc = 0;

    if (t->next != t->was.next || t->trial != t->was.trial || t->main != t->was.main) {
        rp_local_meta_t meta = {RP_LOCAL_FORMAT, (uint32_t)s->chunk, t->next, t->trial, t->main};
        MDB_val key = {5, "state"}, value = {sizeof(meta), &meta};
        rc = mdb_put(t->txn, s->dbi[RP_DB_META], &key, &value, 0);
    }
    if (rc) {
        mdb_txn_abort(t->txn);
        return rc;
    }
    rc = mdb_txn_commit(t->txn);
    if (!rc && t->evicted) {
        __atomic_fetch_add(&s->shared->evictions, t->evicted, __ATOMIC_RELAXED);
    }
    return rc;
}

void rp_local_abort(rp_local_txn_t *t)
{
    mdb_txn_abort(t->txn);
}

/* ------------------------------------------------------------------ open */

int rp_local_env_open(MDB_env **env, MDB_dbi dbi[RP_NDBS], const char *dir, uint64_t size, int create)
{
    static const struct {
        const char *name;
        unsigned flags;
    } dbs[RP_NDBS] = {
        {"entries", 0},
        {"chunks", 0},
        {"order", MDB_INTEGERKEY},
        {"main", MDB_INTEGERKEY},
        {"pending", MDB_INTEGERKEY},
        {"garbage", MDB_INTEGERKEY},
        {"meta", 0},
        {"tags", 0},
        {"purges", 0},
        {"log", 0},
    };
    MDB_txn *txn = NULL;
    int rc, i;

    rc = mdb_env_create(env);
    if (rc) {
        *env = NULL;
        return rc;
    }
    mdb_env_set_maxdbs(*env, RP_NDBS);
    mdb_env_set_maxreaders(*env, RP_LOCAL_READERS);
    rc = mdb_env_set_mapsize(*env, (size_t)size / 65536 * 65536);
    if (!rc) {
        rc = mdb_env_open(*env, dir, MDB_NOTLS | MDB_NOSYNC | MDB_NORDAHEAD, 0600);
    }
    if (!rc) {
        rc = mdb_txn_begin(*env, NULL, create ? 0 : MDB_RDONLY, &txn);
    }
    for (i = 0; !rc && i < RP_NDBS; i++) {
        rc = mdb_dbi_open(txn, dbs[i].name, dbs[i].flags | (create ? MDB_CREATE : 0), &dbi[i]);
    }
    if (txn) {
        if (rc) {
            mdb_txn_abort(txn);
        }
        else {
            rc = mdb_txn_commit(txn); /* handles last beyond a transaction only when it is committed */
        }
    }
    if (rc) {
        mdb_env_close(*env);
        *env = NULL;
    }
    return rc;
}

uint64_t rp_local_start_time(int pid)
{
    char path[64], text[1024], *p;
    unsigned long long start = 0;
    ssize_t n;
    int fd, i;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    /* The command's name stands in parentheses and may itself have any of them; the start time
     * is field 22. */
    p = strrchr(text, ')');
    for (i = 2; p && i < 22; i++) {
        p = strchr(p + 1, ' ');
    }
    if (!p || sscanf(p, "%llu", &start) != 1) {
        return 0;
    }
    return start;
}

/** The directories of the stores open in this process: LMDB must not open one twice (closing one drops all
 * its locks). */
static struct {
    pthread_mutex_t lock;
    int n;
    struct {
        dev_t dev;
        ino_t ino;
    } dirs[16];
} open_here = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int claim(const struct stat *st)
{
    int i, rc = 0;

    pthread_mutex_lock(&open_here.lock);
    for (i = 0; i < open_here.n; i++) {
        if (open_here.dirs[i].dev == st->st_dev && open_here.dirs[i].ino == st->st_ino) {
            rc = EEXIST;
        }
    }
    if (!rc && open_here.n == (int)(sizeof(open_here.dirs) / sizeof(open_here.dirs[0]))) {
        rc = EMFILE;
    }
    if (!rc) {
        open_here.dirs[open_here.n].dev = st->st_dev;
        open_here.dirs[open_here.n++].ino = st->st_ino;
    }
    pthread_mutex_unlock(&open_here.lock);
    return rc;
}

static void unclaim(const struct stat *st)
{
    int i;

    pthread_mutex_lock(&open_here.lock);
    for (i = 0; i < open_here.n; i++) {
        if (open_here.dirs[i].dev == st->st_dev && open_here.dirs[i].ino == st->st_ino) {
            open_here.dirs[i] = open_here.dirs[--open_here.n];
            break;
        }
    }
    pthread_mutex_unlock(&open_here.lock);
}

typedef struct opened_t {
    rp_local_t *s;
    struct stat dir;
} opened_t;

static void close_files(rp_local_t *s)
{
    rp_local_hints_close(s);
    rp_local_readers_close(s);
    mdb_env_close(s->env);
    if (s->shared_mapped) {
        munmap(s->shared, s->shared_size);
    }
    else {
        free(s->shared);
    }
}

static apr_status_t close_store(void *data)
{
    opened_t *o = data;
    rp_local_t *s = o->s;

    s->broken = 1;
    close_files(s);
    pthread_mutex_destroy(&s->jobs_lock);
    pthread_mutex_destroy(&s->lock);
    unclaim(&o->dir);
    return APR_SUCCESS;
}

/** The limits that follow from the size of the map. */
static void set_limits(rp_local_t *s)
{
    uint64_t p = s->pages, reserve;

    /* Copy-on-write needs pages while it works, and frees what it replaced only two transactions later;
     * values of up to three pages need them side by side.  A fifth is plenty; of a large map a sixteenth is.
     */
    reserve = p / 16 + 8192;
    if (reserve > p / 5) {
        reserve = p / 5;
    }
    s->high = p - reserve;
    s->hard = p - reserve / 2;
    s->evict_max = p / 64 < 8 ? 8 : p / 64 > 64 ? 64 : (unsigned)(p / 64);
    s->grace = GRACE;
    s->free_max = p / 16 < 32 ? 32 : p / 16 > 256 ? 256 : (unsigned)(p / 16);
    if (s->largest > s->high / 4 * 3 * s->chunk) {
        s->largest = s->high / 4 * 3 * s->chunk; /* a larger one would push everything out and then not fit */
    }
}

static int read_limits(rp_local_t *s)
{
    MDB_envinfo info;
    MDB_stat st;
    int rc = mdb_env_info(s->env, &info);

    if (!rc) {
        rc = mdb_env_stat(s->env, &st);
    }
    if (rc) {
        return rc;
    }
    s->page = st.ms_psize;
    s->chunk = s->page - 16; /* LMDB's page header */
    s->batch = 65536 / s->page ? 65536 / s->page : 1;
    s->pages = info.me_mapsize / s->page;
    set_limits(s);
    return 0;
}

/** Is the data file the one that prepare left here, and in this boot?  Without that it must
 * not be touched. */
static int check_state(int dirfd, const char **why)
{
    rp_local_state_t st;
    struct stat data;
    char boot[64];

    rp_local_state_read(dirfd, &st);
    rp_local_boot_id(boot);
    *why = "it was not prepared";
    if (st.format != RP_LOCAL_FORMAT || strcmp(st.boot, boot)) {
        return EINVAL;
    }
    *why = "its data file was replaced";
    if (fstatat(dirfd, "data.mdb", &data, AT_SYMLINK_NOFOLLOW) || (uint64_t)data.st_ino != st.ino) {
        return EINVAL;
    }
    return 0;
}

static int open_locked(rp_local_t *s, int dirfd, uint64_t size, const char **why)
{
    int rc = check_state(dirfd, why);

    if (rc) {
        return rc;
    }
    *why = "cannot open it";
    rc = rp_local_env_open(&s->env, s->dbi, s->dir, size, 0);
    if (rc) {
        return rc;
    }
    rc = read_limits(s);
    if (rc) {
        mdb_env_close(s->env);
        return rc;
    }
    s->shared = rp_local_touched_map(dirfd, size, &s->shared_size);
    s->shared_mapped = s->shared != NULL;
    if (!s->shared) {
        /* Each process then counts on its own, and sees fewer of the hits: a worse choice, nothing else. */
        s->shared_size = RP_LOCAL_SKETCH_AT + RP_FREQUENCY_MIN;
        s->shared = aligned_alloc(64, s->shared_size);
        if (s->shared) {
            memset(s->shared, 0, s->shared_size);
        }
    }
    if (!s->shared) {
        mdb_env_close(s->env);
        return ENOMEM;
    }
    s->frequency.counters = (unsigned char *)s->shared + RP_LOCAL_SKETCH_AT;
    s->frequency.size = s->shared_size - RP_LOCAL_SKETCH_AT;
    rp_local_hints_open(s);
    rc = rp_local_purge_open(s);
    if (rc) {
        close_files(s);
    }
    return rc;
}

apr_status_t rp_store_local_open(const rp_store_local_conf_t *conf, apr_pool_t *p, rp_store_log_fn log,
                                 void *ctx, rp_store_t **store)
{
    rp_local_t *s = apr_pcalloc(p, sizeof(*s));
    opened_t *o = apr_pcalloc(p, sizeof(*o));
    const char *why = "cannot open the directory";
    int fd, rc = 0;

    s->store.ops = &local_ops;
    s->dir = apr_pstrdup(p, conf->dir);
    s->largest = conf->largest ? conf->largest : conf->size / 4;
    s->log = log;
    s->log_ctx = ctx;
    s->self.pid = getpid();
    s->self.start = rp_local_start_time(s->self.pid);
    o->s = s;

    fd = open(conf->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &o->dir)) {
        rc = errno;
    }
    else if ((rc = claim(&o->dir)) != 0) {
        why = "is open in this process already";
    }
    else {
        flock(fd, LOCK_SH); /* against a prepare that replaces the files */
        rc = open_locked(s, fd, conf->size, &why);
        if (rc) {
            unclaim(&o->dir);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (rc) {
        rp_local_log(s, RP_LOG_DAMAGED, LOG_ERR, rc, why);
        return rc > 0 ? APR_FROM_OS_ERROR(rc) : APR_EGENERAL;
    }
    pthread_mutex_init(&s->jobs_lock, NULL);
    s->jobs_end = &s->jobs;
    pthread_mutex_init(&s->lock, NULL);
    /* In a child forked from here there is nothing that it may close: the locks are this process's. */
    apr_pool_cleanup_register(p, o, close_store, apr_pool_cleanup_null);
    *store = &s->store;
    return APR_SUCCESS;
}

apr_status_t rp_store_local_stats(rp_store_t *store, rp_store_local_stats_t *out)
{
    rp_local_t *s = (rp_local_t *)store;
    rp_local_reader_t *r;
    MDB_stat st;
    int rc;

    r = rp_local_reader_take(s, &rc);
    if (!r) {
        return rp_local_status(s, RP_LOG_READ, rc, "cannot read");
    }
    rc = mdb_stat(r->txn, s->dbi[RP_DB_ENTRIES], &st);
    out->entries = rc ? 0 : st.ms_entries;
    out->bytes = rp_local_used(s, r->txn) * s->page;
    out->evictions = __atomic_load_n(&s->shared->evictions, __ATOMIC_RELAXED);
    rp_local_reader_give(s, r);
    return rp_local_status(s, RP_LOG_READ, rc, "cannot read");
}

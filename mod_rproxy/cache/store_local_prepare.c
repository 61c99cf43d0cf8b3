/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Making the local store's directory ready, and sealing it.
 *
 * The parent process is root and the directory belongs to the user of the children, who may have put anything
 * there: a symbolic link named lock.mdb, a file that looks like LMDB's and makes it crash.  So the parent
 * only looks after the directory itself; the rest is done by a process of that user, which may crash, and
 * says through a pipe what it found.  It also keeps LMDB's locks out of the parent.
 */

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <apr_strings.h>
#include "cache/store_local.h"

static const char *const own_files[] = {"data.mdb", "lock.mdb", "state", "touched", "damaged"};

#define NOWN (int)(sizeof(own_files) / sizeof(own_files[0]))

typedef struct job_t {
    const rp_store_local_conf_t *conf;
    int dirfd;
    int out;     /* the pipe */
    int crashed; /* the try before this one did not come to an end */
} job_t;

/** One line of the report: a letter (N notice, E error, K all is well), a number, the text. */
static void report(job_t *j, char what, int number, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void report(job_t *j, char what, int number, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    int n = snprintf(line, sizeof(line), "%c%d ", what, number);

    va_start(ap, fmt);
    vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
    va_end(ap);
    strcat(line, "\n");
    if (write(j->out, line, strlen(line)) < 0) {
        _exit(1); /* the parent is gone */
    }
}

/* ------------------------------------------------------------------ in the other process: files */

static int is_bad_name(const char *name)
{
    return !strncmp(name, "data.mdb.bad-", 13);
}

static void remove_older_bad(job_t *j)
{
    int fd = openat(j->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *d;

    if (!dir) {
        return;
    }
    while ((d = readdir(dir))) {
        if (is_bad_name(d->d_name)) {
            unlinkat(j->dirfd, d->d_name, 0);
        }
    }
    closedir(dir);
}

/**
 * Begin with new files.  Processes that still have the old ones open (children that finish after a graceful
 * restart) go on with what they have mapped; the lock file must go too, as one must never serve two data
 * files.
 */
static void start_anew(job_t *j, int keep, const char *why)
{
    char bad[64];
    int i;

    if (keep) {
        remove_older_bad(j);
        snprintf(bad, sizeof(bad), "data.mdb.bad-%lld", (long long)time(NULL));
        if (renameat(j->dirfd, "data.mdb", j->dirfd, bad) == 0) {
            report(j, 'N', LOG_WARNING, "cache store %s: %s; kept as %s, begun anew", j->conf->dir, why, bad);
        }
    }
    else {
        report(j, 'N', LOG_NOTICE, "cache store %s: %s; begun anew", j->conf->dir, why);
    }
    for (i = 0; i < NOWN; i++) {
        if (unlinkat(j->dirfd, own_files[i], 0) && errno == EISDIR) {
            report(j, 'E', EISDIR, "%s/%s is a directory; remove it", j->conf->dir, own_files[i]);
            _exit(1);
        }
    }
}

static int exists(job_t *j, const char *name)
{
    struct stat st;

    return fstatat(j->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/** What speaks against the data file before LMDB has looked at it. @param keep  out: it may be worth a look
 * by somebody */
static const char *doubt(job_t *j, const rp_local_state_t *st, const struct stat *data, const char *boot,
                         int *keep)
{
    *keep = 1;
    if (!S_ISREG(data->st_mode)) {
        return "data.mdb is not a file";
    }
    if (j->crashed) {
        return "data.mdb is damaged: reading it crashed";
    }
    if (exists(j, "damaged")) {
        return "data.mdb is damaged";
    }
    if (st->format == 0) {
        return "data.mdb was made by something else";
    }
    if (st->format != RP_LOCAL_FORMAT) {
        return "data.mdb is of another version";
    }
    if (!st->clean && st->ino != (uint64_t)data->st_ino) {
        return "data.mdb was replaced";
    }
    *keep = 0;
    if (!st->clean && strcmp(st->boot, boot)) {
        return "the machine went down before it was written to disk";
    }
    if ((apr_uint64_t)data->st_size > j->conf->size) {
        return "it is larger than its configured size";
    }
    return NULL;
}

/* ------------------------------------------------------------------ in the other process: LMDB */

/** The format's row, or make it in a new file. */
static int check_meta(MDB_env *env, MDB_dbi meta_db, uint32_t chunk)
{
    MDB_val key = {5, "state"}, value;
    rp_local_meta_t meta;
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);

    if (rc) {
        return rc;
    }
    rc = mdb_get(txn, meta_db, &key, &value);
    if (rc == MDB_NOTFOUND) {
        meta = (rp_local_meta_t){RP_LOCAL_FORMAT, chunk, 1, 0, 0};
        value.mv_size = sizeof(meta);
        value.mv_data = &meta;
        rc = mdb_put(txn, meta_db, &key, &value, 0);
    }
    else if (!rc) {
        if (value.mv_size != sizeof(meta)) {
            rc = MDB_INVALID;
        }
        else {
            memcpy(&meta, value.mv_data, sizeof(meta));
            if (meta.format != RP_LOCAL_FORMAT || meta.chunk != chunk || meta.next == 0) {
                rc = MDB_VERSION_MISMATCH;
            }
        }
    }
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/** Walk to both ends of every database: cheap, and a torn file seldom survives it. */
static int check_ends(MDB_env *env, const MDB_dbi dbi[RP_NDBS])
{
    MDB_val k, v;
    MDB_txn *txn;
    MDB_cursor *cursor;
    int i, rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

    for (i = 0; !rc && i < RP_NDBS; i++) {
        rc = mdb_cursor_open(txn, dbi[i], &cursor);
        if (rc) {
            break;
        }
        rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
        if (!rc) {
            rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);
        }
        rc = rc == MDB_NOTFOUND ? 0 : rc;
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return rc;
}

/** Open, or make, the data file and see that it can be worked with. */
static int check_data(job_t *j)
{
    MDB_dbi dbi[RP_NDBS];
    MDB_envinfo info;
    MDB_stat st;
    struct stat file;
    MDB_env *env;
    int rc = rp_local_env_open(&env, dbi, j->conf->dir, j->conf->size, 1);

    if (rc) {
        return rc;
    }
    rc = mdb_env_info(env, &info);
    if (!rc) {
        rc = mdb_env_stat(env, &st);
    }
    if (!rc && !fstatat(j->dirfd, "data.mdb", &file, 0) &&
        (uint64_t)file.st_size < (uint64_t)(info.me_last_pgno + 1) * st.ms_psize) {
        rc = MDB_CORRUPTED; /* cut short: reading beyond its end is a SIGBUS */
    }
    if (!rc) {
        rc = check_meta(env, dbi[RP_DB_META], st.ms_psize - 16);
    }
    if (!rc) {
        rc = check_ends(env, dbi);
    }
    mdb_env_close(env);
    return rc;
}

/**
 * Disk space for lock.mdb, at least so many bytes: it is written through a map, where a full disk would be a
 * SIGBUS.  Not while this process has the environment open: closing the file drops LMDB's locks on it.
 */
static int allocate_lock(job_t *j, off_t least)
{
    int fd = openat(j->dirfd, "lock.mdb", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), rc;
    struct stat st;

    if (fd < 0) {
        return errno;
    }
    rc = fstat(fd, &st) ? errno : posix_fallocate(fd, 0, st.st_size > least ? st.st_size : least);
    close(fd);
    return rc;
}

/** The same for `touched`; without it each process counts for itself. */
static void allocate_touched(job_t *j)
{
    size_t size;

    if (!rp_local_touched_map(j->dirfd, j->conf->size, &size)) {
        unlinkat(j->dirfd, "touched", 0);
        if (!rp_local_touched_map(j->dirfd, j->conf->size, &size)) {
            report(j, 'N', LOG_WARNING, "cache store %s/touched: %s", j->conf->dir, strerror(errno));
        }
    }
}

static int write_state(job_t *j, int clean)
{
    rp_local_state_t st = {.format = RP_LOCAL_FORMAT, .clean = clean};
    struct stat data;

    if (fstatat(j->dirfd, "data.mdb", &data, AT_SYMLINK_NOFOLLOW)) {
        return errno;
    }
    st.ino = (uint64_t)data.st_ino;
    rp_local_boot_id(st.boot);
    return rp_local_state_write(j->dirfd, &st);
}

static void prepare_work(job_t *j)
{
    rp_local_state_t st;
    struct stat data;
    const char *why;
    char boot[64];
    int keep = 0, rc;

    rp_local_state_read(j->dirfd, &st);
    rp_local_boot_id(boot);
    if (fstatat(j->dirfd, "data.mdb", &data, AT_SYMLINK_NOFOLLOW)) {
        unlinkat(j->dirfd, "lock.mdb", 0);
    }
    else if ((why = doubt(j, &st, &data, boot, &keep)) != NULL) {
        start_anew(j, keep, why);
    }
    else if (st.clean && (rc = write_state(j, 0)) != 0) {
        report(j, 'E', rc, "%s/state: %s", j->conf->dir, strerror(rc));
        return;
    }
    rc = allocate_lock(j, (off_t)RP_LOCAL_READERS * 64);
    if (rc) {
        report(j, 'E', rc, "%s/lock.mdb: %s", j->conf->dir, strerror(rc));
        return;
    }
    rc = check_data(j);
    if (rc && rc != ENOSPC && rc != EACCES && rc != ENOMEM && rc != EMFILE) {
        start_anew(j, 1, mdb_strerror(rc));
        rc = check_data(j);
    }
    if (rc) {
        report(j, 'E', rc, "%s/data.mdb: %s", j->conf->dir, mdb_strerror(rc));
        return;
    }
    allocate_touched(j);
    rc = allocate_lock(j, 0); /* what LMDB added */
    if (!rc) {
        rc = write_state(j, 0);
    }
    if (rc) {
        report(j, 'E', rc, "%s/state: %s", j->conf->dir, strerror(rc));
        return;
    }
    report(j, 'K', 0, "ready");
}

/** Does another process have the store open?  LMDB's users share a lock on the first byte of
 * its lock file. */
static int in_use(job_t *j)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    int used = 0, fd = openat(j->dirfd, "lock.mdb", O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0) {
        used = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
        close(fd);
    }
    return used;
}

static void seal_work(job_t *j)
{
    MDB_dbi dbi[RP_NDBS];
    rp_local_state_t st;
    struct stat data;
    MDB_env *env;
    char boot[64];
    int rc;

    rp_local_state_read(j->dirfd, &st);
    rp_local_boot_id(boot);
    if (st.format != RP_LOCAL_FORMAT || st.clean || strcmp(st.boot, boot) || exists(j, "damaged") ||
        in_use(j) || fstatat(j->dirfd, "data.mdb", &data, AT_SYMLINK_NOFOLLOW) ||
        (uint64_t)data.st_ino != st.ino) {
        return;
    }
    rc = rp_local_env_open(&env, dbi, j->conf->dir, j->conf->size, 0);
    if (rc) {
        return;
    }
    rc = mdb_env_sync(env, 1);
    mdb_env_close(env);
    if (!rc) {
        write_state(j, 1);
    }
}

/* ------------------------------------------------------------------ in the parent */

/** Become the user for good, with nothing left of root. */
static int become(int uid, int gid)
{
    gid_t group = (gid_t)gid;

    if (geteuid() != 0 || uid < 0 || uid == 0) {
        return 0;
    }
    if (gid >= 0 && (setgroups(1, &group) || setgid(group))) {
        return errno;
    }
    return setuid((uid_t)uid) ? errno : 0;
}

static void run_child(job_t *j, void (*work)(job_t *), int uid, int gid) __attribute__((noreturn));

static void run_child(job_t *j, void (*work)(job_t *), int uid, int gid)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL,  SIGFPE,
                                SIGTERM, SIGHUP, SIGINT,  SIGUSR1, SIGCHLD};
    struct rlimit none = {0, 0};
    unsigned i;
    int rc;

    for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        signal(fatal[i], SIG_DFL);
    }
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &none);
    rc = become(uid, gid);
    if (rc) {
        report(j, 'E', rc, "cannot become uid %d: %s", uid, strerror(rc));
        _exit(1);
    }
    flock(j->dirfd, LOCK_EX); /* against other prepares and opens; gone when the parent closes it, too */
    work(j);
    _exit(0);
}

/** Pass on what the other process said. @return 'K', 'E' with *rv and *error, or 0 when it broke off */
static int relay(int fd, apr_pool_t *p, apr_status_t *rv, const char **error, rp_store_log_fn log, void *ctx)
{
    FILE *in = fdopen(fd, "r");
    char line[1024];
    int last = 0;

    if (!in) {
        close(fd);
        return 0;
    }
    while (fgets(line, sizeof(line), in)) {
        char *text;
        int number = (int)strtol(line + 1, &text, 10);
        text[strcspn(text, "\n")] = '\0';
        text += *text == ' ';
        last = line[0];
        if (last == 'N' && log) {
            log(ctx, number, APR_SUCCESS, text);
        }
        else if (last == 'E') {
            *rv = number > 0 ? APR_FROM_OS_ERROR(number) : APR_EGENERAL;
            *error = p ? apr_pstrdup(p, text) : "failed";
            break;
        }
    }
    fclose(in);
    return last == 'K' || last == 'E' ? last : 0;
}

static int run_as(job_t *j, void (*work)(job_t *), int uid, int gid, apr_pool_t *p, apr_status_t *rv,
                  const char **error, rp_store_log_fn log, void *ctx)
{
    int ends[2], result;
    pid_t pid;

    *rv = APR_EGENERAL;
    if (pipe2(ends, O_CLOEXEC)) {
        *rv = errno;
        *error = "pipe";
        return 'E';
    }
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        j->out = ends[1];
        run_child(j, work, uid, gid);
    }
    close(ends[1]);
    if (pid < 0) {
        *rv = errno;
        *error = "fork";
        close(ends[0]);
        return 'E';
    }
    result = relay(ends[0], p, rv, error, log, ctx);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return result;
}

static int is_empty(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    while (dir && readdir(dir)) {
        n++;
    }
    if (dir) {
        closedir(dir);
    }
    return n == 2;
}

/** Give the files of an earlier configuration's user to this one's; never through a link of either kind. */
static void give_files(int dirfd, int uid, int gid)
{
    int i;

    for (i = 0; i < NOWN; i++) {
        struct stat st;
        int fd = openat(dirfd, own_files[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid != (uid_t)uid &&
            fchown(fd, (uid_t)uid, (gid_t)gid)) {
            /* It shows when the user's process opens it. */
        }
        close(fd);
    }
}

/** The directory itself: there, nobody else's, and the children's. */
static apr_status_t prepare_dir(const rp_store_local_conf_t *conf, int uid, int gid, apr_pool_t *p,
                                int *dirfd, const char **error)
{
    struct stat st;
    int made = mkdir(conf->dir, 0700) == 0, rc = errno;

    if (!made && rc != EEXIST) {
        *error = apr_psprintf(p, "cannot make the directory %s: %s", conf->dir, strerror(rc));
        return rc;
    }
    *dirfd = open(conf->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*dirfd < 0 || fstat(*dirfd, &st)) {
        rc = errno;
        *error = apr_psprintf(p, "cannot open the directory %s: %s", conf->dir, strerror(rc));
        return rc;
    }
    if (st.st_mode & 022) {
        *error = apr_psprintf(p, "%s may be written to by others; name a directory of its own (mode 0700)",
                              conf->dir);
        return APR_EINVAL;
    }
    if (geteuid() != 0 || uid < 0) {
        return APR_SUCCESS;
    }
    if (st.st_uid != (uid_t)uid) {
        if (!made && !is_empty(*dirfd) && faccessat(*dirfd, "state", F_OK, AT_SYMLINK_NOFOLLOW)) {
            *error = apr_psprintf(p, "%s holds other things; name a directory of its own", conf->dir);
            return APR_EINVAL;
        }
        if (fchown(*dirfd, (uid_t)uid, (gid_t)gid)) {
            rc = errno;
            *error = apr_psprintf(p, "cannot give %s to uid %d: %s", conf->dir, uid, strerror(rc));
            return rc;
        }
    }
    give_files(*dirfd, uid, gid);
    return APR_SUCCESS;
}

apr_status_t rp_store_local_prepare(const rp_store_local_conf_t *conf, int uid, int gid, apr_pool_t *p,
                                    const char **error, rp_store_log_fn log, void *ctx)
{
    job_t j = {.conf = conf, .dirfd = -1};
    apr_status_t rv;
    int result;

    *error = NULL;
    if (conf->size < RP_STORE_LOCAL_MIN) {
        *error = apr_psprintf(p, "a size of less than %d MiB", (int)(RP_STORE_LOCAL_MIN / 1024 / 1024));
        return APR_EINVAL;
    }
    rv = prepare_dir(conf, uid, gid, p, &j.dirfd, error);
    if (rv == APR_SUCCESS) {
        result = run_as(&j, prepare_work, uid, gid, p, &rv, error, log, ctx);
        if (result == 0) {
            j.crashed = 1;
            result = run_as(&j, prepare_work, uid, gid, p, &rv, error, log, ctx);
        }
        if (result == 'K') {
            rv = APR_SUCCESS;
        }
        else if (result == 0) {
            *error = apr_psprintf(p, "%s: making a new store there crashed", conf->dir);
        }
    }
    if (j.dirfd >= 0) {
        close(j.dirfd);
    }
    return rv;
}

void rp_store_local_seal(const rp_store_local_conf_t *conf)
{
    job_t j = {.conf = conf};
    const char *error = NULL;
    apr_status_t rv;
    struct stat st;

    j.dirfd = open(conf->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j.dirfd < 0) {
        return;
    }
    if (!fstat(j.dirfd, &st)) {
        run_as(&j, seal_work, (int)st.st_uid, (int)st.st_gid, NULL, &rv, &error, NULL, NULL);
    }
    close(j.dirfd);
}

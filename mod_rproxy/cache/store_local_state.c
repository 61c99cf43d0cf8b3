/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The local store's small files: `state`, which says whether data.mdb can be trusted, and `touched`. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cache/store_local.h"

void rp_local_boot_id(char id[64])
{
    ssize_t n = -1;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        n = read(fd, id, 63);
        close(fd);
    }
    if (n <= 0) {
        strcpy(id, "none");
        return;
    }
    id[n] = '\0';
    id[strcspn(id, " \n")] = '\0';
}

void rp_local_state_read(int dirfd, rp_local_state_t *st)
{
    char text[512], word[16] = "";
    ssize_t n;
    int fd;

    memset(st, 0, sizeof(*st));
    fd = openat(dirfd, "state", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) {
        return;
    }
    text[n] = '\0';
    if (sscanf(text, "mod_rproxy cache format %d boot %63s data %" SCNu64 " %15s", &st->format, st->boot,
               &st->ino, word) < 3) {
        st->format = 0;
        return;
    }
    st->clean = !strcmp(word, "sealed");
}

int rp_local_state_write(int dirfd, const rp_local_state_t *st)
{
    char text[512];
    int fd, rc = 0, n;

    n = snprintf(text, sizeof(text), "mod_rproxy cache format %d\nboot %s\ndata %" PRIu64 "\n%s\n",
                 st->format, st->boot, st->ino, st->clean ? "sealed" : "in-use");
    unlinkat(dirfd, "state.new", 0);
    fd = openat(dirfd, "state.new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    if (write(fd, text, n) != n) {
        rc = errno ? errno : ENOSPC;
    }
    else if (fsync(fd)) {
        rc = errno;
    }
    close(fd);
    if (!rc && renameat(dirfd, "state.new", dirfd, "state")) {
        rc = errno;
    }
    if (!rc) {
        /* A "sealed" that comes back after a crash would vouch for a file that has been written to since. */
        fsync(dirfd);
    }
    return rc;
}

void *rp_local_touched_map(int dirfd, uint64_t store_size, size_t *size)
{
    /* Small entries lie two to a page, and those evicted of late are remembered too. */
    size_t sketch = rp_frequency_size(store_size / 4096 * 2, RP_LOCAL_TOUCHED_MAX);
    void *map = MAP_FAILED;
    struct stat st;
    int rc, fd = openat(dirfd, "touched", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0) {
        return NULL;
    }
    rc = fstat(fd, &st) ? errno : 0;
    if (!rc && (size_t)st.st_size > RP_LOCAL_SKETCH_AT + sketch) {
        sketch = (size_t)st.st_size - RP_LOCAL_SKETCH_AT; /* larger once, and perhaps mapped as it is */
        rc = sketch > RP_LOCAL_TOUCHED_MAX || (sketch & (sketch - 1)) ? EINVAL : 0;
    }
    *size = RP_LOCAL_SKETCH_AT + sketch;
    if (!rc) {
        /* Blocks for all of it: writing to a hole through the map on a full disk is a SIGBUS. */
        rc = posix_fallocate(fd, 0, (off_t)*size);
    }
    if (!rc) {
        map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        rc = errno;
    }
    close(fd);
    if (map == MAP_FAILED) {
        errno = rc;
        return NULL;
    }
    return map;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The local store between starts: what survives, what is set aside, whose files they are. */

#include "store_local_util.h"
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int setup(void **state)
{
    box_t *b = box_make(8 * MIB);

    box_prepare(b);
    box_open(b);
    assert_int_equal(put1(b->s, 1, 1, 1000), 0);
    assert_int_equal(put1(b->s, 2, 2, 500000), 0);
    box_close(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    box_remove(*state);
    return 0;
}

static const char *path(box_t *b, const char *name)
{
    return apr_psprintf(b->pool, "%s/%s", b->dir, name);
}

static void write_file(box_t *b, const char *name, const char *text)
{
    FILE *f = fopen(path(b, name), "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int bad_files(box_t *b)
{
    DIR *dir = opendir(b->dir);
    struct dirent *d;
    int n = 0;

    while ((d = readdir(dir))) {
        n += !strncmp(d->d_name, "data.mdb.bad-", 13);
    }
    closedir(dir);
    return n;
}

/** Pretend that the file was last used in another boot. */
static void reboot_machine(box_t *b)
{
    int fd = open(b->dir, O_RDONLY | O_DIRECTORY);
    rp_local_state_t st;

    rp_local_state_read(fd, &st);
    assert_int_equal(st.format, RP_LOCAL_FORMAT);
    strcpy(st.boot, "another-boot");
    assert_int_equal(rp_local_state_write(fd, &st), 0);
    close(fd);
}

static void expect(box_t *b, int warm, const char *logged)
{
    box_prepare(b);
    if (logged) {
        if (!strstr(b->log, logged)) {
            print_error("log: %s\n", b->log);
        }
        assert_non_null(strstr(b->log, logged));
    }
    else {
        assert_string_equal(b->log, "");
    }
    box_open(b);
    assert_int_equal(look1(b->s, 1), warm ? 1 : -1);
    assert_int_equal(look1(b->s, 2), warm ? 2 : -1);
    assert_int_equal(put1(b->s, 3, 3, 100000), 0);
    assert_int_equal(look1(b->s, 3), 3);
    box_close(b);
}

static void a_restart_finds_it_warm(void **state)
{
    expect(*state, 1, NULL);
    expect(*state, 1, NULL);
}

static void after_a_crash_of_the_machine_it_begins_anew(void **state)
{
    reboot_machine(*state);
    expect(*state, 0, "the machine went down");
    assert_int_equal(bad_files(*state), 0);
}

static void sealed_it_survives_a_reboot_once(void **state)
{
    box_t *b = *state;

    rp_store_local_seal(&b->conf);
    reboot_machine(b);
    expect(b, 1, NULL);
    reboot_machine(b);
    expect(b, 0, "the machine went down");
}

static void it_is_not_sealed_while_another_process_has_it_open(void **state)
{
    box_t *b = *state;
    int ready[2], done[2];
    char c;
    pid_t pid;

    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid = fork();
    if (pid == 0) {
        close(done[1]);
        box_open(b);
        _exit(write(ready[1], "x", 1) != 1 || read(done[0], &c, 1) != 0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    rp_store_local_seal(&b->conf);
    reboot_machine(b);
    close(done[1]);
    waitpid(pid, NULL, 0);
    expect(b, 0, "the machine went down");
}

static void a_foreign_file_is_set_aside_and_only_one_is_kept(void **state)
{
    box_t *b = *state;
    char junk[10000];
    int i;

    memset(junk, 'x', sizeof(junk) - 1);
    junk[sizeof(junk) - 1] = '\0';
    for (i = 0; i < 2; i++) {
        write_file(b, "data.mdb.bad-1", "older");
        unlink(path(b, "data.mdb"));
        write_file(b, "data.mdb", junk);
        if (i) {
            unlink(path(b, "state"));
        }
        b->log[0] = '\0';
        expect(b, 0, "begun anew");
        assert_int_equal(bad_files(b), 1);
        assert_int_not_equal(access(path(b, "data.mdb.bad-1"), F_OK), 0);
    }
}

static void a_file_overwritten_in_place_is_set_aside(void **state)
{
    box_t *b = *state;
    char zero[8192] = {0};
    int fd = open(path(b, "data.mdb"), O_WRONLY);

    assert_int_equal(pwrite(fd, zero, sizeof(zero), 0), sizeof(zero));
    close(fd);
    expect(b, 0, "begun anew");
    assert_int_equal(bad_files(b), 1);
}

static void damage_that_crashes_the_reader_does_not_crash_the_parent(void **state)
{
    static const unsigned char patterns[] = {0x00, 0xff, 0x5a};
    box_t *b = *state;
    unsigned i;

    for (i = 0; i < sizeof(patterns); i++) {
        unsigned char junk[4096];
        struct stat st;
        off_t at;
        int fd = open(path(b, "data.mdb"), O_WRONLY);
        memset(junk, patterns[i], sizeof(junk));
        assert_int_equal(fstat(fd, &st), 0);
        for (at = 8192; at < st.st_size; at += sizeof(junk)) {
            assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
        }
        close(fd);
        b->log[0] = '\0';
        expect(b, 0, "begun anew");
    }
}

static void a_file_cut_short_is_set_aside(void **state)
{
    box_t *b = *state;

    assert_int_equal(truncate(path(b, "data.mdb"), 65536), 0);
    expect(b, 0, "begun anew");
}

static void an_empty_file_is_no_obstacle(void **state)
{
    box_t *b = *state;

    assert_int_equal(truncate(path(b, "data.mdb"), 0), 0);
    box_prepare(b);
    box_open(b);
    assert_int_equal(put1(b->s, 1, 1, 1000), 0);
}

static void another_version_is_set_aside(void **state)
{
    box_t *b = *state;
    rp_local_state_t st;
    int fd = open(b->dir, O_RDONLY | O_DIRECTORY);

    rp_local_state_read(fd, &st);
    st.format++;
    assert_int_equal(rp_local_state_write(fd, &st), 0);
    close(fd);
    expect(b, 0, "another version");
    assert_int_equal(bad_files(b), 1);
}

static void a_file_found_damaged_while_in_use_is_set_aside_at_the_next_start(void **state)
{
    box_t *b = *state;

    box_open(b);
    assert_int_equal(rp_local_status((rp_local_t *)b->s, RP_LOG_READ, MDB_CORRUPTED, "x"), APR_EGENERAL);
    assert_int_equal(look1(b->s, 1), -1);
    assert_int_not_equal(put1(b->s, 1, 1, 100), APR_SUCCESS);
    box_close(b);
    expect(b, 0, "data.mdb is damaged");
    b->log[0] = '\0';
    box_prepare(b);
    assert_string_equal(b->log, "");
}

static void a_smaller_size_than_the_files_begins_anew_and_a_larger_one_does_not(void **state)
{
    box_t *b = *state;
    unsigned i;

    b->conf.size = 16 * MIB;
    expect(b, 1, NULL);
    box_open(b);
    for (i = 10; i < 40; i++) {
        assert_int_equal(put1(b->s, i, i, 400000), 0);
    }
    box_close(b);
    b->conf.size = 8 * MIB;
    expect(b, 0, "larger than its configured size");
}

static void a_new_start_beside_processes_still_using_the_old_file_harms_neither(void **state)
{
    box_t *b = *state;
    int ready[2], done[2], status;
    char c;
    pid_t pid;

    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid = fork();
    if (pid == 0) {
        int bad;
        close(done[1]);
        box_open(b);
        bad = write(ready[1], "x", 1) != 1 || read(done[0], &c, 1) != 0;
        bad |= look1(b->s, 1) != 1 || look1(b->s, 2) != 2 || put1(b->s, 4, 4, 100000) || look1(b->s, 4) != 4;
        _exit(bad);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    write_file(b, "damaged", "");
    expect(b, 0, "damaged");
    close(done[1]);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    box_open(b);
    assert_int_equal(look1(b->s, 4), -1);
    assert_int_equal(look1(b->s, 3), 3);
}

static void it_is_not_opened_when_its_file_is_not_the_prepared_one(void **state)
{
    box_t *b = *state;
    rp_store_t *s;

    assert_int_equal(rename(path(b, "data.mdb"), path(b, "moved")), 0);
    assert_int_not_equal(rp_store_local_open(&b->conf, b->pool, note, b, &s), APR_SUCCESS);
    write_file(b, "data.mdb", "");
    assert_int_not_equal(rp_store_local_open(&b->conf, b->pool, note, b, &s), APR_SUCCESS);
}

static void a_size_below_the_least_is_refused(void **state)
{
    box_t *b = *state;
    const char *error;

    b->conf.size = RP_STORE_LOCAL_MIN - 1;
    assert_int_equal(rp_store_local_prepare(&b->conf, -1, -1, b->pool, &error, note, b), APR_EINVAL);
    assert_non_null(error);
}

static void a_directory_that_cannot_be_made_is_named_in_the_error(void **state)
{
    box_t *b = *state;
    const char *error;

    b->conf.dir = path(b, "no/such");
    assert_int_not_equal(rp_store_local_prepare(&b->conf, -1, -1, b->pool, &error, note, b), APR_SUCCESS);
    assert_non_null(strstr(error, b->conf.dir));
    b->conf.dir = path(b, "data.mdb");
    assert_int_not_equal(rp_store_local_prepare(&b->conf, -1, -1, b->pool, &error, note, b), APR_SUCCESS);
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
    box_t *b = *state;
    const char *error;

    assert_int_equal(chmod(b->dir, 0777), 0);
    assert_int_not_equal(rp_store_local_prepare(&b->conf, -1, -1, b->pool, &error, note, b), APR_SUCCESS);
    assert_non_null(strstr(error, "others"));
}

/** @return 0 when every file in the store's directory and the directory are uid's */
static int foreign_files(box_t *b, uid_t uid)
{
    DIR *dir = opendir(b->conf.dir);
    struct dirent *d;
    struct stat st;
    int n = 0;

    while ((d = readdir(dir))) {
        if (strcmp(d->d_name, "..") && !fstatat(dirfd(dir), d->d_name, &st, 0)) {
            n += st.st_uid != uid;
        }
    }
    closedir(dir);
    return n;
}

static void everything_belongs_to_the_user_of_the_children(void **state)
{
    box_t *b = *state;
    struct passwd *pw = getpwnam("nobody");
    const char *error;
    int status;
    pid_t pid;

    if (geteuid() != 0 || !pw) {
        skip();
    }
    assert_int_equal(chmod(b->dir, 0755), 0);
    b->conf.dir = path(b, "cache");
    assert_int_equal(rp_store_local_prepare(&b->conf, pw->pw_uid, pw->pw_gid, b->pool, &error, note, b),
                     APR_SUCCESS);
    assert_int_equal(foreign_files(b, pw->pw_uid), 0);
    pid = fork();
    if (pid == 0) {
        if (setgid(pw->pw_gid) || setuid(pw->pw_uid)) {
            _exit(9);
        }
        box_open(b);
        _exit(put1(b->s, 1, 1, 100000) || look1(b->s, 1) != 1);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    rp_store_local_seal(&b->conf);
    assert_int_equal(foreign_files(b, pw->pw_uid), 0);
    /* The configuration's user changes: the files go with it. */
    assert_int_equal(rp_store_local_prepare(&b->conf, 1, 1, b->pool, &error, note, b), APR_SUCCESS);
    assert_int_equal(foreign_files(b, 1), 0);
}

static void root_follows_no_link_that_the_user_left_in_the_directory(void **state)
{
    static const char *const names[] = {"lock.mdb", "state", "touched", "state.new", "data.mdb", "damaged"};
    box_t *b = *state;
    const char *error, *precious = path(b, "precious");
    struct stat st;
    unsigned i, hard;

    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chmod(b->dir, 0755), 0);
    write_file(b, "precious", "precious");
    assert_int_equal(chmod(precious, 0600), 0);
    for (i = 0; i < 12; i++) {
        hard = i >= 6;
        b->conf.dir = apr_psprintf(b->pool, "%s/cache%u", b->dir, i);
        assert_int_equal(mkdir(b->conf.dir, 0700), 0);
        assert_int_equal(chown(b->conf.dir, 65534, 65534), 0);
        if (hard) {
            assert_int_equal(link(precious, apr_pstrcat(b->pool, b->conf.dir, "/", names[i % 6], NULL)), 0);
        }
        else {
            assert_int_equal(symlink(precious, apr_pstrcat(b->pool, b->conf.dir, "/", names[i % 6], NULL)),
                             0);
        }
        rp_store_local_prepare(&b->conf, 65534, 65534, b->pool, &error, note, b);
        assert_int_equal(stat(precious, &st), 0);
        assert_int_equal(st.st_uid, 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(st.st_size, 8);
    }
}

static void a_directory_with_other_things_is_not_given_away(void **state)
{
    box_t *b = *state;
    const char *error;
    struct stat st;

    if (geteuid() != 0) {
        skip();
    }
    b->conf.dir = path(b, "etc");
    assert_int_equal(mkdir(b->conf.dir, 0700), 0);
    write_file(b, "etc/other", "x");
    assert_int_not_equal(rp_store_local_prepare(&b->conf, 65534, 65534, b->pool, &error, note, b),
                         APR_SUCCESS);
    assert_non_null(strstr(error, "other things"));
    assert_int_equal(stat(b->conf.dir, &st), 0);
    assert_int_equal(st.st_uid, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_restart_finds_it_warm),
        T(after_a_crash_of_the_machine_it_begins_anew),
        T(sealed_it_survives_a_reboot_once),
        T(it_is_not_sealed_while_another_process_has_it_open),
        T(a_foreign_file_is_set_aside_and_only_one_is_kept),
        T(a_file_overwritten_in_place_is_set_aside),
        T(damage_that_crashes_the_reader_does_not_crash_the_parent),
        T(a_file_cut_short_is_set_aside),
        T(an_empty_file_is_no_obstacle),
        T(another_version_is_set_aside),
        T(a_file_found_damaged_while_in_use_is_set_aside_at_the_next_start),
        T(a_smaller_size_than_the_files_begins_anew_and_a_larger_one_does_not),
        T(a_new_start_beside_processes_still_using_the_old_file_harms_neither),
        T(it_is_not_opened_when_its_file_is_not_the_prepared_one),
        T(a_size_below_the_least_is_refused),
        T(a_directory_that_cannot_be_made_is_named_in_the_error),
        T(a_directory_that_others_may_write_to_is_refused),
        T(everything_belongs_to_the_user_of_the_children),
        T(root_follows_no_link_that_the_user_left_in_the_directory),
        T(a_directory_with_other_things_is_not_given_away),
    };
    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

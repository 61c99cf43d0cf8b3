/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Bodies that are read, by other processes too, while they are still being written. */

#include "store_local_util.h"
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

static int setup(void **state)
{
    box_t *b = box_make(16 * MIB);

    b->conf.largest = 8 * MIB;
    box_prepare(b);
    box_open(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    box_remove(*state);
    return 0;
}

static rp_store_writer_t *begin(box_t *b, unsigned n)
{
    unsigned char key[RP_KEY_LEN];
    rp_store_writer_t *w;

    key_of(key, n, 0);
    assert_int_equal(b->s->ops->begin(b->s, key, UINT64_MAX, b->pool, &w), APR_SUCCESS);
    return w;
}

/** Write len bytes of body number seed. */
static void add(box_t *b, rp_store_writer_t *w, uint64_t seed, size_t len)
{
    char *data = malloc(len + 1);

    fill(data, len, seed, w->written);
    assert_int_equal(b->s->ops->write(w, data, len), APR_SUCCESS);
    free(data);
}

/** How much of a body can be read from offset on; each byte must be the right one. @param last  out: what the last
 * read() said */
static uint64_t read_on(box_t *b, const rp_entry_t *e, uint64_t seed, uint64_t offset, apr_status_t *last)
{
    uint64_t at = offset;
    char buf[70000];
    apr_size_t n;

    do {
        n = 1 + (at * 7919 + seed) % sizeof(buf);
        *last = b->s->ops->read(e, at, buf, &n);
        assert_true(*last == APR_SUCCESS || n == 0);
        assert_true(is_filled(buf, n, seed, at));
        at += n;
    } while (*last == APR_SUCCESS && n);
    return at - offset;
}

static void a_small_body_can_be_followed_byte_by_byte_into_its_entry(void **state)
{
    box_t *b = *state;
    rp_store_writer_t *w = begin(b, 1);
    unsigned char key[RP_KEY_LEN];
    rp_entry_t e, got;
    apr_status_t rv;

    key_of(key, 1, 0);
    assert_int_equal(b->s->ops->object(w), 0);
    add(b, w, 5, 3);
    assert_int_equal(b->s->ops->published(w), 0);
    assert_int_equal(b->s->ops->publish(w, PUT(FAR, RP_STR("5 8"))), APR_SUCCESS);
    assert_int_equal(b->s->ops->published(w), 3);
    assert_int_not_equal(b->s->ops->object(w), 0);

    assert_int_equal(b->s->ops->follow(b->s, b->s->ops->object(w), b->pool, &e), APR_SUCCESS);
    assert_true(e.body_len == UINT64_MAX && !e.body.ptr && e.store == b->s && e.object == b->s->ops->object(w));
    assert_memory_equal(e.key, key, RP_KEY_LEN);
    assert_int_equal(e.record.len, 3);
    assert_memory_equal(e.record.ptr, "5 8", 3);
    assert_int_equal(read_on(b, &e, 5, 0, &rv), 3);
    assert_int_equal(rv, APR_SUCCESS);
    assert_int_equal(look(b->s, key), -1);

    add(b, w, 5, 5);
    assert_int_equal(read_on(b, &e, 5, 3, &rv), 0);
    assert_int_equal(b->s->ops->publish(w, PUT(FAR, RP_STR("5 8"))), APR_SUCCESS);
    assert_int_equal(read_on(b, &e, 5, 3, &rv), 5);
    assert_int_equal(read_on(b, &e, 5, 0, &rv), 8);

    assert_int_equal(b->s->ops->commit(w, PUT(FAR, RP_STR("5 8"))), APR_SUCCESS);
    assert_int_equal(b->s->ops->follow(b->s, e.object, b->pool, &got), APR_NOTFOUND);
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &got), APR_SUCCESS);
    assert_int_equal(got.object, e.object);
    assert_int_equal(look(b->s, key), 5);
    sweep_all(b->s);
    assert_int_equal(rows(b->s, RP_DB_CHUNKS), 0);
    assert_int_equal(read_on(b, &e, 5, 2, &rv), 6); /* from its entry */
    assert_int_equal(rv, APR_EOF);
}

static void a_large_body_can_be_read_as_far_as_it_is_published_and_after_its_commit(void **state)
{
    static const size_t steps[] = {1, 4079, 4080, 4081, 60000, 1, 65280, 200000, 0, 65279, 3, 130560};
    box_t *b = *state;
    rp_store_writer_t *w = begin(b, 1);
    rp_entry_t e = {0};
    uint64_t total = 0;
    apr_status_t rv;
    char text[32];
    unsigned i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        add(b, w, 9, steps[i]);
        total += steps[i];
        if (e.object) {
            assert_int_equal(read_on(b, &e, 9, 0, &rv), b->s->ops->published(w));
        }
        assert_int_equal(b->s->ops->publish(w, PUT(FAR, RP_STR("record"))), APR_SUCCESS);
        assert_int_equal(b->s->ops->published(w), total);
        if (!e.object) {
            assert_int_equal(b->s->ops->follow(b->s, b->s->ops->object(w), b->pool, &e), APR_SUCCESS);
        }
        assert_int_equal(read_on(b, &e, 9, 0, &rv), total);
        assert_int_equal(rv, APR_SUCCESS);
        assert_int_equal(read_on(b, &e, 9, total / 3, &rv), total - total / 3);
    }
    add(b, w, 9, 100);
    total += 100;
    snprintf(text, sizeof(text), "9 %lu", (unsigned long)total);
    assert_int_equal(b->s->ops->commit(w, PUT(FAR, (rp_str_t){text, strlen(text)})), APR_SUCCESS);
    assert_int_equal(read_on(b, &e, 9, 0, &rv), total);
    assert_int_equal(rv, APR_EOF);
    assert_int_equal(look1(b->s, 1), 9);
    sweep_all(b->s);
    assert_int_equal(rows(b->s, RP_DB_PENDING), 0);
    assert_int_equal(rows(b->s, RP_DB_CHUNKS), (total + 4079) / 4080);
    assert_int_equal(b->s->ops->remove(b->s, e.key), APR_SUCCESS);
    sweep_all(b->s);
    assert_int_equal(read_on(b, &e, 9, 0, &rv), 0);
    assert_int_equal(rv, APR_NOTFOUND);
}

static void what_is_not_published_cannot_be_followed(void **state)
{
    box_t *b = *state;
    rp_store_writer_t *w = begin(b, 1);
    rp_entry_t e;

    add(b, w, 1, 200000);
    assert_int_not_equal(w->object, 0);
    assert_int_equal(b->s->ops->object(w), 0);
    assert_int_equal(b->s->ops->published(w), 0);
    assert_int_equal(b->s->ops->follow(b->s, w->object, b->pool, &e), APR_NOTFOUND);
    assert_int_equal(b->s->ops->publish(w, PUT(FAR, RP_STR("x"))), APR_SUCCESS);
    assert_int_equal(b->s->ops->published(w), 200000);
    assert_int_equal(b->s->ops->follow(b->s, w->object, b->pool, &e), APR_SUCCESS);
}

static void a_record_published_again_replaces_the_one_before(void **state)
{
    box_t *b = *state;
    rp_store_writer_t *w = begin(b, 1);
    rp_store_tag_t tags[2] = {{{1}}, {{2}}};
    rp_put_t put = {.record = RP_STR("second"), .tags = tags, .ntags = 2};
    rp_entry_t e;

    assert_int_equal(b->s->ops->publish(w, PUT(FAR, RP_STR("first"))), APR_SUCCESS);
    put.name = (rp_str_t){put.record.ptr + 3, 3};
    assert_int_equal(b->s->ops->publish(w, &put), APR_SUCCESS);
    assert_int_equal(b->s->ops->follow(b->s, w->object, b->pool, &e), APR_SUCCESS);
    assert_memory_equal(e.record.ptr, "second", 6);
    put.name.len = 4;
    assert_int_equal(b->s->ops->publish(w, &put), APR_EINVAL);
    assert_int_not_equal(b->s->ops->commit(w, &put), APR_SUCCESS);
}

static void a_body_that_is_given_up_is_gone_for_its_followers(void **state)
{
    static const size_t lengths[] = {0, 3, 5000, 300000};
    box_t *b = *state;
    unsigned i;

    for (i = 0; i < 4; i++) {
        rp_store_writer_t *w = begin(b, i);
        apr_status_t rv;
        rp_entry_t e, again;
        add(b, w, i, lengths[i]);
        assert_int_equal(b->s->ops->publish(w, PUT(FAR, RP_STR("x"))), APR_SUCCESS);
        assert_int_equal(b->s->ops->follow(b->s, w->object, b->pool, &e), APR_SUCCESS);
        b->s->ops->abort(w);
        assert_int_equal(b->s->ops->follow(b->s, e.object, b->pool, &again), APR_NOTFOUND);
        read_on(b, &e, i, 0, &rv);
        assert_int_equal(rv, APR_NOTFOUND);
        sweep_all(b->s);
        assert_int_equal(read_on(b, &e, i, 0, &rv), 0);
        assert_int_equal(rv, APR_NOTFOUND);
    }
    assert_int_equal(rows(b->s, RP_DB_CHUNKS), 0);
    assert_int_equal(rows(b->s, RP_DB_PENDING), 0);
}

/* ------------------------------------------------------------------ two processes */

/** A process that publishes body 7 of len bytes in steps, each after a byte on `go`, and says which object it is. */
static pid_t writing_process(box_t *b, size_t len, unsigned steps, int out, int go)
{
    pid_t pid = fork();
    rp_store_writer_t *w;
    uint64_t object;
    char text[32], c;
    unsigned i;

    if (pid) {
        return pid;
    }
    box_open(b);
    w = begin(b, 1);
    for (i = 0; i < steps; i++) {
        add(b, w, 7, (i + 1) * len / steps - i * len / steps);
        if (b->s->ops->publish(w, PUT(FAR, RP_STR("7"))) || (object = b->s->ops->object(w)) == 0 ||
            write(out, &object, sizeof(object)) != sizeof(object) || read(go, &c, 1) != 1) {
            _exit(1);
        }
    }
    snprintf(text, sizeof(text), "7 %lu", (unsigned long)len);
    if (b->s->ops->commit(w, PUT(FAR, (rp_str_t){text, strlen(text)}))) {
        _exit(2);
    }
    box_close(b);
    _exit(0);
}

static uint64_t object_from(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    uint64_t object;

    assert_int_equal(poll(&p, 1, 20000), 1);
    assert_int_equal(read(fd, &object, sizeof(object)), sizeof(object));
    return object;
}

static void another_process_reads_along(void **state)
{
    static const size_t lengths[] = {8, 8192, 8193, 777777};
    unsigned k, i;

    (void)state;
    for (k = 0; k < 4; k++) {
        box_t *b = box_make(16 * MIB);
        int says[2], go[2], status;
        uint64_t have = 0;
        apr_status_t rv;
        rp_entry_t e = {0};
        pid_t pid;
        assert_int_equal(pipe(says), 0);
        assert_int_equal(pipe(go), 0);
        box_prepare(b);
        pid = writing_process(b, lengths[k], 7, says[1], go[0]);
        box_open(b);
        for (i = 0; i < 7; i++) {
            uint64_t object = object_from(says[0]);
            assert_true(e.object == 0 || e.object == object);
            assert_int_equal(b->s->ops->follow(b->s, object, b->pool, &e), APR_SUCCESS);
            have += read_on(b, &e, 7, have, &rv);
            assert_int_equal(rv, APR_SUCCESS);
            assert_int_equal(have, (i + 1) * lengths[k] / 7);
            assert_int_equal(write(go[1], "x", 1), 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(read_on(b, &e, 7, have, &rv), 0);
        assert_int_equal(rv, APR_EOF);
        assert_int_equal(read_on(b, &e, 7, 0, &rv), lengths[k]);
        assert_int_equal(look1(b->s, 1), 7);
        close(says[0]);
        close(says[1]);
        close(go[0]);
        close(go[1]);
        box_remove(b);
    }
}

static void a_writer_that_is_killed_is_gone_for_its_followers(void **state)
{
    static const size_t lengths[] = {3, 500000};
    unsigned k;

    (void)state;
    for (k = 0; k < 2; k++) {
        box_t *b = box_make(16 * MIB);
        int says[2], go[2], i;
        apr_status_t rv = APR_SUCCESS;
        rp_entry_t e;
        pid_t pid;
        assert_int_equal(pipe(says), 0);
        assert_int_equal(pipe(go), 0);
        box_prepare(b);
        pid = writing_process(b, lengths[k], 1, says[1], go[0]);
        box_open(b);
        assert_int_equal(b->s->ops->follow(b->s, object_from(says[0]), b->pool, &e), APR_SUCCESS);
        rp_store_local_sweep(b->s, apr_time_now());
        assert_int_equal(read_on(b, &e, 7, 0, &rv), lengths[k]);
        assert_int_equal(rv, APR_SUCCESS); /* it lives */
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        for (i = 0; i < 100 && rv == APR_SUCCESS; i++) {
            rp_store_local_sweep(b->s, apr_time_now());
            read_on(b, &e, 7, lengths[k], &rv);
        }
        assert_int_equal(rv, APR_NOTFOUND);
        sweep_all(b->s);
        assert_int_equal(rows(b->s, RP_DB_CHUNKS), 0);
        close(says[0]);
        close(says[1]);
        close(go[0]);
        close(go[1]);
        box_remove(b);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_small_body_can_be_followed_byte_by_byte_into_its_entry),
        T(a_large_body_can_be_read_as_far_as_it_is_published_and_after_its_commit),
        T(what_is_not_published_cannot_be_followed),
        T(a_record_published_again_replaces_the_one_before),
        T(a_body_that_is_given_up_is_gone_for_its_followers),
        cmocka_unit_test(another_process_reads_along),
        cmocka_unit_test(a_writer_that_is_killed_is_gone_for_its_followers),
    };
    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A storm: processes that store, publish, follow, read, update, remove, purge and sweep at random, and are killed at
 * random, for RP_STORM_SECONDS (4 when not set).  Every body can be checked by itself, and so can every purge:
 * a record says when its "backend" was asked, and a table in shared memory when each purge that has returned was begun.
 */

#include "store_local_util.h"
#include "store_local_tags.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define NPROC   5
#define KEYS    120
#define TAGS    8
#define SLOTS   16
#define LARGEST 300000

/** What is wrong, as a process's exit status. */
enum { TORN = 3, PURGED, NOT_SOFT, FOLLOWED_WRONG, UNREADABLE, ILL_COUNTED };

typedef struct slot_t {
    uint64_t object, published;
} slot_t;

/** When the newest purge that is known to be in effect was begun, hard and soft. */
typedef struct sky_t {
    uint64_t key[2][KEYS], tag[2][TAGS], prefix[2][3], all[2];
    slot_t slots[SLOTS];
    uint64_t stored, found, followed, purges;
} sky_t;

static sky_t *sky;

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static unsigned rnd(unsigned *x)
{
    *x = *x * 1103515245 + 12345;
    return *x >> 8;
}

static uint64_t load(const uint64_t *place)
{
    return __atomic_load_n(place, __ATOMIC_SEQ_CST);
}

static void raise_to(uint64_t *place, uint64_t value)
{
    uint64_t was = load(place);

    while (was < value && !__atomic_compare_exchange_n(place, &was, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
}

static void count(uint64_t *place)
{
    __atomic_fetch_add(place, 1, __ATOMIC_RELAXED);
}

static rp_store_tag_t tag_of(unsigned n)
{
    rp_store_tag_t tag = {{(unsigned char)(n + 1), (unsigned char)(n * 77)}};

    return tag;
}

/* ------------------------------------------------------------------ entries */

typedef struct made_t {
    char text[128];
    rp_store_tag_t tags[3];
    rp_put_t put;
} made_t;

/** What entry n is given: its body's seed and length, when it was asked for, its name /DIGIT/N. */
static const rp_put_t *make(made_t *m, rp_store_t *s, unsigned n, unsigned long seed, unsigned long len)
{
    uint64_t since = s->ops->stamp(s);
    int name, end;

    /* The stamp before the time: who was asked before a purge was begun has an older stamp. */
    end = snprintf(m->text, sizeof(m->text), "%lu %lu %lu %u %n/%u/%u", seed, len, (unsigned long)clock_ns(), n, &name,
                   n % 3, n);
    m->tags[0] = tag_of(n % TAGS);
    m->tags[1] = tag_of(seed % TAGS);
    m->tags[2] = tag_of(n % 2);
    m->put = (rp_put_t){.record = {m->text, (size_t)end}, .name = {m->text + name, (size_t)(end - name)},
                        .expires = seed % 11 ? FAR : 0, .tags = m->tags, .ntags = (int)(n % 4), .since = since};
    return &m->put;
}

/** When the newest purge began that covers entry n with a body of that seed, hard or soft. */
static uint64_t purged_at(int soft, unsigned n, unsigned long seed)
{
    unsigned tags[3] = {n % TAGS, (unsigned)(seed % TAGS), n % 2}, i;
    uint64_t at = load(&sky->key[soft][n]), other;

    other = load(&sky->all[soft]);
    at = other > at ? other : at;
    other = load(&sky->prefix[soft][n % 3]);
    at = other > at ? other : at;
    for (i = 0; i < n % 4; i++) {
        other = load(&sky->tag[soft][tags[i]]);
        at = other > at ? other : at;
    }
    return at;
}

typedef struct read_t {
    unsigned long seed, len, asked;
    unsigned n;
} read_t;

static int parse(const rp_entry_t *e, read_t *r)
{
    char text[128] = "";

    memcpy(text, e->record.ptr, e->record.len < sizeof(text) ? e->record.len : sizeof(text) - 1);
    return sscanf(text, "%lu %lu %lu %u", &r->seed, &r->len, &r->asked, &r->n) == 4 && r->n < KEYS;
}

/** Read as far as it goes. @return how far; *rv is what read() said last */
static uint64_t read_all(rp_store_t *s, const rp_entry_t *e, const read_t *r, apr_status_t *rv)
{
    static char buf[RP_STORE_CHUNK];
    uint64_t at = 0;
    apr_size_t n;

    do {
        n = sizeof(buf);
        *rv = s->ops->read(e, at, buf, &n);
        if (*rv == APR_SUCCESS && !is_filled(buf, n, r->seed, at)) {
            _exit(TORN);
        }
        at += *rv ? 0 : n;
    } while (*rv == APR_SUCCESS && n);
    return at;
}

static void check_found(const rp_entry_t *e, const read_t *r, const uint64_t *hard, const uint64_t *soft)
{
    if (r->asked < *hard) {
        _exit(PURGED);
    }
    if (r->asked < *soft && !e->soft) {
        _exit(NOT_SOFT);
    }
}

/** Which of the limits hold for an entry depends on its seed: all are read before the entry is. */
typedef struct limits_t {
    uint64_t at[2][TAGS];
} limits_t;

static void limits_of(unsigned n, limits_t *l)
{
    unsigned t;

    for (t = 0; t < TAGS; t++) {
        l->at[0][t] = purged_at(0, n, t);
        l->at[1][t] = purged_at(1, n, t);
    }
}

/* ------------------------------------------------------------------ what processes do */

static void do_read(rp_store_t *s, unsigned n, apr_pool_t *p)
{
    unsigned char key[RP_KEY_LEN];
    limits_t limits;
    rp_entry_t e;
    apr_status_t rv;
    read_t r;

    key_of(key, n, 0);
    limits_of(n, &limits);
    if (s->ops->get(s, key, p, &e) != APR_SUCCESS) {
        return;
    }
    if (!parse(&e, &r) || r.n != n || r.len != e.body_len) {
        _exit(TORN);
    }
    check_found(&e, &r, &limits.at[0][r.seed % TAGS], &limits.at[1][r.seed % TAGS]);
    if (read_all(s, &e, &r, &rv) != r.len && rv == APR_SUCCESS) {
        _exit(TORN);
    }
    count(&sky->found);
}

static void tell(slot_t *slot, uint64_t object, uint64_t published)
{
    __atomic_store_n(&slot->object, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot->published, published, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot->object, object, __ATOMIC_SEQ_CST);
}

static void do_follow(rp_store_t *s, unsigned which, apr_pool_t *p)
{
    slot_t *slot = &sky->slots[which % SLOTS];
    uint64_t object = load(&slot->object), published = load(&slot->published), got;
    limits_t limits[KEYS];
    rp_entry_t e;
    apr_status_t rv;
    unsigned n;
    read_t r;

    if (!object || load(&slot->object) != object) {
        return;
    }
    for (n = 0; n < KEYS; n++) {
        limits_of(n, &limits[n]);
    }
    if (s->ops->follow(s, object, p, &e) != APR_SUCCESS) {
        return;
    }
    if (e.object != object || !parse(&e, &r)) {
        _exit(FOLLOWED_WRONG);
    }
    check_found(&e, &r, &limits[r.n].at[0][r.seed % TAGS], &limits[r.n].at[1][r.seed % TAGS]);
    got = read_all(s, &e, &r, &rv);
    if ((rv == APR_SUCCESS && got < published) || got > r.len || (rv == APR_EOF && got != r.len)) {
        _exit(UNREADABLE);
    }
    count(&sky->followed);
}

/** Store, in pieces, and publish in between or not. */
static void do_store(rp_store_t *s, unsigned n, unsigned *x, apr_pool_t *p)
{
    unsigned long seed = rnd(x), len = rnd(x) % 3 ? rnd(x) % 9000 : rnd(x) % LARGEST, at = 0;
    slot_t *slot = rnd(x) % 3 ? NULL : &sky->slots[rnd(x) % SLOTS];
    size_t piece = 1 + rnd(x) % (len / 3 + 100);
    char *data = apr_palloc(p, piece);
    unsigned char key[RP_KEY_LEN];
    rp_store_writer_t *w;
    apr_status_t rv;
    made_t m;

    key_of(key, n, 0);
    make(&m, s, n, seed, len);
    rv = s->ops->begin(s, key, rnd(x) % 2 ? len : UINT64_MAX, p, &w);
    while (!rv && at < len) {
        size_t k = len - at < piece ? len - at : piece;
        fill(data, k, seed, at);
        rv = s->ops->write(w, data, k);
        at += k;
        if (!rv && slot) {
            rv = s->ops->publish(w, &m.put);
            tell(slot, s->ops->object(w), s->ops->published(w));
        }
    }
    if (!rv && rnd(x) % 20 == 0) {
        s->ops->abort(w);
        return;
    }
    rv = rv ? rv : s->ops->commit(w, &m.put);
    if (!rv) {
        count(&sky->stored);
    }
}

static void do_update(rp_store_t *s, unsigned n, apr_pool_t *p)
{
    unsigned char key[RP_KEY_LEN];
    made_t m;
    rp_entry_t e;
    read_t r;

    key_of(key, n, 0);
    if (s->ops->get(s, key, p, &e) == APR_SUCCESS && parse(&e, &r)) {
        make(&m, s, n, r.seed, r.len);
        s->ops->update(&e, &m.put);
    }
}

static void do_purge(rp_store_t *s, unsigned n, unsigned *x)
{
    static const rp_str_t prefixes[3] = {{"/0/", 3}, {"/1/", 3}, {"/2/", 3}};
    unsigned kind = rnd(x) % 40, t = rnd(x) % TAGS;
    rp_purge_t what = {.soft = (int)(rnd(x) % 2), .tag = tag_of(t), .prefix = prefixes[n % 3]};
    unsigned char key[RP_KEY_LEN];
    uint64_t begun = clock_ns(), *place;
    apr_uint64_t found;

    key_of(key, n, 0);
    memcpy(what.key, key, RP_KEY_HALF);
    what.kind = kind == 0 ? RP_PURGE_ALL : kind < 5 ? RP_PURGE_PREFIX : kind < 12 ? RP_PURGE_TAG : RP_PURGE_KEY;
    place = kind == 0   ? &sky->all[what.soft]
            : kind < 5  ? &sky->prefix[what.soft][n % 3]
            : kind < 12 ? &sky->tag[what.soft][t]
                        : &sky->key[what.soft][n];
    if (s->ops->purge(s, &what, &found) == APR_SUCCESS) {
        if (found > 2 * KEYS) {
            _exit(ILL_COUNTED);
        }
        raise_to(place, begun);
        count(&sky->purges);
    }
}

static void live(box_t *b, unsigned seed)
{
    unsigned x = seed;
    apr_pool_t *p;

    box_open(b);
    for (;;) {
        unsigned what = rnd(&x) % 40, n = rnd(&x) % KEYS;
        apr_pool_create(&p, NULL);
        if (what < 16) {
            do_store(b->s, n, &x, p);
        }
        else if (what < 19) {
            do_update(b->s, n, p);
        }
        else if (what < 23) {
            do_purge(b->s, n, &x);
        }
        else if (what == 23) {
            unsigned char key[RP_KEY_LEN];
            key_of(key, n, 0);
            b->s->ops->remove(b->s, key);
        }
        else if (what < 30) {
            do_follow(b->s, rnd(&x), p);
        }
        else if (what == 30 && rnd(&x) % 5 == 0) {
            rp_store_local_sweep(b->s, apr_time_now());
        }
        else {
            do_read(b->s, n, p);
        }
        apr_pool_destroy(p);
    }
}

/* ------------------------------------------------------------------ the storm, and after it */

static pid_t spawn(box_t *b, unsigned seed)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody is left when the test fails */
        live(b, seed);
    }
    return pid;
}

static void stop(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        print_error("a process ended by itself: status %x\n", status);
    }
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/** Every entry is whole, and there is nothing that belongs to none. */
static void check_whole(box_t *b)
{
    rp_local_t *l = (rp_local_t *)b->s;
    size_t found = 0, chunks = 0;
    struct stat st;
    unsigned n;
    int dead;

    for (n = 0; n < KEYS; n++) {
        unsigned char key[RP_KEY_LEN];
        apr_status_t rv;
        apr_pool_t *p;
        rp_entry_t e;
        read_t r;
        apr_pool_create(&p, NULL);
        key_of(key, n, 0);
        if (b->s->ops->get(b->s, key, p, &e) == APR_SUCCESS) {
            assert_true(parse(&e, &r));
            assert_int_equal(read_all(b->s, &e, &r, &rv), r.len);
            assert_int_equal(rv, APR_SUCCESS);
            assert_true(r.asked >= purged_at(0, n, r.seed));
            assert_true(r.asked >= purged_at(1, n, r.seed) || e.soft);
            found++;
            chunks += r.len > RP_STORE_INLINE ? (r.len + l->chunk - 1) / l->chunk : 0;
        }
        apr_pool_destroy(p);
    }
    check_tags(b->s);
    assert_int_equal(rows(b->s, RP_DB_ENTRIES), found);
    assert_int_equal(rows(b->s, RP_DB_ORDER) + rows(b->s, RP_DB_MAIN), found);
    assert_int_equal(rows(b->s, RP_DB_CHUNKS), chunks);
    assert_int_equal(rows(b->s, RP_DB_PENDING), 0);
    assert_int_equal(rows(b->s, RP_DB_GARBAGE), 0);
    assert_int_equal(mdb_reader_check(l->env, &dead), 0);
    assert_int_equal(dead, 0);
    assert_int_equal(stat(apr_pstrcat(b->pool, b->dir, "/data.mdb", NULL), &st), 0);
    assert_true((apr_uint64_t)st.st_size <= b->conf.size);
}

static void settle(box_t *b)
{
    apr_time_t end = apr_time_now() + apr_time_from_sec(20);
    rp_local_purges_t purges = {0};
    int i, rc;

    do {
        rp_local_reader_t *r;
        for (i = 0; i < 50; i++) {
            rp_store_local_sweep(b->s, apr_time_now());
        }
        r = rp_local_reader_take((rp_local_t *)b->s, &rc);
        assert_non_null(r);
        assert_int_equal(rp_local_purges_read((rp_local_t *)b->s, r->txn, &purges), 0);
        rp_local_reader_give((rp_local_t *)b->s, r);
    } while (apr_time_now() < end && purges.lazy > purges.reclaimed);
    sleep(4); /* walks of those that were killed are taken over */
    sweep_all(b->s);
}

static void storm(apr_uint64_t size, double seconds)
{
    uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);
    box_t *b = box_make(size);
    pid_t pids[NPROC];
    unsigned i, x = (unsigned)clock_ns(), kills = 0;

    sky = mmap(NULL, sizeof(*sky), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(sky != MAP_FAILED);
    print_message("seed %u\n", x);
    box_prepare(b);
    for (i = 0; i < NPROC; i++) {
        pids[i] = spawn(b, rnd(&x));
    }
    while (clock_ns() < end) {
        unsigned which = rnd(&x) % NPROC;
        usleep(rnd(&x) % 40000);
        stop(pids[which]);
        pids[which] = spawn(b, rnd(&x));
        if (++kills % 40 == 0) {
            box_prepare(b); /* as a graceful restart does, beside living children */
        }
    }
    for (i = 0; i < NPROC; i++) {
        stop(pids[i]);
    }
    print_message("%u kills, %lu stored, %lu found, %lu followed, %lu purges\n", kills, (unsigned long)sky->stored,
                  (unsigned long)sky->found, (unsigned long)sky->followed, (unsigned long)sky->purges);
    assert_true(sky->stored && sky->found && sky->followed && sky->purges);
    box_prepare(b);
    box_open(b);
    settle(b);
    assert_string_equal(b->log, "");
    check_whole(b);
    box_close(b);
    box_prepare(b);
    box_open(b);
    check_whole(b);
    assert_string_equal(b->log, "");
    munmap(sky, sizeof(*sky));
    box_remove(b);
}

static double duration(void)
{
    const char *text = getenv("RP_STORM_SECONDS");

    return text && atof(text) > 0 ? atof(text) : 4;
}

static void a_storm_leaves_a_whole_store_with_room_to_spare(void **state)
{
    (void)state;
    storm(64 * MIB, duration() / 2);
}

static void a_storm_leaves_a_whole_store_that_is_full(void **state)
{
    (void)state;
    storm(6 * MIB, duration() / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_storm_leaves_a_whole_store_with_room_to_spare),
        cmocka_unit_test(a_storm_leaves_a_whole_store_that_is_full),
    };
    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

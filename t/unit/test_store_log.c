/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the local store remembers of the farm's log of purges. */

#include "store_local_util.h"
#include "cache/store_local_log.h"

#define LOG "redis://127.0.0.1 farm"

static int setup(void **state)
{
    box_t *b = box_make(16 * MIB);
    rp_log_state_t log;

    box_prepare(b);
    box_open(b);
    assert_int_equal(rp_log_open(b->s, LOG, &log), APR_SUCCESS);
    assert_true(log.is_new);
    assert_int_equal(rp_log_begin(b->s, (rp_position_t){ 100, 0 }, (rp_position_t){ 100, 0 }), APR_SUCCESS);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    box_t *b = *state;

    assert_string_equal(b->log, "");
    box_remove(b);
    return 0;
}

static uint64_t stamp(const box_t *b)
{
    return b->s->ops->stamp(b->s);
}

static uint64_t stamp_of(const box_t *b, uint64_t ms)
{
    return rp_log_stamp_of(b->s, (rp_position_t){ ms, 0 });
}

static uint64_t position_of(const box_t *b, uint64_t stamp)
{
    rp_position_t position = rp_log_position_of(b->s, stamp);

    assert_int_equal(position.seq, 0);
    return position.ms;
}

static rp_purge_order_t order_of(box_t *b, unsigned n)
{
    rp_purge_order_t order = { 0, apr_array_make(b->pool, 1, sizeof(rp_purge_t)) };
    rp_purge_t *step = apr_array_push(order.steps);
    unsigned char key[RP_KEY_LEN];

    memset(step, 0, sizeof(*step));
    key_of(key, n, 0);
    memcpy(step->key, key, RP_KEY_HALF);
    return order;
}

static void carry_out(box_t *b, const rp_purge_order_t *order)
{
    assert_int_equal(b->s->ops->purge(b->s, &APR_ARRAY_IDX(order->steps, 0, rp_purge_t), NULL), APR_SUCCESS);
}

static rp_log_order_t foreign(box_t *b, uint64_t ms, unsigned n)
{
    rp_log_order_t order = { .at = { ms, 0 }, .id = { 4711, n }, .order = order_of(b, n) };

    order.bytes = rp_order_encode(b->pool, &order.id, &order.order);
    return order;
}

/* What stands in the log for an own order. */
static rp_log_order_t read_own(box_t *b, uint64_t ms, const rp_log_own_t *own)
{
    rp_log_order_t order = { .at = { ms, 0 }, .bytes = own->bytes };

    assert_true(rp_order_decode(b->pool, own->bytes, &order.id, &order.order));
    return order;
}

static void expect(box_t *b, rp_log_order_t *order)
{
    assert_int_equal(rp_log_expect(b->s, order, 1), APR_SUCCESS);
}

static void applied(box_t *b, uint64_t ms)
{
    assert_int_equal(rp_log_applied(b->s, (rp_position_t){ ms, 0 }), APR_SUCCESS);
}

/* Read an order of another host and carry it out. @return the newest stamp of its purge */
static uint64_t follow(box_t *b, uint64_t ms, unsigned n)
{
    rp_log_order_t order = foreign(b, ms, n);

    expect(b, &order);
    assert_false(order.is_own);
    carry_out(b, &order.order);
    applied(b, ms);
    return stamp(b);
}

static rp_log_own_t add(box_t *b, unsigned n)
{
    rp_purge_order_t order = order_of(b, n);
    rp_log_own_t own;

    assert_int_equal(rp_log_own_add(b->s, b->pool, &order, &own), APR_SUCCESS);
    return own;
}

/* Note an own order and carry it out. */
static rp_log_own_t purge(box_t *b, unsigned n)
{
    rp_log_own_t own = add(b, n);
    rp_purge_order_t order = order_of(b, n);

    carry_out(b, &order);
    assert_int_equal(rp_log_own_sent(b->s, own.number), APR_SUCCESS);
    return own;
}

static int waiting(box_t *b, apr_time_t later)
{
    rp_log_own_t own[16];

    return rp_log_own_waiting(b->s, b->pool, apr_time_now() + later, own, 16);
}

/* ------------------------------------------------------------------ positions and stamps */

static void the_base_is_where_knowledge_begins(void **state)
{
    box_t *b = *state;

    assert_int_equal(stamp_of(b, 99), 0);
    assert_true(stamp(b) > 0);
    assert_int_equal(stamp_of(b, 100), stamp(b));
    assert_int_equal(position_of(b, stamp(b)), 100);
    assert_int_equal(position_of(b, stamp(b) - 1), 0);
}

static void what_was_fetched_before_an_order_is_covered_by_it(void **state)
{
    box_t *b = *state;
    uint64_t before = stamp(b), after = follow(b, 200, 1);

    assert_true(after > before);
    assert_true(stamp_of(b, 100) < after);
    assert_true(stamp_of(b, 199) < after);
    assert_int_equal(stamp_of(b, 200), after);
    assert_int_equal(stamp_of(b, 300), after);
    assert_int_equal(position_of(b, after), 200);
    assert_int_equal(position_of(b, before), 100);
}

static void no_moment_between_reading_and_carrying_out_says_otherwise(void **state)
{
    box_t *b = *state;
    uint64_t before = stamp(b);
    rp_log_order_t order = foreign(b, 200, 1);

    expect(b, &order);
    assert_int_equal(stamp_of(b, 100), before);
    carry_out(b, &order.order);
    assert_int_equal(stamp_of(b, 100), before);
    /* Carried out, but nobody may rely on that yet. */
    assert_int_equal(position_of(b, stamp(b)), 100);
    applied(b, 200);
    assert_int_equal(stamp_of(b, 100), before);
    assert_int_equal(position_of(b, stamp(b)), 200);
}

static void an_order_that_was_read_and_interrupted_is_read_again(void **state)
{
    box_t *b = *state;
    uint64_t before = stamp(b);
    rp_log_order_t order = foreign(b, 200, 1);

    expect(b, &order);
    carry_out(b, &order.order);
    expect(b, &order);
    carry_out(b, &order.order);
    applied(b, 200);
    assert_int_equal(stamp_of(b, 100), before);
    assert_int_equal(stamp_of(b, 200), stamp(b));
}

static void what_cannot_be_read_takes_its_place_only(void **state)
{
    box_t *b = *state;
    rp_log_order_t nonsense = { .at = { 200, 0 } };

    expect(b, &nonsense);
    applied(b, 200);
    assert_int_equal(position_of(b, stamp(b)), 200);
    assert_int_equal(stamp_of(b, 100), stamp(b));
}

static void many_orders_are_remembered_roughly_and_on_the_safe_side(void **state)
{
    enum { MANY = 6000 };
    box_t *b = *state;
    uint64_t *after = calloc(MANY, sizeof(*after));
    unsigned i;

    after[0] = stamp(b);
    for (i = 1; i < MANY; i++) {
        after[i] = follow(b, 100 + i, i % 50);
    }
    for (i = 0; i < MANY; i++) {
        uint64_t s = stamp_of(b, 100 + i);

        assert_true(s > 0 && s <= after[i]);
        /* Those of late are exact. */
        assert_true(i < MANY - 1000 || s == after[i]);
        assert_true(position_of(b, after[i]) <= 100 + i);
        assert_true(i < MANY - 1000 || position_of(b, after[i]) == 100 + i);
    }
    assert_true(rows(b->s, RP_DB_LOG) < 4200);
    free(after);
}

static void restarts_change_nothing(void **state)
{
    box_t *b = *state;
    rp_log_state_t log;
    uint64_t before = stamp(b), after = follow(b, 200, 1);

    purge(b, 2);
    box_close(b);
    box_prepare(b);
    box_open(b);
    assert_int_equal(rp_log_open(b->s, LOG, &log), APR_SUCCESS);
    assert_false(log.is_new);
    assert_int_equal(log.position.ms, 200);
    assert_int_equal(stamp_of(b, 100), before);
    assert_int_equal(stamp_of(b, 200), after);
    assert_int_equal(waiting(b, apr_time_from_sec(3)), 1);
}

/* ------------------------------------------------------------------ own orders */

static void an_own_order_covers_what_others_fetched_before_it(void **state)
{
    box_t *b = *state;
    uint64_t before = stamp(b);
    rp_log_own_t own = purge(b, 1);
    rp_log_order_t order = read_own(b, 200, &own);

    /* It is not in the log yet: whatever comes from there was fetched before it. */
    assert_int_equal(stamp_of(b, 100), before);
    assert_int_equal(stamp_of(b, 150), before);
    expect(b, &order);
    assert_true(order.is_own);
    applied(b, 200);
    assert_int_equal(stamp_of(b, 199), before);
    assert_int_equal(stamp_of(b, 200), stamp(b));
    assert_int_equal(waiting(b, apr_time_from_sec(60)), 0);
}

static void own_orders_that_are_late_cover_what_lies_before_them(void **state)
{
    box_t *b = *state;
    uint64_t before = stamp(b), after;
    rp_log_own_t own = purge(b, 1);
    rp_log_order_t order = read_own(b, 400, &own);

    follow(b, 200, 2);
    after = follow(b, 300, 3);
    expect(b, &order);
    applied(b, 400);
    assert_int_equal(stamp_of(b, 100), before);
    assert_int_equal(stamp_of(b, 200), before);
    assert_int_equal(stamp_of(b, 300), before);
    assert_int_equal(stamp_of(b, 400), after);
}

static void an_own_order_that_stands_there_twice_is_carried_out_once(void **state)
{
    box_t *b = *state;
    rp_log_own_t own = purge(b, 1);
    rp_log_order_t first = read_own(b, 200, &own), second = read_own(b, 300, &own);

    expect(b, &first);
    applied(b, 200);
    expect(b, &second);
    assert_true(second.is_own);
    applied(b, 300);
    assert_int_equal(stamp_of(b, 200), stamp(b));
}

static void an_own_order_whose_process_was_killed_is_carried_out_when_read(void **state)
{
    box_t *b = *state;
    rp_log_own_t own = add(b, 1);
    rp_log_order_t order = read_own(b, 200, &own);

    assert_int_equal(waiting(b, 0), 0);
    assert_int_equal(waiting(b, apr_time_from_sec(11)), 1);
    expect(b, &order);
    assert_false(order.is_own);
}

static void another_host_with_a_copy_of_this_store_is_another_host(void **state)
{
    box_t *b = *state;
    rp_log_own_t own = purge(b, 1);
    rp_log_order_t order = read_own(b, 200, &own);

    order.order = order_of(b, 2);
    order.bytes = rp_order_encode(b->pool, &order.id, &order.order);
    expect(b, &order);
    assert_false(order.is_own);
    assert_int_equal(waiting(b, apr_time_from_sec(3)), 1);
}

static void what_is_not_seen_in_time_waits_to_be_sent_again(void **state)
{
    box_t *b = *state;
    rp_log_own_t sent = purge(b, 1), kept = purge(b, 2), found[2];

    assert_int_equal(waiting(b, 0), 0);
    assert_int_equal(rp_log_own_kept(b->s, kept.number), APR_SUCCESS);
    assert_int_equal(rp_log_own_waiting(b->s, b->pool, apr_time_now(), found, 2), 1);
    assert_int_equal(found[0].number, kept.number);
    assert_int_equal(found[0].bytes.len, kept.bytes.len);
    assert_memory_equal(found[0].bytes.ptr, kept.bytes.ptr, kept.bytes.len);
    assert_int_equal(rp_log_own_waiting(b->s, b->pool, apr_time_now() + apr_time_from_sec(3), found, 2), 2);
    assert_int_equal(found[0].number, sent.number);
}

static void too_many_that_wait_become_one_that_doubts_everything(void **state)
{
    box_t *b = *state;
    rp_log_own_t own = { 0 };
    uint64_t before = stamp(b);
    rp_log_order_t order;
    int i;

    for (i = 0; i < 4097; i++) {
        own = purge(b, 1);
        assert_int_equal(rp_log_own_kept(b->s, own.number), APR_SUCCESS);
    }
    assert_int_equal(waiting(b, 0), 1);
    order = read_own(b, 200, &own);
    assert_int_equal(order.order.steps->nelts, 2);
    assert_int_equal(APR_ARRAY_IDX(order.order.steps, 1, rp_purge_t).kind, RP_PURGE_DOUBT);
    assert_int_equal(stamp_of(b, 100), before);
}

static void what_was_seen_is_forgotten_after_a_while(void **state)
{
    box_t *b = *state;
    rp_log_own_t own = purge(b, 1);
    rp_log_order_t order = read_own(b, 200, &own);
    size_t n;

    expect(b, &order);
    applied(b, 200);
    n = rows(b->s, RP_DB_LOG);
    assert_int_equal(rp_log_own_forget(b->s, apr_time_now()), APR_SUCCESS);
    assert_int_equal(rows(b->s, RP_DB_LOG), n);
    assert_int_equal(rp_log_own_forget(b->s, apr_time_now() + RP_LOG_KEEP + 1), APR_SUCCESS);
    assert_int_equal(rows(b->s, RP_DB_LOG), n - 1);
}

/* ------------------------------------------------------------------ doubt */

static int soft_of(box_t *b, unsigned n)
{
    unsigned char key[RP_KEY_LEN];
    rp_entry_t entry;

    key_of(key, n, 0);
    return b->s->ops->get(b->s, key, b->pool, &entry) == APR_SUCCESS ? entry.soft : -1;
}

static void a_log_that_lost_orders_puts_everything_in_doubt(void **state)
{
    box_t *b = *state;
    rp_log_own_t own = purge(b, 1);
    rp_log_order_t order = read_own(b, 200, &own);
    rp_position_t last[4];

    expect(b, &order);
    applied(b, 200);
    follow(b, 210, 7);
    assert_int_equal(rp_log_last(b->s, last, 4), 2);
    assert_int_equal(last[0].ms, 210);
    assert_int_equal(last[1].ms, 200);
    put1(b->s, 5, 5, 100);
    assert_int_equal(rp_log_lost(b->s, (rp_position_t){ 0, 0 }, (rp_position_t){ 220, 0 }), APR_SUCCESS);
    assert_int_equal(soft_of(b, 5), RP_DOUBT);
    assert_int_equal(stamp_of(b, 219), 0);
    assert_true(stamp_of(b, 220) > 0);
    /* The own order may have been lost to others. */
    assert_int_equal(waiting(b, 0), 1);
    assert_int_equal(rp_log_last(b->s, last, 4), 0);
}

static void doubt_ends_with_what_is_fetched_after_it(void **state)
{
    box_t *b = *state;
    rp_purge_t doubt = { .kind = RP_PURGE_DOUBT }, all = { .kind = RP_PURGE_ALL };
    unsigned char key[RP_KEY_LEN];
    rp_entry_t entry;

    put1(b->s, 5, 5, 100);
    assert_int_equal(soft_of(b, 5), 0);
    assert_int_equal(b->s->ops->purge(b->s, &doubt, NULL), APR_SUCCESS);
    assert_int_equal(soft_of(b, 5), RP_DOUBT);
    key_of(key, 5, 0);
    assert_int_equal(b->s->ops->get(b->s, key, b->pool, &entry), APR_SUCCESS);
    assert_int_equal(b->s->ops->update(&entry, &(rp_put_t){ .record = entry.record, .expires = FAR,
                                                            .since = stamp(b) }), APR_SUCCESS);
    assert_int_equal(soft_of(b, 5), 0);
    assert_int_equal(b->s->ops->purge(b->s, &doubt, NULL), APR_SUCCESS);
    assert_int_equal(b->s->ops->purge(b->s, &all, NULL), APR_SUCCESS);
    assert_int_equal(soft_of(b, 5), -1);
}

static void another_log_is_another_log(void **state)
{
    box_t *b = *state;
    rp_log_state_t log;

    follow(b, 200, 1);
    put1(b->s, 5, 5, 100);
    assert_int_equal(rp_log_open(b->s, "another", &log), APR_SUCCESS);
    assert_true(log.is_new);
    assert_int_equal(log.position.ms, 0);
    assert_int_equal(soft_of(b, 5), RP_DOUBT);
    assert_int_equal(stamp_of(b, 500), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_base_is_where_knowledge_begins),
        TEST(what_was_fetched_before_an_order_is_covered_by_it),
        TEST(no_moment_between_reading_and_carrying_out_says_otherwise),
        TEST(an_order_that_was_read_and_interrupted_is_read_again),
        TEST(what_cannot_be_read_takes_its_place_only),
        TEST(many_orders_are_remembered_roughly_and_on_the_safe_side),
        TEST(restarts_change_nothing),
        TEST(an_own_order_covers_what_others_fetched_before_it),
        TEST(own_orders_that_are_late_cover_what_lies_before_them),
        TEST(an_own_order_that_stands_there_twice_is_carried_out_once),
        TEST(an_own_order_whose_process_was_killed_is_carried_out_when_read),
        TEST(another_host_with_a_copy_of_this_store_is_another_host),
        TEST(what_is_not_seen_in_time_waits_to_be_sent_again),
        TEST(too_many_that_wait_become_one_that_doubts_everything),
        TEST(what_was_seen_is_forgotten_after_a_while),
        TEST(a_log_that_lost_orders_puts_everything_in_doubt),
        TEST(doubt_ends_with_what_is_fetched_after_it),
        TEST(another_log_is_another_log),
    };
    int result;

    apr_initialize();
    result = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return result;
}

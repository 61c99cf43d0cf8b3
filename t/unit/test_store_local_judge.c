/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What comes from another store is judged by this one's purges, and what lies here is handed on with all its facts. */

#include "store_local_util.h"

static const rp_store_tag_t tags[] = { { "a tag of it....." }, { "another........." } };
static const rp_store_tag_t strange = { "a tag of others." };

static rp_put_t put_of(uint64_t since)
{
    rp_str_t record = RP_STR("what is known of https://example.org/a/b");

    return (rp_put_t){
        .record = record, .name = { record.ptr + 17, record.len - 17 }, .expires = FAR, .tags = tags, .ntags = 2,
        .since = since,
    };
}

static rp_purge_t purge_of(rp_purge_kind_e kind, int covers, int soft)
{
    rp_purge_t what = { .kind = kind, .soft = soft, .tag = covers ? tags[1] : strange };
    unsigned char key[RP_KEY_LEN];

    what.prefix = covers ? RP_STR("https://example.org/a") : RP_STR("https://example.org/c");
    key_of(key, covers ? 1 : 2, 0);
    memcpy(what.key, key, RP_KEY_HALF);
    return what;
}

/** @return 0: it would not be found, 1: it would, 2: as soft */
static int judged(box_t *b, const rp_put_t *put)
{
    unsigned char key[RP_KEY_LEN];
    int soft;

    key_of(key, 1, 7);
    return rp_store_local_judge(b->s, key, put, &soft) == APR_SUCCESS ? 1 + soft : 0;
}

static void what_comes_from_elsewhere_is_judged_by_what_was_purged_here(void **state)
{
    static const rp_purge_kind_e kinds[] = { RP_PURGE_KEY, RP_PURGE_TAG, RP_PURGE_PREFIX, RP_PURGE_ALL };
    int i;

    (void)state;
    for (i = 0; i < 16; i++) {
        int soft = i & 1, covers = i & 2 || kinds[i / 4] == RP_PURGE_ALL;
        rp_purge_t what = purge_of(kinds[i / 4], covers, soft);
        box_t *b = box_make(16 * MIB);
        rp_put_t before, after;
        apr_uint64_t count;

        box_prepare(b);
        box_open(b);
        before = put_of(b->s->ops->stamp(b->s));
        assert_int_equal(judged(b, &before), 1);
        assert_int_equal(b->s->ops->purge(b->s, &what, &count), APR_SUCCESS);
        after = put_of(b->s->ops->stamp(b->s));
        assert_int_equal(judged(b, &before), !covers ? 1 : soft ? 2 : 0);
        assert_int_equal(judged(b, &after), 1);
        assert_string_equal(b->log, "");
        box_remove(b);
    }
}

static void an_entry_is_handed_on_as_it_was_put(void **state)
{
    box_t *b = box_make(16 * MIB);
    unsigned char key[RP_KEY_LEN];
    rp_put_t put, facts;
    rp_store_writer_t *w;
    rp_entry_t entry;

    (void)state;
    box_prepare(b);
    box_open(b);
    put = put_of(b->s->ops->stamp(b->s));
    key_of(key, 1, 7);
    assert_int_equal(rp_store_local_facts(b->s, key, b->pool, &entry, &facts), APR_NOTFOUND);
    assert_int_equal(b->s->ops->begin(b->s, key, 4, b->pool, &w), APR_SUCCESS);
    assert_int_equal(b->s->ops->write(w, "body", 4), APR_SUCCESS);
    assert_int_equal(b->s->ops->commit(w, &put), APR_SUCCESS);
    assert_int_equal(rp_store_local_facts(b->s, key, b->pool, &entry, &facts), APR_SUCCESS);
    assert_true(entry.body.len == 4 && facts.record.len == put.record.len && facts.name.len == put.name.len);
    assert_memory_equal(facts.record.ptr, put.record.ptr, put.record.len);
    assert_memory_equal(facts.name.ptr, put.name.ptr, put.name.len);
    assert_true(facts.expires == put.expires && facts.since == put.since && facts.ntags == 2);
    assert_memory_equal(facts.tags, tags, sizeof(tags));
    assert_string_equal(b->log, "");
    box_remove(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_from_elsewhere_is_judged_by_what_was_purged_here),
        cmocka_unit_test(an_entry_is_handed_on_as_it_was_put),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What the local store keeps in front of a body: how an entry's value is put together, and put anew. */

#include <string.h>
#include "cache/store_local.h"

/** The head of what is put; object, sequence and body_len are the caller's. */
rp_local_head_t rp_local_head_of(const rp_put_t *put)
{
    rp_local_head_t head = {
        .magic = RP_LOCAL_HEAD_MAGIC,
        .record_len = (uint32_t)put->record.len,
        .expires = put->expires,
        .since = put->since,
        .name_at = put->name.len ? (uint32_t)(put->name.ptr - put->record.ptr) : 0,
        .name_len = (uint32_t)put->name.len,
        .ntags = (uint16_t)put->ntags,
    };

    return head;
}

apr_status_t rp_local_put_check(const rp_put_t *put)
{
    if (put->record.len > RP_LOCAL_RECORD_MAX || put->ntags > RP_STORE_TAGS) {
        return APR_ENOSPC;
    }
    if (put->ntags < 0 || put->name.len > put->record.len) {
        return APR_EINVAL;
    }
    if (put->name.len && (put->name.ptr < put->record.ptr ||
                          put->name.ptr > put->record.ptr + (put->record.len - put->name.len))) {
        return APR_EINVAL;
    }
    return APR_SUCCESS;
}

/** How long an entry's value is in front of its body. */
size_t rp_local_value_len(const rp_put_t *put)
{
    return sizeof(rp_local_head_t) + (size_t)put->ntags * RP_STORE_TAG_LEN + put->record.len;
}

/** Pages that an entry without its body needs. */
size_t rp_local_put_pages(rp_local_t *s, const rp_put_t *put)
{
    return rp_local_value_len(put) / s->chunk + 4;
}

/** Write an entry's value, but for the body. @return where that goes */
char *rp_local_value_fill(char *to, const rp_local_head_t *head, const rp_put_t *put)
{
    memcpy(to, head, sizeof(*head));
    to += sizeof(*head);
    if (put->ntags) {
        memcpy(to, put->tags, (size_t)put->ntags * RP_STORE_TAG_LEN);
        to += (size_t)put->ntags * RP_STORE_TAG_LEN;
    }
    if (put->record.len) {
        memcpy(to, put->record.ptr, put->record.len);
        to += put->record.len;
    }
    return to;
}

/** Put an entry's value together in the place that LMDB gives for it. */
int rp_local_put_entry(rp_local_txn_t *t, const unsigned char *key, const rp_local_head_t *head,
                     const rp_put_t *put, const char *body)
{
    size_t body_len = head->body_len <= RP_STORE_INLINE ? (size_t)head->body_len : 0;
    MDB_val k = {RP_KEY_LEN, (void *)key}, value = {rp_local_value_len(put) + body_len, NULL};
    char *to;
    int rc = mdb_put(t->txn, t->s->dbi[RP_DB_ENTRIES], &k, &value, MDB_RESERVE);

    if (rc) {
        return rc;
    }
    to = rp_local_value_fill(value.mv_data, head, put);
    if (body_len) {
        memcpy(to, body, body_len);
    }
    return 0;
}

/* ------------------------------------------------------------------ update */

typedef struct update_t {
    const rp_entry_t *entry;
    const rp_put_t *put;
} update_t;

/** Do the counts of tags stay as they are? */
static int is_tagged_alike(const rp_local_head_t *a, const rp_store_tag_t *tags_a, const rp_local_head_t *b,
                           const rp_store_tag_t *tags_b)
{
    return a->ntags == b->ntags && (a->ntags == 0 || (a->since == b->since &&
                                                      !memcmp(tags_a, tags_b, a->ntags * sizeof(*tags_a))));
}

static int work_update(rp_local_txn_t *t, void *arg)
{
    update_t *u = arg;
    rp_store_tag_t tags[RP_STORE_TAGS];
    rp_local_subject_t subject;
    rp_local_verdict_e verdict;
    MDB_val k = {RP_KEY_LEN, (void *)u->entry->key}, value;
    char body[RP_STORE_INLINE];
    rp_local_head_t head, new = rp_local_head_of(u->put);
    int rc = mdb_get(t->txn, t->s->dbi[RP_DB_ENTRIES], &k, &value);

    if (rc) {
        return rc;
    }
    if (!rp_local_head_read(&value, &head) || head.object != u->entry->object) {
        return MDB_NOTFOUND;
    }
    rp_local_subject(u->entry->key, &value, &head, &subject);
    rc = rp_local_judge(t->s, t->txn, &subject, &verdict);
    if (!rc) {
        rc = verdict == RP_PURGED_HARD ? MDB_NOTFOUND : rp_local_admit(t, u->entry->key, u->put, &new);
    }
    if (rc) {
        return rc;
    }
    if (head.ntags) {
        memcpy(tags, subject.tags, head.ntags * sizeof(tags[0]));
    }
    if (head.body_len <= RP_STORE_INLINE) {
        /* The value moves when it is put again. */
        memcpy(body, rp_local_record(&value, &head) + head.record_len, (size_t)head.body_len);
    }
    new.object = head.object;
    new.sequence = head.sequence;
    new.body_len = head.body_len;
    rc = rp_local_put_entry(t, u->entry->key, &new, u->put, body);
    if (!rc && !is_tagged_alike(&head, tags, &new, u->put->tags)) {
        rc = rp_local_tags_remove(t, tags, head.ntags, head.since);
        rc = rc ? rc : rp_local_tags_add(t, u->put->tags, u->put->ntags, new.since);
    }
    return rc ? rc : rp_local_queue_renew(t, &new);
}

apr_status_t rp_local_update(const rp_entry_t *entry, const rp_put_t *put)
{
    rp_local_t *s = (rp_local_t *)entry->store;
    update_t u = {entry, put};
    apr_status_t rv = rp_local_put_check(put);

    return rv ? rv : rp_local_run(s, entry->body.len / s->chunk + rp_local_put_pages(s, put), work_update, &u);
}

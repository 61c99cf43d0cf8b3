/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Replies: however the bytes are cut, the same replies come; and whatever they are, a map or a redirection read from
 * them stays within its bounds. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>

#include "farm/slots.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

#define MAX_REPLIES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static void check_range(void *data, unsigned first, unsigned last, const rp_slot_node_t *master)
{
    (void)data;
    CHECK(first <= last && last < RP_SLOTS);
    CHECK(master->port > 0 && master->port <= 65535 && master->host.len < RP_REDIS_HOST_MAX);
}

static int same(const rp_reply_t *a, const rp_reply_t *b)
{
    size_t i;

    if (a->type != b->type || a->integer != b->integer || a->n != b->n || a->str.len != b->str.len
        || (a->str.len && memcmp(a->str.ptr, b->str.ptr, a->str.len))) {
        return 0;
    }
    for (i = 0; i < a->n; i++) {
        if (!same(a->elements[i], b->elements[i])) {
            return 0;
        }
    }
    return 1;
}

static void check_reply(const rp_reply_t *reply)
{
    rp_slot_node_t to;
    unsigned slot;
    size_t i;

    CHECK(!reply->str.ptr || reply->str.ptr[reply->str.len] == '\0');
    CHECK((rp_reply_error(reply) == RP_ERROR_NONE) == (reply->type != RP_REPLY_ERROR));
    CHECK(rp_slot_map(reply, check_range, NULL) <= RP_SLOTS);
    if (reply->type == RP_REPLY_ERROR && rp_slot_redirect(reply->str, &slot, &to)) {
        CHECK(slot < RP_SLOTS && to.port > 0 && to.port <= 65535 && to.host.len < RP_REDIS_HOST_MAX);
    }
    if (reply->type == RP_REPLY_STRING) {
        CHECK(rp_slot_of(reply->str) < RP_SLOTS);
    }
    for (i = 0; i < reply->n; i++) {
        CHECK(reply->elements[i]);
        check_reply(reply->elements[i]);
    }
}

/* @return how many replies there are, up to what is broken */
static int read_all(const uint8_t *data, size_t size, size_t piece, rp_reply_t **replies)
{
    rp_reader_t *reader = rp_reader_new();
    int n = 0;

    rp_reader_into(reader, pool);
    while (size > 0) {
        size_t len = piece < size ? piece : size;
        apr_status_t rv = rp_reader_feed(reader, (const char *)data, len);

        CHECK(rv == APR_SUCCESS);
        data += len;
        size -= len;
        while (n < MAX_REPLIES && (rv = rp_reader_next(reader, &replies[n])) == APR_SUCCESS) {
            n++;
        }
        if (n == MAX_REPLIES || !APR_STATUS_IS_EAGAIN(rv)) {
            break;
        }
    }
    rp_reader_free(reader);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rp_reply_t *whole[MAX_REPLIES], *cut[MAX_REPLIES];
    int n, i;

    if (size < 1 || size > 65536) {
        return 0;
    }
    n = read_all(data + 1, size - 1, size, whole);
    CHECK(read_all(data + 1, size - 1, data[0] % 16 + 1, cut) == n);
    for (i = 0; i < n; i++) {
        CHECK(same(whole[i], cut[i]));
        check_reply(whole[i]);
    }
    apr_pool_clear(pool);
    return 0;
}

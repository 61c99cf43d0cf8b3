/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <hiredis/hiredis.h>

#include "farm/reply.h"

/* Arrays in a reply have int elements in hiredis 0.14, size_t in 1.x. */
#if HIREDIS_MAJOR >= 1
typedef size_t count_t;
#else
typedef int count_t;
#endif

struct rp_reader_t {
    redisReader *hiredis;
    apr_pool_t *p;
    size_t elements; /* of the reply that is being read */
    size_t bytes;    /* fed since the last reply was whole */
    size_t most;     /* that were, since hiredis' reader was made: its buffer only grows */
};

/* A buffer of so many bytes may stay with an idle connection. */
#define KEEP_BUFFER (128 * 1024)

static rp_reply_t *add(const redisReadTask *task, rp_reply_type_e type)
{
    rp_reader_t *reader = task->privdata;
    rp_reply_t *reply;

    /* NULL is what hiredis takes for want of memory: it gives up. */
    if (!reader->p || ++reader->elements > RP_REPLY_ELEMENTS) {
        return NULL;
    }
    reply = apr_pcalloc(reader->p, sizeof(*reply));
    reply->type = type;
    if (task->parent) {
        ((rp_reply_t *)task->parent->obj)->elements[task->idx] = reply;
    }
    return reply;
}

static void *create_string(const redisReadTask *task, char *str, size_t len)
{
    rp_reader_t *reader = task->privdata;
    rp_reply_t *reply;

    if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS && task->type != REDIS_REPLY_ERROR) {
        return NULL;
    }
    reply = add(task, task->type == REDIS_REPLY_STRING ? RP_REPLY_STRING
                    : task->type == REDIS_REPLY_STATUS ? RP_REPLY_STATUS : RP_REPLY_ERROR);
    if (reply) {
        reply->str = (rp_str_t){ apr_pstrmemdup(reader->p, str, len), len };
    }
    return reply;
}

static int is_too_deep(const redisReadTask *task)
{
    int depth = 0;

    while (task && depth <= RP_REPLY_DEPTH) {
        task = task->parent;
        depth++;
    }
    return depth > RP_REPLY_DEPTH;
}

static void *create_array(const redisReadTask *task, count_t n)
{
    rp_reader_t *reader = task->privdata;
    rp_reply_t *reply;

    if (task->type != REDIS_REPLY_ARRAY || is_too_deep(task) || (size_t)n > RP_REPLY_ELEMENTS - reader->elements) {
        return NULL;
    }
    reply = add(task, RP_REPLY_ARRAY);
    if (reply && n > 0) {
        reply->elements = apr_pcalloc(reader->p, (size_t)n * sizeof(*reply->elements));
        reply->n = (size_t)n;
    }
    return reply;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    rp_reply_t *reply = add(task, RP_REPLY_INTEGER);

    if (reply) {
        reply->integer = value;
    }
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    return add(task, RP_REPLY_NIL);
}

#if HIREDIS_MAJOR >= 1
/* RESP3, which nobody has asked for. */
static void *create_double(const redisReadTask *task, double value, char *str, size_t len)
{
    (void)task;
    (void)value;
    (void)str;
    (void)len;
    return NULL;
}

static void *create_bool(const redisReadTask *task, int value)
{
    (void)task;
    (void)value;
    return NULL;
}
#endif

static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = NULL /* the pool's */
};

rp_reader_t *rp_reader_new(void)
{
    rp_reader_t *reader = calloc(1, sizeof(*reader));

    if (!reader) {
        return NULL;
    }
    reader->hiredis = redisReaderCreateWithFunctions(&functions);
    if (!reader->hiredis) {
        free(reader);
        return NULL;
    }
    reader->hiredis->privdata = reader;
    return reader;
}

void rp_reader_free(rp_reader_t *reader)
{
    if (reader) {
        redisReaderFree(reader->hiredis);
        free(reader);
    }
}

void rp_reader_into(rp_reader_t *reader, apr_pool_t *p)
{
    reader->p = p;
}

apr_status_t rp_reader_feed(rp_reader_t *reader, const char *bytes, size_t len)
{
    if (len > RP_REPLY_BYTES - reader->bytes) {
        return APR_ENOSPC;
    }
    reader->bytes += len;
    reader->most = reader->bytes > reader->most ? reader->bytes : reader->most;
    return redisReaderFeed(reader->hiredis, bytes, len) == REDIS_OK ? APR_SUCCESS : APR_ENOMEM;
}

apr_status_t rp_reader_next(rp_reader_t *reader, rp_reply_t **reply)
{
    void *found = NULL;

    if (redisReaderGetReply(reader->hiredis, &found) != REDIS_OK) {
        return APR_EGENERAL;
    }
    if (!found) {
        return APR_EAGAIN;
    }
    *reply = found;
    reader->elements = 0;
    reader->bytes = reader->hiredis->len - reader->hiredis->pos;
    return APR_SUCCESS;
}

const char *rp_reader_why(const rp_reader_t *reader)
{
    return reader->hiredis->err == REDIS_ERR_OOM
         ? "too many elements, too many arrays in arrays, or a type that was not asked for" : reader->hiredis->errstr;
}

void rp_reader_trim(rp_reader_t *reader)
{
    redisReader *fresh = reader->most > KEEP_BUFFER ? redisReaderCreateWithFunctions(&functions) : NULL;

    if (fresh) {
        redisReaderFree(reader->hiredis);
        reader->hiredis = fresh;
        reader->hiredis->privdata = reader;
        reader->most = 0;
    }
}

int rp_reader_has_rest(const rp_reader_t *reader)
{
    return reader->bytes > 0;
}

typedef struct word_t {
    const char *word;
    rp_reply_error_e error;
} word_t;

static const word_t words[] = {
    { "NOSCRIPT", RP_ERROR_NOSCRIPT }, { "MOVED", RP_ERROR_MOVED }, { "ASK", RP_ERROR_ASK },
    { "TRYAGAIN", RP_ERROR_TRYAGAIN }, { "OOM", RP_ERROR_OOM }, { "READONLY", RP_ERROR_READONLY },
    { "MISCONF", RP_ERROR_READONLY }, { "NOREPLICAS", RP_ERROR_READONLY }, { "NOPERM", RP_ERROR_DENIED },
    { "NOAUTH", RP_ERROR_AUTH }, { "WRONGPASS", RP_ERROR_AUTH }, { "LOADING", RP_ERROR_LOADING },
    { "BUSY", RP_ERROR_LOADING }, { "MASTERDOWN", RP_ERROR_MASTERDOWN }, { "CLUSTERDOWN", RP_ERROR_CLUSTERDOWN },
    { NULL, RP_ERROR_OTHER }
};

/* Before 7.0 the error of a command within a script stands in the middle of the script's. */
static rp_str_t error_text(const rp_reply_t *reply)
{
    static const char prefix[] = "ERR Error running script";
    const char *inner = strncmp(reply->str.ptr, prefix, sizeof(prefix) - 1) ? NULL : strstr(reply->str.ptr, ": -");

    return inner ? (rp_str_t){ inner + 3, reply->str.len - (size_t)(inner + 3 - reply->str.ptr) } : reply->str;
}

rp_reply_error_e rp_reply_error(const rp_reply_t *reply)
{
    const char *blank;
    const word_t *w;
    rp_str_t text;
    size_t len;

    if (reply->type != RP_REPLY_ERROR) {
        return RP_ERROR_NONE;
    }
    text = error_text(reply);
    blank = memchr(text.ptr, ' ', text.len);
    len = blank ? (size_t)(blank - text.ptr) : text.len;
    for (w = words; w->word; w++) {
        if (len == strlen(w->word) && !memcmp(text.ptr, w->word, len)) {
            break;
        }
    }
    return w->error;
}

int rp_reply_is(const rp_reply_t *reply, const char *text)
{
    return (reply->type == RP_REPLY_STATUS || reply->type == RP_REPLY_STRING) && reply->str.len == strlen(text)
           && !memcmp(reply->str.ptr, text, reply->str.len);
}

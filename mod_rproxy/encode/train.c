/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * rproxy-dictionary: trains a dictionary for RProxyDictionary file= of what a local store holds.  It reads the store
 * beside the running server and changes nothing in it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zdict.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "cache/record.h"
#include "cache/store_each.h"
#include "http/digest.h"

/* A dictionary is worth its own download; twice as long ones hardly help more. */
#define SIZE_DEFAULT 65536
#define SIZE_LEAST 1024
#define SIZE_MOST (1024 * 1024)
/* zstd's trainer wants many samples rather than long ones. */
#define SAMPLE_MOST (128 * 1024)
#define SAMPLES_MOST 20000
#define TOTAL_MOST ((size_t)256 * 1024 * 1024)
#define SAMPLES_LEAST 8

typedef struct training_t {
    const char *type;
    const char *prefix;
    char *text;
    size_t len, room;
    size_t *lens;
    unsigned n;
} training_t;

static int usage(FILE *to)
{
    fputs("usage: rproxy-dictionary [-t TYPE] [-p PREFIX] [-s SIZE] -o FILE FOLDER\n"
          "Trains a dictionary for RProxyDictionary file= of what RProxyCacheLocal keeps in FOLDER.\n"
          "  -t TYPE    of responses of this type (text/html)\n"
          "  -p PREFIX  of those whose URL begins so, such as https://www.example.org/shop\n"
          "  -s SIZE    bytes of the dictionary (65536; 1024 to 1048576)\n"
          "  -o FILE    where it goes\n", to);
    return to == stderr ? 2 : 0;
}

static int is_wanted(const training_t *t, const rp_record_t *record, const rp_entry_t *entry)
{
    const char *type = record->fields ? apr_table_get(record->fields, "Content-Type") : NULL;
    size_t len = strlen(t->type);

    return record->kind == RP_RECORD_RESPONSE && record->status == 200 && type && !strncasecmp(type, t->type, len)
           && (!type[len] || type[len] == ';' || type[len] == ' ')
           && !apr_table_get(record->fields, "Content-Encoding") && !strncmp(record->key, t->prefix, strlen(t->prefix))
           && entry->body_len >= 64;
}

/* The body's beginning, behind the samples there are. */
static size_t read_sample(training_t *t, const rp_entry_t *entry)
{
    size_t want = entry->body_len < SAMPLE_MOST ? (size_t)entry->body_len : SAMPLE_MOST, at = 0;

    while (at < want) {
        apr_size_t len = want - at;

        if (entry->body.ptr) {
            memcpy(t->text + t->len, entry->body.ptr, want);
            return want;
        }
        if (entry->store->ops->read(entry, at, t->text + t->len + at, &len) != APR_SUCCESS || len == 0) {
            return 0;
        }
        at += len;
    }
    return at;
}

static int take(void *ctx, const rp_entry_t *entry, apr_pool_t *p)
{
    training_t *t = ctx;
    rp_record_t record;

    if (entry->soft || !rp_record_decode(p, entry->record, &record) || !is_wanted(t, &record, entry)) {
        return 1;
    }
    while (t->room - t->len < SAMPLE_MOST) {
        t->room *= 2;
        t->text = realloc(t->text, t->room);
        if (!t->text) {
            return 0;
        }
    }
    t->lens[t->n] = read_sample(t, entry);
    t->len += t->lens[t->n];
    t->n += t->lens[t->n] > 0;
    return t->n < SAMPLES_MOST && t->len < TOTAL_MOST;
}

static void say(void *ctx, int level, apr_status_t rv, const char *text)
{
    (void)ctx;
    (void)level;
    (void)rv;
    fprintf(stderr, "rproxy-dictionary: %s\n", text);
}

static rp_store_t *open_store(apr_pool_t *p, const char *folder)
{
    rp_store_local_conf_t conf = { .dir = folder };
    rp_store_t *store;
    struct stat st;

    if (stat(apr_pstrcat(p, folder, "/data.mdb", NULL), &st)) {
        fprintf(stderr, "rproxy-dictionary: %s: there is no store: give the folder of RProxyCacheLocal\n", folder);
        return NULL;
    }
    conf.size = (apr_uint64_t)st.st_size > RP_STORE_LOCAL_MIN ? (apr_uint64_t)st.st_size : RP_STORE_LOCAL_MIN;
    return rp_store_local_open(&conf, p, say, NULL, &store) == APR_SUCCESS ? store : NULL;
}

static int write_out(const char *name, const char *bytes, size_t len)
{
    FILE *out = fopen(name, "wb");
    int ok = out && fwrite(bytes, 1, len, out) == len;

    ok = out && !fclose(out) && ok;
    if (!ok) {
        fprintf(stderr, "rproxy-dictionary: cannot write to %s\n", name);
    }
    return ok;
}

/* What browsers use of it is its bytes (RFC 9842 §2.1.4), so zstd's tables in front are left out. */
static int train(training_t *t, size_t size, const char *out)
{
    char *dictionary = malloc(size);
    size_t len = dictionary ? ZDICT_trainFromBuffer(dictionary, size, t->text, t->lens, t->n) : 0, tables;

    if (!dictionary || ZDICT_isError(len) || ZDICT_isError(tables = ZDICT_getDictHeaderSize(dictionary, len))) {
        fprintf(stderr, "rproxy-dictionary: %u samples with %zu bytes are not enough, or too much alike: %s\n", t->n, t->len,
                dictionary ? ZDICT_getErrorName(len) : "no memory");
        free(dictionary);
        return 0;
    }
    if (!write_out(out, dictionary + tables, len - tables)) {
        free(dictionary);
        return 0;
    }
    printf("%s: %zu bytes, of %u responses with %zu bytes\n", out, len - tables, t->n, t->len);
    free(dictionary);
    return 1;
}

static int run(training_t *t, size_t size, const char *out, const char *folder)
{
    apr_pool_t *p;
    rp_store_t *store;
    int ok;

    apr_pool_create(&p, NULL);
    rp_digest_init(p);
    store = open_store(p, folder);
    ok = store && rp_store_local_each(store, p, take, t) == APR_SUCCESS && t->text;
    apr_pool_destroy(p);
    if (ok && t->n < SAMPLES_LEAST) {
        fprintf(stderr, "rproxy-dictionary: %u responses of type %s are too few: %d at least\n", t->n, t->type, SAMPLES_LEAST);
        ok = 0;
    }
    return ok && train(t, size, out);
}

int main(int argc, char **argv)
{
    training_t t = { .type = "text/html", .prefix = "", .room = 4 * 1024 * 1024 };
    const char *out = NULL;
    size_t size = SIZE_DEFAULT;
    int option, ok;

    while ((option = getopt(argc, argv, "t:p:s:o:h")) != -1) {
        switch (option) {
        case 't': t.type = optarg; break;
        case 'p': t.prefix = optarg; break;
        case 's': size = strtoul(optarg, NULL, 10); break;
        case 'o': out = optarg; break;
        case 'h': return usage(stdout);
        default: return usage(stderr);
        }
    }
    if (optind != argc - 1 || !out || size < SIZE_LEAST || size > SIZE_MOST) {
        return usage(stderr);
    }
    apr_initialize();
    t.text = malloc(t.room);
    t.lens = calloc(SAMPLES_MOST, sizeof(*t.lens));
    ok = t.text && t.lens && run(&t, size, out, argv[optind]);
    free(t.text);
    free(t.lens);
    apr_terminate();
    return ok ? 0 : 1;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <endian.h>
#include <string.h>

#include "cache/record.h"

#define MAGIC 0x52505833u /* "3XPR" as it lies in memory */
/* No response that came through the head parser has more. */
#define MAX_FIELDS 1024

/* What every record begins with; the strings follow in the order of their lengths, each with a NUL, then the fields as
 * two lengths and two such strings. */
typedef struct fixed_t {
    uint32_t magic;
    uint16_t kind;
    uint16_t status;
    int64_t request_time;
    int64_t response_time;
    int64_t initial_age;
    int64_t lifetime;
    uint64_t body;
    uint64_t part_first;
    uint64_t part_complete;
    uint32_t key_len;
    uint32_t vary_len;
    uint32_t selection_len;
    uint32_t reason_len;
    uint32_t nfields;
    uint32_t reserved;
} fixed_t;

typedef struct field_lens_t {
    uint32_t name;
    uint32_t value;
} field_lens_t;

static apr_size_t encoded_size(const rp_record_t *record)
{
    apr_size_t size = sizeof(fixed_t) + strlen(record->key) + strlen(record->vary) + strlen(record->selection)
                    + strlen(record->reason) + 4;
    const apr_array_header_t *fields = record->fields ? apr_table_elts(record->fields) : NULL;
    int i;

    for (i = 0; fields && i < fields->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(fields, i, apr_table_entry_t);

        size += sizeof(field_lens_t) + strlen(e->key) + strlen(e->val) + 2;
    }
    return size;
}

static void put(char **to, const void *data, apr_size_t len)
{
    memcpy(*to, data, len);
    *to += len;
}

static void put_fields(char **to, const apr_array_header_t *fields)
{
    int i;

    for (i = 0; i < fields->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(fields, i, apr_table_entry_t);
        apr_size_t name = strlen(e->key), value = strlen(e->val);
        field_lens_t lens = { htole32((uint32_t)name), htole32((uint32_t)value) };

        put(to, &lens, sizeof(lens));
        put(to, e->key, name + 1);
        put(to, e->val, value + 1);
    }
}

rp_str_t rp_record_encode(apr_pool_t *p, const rp_record_t *record)
{
    const apr_array_header_t *fields = record->fields ? apr_table_elts(record->fields) : NULL;
    rp_str_t out = { NULL, encoded_size(record) };
    char *to = apr_palloc(p, out.len);
    fixed_t fixed = {
        .magic = htole32(MAGIC),
        .kind = htole16((uint16_t)record->kind),
        .status = htole16((uint16_t)record->status),
        .request_time = (int64_t)htole64((uint64_t)record->request_time),
        .response_time = (int64_t)htole64((uint64_t)record->response_time),
        .initial_age = (int64_t)htole64((uint64_t)record->initial_age),
        .lifetime = (int64_t)htole64((uint64_t)record->lifetime),
        .body = htole64(record->body),
        .part_first = htole64(record->part_first),
        .part_complete = htole64(record->part_complete),
        .key_len = htole32((uint32_t)strlen(record->key)),
        .vary_len = htole32((uint32_t)strlen(record->vary)),
        .selection_len = htole32((uint32_t)strlen(record->selection)),
        .reason_len = htole32((uint32_t)strlen(record->reason)),
        .nfields = htole32(fields ? (uint32_t)fields->nelts : 0),
    };

    out.ptr = to;
    put(&to, &fixed, sizeof(fixed));
    put(&to, record->key, strlen(record->key) + 1);
    put(&to, record->vary, strlen(record->vary) + 1);
    put(&to, record->selection, strlen(record->selection) + 1);
    put(&to, record->reason, strlen(record->reason) + 1);
    if (fields) {
        put_fields(&to, fields);
    }
    return out;
}

/* A string of len bytes and its NUL, without another NUL inside; NULL when that is not what is there. */
static const char *take_string(rp_str_t *in, uint32_t len)
{
    const char *s = in->ptr;

    if ((apr_size_t)len + 1 > in->len || memchr(s, '\0', (apr_size_t)len + 1) != s + len) {
        return NULL;
    }
    in->ptr += (apr_size_t)len + 1;
    in->len -= (apr_size_t)len + 1;
    return s;
}

static int take_fields(rp_str_t *in, apr_table_t *fields, uint32_t n)
{
    while (n-- > 0) {
        field_lens_t lens;
        const char *name, *value;

        if (in->len < sizeof(lens)) {
            return 0;
        }
        memcpy(&lens, in->ptr, sizeof(lens));
        in->ptr += sizeof(lens);
        in->len -= sizeof(lens);
        name = take_string(in, le32toh(lens.name));
        value = name ? take_string(in, le32toh(lens.value)) : NULL;
        if (!value) {
            return 0;
        }
        apr_table_addn(fields, name, value);
    }
    return 1;
}

int rp_record_decode(apr_pool_t *p, rp_str_t bytes, rp_record_t *record)
{
    fixed_t fixed;

    if (bytes.len < sizeof(fixed)) {
        return 0;
    }
    memcpy(&fixed, bytes.ptr, sizeof(fixed));
    bytes.ptr += sizeof(fixed);
    bytes.len -= sizeof(fixed);
    record->kind = (rp_record_kind_e)le16toh(fixed.kind);
    record->status = le16toh(fixed.status);
    record->request_time = (rp_secs_t)le64toh((uint64_t)fixed.request_time);
    record->response_time = (rp_secs_t)le64toh((uint64_t)fixed.response_time);
    record->initial_age = (rp_secs_t)le64toh((uint64_t)fixed.initial_age);
    record->lifetime = (rp_secs_t)le64toh((uint64_t)fixed.lifetime);
    record->body = le64toh(fixed.body);
    record->part_first = le64toh(fixed.part_first);
    record->part_complete = le64toh(fixed.part_complete);
    if (le32toh(fixed.magic) != MAGIC || record->kind < RP_RECORD_RESPONSE || record->kind > RP_RECORD_ENCODED
        || le32toh(fixed.nfields) > MAX_FIELDS
        || !(record->key = take_string(&bytes, le32toh(fixed.key_len)))
        || !(record->vary = take_string(&bytes, le32toh(fixed.vary_len)))
        || !(record->selection = take_string(&bytes, le32toh(fixed.selection_len)))
        || !(record->reason = take_string(&bytes, le32toh(fixed.reason_len)))) {
        return 0;
    }
    record->fields = NULL;
    if (rp_record_is_marker(record->kind)) {
        return 1;
    }
    if (record->status < (record->kind == RP_RECORD_HINTS ? 103 : 200) || record->status > 599) {
        return 0;
    }
    /* Room for what is added on the way out, so that the table need not grow. */
    record->fields = apr_table_make(p, (int)le32toh(fixed.nfields) + 8);
    return take_fields(&bytes, record->fields, le32toh(fixed.nfields));
}

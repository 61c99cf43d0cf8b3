/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <strings.h>

#include "http/http.h"
#include "http/bytes.h"

/* ------------------------------------------------------------------ entity tags */

typedef struct etag_t {
    int weak;
    rp_str_t opaque; /* with its quotes */
} etag_t;

/** etagc of RFC 9110 §8.8.3: no space, no quote; a backslash escapes nothing. */
static int is_etag_byte(char c)
{
    unsigned char b = (unsigned char)c;
    return b == 0x21 || (b >= 0x23 && b != 0x7f);
}

/**
 * Take an entity-tag from the front of terminated text.
 * @return what follows it, or NULL when there is none
 */
static const char *etag_scan(const char *text, etag_t *tag)
{
    tag->weak = text[0] == 'W' && text[1] == '/';
    const char *open = tag->weak ? text + 2 : text;
    if (*open != '"') {
        return NULL;
    }
    const char *close = open + 1;
    while (is_etag_byte(*close)) {
        close++;
    }
    if (*close != '"') {
        return NULL;
    }
    tag->opaque = (rp_str_t){open, (size_t)(close + 1 - open)};
    return close + 1;
}

/** Nonzero when text is one entity-tag and nothing else. */
static int etag_read(const char *text, etag_t *tag)
{
    const char *end = text ? etag_scan(text, tag) : NULL;
    return end && *end == '\0';
}

static int same_opaque(const etag_t *a, const etag_t *b)
{
    return a->opaque.len == b->opaque.len && memcmp(a->opaque.ptr, b->opaque.ptr, a->opaque.len) == 0;
}

static int etags_match(const etag_t *a, const etag_t *b, int strong)
{
    return same_opaque(a, b) && !(strong && (a->weak || b->weak));
}

int rp_etag_strong_eq(const char *a, const char *b)
{
    etag_t x, y;
    return etag_read(a, &x) && etag_read(b, &y) && etags_match(&x, &y, 1);
}

int rp_etag_weak_eq(const char *a, const char *b)
{
    etag_t x, y;
    return etag_read(a, &x) && etag_read(b, &y) && etags_match(&x, &y, 0);
}

static const char *skip_blanks(const char *s)
{
    while (rp_byte_is_blank(*s)) {
        s++;
    }
    return s;
}

/*
 * Not rp_list_next(): a backslash in an entity-tag is a byte like any other, in a quoted-string it is not.
 * The list is read up to its first malformed member, because what a stray quote leaves behind may look like
 * tags and be none.
 */
int rp_etag_list_has(const char *list, const char *etag, int strong)
{
    etag_t ours, theirs;
    int have = etag_read(etag, &ours);

    while (list) {
        list = skip_blanks(list);
        if (*list == '\0') {
            return 0;
        }
        if (*list == ',') {
            list++;
            continue;
        }
        int star = *list == '*';
        list = star ? list + 1 : etag_scan(list, &theirs);
        if (!list) {
            return 0;
        }
        list = skip_blanks(list);
        if (*list != ',' && *list != '\0') {
            return 0;
        }
        if (star || (have && etags_match(&ours, &theirs, strong))) {
            return 1;
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ preconditions */

/** rp_etag_list_has over all lines of a field. */
static int any_line_has(const apr_table_t *fields, const char *name, const char *etag, int strong)
{
    const apr_array_header_t *lines = apr_table_elts(fields);
    const apr_table_entry_t *line = (const apr_table_entry_t *)lines->elts;
    for (int i = 0; i < lines->nelts; i++) {
        if (strcasecmp(line[i].key, name) == 0 && rp_etag_list_has(line[i].val, etag, strong)) {
            return 1;
        }
    }
    return 0;
}

typedef enum since_e {
    SINCE_IGNORED, /* no field, no valid date in it, or nothing to compare it with */
    SINCE_MODIFIED,
    SINCE_NOT_MODIFIED
} since_e;

static since_e compare_since(const apr_table_t *request, const char *name, rp_secs_t ours)
{
    const char *field = apr_table_get(request, name);
    if (!field || ours == RP_NO_TIME) {
        return SINCE_IGNORED;
    }
    rp_secs_t theirs = rp_date_parse(field, ours);
    if (theirs == RP_NO_TIME) {
        return SINCE_IGNORED;
    }
    return ours <= theirs ? SINCE_NOT_MODIFIED : SINCE_MODIFIED;
}

int rp_preconditions(const apr_table_t *request, const char *etag, rp_secs_t last_modified, rp_secs_t date)
{
    if (apr_table_get(request, "If-Match")) {
        if (!any_line_has(request, "If-Match", etag, 1)) {
            return 412;
        }
    }
    else if (compare_since(request, "If-Unmodified-Since", last_modified) == SINCE_MODIFIED) {
        return 412;
    }

    if (apr_table_get(request, "If-None-Match")) {
        return any_line_has(request, "If-None-Match", etag, 0) ? 304 : 200;
    }
    rp_secs_t modified = last_modified != RP_NO_TIME ? last_modified : date;
    return compare_since(request, "If-Modified-Since", modified) == SINCE_NOT_MODIFIED ? 304 : 200;
}

int rp_if_range_ok(const apr_table_t *request, const char *etag, rp_secs_t last_modified, rp_secs_t date)
{
    const char *field = apr_table_get(request, "If-Range");
    etag_t theirs;
    if (!field) {
        return 1;
    }
    if (etag_read(field, &theirs)) {
        return rp_etag_strong_eq(field, etag);
    }
    /* A date is a strong validator only when no second change can have come in the same second (RFC 9110
     * §8.8.2.2). */
    int is_strong = last_modified != RP_NO_TIME && date != RP_NO_TIME && last_modified < date;
    return is_strong && rp_date_parse(field, last_modified) == last_modified;
}

/* ------------------------------------------------------------------ 304 */

int rp_304_is_of(const rp_response_facts_t *stored, const rp_response_facts_t *fresh)
{
    etag_t tag;
    if (fresh->etag && stored->etag) {
        /* A strong tag in the answer cannot speak of a response of which only a weak one is known. */
        int strong = etag_read(fresh->etag, &tag) && !tag.weak;
        return strong ? rp_etag_strong_eq(stored->etag, fresh->etag)
                      : rp_etag_weak_eq(stored->etag, fresh->etag);
    }
    if (fresh->etag) {
        return fresh->last_modified != RP_NO_TIME && fresh->last_modified == stored->last_modified;
    }
    return fresh->last_modified == RP_NO_TIME || stored->last_modified == RP_NO_TIME
           || fresh->last_modified == stored->last_modified;
}

int rp_head_is_of(const rp_response_facts_t *stored, const rp_response_facts_t *fresh)
{
    return (!fresh->etag || rp_etag_weak_eq(stored->etag, fresh->etag))
           && (fresh->last_modified == RP_NO_TIME || fresh->last_modified == stored->last_modified);
}

static int is_kept(const char *name)
{
    static const char *const kept[] = {
        /* they describe the stored body, and a 304 has none */
        "Content-Length", "Content-Encoding", "Content-Range", "Content-MD5", "Content-Digest", "Repr-Digest", "Digest",
        /* the rule for it is is_better_etag */
        "ETag",
        /* of one hop */
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
        "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (strcasecmp(name, kept[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

/** A strong tag is not given up for a weak or malformed one. */
static int is_better_etag(const char *stored, const char *fresh)
{
    etag_t old, new;
    if (!etag_read(fresh, &new)) {
        return 0;
    }
    return !new.weak || !etag_read(stored, &old) || old.weak;
}

static int is_taken(const apr_table_t *fresh, const char *name)
{
    return !is_kept(name) && !rp_list_has(apr_table_get(fresh, "Connection"), name);
}

void rp_freshen_fields(apr_table_t *stored, const apr_table_t *fresh)
{
    const apr_array_header_t *lines = apr_table_elts(fresh);
    const apr_table_entry_t *line = (const apr_table_entry_t *)lines->elts;

    apr_table_unset(stored, "Age");
    if (is_better_etag(apr_table_get(stored, "ETag"), apr_table_get(fresh, "ETag"))) {
        apr_table_set(stored, "ETag", apr_table_get(fresh, "ETag"));
    }
    /* A field may have several lines: all old ones go before the first new one comes. */
    for (int i = 0; i < lines->nelts; i++) {
        if (is_taken(fresh, line[i].key)) {
            apr_table_unset(stored, line[i].key);
        }
    }
    for (int i = 0; i < lines->nelts; i++) {
        if (is_taken(fresh, line[i].key)) {
            apr_table_add(stored, line[i].key, line[i].val);
        }
    }
}

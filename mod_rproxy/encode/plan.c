/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <apr_strings.h>

#include "encode/encode.h"
#include "encode/codec.h"

const char *const rp_encode_default_types[] = {
    "text/*", /* text/event-stream among them: it is flushed event by event */
    "+json",
    "+xml", /* XHTML, RSS, Atom, SVG */
    "+yaml",
    "+text",
    "application/javascript",
    "application/x-javascript",
    "application/ecmascript",
    "application/json",
    "application/x-ndjson",
    "application/xml",
    "application/xml-dtd",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/sql",
    "application/rtf",
    "application/wasm",
    "application/x-web-app-manifest",
    "font/ttf",
    "font/otf",
    "font/sfnt",
    "font/collection",
    "application/x-font-ttf",
    "application/x-font-otf",
    "application/vnd.ms-fontobject",
    "image/bmp",
    "image/x-icon",
    "image/vnd.microsoft.icon",
    NULL,
};

void rp_encode_levels(rp_coding_e coding, int *min, int *max, int *dflt)
{
    const rp_codec_t *codec = rp_codec(coding);
    *min = codec ? codec->level_min : 0;
    *max = codec ? codec->level_max : 0;
    *dflt = codec ? codec->level_default : 0;
}

int rp_coding_is_there(rp_coding_e coding)
{
    const rp_codec_t *codec = rp_codec(coding);
    return codec && codec->create;
}

const char *rp_coding_name(rp_coding_e coding)
{
    const rp_codec_t *codec = rp_codec(coding);
    return codec ? codec->name : "identity";
}

int rp_coding_by_name(const char *name)
{
    rp_str_t s = {name, strlen(name)};
    if (rp_str_is(s, "x-gzip")) {
        return RP_CODING_GZIP;
    }
    for (int coding = 0; coding < RP_NCODINGS; coding++) {
        if (rp_str_is(s, rp_coding_name((rp_coding_e)coding))) {
            return coding;
        }
    }
    return -1;
}

/* ------------------------------------------------------------------ deciding */

static int ends_with(rp_str_t s, rp_str_t suffix)
{
    return s.len > suffix.len && rp_str_caseeq((rp_str_t){s.ptr + s.len - suffix.len, suffix.len}, suffix);
}

static int type_matches(rp_str_t type, const char *pattern)
{
    rp_str_t p = {pattern, strlen(pattern)};
    if (p.len > 0 && p.ptr[0] == '+') {
        return ends_with(type, p);
    }
    if (p.len > 1 && p.ptr[p.len - 1] == '*' && p.ptr[p.len - 2] == '/') {
        p.len--;
        return type.len > p.len && rp_str_caseeq((rp_str_t){type.ptr, p.len}, p);
    }
    return rp_str_caseeq(type, p);
}

/** @param types  NULL for the default ones */
static int type_is_listed(const apr_array_header_t *types, const char *content_type)
{
    if (!content_type) {
        return 0;
    }
    rp_str_t rest = {content_type, strlen(content_type)};
    rp_str_t type;
    rp_str_t value;
    if (!rp_param_next(&rest, &type, &value)) {
        return 0;
    }
    for (int i = 0; types ? i < types->nelts : rp_encode_default_types[i] != NULL; i++) {
        if (type_matches(type, types ? APR_ARRAY_IDX(types, i, const char *) : rp_encode_default_types[i])) {
            return 1;
        }
    }
    return 0;
}

/** Nonzero for a body that is there and is the whole representation. */
static int status_may_be_coded(int status)
{
    switch (status) {
    case 204:
    case 205:
    case 206:
    case 226: /* instance manipulations were applied after the coding (RFC 3229 §5) */
    case 304:
        return 0;
    default:
        return status >= 200;
    }
}

/** "identity" is no coding, though RFC 9110 §8.4.1 would not have it in the field. */
static int is_coded(const char *content_encoding)
{
    if (!content_encoding) {
        return 0;
    }
    rp_str_t s = rp_trim((rp_str_t){content_encoding, strlen(content_encoding)});
    return s.len > 0 && !rp_str_is(s, "identity");
}

int rp_encode_is_packed(rp_str_t s)
{
    /* Of 4096 random bytes each one of the 256 comes 16 times; text leaves most of them out. */
    enum { LOOK_AT = 4096, LEAST = 1024 };
    unsigned counts[256] = {0};
    uint64_t pairs = 0;
    size_t n = s.len < LOOK_AT ? s.len : LOOK_AT;
    if (n < LEAST) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        counts[(unsigned char)s.ptr[i]]++;
    }
    for (size_t i = 0; i < 256; i++) {
        pairs += (uint64_t)counts[i] * counts[i];
    }
    /* The chance that two bytes are alike is 1 in 256 for noise; what packs by a tenth has far more. */
    return pairs * 256 < (uint64_t)n * n / 10 * 11 + (uint64_t)n * 256;
}

int rp_encode_is_gzip(const char *content_encoding)
{
    rp_str_t s = {content_encoding, content_encoding ? strlen(content_encoding) : 0};
    s = rp_trim(s);
    return rp_str_is(s, "gzip") || rp_str_is(s, "x-gzip");
}

/** Whatever it is coded in now. */
static int may_be_transformed(const rp_encode_facts_t *facts)
{
    return status_may_be_coded(facts->status) && !facts->has_content_range
        && !rp_list_has(facts->cache_control, "no-transform");
}

int rp_encode_possible(const rp_encode_facts_t *facts)
{
    return may_be_transformed(facts) && !is_coded(facts->content_encoding);
}

int rp_encode_undoes(const rp_encode_conf_t *conf, const rp_encode_facts_t *facts)
{
    return conf->nprefer > 0 && may_be_transformed(facts) && rp_encode_is_gzip(facts->content_encoding);
}

int rp_encode_applies(const rp_encode_conf_t *conf, const rp_encode_facts_t *facts)
{
    if (conf->nprefer <= 0 || !rp_encode_possible(facts)) {
        return 0;
    }
    apr_off_t min_size = conf->min_size < 0 ? RP_ENCODE_MIN_SIZE : conf->min_size;
    if (facts->length >= 0 && facts->length < min_size) {
        return 0;
    }
    return type_is_listed(conf->types, facts->content_type);
}

/** All lines of a field joined, or NULL.  Copies only when there are several. */
static const char *joined(const apr_table_t *fields, const char *name)
{
    return apr_table_getm(apr_table_elts(fields)->pool, fields, name);
}

rp_coding_e rp_encode_undo(const apr_table_t *request, rp_coding_e coding)
{
    static const rp_coding_e gzip[] = {RP_CODING_GZIP};
    if (rp_accept_encoding(joined(request, "Accept-Encoding"), gzip, 1) == RP_CODING_GZIP) {
        return RP_CODING_IDENTITY;
    }
    return coding == RP_CODING_IDENTITY || coding == RP_CODING_GZIP ? RP_UNGZIP : coding;
}

/* ------------------------------------------------------------------ entity tags: RFC 9110 §8.8.3 */

/**
 * Take the next entity tag from a comma separated list.  rp_list_next() will not do: a backslash is an
 * ordinary byte of a tag, not the beginning of a quoted-pair.
 * @return 1 with *tag, 0 at the end, -1 when the list is malformed
 */
static int next_tag(rp_str_t *list, rp_str_t *tag)
{
    const char *s = list->ptr;
    const char *end = s + list->len;
    while (s < end && (*s == ' ' || *s == '\t' || *s == ',')) {
        s++;
    }
    if (s == end) {
        return 0;
    }
    const char *start = s;
    if (end - s >= 2 && s[0] == 'W' && s[1] == '/') {
        s += 2;
    }
    if (s == end || *s != '"') {
        return -1;
    }
    const char *close = memchr(s + 1, '"', (size_t)(end - s - 1));
    if (!close) {
        return -1;
    }
    s = close + 1;
    *tag = (rp_str_t){start, (size_t)(s - start)};
    while (s < end && (*s == ' ' || *s == '\t')) {
        s++;
    }
    if (s < end && *s != ',') {
        return -1;
    }
    *list = (rp_str_t){s, (size_t)(end - s)};
    return 1;
}

/* Ends a weak tag that was weak before it was coded; the others were made so. */
#define WAS_WEAK "-w"

/** Without what may follow the coding's name: WAS_WEAK, or "-" and a digest. */
static rp_str_t without_mark(rp_str_t open)
{
    rp_str_t digest;
    if (ends_with(open, RP_STR(WAS_WEAK))) {
        open.len -= strlen(WAS_WEAK);
        return open;
    }
    if (open.len <= RP_ENCODE_DIGEST + 1) {
        return open;
    }
    digest = (rp_str_t){open.ptr + open.len - RP_ENCODE_DIGEST, RP_ENCODE_DIGEST};
    for (size_t i = 0; i < digest.len; i++) {
        if (!memchr("0123456789abcdef", digest.ptr[i], 16)) {
            return open;
        }
    }
    return digest.ptr[-1] == '-' ? (rp_str_t){open.ptr, open.len - digest.len - 1} : open;
}

/**
 * The coding whose suffix the tag has, identity when none of ours; *bare is its text up to suffix or end quote, and weak
 * if that was weak.
 */
static rp_coding_e tag_coding(rp_str_t tag, rp_str_t *bare)
{
    rp_str_t whole = {tag.ptr, tag.len - 1}; /* without the closing quote */
    rp_str_t open = without_mark(whole);
    for (int coding = RP_CODING_IDENTITY + 1; coding < RP_NCODECS; coding++) {
        const char *name = rp_coding_name((rp_coding_e)coding);
        size_t n = strlen(name);
        size_t at = open.len > n ? open.len - n - 1 : 0;
        /* at is 0 only when the tag is too short to have the suffix behind its opening quote */
        if (at > 0 && open.ptr[at] == '+' && memcmp(open.ptr + at + 1, name, n) == 0) {
            *bare = (rp_str_t){open.ptr, at};
            if (open.len == whole.len && *bare->ptr == 'W' && coding != RP_UNGZIP) {
                *bare = (rp_str_t){open.ptr + 2, at - 2};
            }
            return (rp_coding_e)coding;
        }
    }
    *bare = whole;
    return RP_CODING_IDENTITY;
}

/** Nonzero when text is one entity tag; *open is it without its end quote. */
static int only_tag(const char *text, rp_str_t *open)
{
    rp_str_t list = {text, strlen(text)};
    rp_str_t more;
    if (next_tag(&list, open) != 1 || next_tag(&list, &more) != 0) {
        return 0;
    }
    open->len--;
    return 1;
}

/* Does the client say that it has a part of what is stored in coding?  Only of that tags have a digest. */
static int has_part_in(rp_coding_e coding, const apr_table_t *request)
{
    const char *if_range = apr_table_get(request, "If-Range");
    rp_str_t open;
    rp_str_t bare;
    return if_range && coding != RP_CODING_IDENTITY && only_tag(if_range, &open) && *open.ptr == '"'
        && tag_coding((rp_str_t){open.ptr, open.len + 1}, &bare) == coding
        && open.len - bare.len == strlen(rp_coding_name(coding)) + 2 + RP_ENCODE_DIGEST;
}

rp_coding_e rp_encode_choose(const rp_encode_conf_t *conf, const apr_table_t *request, int dictionary)
{
    rp_coding_e prefer[RP_NCODINGS];
    rp_coding_e coding;
    int n = 0;
    if (rp_list_has(joined(request, "Cache-Control"), "no-transform")) {
        return RP_CODING_IDENTITY;
    }
    for (int i = 0; i < conf->nprefer; i++) {
        int is_brotli = conf->prefer[i] == RP_CODING_BR || conf->prefer[i] == RP_CODING_DCB;
        /* libbrotli has no place for what is to hide a length. */
        if ((dictionary || !rp_coding_has_dictionary(conf->prefer[i])) && !(is_brotli && conf->pad > 0)) {
            prefer[n++] = conf->prefer[i];
        }
    }
    coding = rp_accept_encoding(joined(request, "Accept-Encoding"), prefer, n);
    return !apr_table_get(request, "Range") || has_part_in(coding, request) ? coding : RP_CODING_IDENTITY;
}

const char *rp_encode_etag(apr_pool_t *p, const char *etag, rp_coding_e coding, const char *digest)
{
    if (!etag || coding == RP_CODING_IDENTITY) {
        return etag;
    }
    rp_str_t open;
    if (!only_tag(etag, &open)) {
        return NULL;
    }
    /* Unpacked it is always the same. */
    if (coding == RP_UNGZIP) {
        return apr_pstrcat(p, apr_pstrmemdup(p, open.ptr, open.len), "+", rp_coding_name(coding), "\"", NULL);
    }
    return apr_pstrcat(p, digest || *open.ptr == 'W' ? "" : "W/", apr_pstrmemdup(p, open.ptr, open.len), "+",
                       rp_coding_name(coding), digest ? "-" : "", digest ? digest : *open.ptr == 'W' ? WAS_WEAK : "",
                       "\"", NULL);
}

#define ANY_CODING RP_NCODINGS

/**
 * A list of tags without our suffixes; may come to name a tag twice.
 * @param only  ANY_CODING: of whatever coding; else tags of other codings of ours are left out
 * @return NULL when list is malformed or "*"; may be ""
 */
static const char *strip_tags(apr_pool_t *p, const char *list_text, rp_coding_e only)
{
    rp_str_t list = {list_text, strlen(list_text)};
    rp_str_t tag;
    char *stripped = apr_palloc(p, 2 * list.len + 1);
    char *to = stripped;
    int got;
    while ((got = next_tag(&list, &tag)) == 1) {
        rp_str_t bare;
        rp_coding_e coding = tag_coding(tag, &bare);
        if (coding == RP_UNGZIP) {
            coding = RP_CODING_IDENTITY; /* for those who take nothing else */
        }
        if (coding != RP_CODING_IDENTITY && only != ANY_CODING && coding != only) {
            continue;
        }
        if (to > stripped) {
            *to++ = ',';
            *to++ = ' ';
        }
        memcpy(to, bare.ptr, bare.len);
        to += bare.len;
        *to++ = '"';
    }
    *to = '\0';
    return got == 0 ? stripped : NULL;
}

void rp_encode_strip_validators(apr_pool_t *p, apr_table_t *request, rp_coding_e coding)
{
    const char *if_match = joined(request, "If-Match");
    const char *match = if_match ? strip_tags(p, if_match, ANY_CODING) : NULL;
    if (match) {
        apr_table_setn(request, "If-Match", match);
    }
    const char *if_none_match = joined(request, "If-None-Match");
    const char *none = if_none_match ? strip_tags(p, if_none_match, coding) : NULL;
    if (!none) {
        return;
    }
    if (*none) {
        apr_table_setn(request, "If-None-Match", none);
        return;
    }
    apr_table_unset(request, "If-None-Match");
    apr_table_unset(request, "If-Modified-Since");
}

/** Weak comparison of two tags without their end quotes (RFC 9110 §8.8.3.2). */
static int same_tag(rp_str_t a, rp_str_t b)
{
    rp_str_t *both[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        if (both[i]->len > 0 && both[i]->ptr[0] == 'W') {
            both[i]->ptr += 2;
            both[i]->len -= 2;
        }
    }
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

const char *rp_encode_held(apr_pool_t *p, const char *if_none_match, const char *etag, rp_coding_e coding)
{
    rp_str_t own;
    if (!if_none_match || coding == RP_CODING_IDENTITY || (etag && !only_tag(etag, &own))) {
        return NULL;
    }
    rp_str_t list = {if_none_match, strlen(if_none_match)};
    rp_str_t tag;
    rp_str_t bare;
    while (next_tag(&list, &tag) == 1) {
        if (tag_coding(tag, &bare) == coding && (!etag || same_tag(bare, own))) {
            return apr_pstrmemdup(p, tag.ptr, tag.len);
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ a response's fields */

void rp_encode_vary(const rp_encode_conf_t *conf, apr_table_t *response)
{
    static const char *const names[] = {"Accept-Encoding", "Available-Dictionary"};
    for (int i = 0; i <= !!conf->dictionaries; i++) {
        const char *vary = joined(response, "Vary");
        if (!rp_list_has(vary, "*") && !rp_list_has(vary, names[i])) {
            apr_table_mergen(response, "Vary", names[i]);
        }
    }
}

void rp_encode_drop_digests(apr_table_t *fields)
{
    /*
     * All of them are taken over bytes with their content coding (RFC 9530 §2, §3, RFC 3230 §4.1), Repr-Digest and
     * Digest too: what we coded is another representation.  A digest that is wrong is worse than none, since a client
     * that checks it throws the response away; to make right ones the body would have to wait until its end is known.
     */
    static const char *const digests[] = {"Content-Digest", "Repr-Digest", "Digest", "Content-MD5"};
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        apr_table_unset(fields, digests[i]);
    }
}

void rp_encode_fields(apr_pool_t *p, apr_table_t *response, rp_coding_e coding, const char *digest)
{
    if (coding == RP_CODING_IDENTITY) {
        return;
    }
    apr_table_unset(response, "Content-Length");
    apr_table_unset(response, "Accept-Ranges");
    rp_encode_drop_digests(response);
    if (coding == RP_UNGZIP) {
        apr_table_unset(response, "Content-Encoding");
    }
    else {
        apr_table_setn(response, "Content-Encoding", rp_coding_name(coding));
    }
    const char *etag = rp_encode_etag(p, apr_table_get(response, "ETag"), coding, digest);
    if (etag) {
        apr_table_setn(response, "ETag", etag);
    }
    else {
        apr_table_unset(response, "ETag");
    }
}

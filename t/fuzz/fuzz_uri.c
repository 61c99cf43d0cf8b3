/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Targets and references.  What is sent behind a prefix is, read as httpd reads it, what httpd read behind
 * the prefix, and has nothing in it that climbs; what is mapped back never gains an authority that was not
 * there. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

#define MAX_SEGMENTS 512
#define MAX_SIZE 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

/** Decode all of path, or its unreserved bytes only; %2F never. @return NULL when it is wrongly encoded */
static char *decoded(const char *path, int unreserved_only)
{
    static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    char *out = apr_pcalloc(pool, strlen(path) + 1);
    char *to = out;
    for (; *path; path++) {
        unsigned c = (unsigned char)*path;
        if (c == '%') {
            char hex[3] = {path[1], path[1] ? path[2] : 0, 0};
            if (strspn(hex, "0123456789abcdefABCDEF") != 2) {
                return NULL;
            }
            c = (unsigned)strtoul(hex, NULL, 16);
            if (c == 0) {
                return NULL;
            }
            if (c == '/' || (unreserved_only && !(c < 0x80 && strchr(unreserved, (int)c)))) {
                c = '%';
            }
            else {
                path += 2;
            }
        }
        *to++ = (char)c;
    }
    return out;
}

/** The path that httpd makes of one: segments on a stack. @return NULL when it refuses */
static const char *httpd_view(const char *path, int merge_slashes)
{
    const char *segments[MAX_SEGMENTS];
    int n = 0;
    int ends_in_slash = 0;
    char *s = decoded(path, 1);
    if (!s || *s != '/') {
        return NULL;
    }
    while (*s) {
        char *segment = ++s;
        s += strcspn(s, "/");
        int is_last = !*s;
        segment = apr_pstrmemdup(pool, segment, (apr_size_t)(s - segment));
        ends_in_slash = 0;
        if (strcmp(segment, ".") == 0 || (!*segment && (merge_slashes || is_last))) {
            ends_in_slash = 1;
        }
        else if (strcmp(segment, "..") == 0) {
            if (n == 0) {
                return NULL;
            }
            n--;
            ends_in_slash = 1;
        }
        else {
            segments[n++] = segment;
        }
    }
    const char *view = "";
    for (int i = 0; i < n; i++) {
        view = apr_pstrcat(pool, view, "/", decoded(segments[i], 0), NULL);
    }
    return ends_in_slash || n == 0 ? apr_pstrcat(pool, view, "/", NULL) : view;
}

/** Nothing in the path could be taken for "." or ".." by a more eager decoder. */
static void check_no_climbing(const char *path)
{
    char *s = apr_pstrdup(pool, path);
    char *to = s;
    for (const char *from = path; *from; from++) {
        if (*from == '%') {
            char hex[3] = {from[1], from[2], 0};
            *to++ = (char)strtoul(hex, NULL, 16);
            from += 2;
        }
        else {
            *to++ = *from;
        }
    }
    *to = '\0';
    while (*s) {
        size_t n = strcspn(s, "/\\");
        size_t name = strcspn(s, "/\\;");
        CHECK(!(name == 1 && s[0] == '.') && !(name == 2 && s[0] == '.' && s[1] == '.'));
        s += n;
        s += *s != '\0';
    }
}

static void check_rest(const char *raw, const char *prefix, int merge_slashes)
{
    const char *rest = rp_target_rest(pool, raw, prefix, merge_slashes);
    const char *start = raw + (*raw == '/' ? strspn(raw, "/") - 1 : 0);
    const char *view = httpd_view(apr_pstrmemdup(pool, start, strcspn(start, "?")), merge_slashes);
    if (!rest) {
        return;
    }
    CHECK(view && (!*rest || *rest == '/' || *rest == '?'));
    const char *query = rest + strcspn(rest, "?");
    CHECK(strcmp(query, raw + strcspn(raw, "?")) == 0);
    const char *path = apr_pstrmemdup(pool, rest, (apr_size_t)(query - rest));
    check_no_climbing(path);
    const char *rest_view = *path ? httpd_view(path, merge_slashes) : "";
    CHECK(rest_view);
    const char *expected = *prefix ? view : view + strspn(view, "/") - 1;
    CHECK(strcmp(expected, apr_pstrcat(pool, prefix, rest_view, NULL)) == 0);
    CHECK(!rp_target_is_safe(raw) || *rest != '/' || rp_target_is_safe(rest));
    if (*rest == '/' && rest[1] != '/') {
        const char *again = rp_target_rest(pool, rest, "", merge_slashes);
        CHECK(again && strcmp(again, rest) == 0);
    }
    if (!*prefix) {
        CHECK(rest[0] == '/' && rest[1] != '/');
        CHECK(rp_target_is_uri(pool, raw, view, merge_slashes));
    }
}

/** Every prefix of what httpd sees is tried. */
static void check_target(const char *raw, int merge_slashes)
{
    check_rest(raw, "", merge_slashes);
    const char *start = raw + (*raw == '/' ? strspn(raw, "/") - 1 : 0);
    const char *view = *raw == '/'
        ? httpd_view(apr_pstrmemdup(pool, start, strcspn(start, "?")), merge_slashes) : NULL;
    for (size_t i = 1; view && view[i]; i++) {
        if ((view[i] == '/' || !view[i + 1]) && view[i - 1] != '/') {
            check_rest(raw, apr_pstrmemdup(pool, view, i), merge_slashes);
        }
    }
}

static int has_authority(const char *reference)
{
    return reference[0] == '/' && (reference[1] == '/' || reference[1] == '\\');
}

/** Bytes of scheme and authority; 0 when there is no authority. */
static size_t authority_end(const char *reference)
{
    const char *slashes = strstr(reference, "//");
    return slashes ? (size_t)(slashes - reference) + 2 + strcspn(slashes + 2, "/?#") : 0;
}

static int semicolons(const char *s)
{
    int n = 0;
    for (; *s; s++) {
        n += *s == ';';
    }
    return n;
}

static void check_references(const char *text)
{
    static const rp_mapping_t mappings[] = {
        {"https", "shop.example", "/app", "http", "b:8080", "/base", 1},
        {"https", "shop.example:8443", "", "http", "b", "/b", 1},
        {"http", "s", "/a b", "https", "[::1]", "", 1},
        {"http", "s", "/a", "http", "b", "/a", 0},
    };
    for (size_t i = 0; i < sizeof(mappings) / sizeof(*mappings); i++) {
        const rp_mapping_t *m = &mappings[i];
        const char *mapped = rp_map_reference(pool, m, text);
        if (mapped != text) {
            const char *public_root = apr_pstrcat(pool, m->public_scheme, "://", m->public_host, NULL);
            if (*text == '/' && text[1] != '/') {
                CHECK(*mapped == '/' && !has_authority(mapped));
            }
            else {
                size_t root = authority_end(text);
                CHECK(strncmp(mapped, public_root, strlen(public_root)) == 0
                      || (root > 0 && strncmp(mapped, text, root) == 0 && strchr("/?#", mapped[root])));
            }
        }
        mapped = rp_map_cookie(pool, m, text);
        if (mapped != text) {
            CHECK(strncmp(mapped, text, strcspn(text, ";")) == 0);
            CHECK(semicolons(mapped) <= semicolons(text));
        }
        mapped = rp_map_refresh(pool, m, text);
        CHECK(mapped == text || strncmp(mapped, text, strcspn(text, ";,")) == 0);
    }
}

/** What a reference leads to is a path on the same host that does not climb, whatever it leads from. */
static void check_resolved(const char *text)
{
    const char *target = rp_reference_target(pool, "http", "s", "/a/b?c", text);
    if (!target) {
        return;
    }
    CHECK(*target == '/' && !strchr(target, '#'));
    const char *path = apr_pstrmemdup(pool, target, strcspn(target, "?"));
    if (*text && !strchr("?#", *text)) {
        CHECK(!strstr(path, "/../") && !strstr(path, "/./"));
    }
    const char *again = rp_reference_target(pool, "http", "s", "/", apr_pstrcat(pool, "//s", target, NULL));
    CHECK(again && strcmp(again, target) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_SIZE) {
        return 0;
    }
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    if (rp_target_is_safe(text)) {
        CHECK((*text == '/' || strcmp(text, "*") == 0) && !strpbrk(text, " \t\r\n#\x7f"));
    }
    if (*text == '/') {
        check_target(text, 0);
        check_target(text, 1);
    }
    check_references(text);
    check_resolved(text);

    free(text);
    apr_pool_clear(pool);
    return 0;
}

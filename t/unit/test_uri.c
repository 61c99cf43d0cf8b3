/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "http/http.h"

static apr_pool_t *pool;

static void assert_same(const char *input, const char *got, const char *expected)
{
    if ((got == NULL) != (expected == NULL) || (got && strcmp(got, expected) != 0)) {
        fail_msg("%s became %s, not %s", input, got ? got : "(null)", expected ? expected : "(null)");
    }
}

static void targets_of_the_wild_are_safe(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/", "*", "/a/b.html?x=y", "/%41", "/a?%zz&%00&100%", "/a?q=\"<>^`{|}\\", "/\"<>^`{|}",
        "/a;b=c/d,e@f:g", "//a", "/a%2Fb%5Cc%0d%0a", "/?", "/a??b",
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        if (!rp_target_is_safe(targets[i])) {
            fail_msg("refused: %s", targets[i]);
        }
    }
}

static void targets_that_could_be_read_otherwise_are_not_safe(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "", "a", "?x", "http://a/", "**", "*/", "/a b", "/a\tb", "/a\r\nX: y", "/a\nb", "/a\x01", "/a\x7f",
        "/\xc3\xa4",
        "/a#b", "/a?b#c", "/a\\b", "/a%", "/a%4", "/a%4g", "/a%zz", "/a%00b", "/a?b c", "/a?\r\n",
        "/a?\xff", "/a?\x7f",
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        if (rp_target_is_safe(targets[i])) {
            fail_msg("not refused: %s", targets[i]);
        }
    }
}

static void every_control_and_high_byte_is_refused_everywhere(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char path[] = {'/', (char)c, 'x', 0};
        char query[] = {'/', '?', (char)c, 'x', 0};
        int good = c > 0x20 && c < 0x7f && c != '#';
        assert_int_equal(rp_target_is_safe(path) != 0, good && c != '\\' && c != '%');
        assert_int_equal(rp_target_is_safe(query) != 0, good);
    }
}

static const struct {
    const char *raw;
    const char *prefix;
    const char *merged; /* with merge_slashes */
    const char *kept;   /* without */
} rests[] = {
    {"/", "", "/", "/"},
    {"/a/b?x=/../y", "", "/a/b?x=/../y", "/a/b?x=/../y"},
    {"/app", "/app", "", ""},
    {"/app/", "/app", "/", "/"},
    {"/app?x", "/app", "?x", "?x"},
    {"/app/x?y", "/app", "/x?y", "/x?y"},
    {"/apple", "/app", NULL, NULL},
    {"/ap", "/app", NULL, NULL},
    {"/App", "/app", NULL, NULL},
    {"/", "/app", NULL, NULL},
    {"/a/b/c", "/a/b", "/c", "/c"},
    /* The prefix is compared decoded, the rest stays as it came. */
    {"/%61pp/%7Ex%2fy", "/app", "/%7Ex%2fy", "/%7Ex%2fy"},
    {"/my%20app/x%20y", "/my app", "/x%20y", "/x%20y"},
    {"/%C3%a4/x", "/\xc3\xa4", "/x", "/x"},
    {"/app%2Fx", "/app", NULL, NULL},
    {"/app%3Fx", "/app", NULL, NULL},
    {"/a%2Fb/x", "/a%2Fb", "/x", "/x"},
    {"/a%252Fb/x", "/a%2Fb", "/x", "/x"},
    {"/a%2Fb/x", "/a/b", "/x", "/x"},
    /* Dot segments. */
    {"/a/./b", "", "/a/b", "/a/b"},
    {"/a/../b", "", "/b", "/b"},
    {"/a/b/..", "", "/a/", "/a/"},
    {"/a/b/.", "", "/a/b/", "/a/b/"},
    {"/a/..", "", "/", "/"},
    {"/.", "", "/", "/"},
    {"/a/%2e%2E/b", "", "/b", "/b"},
    {"/a/.%2e/b", "", "/b", "/b"},
    {"/a/%2e/b", "", "/a/b", "/a/b"},
    {"/x/../app/y", "/app", "/y", "/y"},
    {"/app/../app/y", "/app", "/y", "/y"},
    {"/app/x/..", "/app", "/", "/"},
    {"/app/..", "/app", NULL, NULL},
    {"/app/../secret", "/app", NULL, NULL},
    {"/app/%2e%2e/secret", "/app", NULL, NULL},
    {"/..", "", NULL, NULL},
    {"/../a", "", NULL, NULL},
    {"/a/../../b", "", NULL, NULL},
    {"/a/..b/c../...", "", "/a/..b/c../...", "/a/..b/c../..."},
    {"/a/.b/%2e%2e%2e", "", "/a/.b/%2e%2e%2e", "/a/.b/%2e%2e%2e"},
    {"/a?/../..", "", "/a?/../..", "/a?/../.."},
    /* Runs of slashes. */
    {"/a//b", "", "/a//b", "/a//b"},
    {"/a//../b", "", "/b", "/a/b"},
    {"/a//.//../b", "", "/b", "/a//b"},
    {"//a/b", "", "/a/b", "/a/b"},
    {"///", "", "/", "/"},
    {"//app//x//y", "/app", "/x//y", "//x//y"},
    {"/a///b/c", "/a/b", "/c", "/c"},
    {"//../a", "", NULL, NULL},
    {"/a/..//b", "", "/b", "/b"},
    {"/a/.././/b", "", "/b", "/b"},
    {"/a//../../b", "", NULL, "/b"},
    /* What httpd reads as one segment and a backend might not. */
    {"/app/..%2Fsecret", "/app", NULL, NULL},
    {"/app/%2e%2e%2fsecret", "/app", NULL, NULL},
    {"/app/x%2F..", "/app", NULL, NULL},
    {"/app/x%2F..%2Fy", "/app", NULL, NULL},
    {"/app/x%2F.%2Fy", "/app", NULL, NULL},
    {"/app/..%5Csecret", "/app", NULL, NULL},
    {"/app/..\\secret", "/app", NULL, NULL},
    {"/app/x%5C..", "/app", NULL, NULL},
    {"/app/..;/secret", "/app", NULL, NULL},
    {"/app/..;x=y/secret", "/app", NULL, NULL},
    {"/app/%2e%2e%3Bx/secret", "/app", NULL, NULL},
    {"/app/.;/x", "/app", NULL, NULL},
    {"/app/x;/..y", "/app", "/x;/..y", "/x;/..y"},
    {"/app/x;..", "/app", "/x;..", "/x;.."},
    {"/app/;..", "/app", "/;..", "/;.."},
    {"/app/x%2Fy%5Cz", "/app", "/x%2Fy%5Cz", "/x%2Fy%5Cz"},
    {"/app/%252e%252e/x", "/app", "/%252e%252e/x", "/%252e%252e/x"},
    /* Not to be sent at all. */
    {"/a%", "", NULL, NULL},
    {"/a%4", "", NULL, NULL},
    {"/a%4x", "", NULL, NULL},
    {"/a%00", "", NULL, NULL},
    {"/a#b", "", NULL, NULL},
    {"/a?b#c", "", NULL, NULL},
    {"", "", NULL, NULL},
    {"a", "", NULL, NULL},
    {"*", "", NULL, NULL},
    {"?a", "", NULL, NULL},
    {"a/b?c=http://d/e", "", NULL, NULL},
    /* absolute-form */
    {"http://h/app/x?y", "/app", "/x?y", "/x?y"},
    {"http://h", "", "/", "/"},
    {"http://h?x", "", "/?x", "/?x"},
    {"HTTP://u@h:80//../x", "", NULL, NULL},
    {"http://h#x", "", NULL, NULL},
};

static void the_rest_is_what_httpd_would_read_behind_the_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rests) / sizeof(*rests); i++) {
        assert_same(rests[i].raw, rp_target_rest(pool, rests[i].raw, rests[i].prefix, 1), rests[i].merged);
        assert_same(rests[i].raw, rp_target_rest(pool, rests[i].raw, rests[i].prefix, 0), rests[i].kept);
    }
}

static void a_rewritten_uri_is_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        const char *uri;
        int same;
    } cases[] = {
        {"/", "/", 1}, {"/a?b", "/a", 1}, {"/a/./b%20c", "/a/b c", 1}, {"/a//b/", "/a/b/", 1}, {"/a/b//",
        "/a/b/", 1},
        {"http://h/a", "/a", 1}, {"/a%2Fb", "/a%2Fb", 1}, {"/a%2fb", "/a%2fb", 1}, {"/a%2Fb", "/a/b", 1},
        {"//a", "/a", 1},
        {"/a", "/b", 0}, {"/a", "/a/", 0}, {"/a/", "/a", 0}, {"/", "/index.html", 0}, {"/a/../b", "/a", 0},
        {"/A", "/a", 0},
        {"/..", "/", 0}, {"/a", "", 0}, {"/a%2Fb", "/a%2fb", 0}, {"/a%252Fb", "/a%2Fb", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (rp_target_is_uri(pool, cases[i].raw, cases[i].uri, 1) != cases[i].same) {
            fail_msg("%s and %s", cases[i].raw, cases[i].uri);
        }
    }
}

/* https://shop.example/app is http://10.0.0.11:8080/base */
static const rp_mapping_t moved = {"https", "shop.example", "/app", "http", "10.0.0.11:8080", "/base", 1};
static const rp_mapping_t to_root = {"https", "shop.example", "", "http", "backend", "/base", 1};
static const rp_mapping_t from_root = {"https", "shop.example:8443", "/my app;x", "https", "[::1]", "", 1};
static const rp_mapping_t unmoved = {"https", "shop.example", "/app", "http", "backend", "/app", 0};

static const struct {
    const rp_mapping_t *m;
    const char *reference;
    const char *mapped;
} references[] = {
    {&moved, "http://10.0.0.11:8080/base/x?y#z", "https://shop.example/app/x?y#z"},
    {&moved, "HTTP://10.0.0.11:8080/base", "https://shop.example/app"},
    {&moved, "http://10.0.0.11:8080/other", "https://shop.example/other"},
    {&moved, "http://10.0.0.11:8080", "https://shop.example"},
    {&moved, "//10.0.0.11:8080/base/x", "https://shop.example/app/x"},
    {&moved, "http://10.0.0.11/base/x", "http://10.0.0.11/base/x"},
    {&moved, "http://10.0.0.11:80801/base/x", "http://10.0.0.11:80801/base/x"},
    {&moved, "https://shop.example/base/x", "https://shop.example/app/x"},
    {&moved, "http://SHOP.example:80/base/x", "http://SHOP.example:80/app/x"},
    {&moved, "//shop.example/base?x", "//shop.example/app?x"},
    {&moved, "https://shop.example/other", "https://shop.example/other"},
    {&moved, "https://elsewhere.example/base/x", "https://elsewhere.example/base/x"},
    {&moved, "http://10.0.0.11:8080@evil.example/base", "http://10.0.0.11:8080@evil.example/base"},
    {&moved, "http://10.0.0.11:8080\\@evil.example/", "http://10.0.0.11:8080\\@evil.example/"},
    {&moved, "/base", "/app"},
    {&moved, "/base/x", "/app/x"},
    {&moved, "/base?x", "/app?x"},
    {&moved, "/base#x", "/app#x"},
    {&moved, "/basement", "/basement"},
    {&moved, "/BASE/x", "/BASE/x"},
    {&moved, "x/y", "x/y"},
    {&moved, "../base/x", "../base/x"},
    {&moved, "?x", "?x"},
    {&moved, "#x", "#x"},
    {&moved, "", ""},
    {&moved, "mailto:a@10.0.0.11", "mailto:a@10.0.0.11"},
    {&moved, "ftp://10.0.0.11:8080/base/x", "ftp://10.0.0.11:8080/base/x"},
    {&moved, "login?next=http://10.0.0.11:8080/base", "login?next=http://10.0.0.11:8080/base"},
    {&to_root, "/base", "/"},
    {&to_root, "/base?x", "/?x"},
    {&to_root, "/base/x", "/x"},
    {&to_root, "http://backend:80/base", "https://shop.example/"},
    {&to_root, "https://backend/base", "https://backend/base"},
    /* What is left must not become an authority. */
    {&to_root, "/base//evil.example/x", "/.//evil.example/x"},
    {&to_root, "/base/\\evil.example/x", "/./\\evil.example/x"},
    {&from_root, "/", "/my%20app%3Bx/"},
    {&from_root, "/x", "/my%20app%3Bx/x"},
    {&from_root, "https://[::1]:443/x", "https://shop.example:8443/my%20app%3Bx/x"},
    {&from_root, "https://[::1]?x", "https://shop.example:8443/my%20app%3Bx/?x"},
    {&from_root, "https://shop.example:8443/x", "https://shop.example:8443/my%20app%3Bx/x"},
    {&from_root, "https://shop.example/x", "https://shop.example/x"},
    {&from_root, "//evil.example/x", "//evil.example/x"},
    {&unmoved, "http://backend/app/x", "https://shop.example/app/x"},
    {&unmoved, "/app/x", "/app/x"},
    {&unmoved, "http://shop.example/app/x", "http://shop.example/app/x"},
};

static void references_to_the_backend_are_mapped_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(references) / sizeof(*references); i++) {
        const char *reference = references[i].reference;
        const char *mapped = rp_map_reference(pool, references[i].m, reference);
        assert_same(reference, mapped, references[i].mapped);
        assert_true(strcmp(reference, mapped) != 0 || mapped == reference);
    }
}

static const struct {
    const char *value;
    const char *mapped;
} refreshes[] = {
    {"5; url=http://10.0.0.11:8080/base/x", "5; url=https://shop.example/app/x"},
    {"5;URL = \"/base/x;y\"", "5;URL = \"/app/x;y\""},
    {"0, url='/base/x' trailing", "0, url='/app/x' trailing"},
    {"0; url=\"/base/x", "0; url=\"/app/x"},
    {"5", "5"},
    {"5; ", "5; "},
    {"5; /base/x", "5; /base/x"},
    {"5; url", "5; url"},
    {"5; url=", "5; url="},
    {"5; url=\"", "5; url=\""},
    {"5; url=x", "5; url=x"},
    {"", ""},
};

static void refresh_fields_are_mapped_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refreshes) / sizeof(*refreshes); i++) {
        assert_same(refreshes[i].value, rp_map_refresh(pool, &moved, refreshes[i].value),
                    refreshes[i].mapped);
    }
}

static const struct {
    const rp_mapping_t *m;
    const char *cookie;
    const char *mapped;
} cookies[] = {
    {&moved, "a=b; Path=/base; HttpOnly", "a=b; Path=/app; HttpOnly"},
    {&moved, "a=b;path = /base/x ;Secure", "a=b; Path=/app/x;Secure"},
    {&moved, "a=b; Path=/", "a=b; Path=/"},
    {&moved, "a=b; Path=/basement", "a=b; Path=/basement"},
    {&moved, "a=b; Domain=10.0.0.11; Path=/base", "a=b; Path=/app"},
    {&moved, "a=b; domain=.10.0.0.11", "a=b"},
    {&moved, "a=b; Domain=shop.example", "a=b; Domain=shop.example"},
    {&moved, "a=b; Domain=", "a=b; Domain="},
    {&moved, "a=\"x; Path=/base\"", "a=\"x; Path=/base\""},
    {&moved, "a=\"x; Path=/base; y\"", "a=\"x; Path=/app; y\""},
    {&moved, "Path=/base", "Path=/base"},
    {&moved, "a=/base; Path", "a=/base; Path"},
    {&moved, "", ""},
    {&moved, ";", ";"},
    {&to_root, "a=b; Path=/base", "a=b; Path=/"},
    {&to_root, "a=b; Domain=BACKEND", "a=b"},
    {&from_root, "a=b; Path=/", "a=b; Path=/my%20app%3Bx/"},
    {&from_root, "__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"},
    {&from_root, "a=b; Domain=[::1]", "a=b"},
    {&unmoved, "a=b; Path=/app; Expires=Wed, 01 Jan 2031 00:00:00 GMT",
    "a=b; Path=/app; Expires=Wed, 01 Jan 2031 00:00:00 GMT"},
};

static void cookies_are_mapped_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cookies) / sizeof(*cookies); i++) {
        assert_same(cookies[i].cookie, rp_map_cookie(pool, cookies[i].m, cookies[i].cookie),
                    cookies[i].mapped);
    }
}

/** RFC 3986 §5.4's examples and what a Location may be, for https://a.example/b/c/d;p?q. */
static void references_lead_to_targets_of_the_same_origin(void **state)
{
    (void)state;
    static const struct {
        const char *reference;
        const char *expected;
    } cases[] = {
        {"g", "/b/c/g"}, {"./g", "/b/c/g"}, {"g/", "/b/c/g/"}, {"/g", "/g"}, {"?y", "/b/c/d;p?y"}, {"g?y", "/b/c/g?y"},
        {"#s", "/b/c/d;p?q"}, {"g#s", "/b/c/g"}, {"g?y#s", "/b/c/g?y"}, {";x", "/b/c/;x"}, {"g;x", "/b/c/g;x"},
        {"", "/b/c/d;p?q"}, {".", "/b/c/"}, {"./", "/b/c/"}, {"..", "/b/"}, {"../", "/b/"}, {"../g", "/b/g"},
        {"../..", "/"}, {"../../", "/"}, {"../../g", "/g"}, {"../../../g", "/g"}, {"../../../../g", "/g"},
        {"/./g", "/g"}, {"/../g", "/g"}, {"g.", "/b/c/g."}, {".g", "/b/c/.g"}, {"g..", "/b/c/g.."}, {"..g", "/b/c/..g"},
        {"./../g", "/b/g"}, {"./g/.", "/b/c/g/"}, {"g/./h", "/b/c/g/h"}, {"g/../h", "/b/c/h"},
        {"g?y/../x", "/b/c/g?y/../x"}, {"/a//b", "/a//b"},
        {"https://a.example/x?y#z", "/x?y"}, {"HTTPS://A.Example:443/x", "/x"}, {"https://a.example", "/"},
        {"https://a.example?y", "/?y"}, {"//a.example/x", "/x"}, {"//a.example", "/"},
        {"http://a.example/x", NULL}, {"https://b.example/x", NULL}, {"https://a.example:444/x", NULL},
        {"https://u@a.example/x", NULL}, {"//b.example/x", NULL}, {"https:/x", NULL}, {"mailto:x", NULL}, {"g:h", NULL},
        {"/a b", NULL}, {"\\\\a.example\\x", NULL}, {"/a\tb", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *got = rp_reference_target(pool, "https", "a.example", "/b/c/d;p?q", cases[i].reference);
        if (cases[i].expected ? !got || strcmp(got, cases[i].expected) : got != NULL) {
            fail_msg("\"%s\": %s", cases[i].reference, got);
        }
    }
    assert_null(rp_reference_target(pool, "https", "a.example", "*", "g"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_of_the_wild_are_safe),
        cmocka_unit_test(targets_that_could_be_read_otherwise_are_not_safe),
        cmocka_unit_test(every_control_and_high_byte_is_refused_everywhere),
        cmocka_unit_test(the_rest_is_what_httpd_would_read_behind_the_prefix),
        cmocka_unit_test(a_rewritten_uri_is_noticed),
        cmocka_unit_test(references_to_the_backend_are_mapped_back),
        cmocka_unit_test(references_lead_to_targets_of_the_same_origin),
        cmocka_unit_test(refresh_fields_are_mapped_back),
        cmocka_unit_test(cookies_are_mapped_back),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("uri", tests, NULL, NULL);
    apr_terminate();
    return failed;
}

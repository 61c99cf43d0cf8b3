/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "http/http.h"

#define I RP_CODING_IDENTITY
#define G RP_CODING_GZIP
#define B RP_CODING_BR
#define Z RP_CODING_ZSTD

typedef struct case_t {
    const char *field;
    rp_coding_e chosen;
} case_t;

static const rp_coding_e zstd_br_gzip[] = {Z, B, G};
static const rp_coding_e gzip_alone[] = {G};

static void check(const case_t *cases, size_t n, const rp_coding_e *prefer, int nprefer)
{
    for (size_t i = 0; i < n; i++) {
        rp_coding_e got = rp_accept_encoding(cases[i].field, prefer, nprefer);
        if (got != cases[i].chosen) {
            fail_msg("\"%s\": coding %d instead of %d", cases[i].field, got, cases[i].chosen);
        }
    }
}

#define N(array) (sizeof(array) / sizeof(*array))
#define CHECK(cases, prefer) check(cases, N(cases), prefer, N(prefer))

static void without_a_field_nothing_is_coded(void **state)
{
    (void)state;
    assert_int_equal(rp_accept_encoding(NULL, zstd_br_gzip, 3), I);
}

static void an_empty_field_wants_no_coding(void **state)
{
    (void)state;
    static const case_t cases[] = {{"", I}, {" ", I}, {",", I}, {" , ,\t,", I}};
    CHECK(cases, zstd_br_gzip);
}

static void the_servers_order_decides_among_equals(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"gzip", G}, {"br", B}, {"zstd", Z},
        {"gzip, deflate, br, zstd", Z}, {"gzip, deflate, br", B}, {"zstd, br, gzip", Z},
        {"gzip;q=0.5, br;q=0.5", B}, {"gzip;q=1, br;q=1.000", B},
        {"deflate", I}, {"compress, gzip", G},
    };
    CHECK(cases, zstd_br_gzip);
}

static void the_highest_weight_wins(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"gzip;q=1.0, br;q=0.9", G}, {"gzip;q=0.8, br;q=0.801", B}, {"zstd;q=0.001, gzip;q=0.002", G},
        {"gzip, br;q=0.999", G}, {"br;q=0.5, gzip;q=0.6, zstd;q=0.4", G}, {"gzip;q=0.", I}, {"gzip;q=1.", G},
        {"gzip;q=0.001", G},
    };
    CHECK(cases, zstd_br_gzip);
}

static void weight_zero_refuses(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"gzip;q=0", I}, {"gzip;q=0.000", I}, {"gzip;q=0, br", B}, {"zstd;q=0, br;q=0, gzip", G},
        {"gzip;q=0.0, *;q=1", Z}, {"*;q=0", I}, {"*;q=0, gzip", G}, {"gzip, *;q=0", G},
    };
    CHECK(cases, zstd_br_gzip);
}

static void a_star_stands_for_codings_that_are_not_named(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"*", Z}, {"*;q=0.5", Z}, {"zstd;q=0, *", B}, {"zstd;q=0.1, *;q=0.5", B}, {"gzip, *;q=0.5", G},
        {"zstd;q=0, br;q=0, gzip;q=0, *", I},
        /* Identity is one of them (RFC 9110 §12.5.3). */
        {"zstd;q=0.1, br;q=0.1, gzip;q=0.1, *;q=0.5", I},
    };
    CHECK(cases, zstd_br_gzip);
}

static void identity_is_weighed_when_named(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"identity", I}, {"identity, gzip", G}, {"identity;q=1, gzip;q=0.5", I},
        {"identity;q=0.5, gzip;q=1", G}, {"identity;q=0.5, gzip;q=0.5", G}, {"identity;q=0.5, *;q=0.4", I},
        {"identity;q=0, gzip;q=0.1", G}, {"identity, *;q=0", I},
    };
    CHECK(cases, zstd_br_gzip);
}

static void a_refused_identity_is_sent_when_nothing_else_can_be(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"identity;q=0", I}, {"identity;q=0, *;q=0", I}, {"deflate, identity;q=0", I},
        {"gzip;q=0, identity;q=0", I},
    };
    CHECK(cases, gzip_alone);
}

static void only_what_the_server_offers_is_chosen(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"br, zstd", I}, {"br;q=1, gzip;q=0.1", G}, {"*", G}, {"gzip;q=0, *", I},
    };
    CHECK(cases, gzip_alone);
    assert_int_equal(rp_accept_encoding("gzip", zstd_br_gzip, 0), I);
}

static void codings_with_a_dictionary_are_never_meant_by_a_star(void **state)
{
    (void)state;
    static const rp_coding_e with_dictionary[] = {RP_CODING_DCB, RP_CODING_DCZ, Z, G};
    static const case_t cases[] = {
        {"*", Z}, {"dcz", RP_CODING_DCZ}, {"gzip, deflate, br, zstd, dcb, dcz", RP_CODING_DCB},
        {"gzip, deflate, br, zstd, dcz", RP_CODING_DCZ}, {"dcz;q=0, *", Z}, {"dcz;q=0.5, gzip", G}, {"dcz;q=0", I},
        {"zstd;q=0, gzip;q=0, *", I},
    };
    CHECK(cases, with_dictionary);
}

static void x_gzip_is_gzip(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"x-gzip", G}, {"X-GZIP;q=0.3", G}, {"x-gzip;q=0", I}, {"x-gzip;q=0, *", Z}, {"x-compress", I},
    };
    CHECK(cases, zstd_br_gzip);
}

static void case_and_white_space_make_no_difference(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"GZip", G}, {"BR", B}, {"gzip;Q=0", I}, {"gzip;Q=0.5,br;q=0.6", B}, {"IDENTITY;q=1,gzip;q=0.9", I},
        {"  gzip  ", G}, {"\tgzip\t,\tbr\t", B}, {"gzip ; q=0.4 , br ; q=0.3", G}, {"gzip;\tq=0", I},
        {"gzip;q=0.4,br;q=0.3,", G}, {",,gzip", G},
    };
    CHECK(cases, zstd_br_gzip);
}

static void of_duplicates_a_refusal_counts_first_and_then_the_highest(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"gzip, gzip", G}, {"gzip;q=0, gzip", I}, {"gzip, gzip;q=0", I},
        {"gzip;q=0.2, gzip;q=0.8, br;q=0.5", G}, {"gzip;q=0.8, gzip;q=0.2, br;q=0.5", G},
        {"gzip;q=0.2, x-gzip;q=0.8, br;q=0.5", G}, {"*;q=0, *", I},
    };
    CHECK(cases, zstd_br_gzip);
}

static void a_weight_that_cannot_be_read_refuses(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"gzip;q=", I}, {"gzip;q", I}, {"gzip;q=x", I}, {"gzip;q=2", I}, {"gzip;q=1.1", I},
        {"gzip;q=1.001", I}, {"gzip;q=-1", I}, {"gzip;q=.5", I}, {"gzip;q=0,5", I}, {"gzip;q=0.1234", I},
        {"gzip;q=1.0000", I}, {"gzip;q=00.5", I}, {"gzip;q=1e1", I}, {"gzip;q=0x1", I},
        {"gzip;q=\"1\"", I}, {"gzip;q=0.5x", I}, {"gzip;q=x, *", Z}, {"gzip;q=+1", I}, {"gzip;q=0.-5", I},
    };
    CHECK(cases, zstd_br_gzip);
}

static void junk_is_passed_over(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"gzip br", I}, {"gzip=1", I}, {"gzipped", I}, {"gzi", I}, {"g", I}, {"\"gzip\"", I}, {"=;=;=", I},
        {";", I}, {";q=1", I}, {"%%%, gzip", G}, {"gzip;foo=bar", G}, {"gzip;foo;q=0", I},
        {"gzip;q=1;foo", G}, {"**", I}, {"\x01\x7f\xff, br", B}, {"\"unclosed, gzip", I}, {"gzip/1.0", I},
        {"br;;;q=0", I},
    };
    CHECK(cases, zstd_br_gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_field_nothing_is_coded),
        cmocka_unit_test(an_empty_field_wants_no_coding),
        cmocka_unit_test(the_servers_order_decides_among_equals),
        cmocka_unit_test(the_highest_weight_wins),
        cmocka_unit_test(weight_zero_refuses),
        cmocka_unit_test(a_star_stands_for_codings_that_are_not_named),
        cmocka_unit_test(identity_is_weighed_when_named),
        cmocka_unit_test(a_refused_identity_is_sent_when_nothing_else_can_be),
        cmocka_unit_test(only_what_the_server_offers_is_chosen),
        cmocka_unit_test(codings_with_a_dictionary_are_never_meant_by_a_star),
        cmocka_unit_test(x_gzip_is_gzip),
        cmocka_unit_test(case_and_white_space_make_no_difference),
        cmocka_unit_test(of_duplicates_a_refusal_counts_first_and_then_the_highest),
        cmocka_unit_test(a_weight_that_cannot_be_read_refuses),
        cmocka_unit_test(junk_is_passed_over),
    };
    return cmocka_run_group_tests_name("accept_encoding", tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <apr_general.h>
#include <cmocka.h>

#include "status/manage_path.h"

static void reads(const char *rest, rp_resource_e resource, const char *pool, const char *member)
{
    rp_manage_path_t path;
    int right = rp_manage_path(rest, &path) == resource && path.resource == resource
                && (resource == RP_RESOURCE_NONE || (!strcmp(path.pool, pool) && !strcmp(path.member, member)));

    if (!right) {
        print_error("%s: %d '%s' '%s'\n", rest, (int)path.resource, path.pool, path.member);
    }
    assert_true(right);
}

static void test_resources(void **state)
{
    (void)state;
    reads("", RP_RESOURCE_ALL, "", "");
    reads("/", RP_RESOURCE_ALL, "", "");
    reads("/pools", RP_RESOURCE_ALL, "", "");
    reads("/pools/", RP_RESOURCE_ALL, "", "");
    reads("/purge", RP_RESOURCE_PURGE, "", "");
    reads("/purge/", RP_RESOURCE_PURGE, "", "");
    reads("/pools/purge", RP_RESOURCE_POOL, "purge", "");
    reads("/pools/app", RP_RESOURCE_POOL, "app", "");
    reads("/pools/app/", RP_RESOURCE_POOL, "app", "");
    reads("/pools/pools", RP_RESOURCE_POOL, "pools", "");
    reads("/pools/app/members", RP_RESOURCE_MEMBERS, "app", "");
    reads("/pools/app/members/", RP_RESOURCE_MEMBERS, "app", "");
    reads("/pools/members/members/0123456789abcdef", RP_RESOURCE_MEMBER, "members", "0123456789abcdef");
}

static void test_no_resources(void **state)
{
    char longer[RP_MANAGE_NAME_MAX + 16] = "/pools/";

    (void)state;
    reads("/pool", RP_RESOURCE_NONE, "", "");
    reads("/purge/all", RP_RESOURCE_NONE, "", "");
    reads("/purged", RP_RESOURCE_NONE, "", "");
    reads("/poolsx", RP_RESOURCE_NONE, "", "");
    reads("pools", RP_RESOURCE_NONE, "", "");
    reads("//", RP_RESOURCE_NONE, "", "");
    reads("/pools//members", RP_RESOURCE_NONE, "", "");
    reads("/pools/app/member", RP_RESOURCE_NONE, "", "");
    reads("/pools/app/members/0123456789abcdef0", RP_RESOURCE_NONE, "", "");
    reads("/pools/app/members/1/more", RP_RESOURCE_NONE, "", "");
    memset(longer + 7, 'x', RP_MANAGE_NAME_MAX);
    reads(longer, RP_RESOURCE_NONE, "", "");
    longer[7 + RP_MANAGE_NAME_MAX - 1] = '\0';
    reads(longer, RP_RESOURCE_POOL, longer + 7, "");
}

static void tail(const char *whole, rp_resource_e resource, size_t base, const char *pool)
{
    rp_manage_path_t path;
    size_t found;

    assert_int_equal(rp_manage_path_tail(whole, &path, &found), resource);
    assert_int_equal(found, base);
    assert_string_equal(path.pool, pool);
}

static void test_tails(void **state)
{
    (void)state;
    tail("/admin/lb", RP_RESOURCE_ALL, 9, "");
    tail("/admin/lb/", RP_RESOURCE_ALL, 9, "");
    tail("/admin/lb/pools", RP_RESOURCE_ALL, 9, "");
    tail("/admin/lb/pools/app", RP_RESOURCE_POOL, 9, "app");
    tail("/admin/lb/pools/pools", RP_RESOURCE_POOL, 9, "pools");
    tail("/pools/app/members", RP_RESOURCE_MEMBERS, 0, "app");
    tail("/poolside/pools/app/members/0123", RP_RESOURCE_MEMBER, 9, "app");
    tail("/admin/lb/purge", RP_RESOURCE_PURGE, 9, "");
    tail("/", RP_RESOURCE_ALL, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_no_resources),
        cmocka_unit_test(test_tails),
    };
    return cmocka_run_group_tests_name("manage_path", tests, NULL, NULL);
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * Freshness by tables: RFC 9111's rules written down once more, each as a row in the order in which the RFC gives them,
 * and compared with the code for every combination of what responses and requests can say.  The tables know nothing of
 * the code: when both agree, either both are right or the same mistake was made twice.
 */

#include "freshness_util.h"

#define NONE (-1)   /* not said */
#define BAD (-2)    /* said, but not readable */

/* ------------------------------------------------------------------ lifetime and age of a response */

typedef struct said_t {
    int status;
    long s_maxage, max_age; /* seconds, NONE, BAD */
    long expires;           /* after Date, NONE, BAD */
    long modified;          /* before Date, NONE */
    long date;              /* before the arrival, NONE */
    long age;               /* NONE, BAD */
    long delay;             /* between request and response */
    int public_;
} said_t;

static const int statuses[] = {200, 302, 404, 500};
static const long deltas[] = {NONE, BAD, 0, 1, 600, 2147483648L};
static const long expiries[] = {NONE, BAD, -100, 0, 1, 300};
static const long modifications[] = {NONE, 0, 9, 1000, 8640000};
static const long dates[] = {NONE, -5, 0, 7, 400};
static const long ages[] = {NONE, BAD, 0, 3, 1000};
static const long delays[] = {0, 2};

/** A row: when it applies, and the lifetime then.  The first that applies counts. */
typedef struct row_t {
    const char *section;
    int (*applies)(const said_t *);
    long (*lifetime)(const said_t *);
} row_t;

static long or_0(long n) { return n < 0 ? 0 : n; }

static int says_s_maxage(const said_t *s) { return s->s_maxage != NONE; }
static int says_max_age(const said_t *s) { return s->max_age != NONE; }
static int says_expires(const said_t *s) { return s->expires != NONE; }
static int allows_heuristics(const said_t *s)
{
    /* RFC 9110 §15.1, or "public" */
    return s->modified != NONE && (s->status == 200 || s->status == 404 || s->public_);
}
static int always(const said_t *s) { (void)s; return 1; }

static long its_s_maxage(const said_t *s) { return or_0(s->s_maxage); }
static long its_max_age(const said_t *s) { return or_0(s->max_age); }
static long its_expires(const said_t *s) { return s->expires == BAD ? 0 : or_0(s->expires); }
static long a_tenth_up_to_a_day(const said_t *s) { return s->modified / 10 > 86400 ? 86400 : s->modified / 10; }
static long nothing(const said_t *s) { (void)s; return 0; }

static const row_t lifetimes[] = {
    {"4.2.1: s-maxage, for a shared cache", says_s_maxage, its_s_maxage},
    {"4.2.1: max-age", says_max_age, its_max_age},
    {"4.2.1: Expires minus Date; 5.3: invalid is in the past", says_expires, its_expires},
    {"4.2.2: heuristics", allows_heuristics, a_tenth_up_to_a_day},
    {"4.2.2: none", always, nothing},
};

/** 4.2.3: corrected_initial_age = max(apparent_age, age_value + response_delay). */
static long initial_age(const said_t *s)
{
    long apparent = s->date == NONE ? 0 : or_0(s->date);
    long corrected = or_0(s->age) + s->delay;
    return apparent > corrected ? apparent : corrected;
}

static const char *delta(const char *name, long n)
{
    return n == NONE ? "" : n == BAD ? apr_psprintf(pool, "Cache-Control: %s=abc\n", name)
                                     : apr_psprintf(pool, "Cache-Control: %s=%ld\n", name, n);
}

static const char *at(const char *name, int is_said, long after_arrival)
{
    return is_said ? apr_psprintf(pool, "%s: @%ld\n", name, after_arrival) : "";
}

static rp_response_facts_t facts_of(const said_t *s)
{
    long date = s->date == NONE ? 0 : -s->date;
    const char *expires = s->expires == BAD ? "Expires: soon\n" : at("Expires", s->expires != NONE, date + s->expires);
    const char *age = s->age == NONE ? "" : s->age == BAD ? "Age: old\n" : apr_psprintf(pool, "Age: %ld\n", s->age);
    rp_response_facts_t f = response(s->status, apr_pstrcat(pool, delta("s-maxage", s->s_maxage),
        delta("max-age", s->max_age), expires, at("Date", s->date != NONE, date),
        at("Last-Modified", s->modified != NONE, date - s->modified), age,
        s->public_ ? "Cache-Control: public\n" : "", NULL));
    f.request_time = f.response_time - s->delay;
    return f;
}

static void compare(const said_t *s)
{
    rp_response_facts_t f = facts_of(s);
    const row_t *row = lifetimes;
    while (!row->applies(s)) {
        row++;
    }
    rp_secs_t got = rp_freshness_lifetime(&f, (rp_heuristic_t){10, 86400});
    if (got != row->lifetime(s) || rp_initial_age(&f) != initial_age(s)) {
        fail_msg("%s: lifetime %ld, not %ld; age %ld, not %ld (status %d, s-maxage %ld, max-age %ld, Expires %ld, "
                 "modified %ld, Date %ld, Age %ld, delay %ld, public %d)", row->section, (long)got, row->lifetime(s),
                 (long)rp_initial_age(&f), initial_age(s), s->status, s->s_maxage, s->max_age, s->expires, s->modified,
                 s->date, s->age, s->delay, s->public_);
    }
}

#define EACH(i, list) for (size_t i = 0; i < COUNT(list); i++)

static void lifetimes_are_those_of_the_table(void **state)
{
    (void)state;
    EACH(st, statuses) EACH(sm, deltas) EACH(ma, deltas) EACH(ex, expiries) EACH(mo, modifications) EACH(da, dates) {
        for (int public_ = 0; public_ <= 1; public_++) {
            said_t s = {statuses[st], deltas[sm], deltas[ma], expiries[ex], modifications[mo], dates[da], NONE, 0, public_};
            compare(&s);
        }
        apr_pool_clear(pool);
    }
}

static void ages_are_those_of_the_formula(void **state)
{
    (void)state;
    EACH(da, dates) EACH(ag, ages) EACH(de, delays) {
        said_t s = {200, NONE, 600, NONE, NONE, dates[da], ages[ag], delays[de], 0};
        compare(&s);
    }
    apr_pool_clear(pool);
}

static void no_lifetime_is_negative_or_beyond_bounds(void **state)
{
    (void)state;
    static const char *const extremes[] = {"0", "2147483647", "2147483648", "9223372036854775807", "99999999999999999999"};
    EACH(i, extremes) EACH(j, extremes) {
        const char *fields = apr_psprintf(pool, "Cache-Control: s-maxage=%s\nAge: %s", extremes[i], extremes[j]);
        rp_response_facts_t f = response(200, fields);
        rp_secs_t lifetime = rp_freshness_lifetime(&f, (rp_heuristic_t){100, RP_MAX_DELTA});
        assert_true(lifetime >= 0 && lifetime <= RP_MAX_DELTA);
        assert_true(rp_initial_age(&f) >= 0);
        assert_true(rp_current_age(rp_initial_age(&f), f.response_time, INT32_MAX) >= rp_initial_age(&f));
    }
}

/* ------------------------------------------------------------------ requests */

typedef struct wish_t {
    const char *text;
    int no_cache;
    long max_age, min_fresh, max_stale; /* NONE; max_stale 1000000 for any */
} wish_t;

static const wish_t wishes[] = {
    {NULL, 0, NONE, NONE, NONE},
    {"x", 0, NONE, NONE, NONE},
    {"no-store", 0, NONE, NONE, NONE},
    {"no-cache", 1, NONE, NONE, NONE},
    {"max-age=0", 0, 0, NONE, NONE},
    {"max-age=50", 0, 50, NONE, NONE},
    {"max-age=0, max-stale", 0, 0, NONE, 1000000},
    {"max-age=50, max-stale=20", 0, 50, NONE, 20},
    {"min-fresh=10", 0, NONE, 10, NONE},
    {"min-fresh=0", 0, NONE, 0, NONE},
    {"max-stale", 0, NONE, NONE, 1000000},
    {"max-stale=20", 0, NONE, NONE, 20},
    {"max-stale=0", 0, NONE, NONE, 0},
    {"no-cache, max-stale", 1, NONE, NONE, 1000000},
};

static const struct {
    const char *text;
    int no_cache, forbids_stale, immutable;
} answers[] = {
    {"x", 0, 0, 0},
    {"no-cache", 1, 0, 0},
    {"no-cache=\"x\"", 0, 0, 0},
    {"must-revalidate", 0, 1, 0},
    {"proxy-revalidate", 0, 1, 0},
    {"s-maxage=60", 0, 1, 0},
    {"immutable", 0, 0, 1},
    {"immutable, no-cache", 1, 0, 1},
    {"immutable, must-revalidate", 0, 1, 1},
};

/** The conditions of RFC 9111 §4, one after the other; NULL when all hold. */
static const char *why_not(size_t answer, const wish_t *w, int pragma, long lifetime, long age)
{
    int fresh = lifetime > age;
    int settled = fresh && answers[answer].immutable; /* RFC 8246 */
    if (answers[answer].no_cache) return "5.2.2.4";
    if (w->no_cache) return "5.2.1.4";
    if (pragma) return "5.4";
    if (!settled && w->max_age != NONE && age > w->max_age) return "5.2.1.1";
    if (!settled && w->max_age == 0) return "a reload";
    if (w->min_fresh != NONE && lifetime - age < w->min_fresh) return "5.2.1.3";
    if (!fresh && answers[answer].forbids_stale) return "4.2.4";
    if (!fresh && age - lifetime > w->max_stale) return "5.2.1.2";
    return NULL;
}

static void what_may_be_used_is_what_the_conditions_allow(void **state)
{
    (void)state;
    static const long lives[] = {0, 1, 9, 10, 49, 50, 51, 60, 100};
    static const long old[] = {0, 1, 10, 20, 21, 40, 50, 51, 60, 80, 81, 120};
    EACH(a, answers) EACH(w, wishes) EACH(l, lives) EACH(o, old) {
        rp_cc_t response_cc = directives(answers[a].text);
        rp_cc_t request_cc = directives(wishes[w].text);
        for (int pragma = 0; pragma <= !wishes[w].text; pragma++) {
            const char *why = why_not(a, &wishes[w], pragma, lives[l], old[o]);
            rp_usable_e expected = why ? RP_USABLE_VALIDATE : lives[l] > old[o] ? RP_USABLE_FRESH : RP_USABLE_STALE_OK;
            rp_usable_e got = rp_usable(&response_cc, &request_cc, pragma, lives[l], old[o]);
            if (got != expected) {
                fail_msg("%s for %s, lifetime %ld, age %ld: %d, not %d (%s)", answers[a].text, wishes[w].text, lives[l],
                         old[o], (int)got, (int)expected, why ? why : "nothing against it");
            }
        }
        apr_pool_clear(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifetimes_are_those_of_the_table),
        cmocka_unit_test(ages_are_those_of_the_formula),
        cmocka_unit_test(no_lifetime_is_negative_or_beyond_bounds),
        cmocka_unit_test(what_may_be_used_is_what_the_conditions_allow),
    };
    apr_initialize();
    apr_pool_create(&pool, NULL);
    int failed = cmocka_run_group_tests_name("freshness by tables", tests, NULL, NULL);
    apr_pool_destroy(pool);
    apr_terminate();
    return failed;
}

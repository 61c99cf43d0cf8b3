/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Range and Content-Range: the first line is a Range, the second and the third are Content-Range.  Whatever they
 * say, a range lies within the representation, and in what two parts make each byte has its place. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)
#define MOST 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(const char *field, uint64_t complete)
{
    rp_range_t range;
    rp_range_e got = rp_range_parse(field, complete, &range);

    if (got == RP_RANGE_ONE) {
        CHECK(range.first <= range.last);
        CHECK(complete == RP_LENGTH_UNKNOWN || range.last < complete);
    }
    CHECK(complete == RP_LENGTH_UNKNOWN || got != RP_RANGE_UNKNOWN);
    CHECK(complete != 0 || got == RP_RANGE_NONE);
}

static void check_part(const rp_part_t *part)
{
    rp_range_t missing;

    CHECK(part->first <= part->last && part->last < part->complete);
    CHECK(rp_part_covers(part, &(rp_range_t){ part->first, part->last }));
    if (rp_part_missing(part, &missing)) {
        CHECK(!rp_part_is_whole(part) && !rp_part_covers(part, &missing));
        CHECK(missing.first == 0 ? missing.last + 1 == part->first : missing.first == part->last + 1);
    }
}

/* Byte i of the representation is i, of the older part and of the newer one alike. */
static void check_combined(const rp_part_t *old, const rp_part_t *fresh)
{
    rp_splice_t s;
    uint64_t at, i;

    if (!rp_part_combine(old, fresh, &s)) {
        return;
    }
    check_part(&s.part);
    CHECK(s.before + (fresh->last - fresh->first + 1) + s.after == s.part.last - s.part.first + 1);
    CHECK(s.after_from + s.after <= old->last - old->first + 1 && s.before <= old->last - old->first + 1);
    at = s.part.first;
    for (i = 0; i < s.before && i < MOST; i++) {
        CHECK(old->first + i == at + i);
    }
    at += s.before;
    CHECK(fresh->first == at);
    at += fresh->last - fresh->first + 1;
    CHECK(s.after == 0 || old->first + s.after_from == at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char *rest = text;
    const char *range, *one, *two;
    rp_part_t old, fresh;
    int have_old, have_fresh;

    memcpy(text, data, size);
    text[size] = '\0';
    range = strsep(&rest, "\n");
    one = strsep(&rest, "\n");
    two = strsep(&rest, "\n");
    check_range(range, 0);
    check_range(range, 1);
    check_range(range, 10);
    check_range(range, RP_LENGTH_UNKNOWN);
    have_old = rp_content_range_parse(one, &old);
    have_fresh = rp_content_range_parse(two, &fresh);
    if (have_old) {
        check_part(&old);
        check_range(range, old.complete);
    }
    if (have_fresh) {
        check_part(&fresh);
    }
    if (have_old && have_fresh) {
        check_combined(&old, &fresh);
        check_combined(&fresh, &old);
    }
    free(text);
    return 0;
}

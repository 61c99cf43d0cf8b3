/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Values as they lie in Redis.  Whatever the bytes, reading stays inside of them; and what was read is written as the
 * very same bytes again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/farm_value.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int inside(rp_str_t part, rp_str_t whole)
{
    return part.ptr >= whole.ptr && part.len <= whole.len && part.ptr + part.len <= whole.ptr + whole.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rp_str_t bytes = { (const char *)data, size };
    rp_farm_value_t value;
    rp_position_t position;

    if (rp_farm_value_read(bytes, &value)) {
        char *again = malloc(size);

        CHECK(inside(value.record, bytes) && inside(value.name, value.record) && inside(value.body, bytes));
        CHECK(inside((rp_str_t){ (const char *)value.tags, (size_t)value.ntags * sizeof(*value.tags) }, bytes));
        CHECK(value.body.len == (value.body_len <= RP_STORE_INLINE ? value.body_len : 0));
        CHECK(rp_farm_value_len(&value) == size);
        rp_farm_value_write(&value, again);
        /* An empty name may say any place. */
        CHECK(value.name.len == 0 || !memcmp(again, data, size));
        free(again);
    }
    rp_position_parse(bytes, &position);
    return 0;
}

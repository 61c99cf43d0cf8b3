/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Keys of session tickets as they lie in Redis: nothing opens that was not sealed, and keys open as they were. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "farm/ticket_keys.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static rp_seal_t seal = { .n = 1 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize()
           || !rp_seal_key(&seal.keys[0], RP_STR("0123456789abcdef0123456789abcdef"), "farm", "tickets");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rp_ticket_keys_t keys, open;
    apr_pool_t *p;
    rp_str_t text;
    char *changed;

    /* Exactly so many bytes, so that reading beyond them is seen. */
    changed = malloc(size + 1);
    memcpy(changed, data, size);
    CHECK(rp_ticket_keys_unseal(&seal, (rp_str_t){ changed, size }, &open) != RP_UNSEAL_OK);
    free(changed);
    memset(&keys, 0, sizeof(keys));
    memcpy(&keys, data, size < sizeof(keys) ? size : sizeof(keys));
    apr_pool_create(&p, NULL);
    text = rp_ticket_keys_seal(p, &seal, &keys);
    CHECK(text.len && rp_ticket_keys_unseal(&seal, text, &open) == RP_UNSEAL_OK);
    CHECK(open.generation == keys.generation && open.since == keys.since);
    CHECK(!memcmp(open.keys, keys.keys, sizeof(keys.keys)));
    changed = (char *)text.ptr;
    changed[size ? data[0] * text.len / 256 : 0] ^= 1;
    CHECK(rp_ticket_keys_unseal(&seal, text, &open) != RP_UNSEAL_OK);
    apr_pool_destroy(p);
    return 0;
}

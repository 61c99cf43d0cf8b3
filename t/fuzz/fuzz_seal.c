/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Sealed texts: nothing opens that was not sealed, and what was opens as it was, whatever name and text are. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "farm/seal.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "broken: %s\n", #what); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static rp_seal_t seal = { .n = 2 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return !rp_seal_key(&seal.keys[0], RP_STR("0123456789abcdef0123456789abcdef"), "farm", "entries")
           || !rp_seal_key(&seal.keys[1], RP_STR("fedcba9876543210fedcba9876543210"), "farm", "entries");
}

/* What the input would be, found in Redis: with an id of ours, so that it is looked into. */
static void check_forged(const rp_seal_place_t *place, const uint8_t *data, size_t size)
{
    char *box = malloc(size + 1);
    unsigned char *out = malloc(size + 1);
    size_t len;

    memcpy(box, data, size);
    CHECK(rp_unseal(&seal, place, (rp_str_t){ box, size }, out, &len) != RP_UNSEAL_OK && len == 0);
    if (size >= 8) {
        memcpy(box, "RPs1", 4);
        memcpy(box + 4, seal.keys[size & 1].id, 4);
        CHECK(rp_unseal(&seal, place, (rp_str_t){ box, size }, out, &len) != RP_UNSEAL_OK && len == 0);
    }
    free(box);
    free(out);
}

static void check_sealed(const rp_seal_place_t *place, rp_str_t text, uint8_t change)
{
    size_t size = text.len + RP_SEAL_OVERHEAD, len;
    unsigned char *box = malloc(size), *out = malloc(size);
    rp_str_t sealed = { (char *)box, size };

    CHECK(rp_seal(&seal, place, text, box));
    CHECK(rp_unseal(&seal, place, sealed, out, &len) == RP_UNSEAL_OK && len == text.len);
    CHECK(text.len == 0 || !memcmp(out, text.ptr, len));
    box[change * size / 256] ^= (unsigned char)(change | 1);
    CHECK(rp_unseal(&seal, place, sealed, out, &len) != RP_UNSEAL_OK && len == 0);
    free(box);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rp_seal_place_t place;
    size_t name;

    if (size < 3 || size > 65536) {
        return 0;
    }
    name = data[0] < size - 2 ? data[0] : size - 2;
    place = (rp_seal_place_t){ { (const char *)data + 2, name }, data[1] };
    check_forged(&place, data + 2, size - 2);
    check_sealed(&place, (rp_str_t){ (const char *)data + 2 + name, size - 2 - name }, data[1]);
    return 0;
}

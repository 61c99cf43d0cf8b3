/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Where entries lay when they were last found, so that they are on their way into the processor's caches while
 * LMDB is still searching for them.
 *
 * In a large store, most of what a get() costs is waiting for memory, one cache line after the other: each level of
 * the tree says where the next one is.  What is at its end can be asked for at the beginning.  A hint is nothing
 * but that: no more than a prefetch is made of it, which reads nothing and cannot fault, so it may be wrong in any
 * way.  Each process has its own, in memory that is only taken as it is used.
 */

#include <sys/mman.h>
#include "cache/store_local.h"

#define LINE 64

/** A hint: the address's line, how many lines, and some bits of the hash that tell entries apart. */
#define AT_BITS    42
#define COUNT_BITS 5
#define TAG_BITS   (64 - AT_BITS - COUNT_BITS)

/** Lines that are asked for; the processor foresees the rest by itself. */
#define LINES_MAX 24

/** As many hints as the map has pages, which is about an entry each, but no more than this many bits say: 16 MiB. */
#define SLOT_BITS_MIN 10
#define SLOT_BITS_MAX 21

/** An entry's key and LMDB's few bytes lie before its value. */
#define BEFORE (RP_KEY_LEN + 8)

void rp_local_hints_open(rp_local_t *s)
{
    size_t size;
    void *map;

    s->hint_bits = SLOT_BITS_MIN;
    while (s->hint_bits < SLOT_BITS_MAX && (uint64_t)1 << s->hint_bits < s->pages) {
        s->hint_bits++;
    }
    size = sizeof(s->hints[0]) << s->hint_bits;
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    s->hints = map == MAP_FAILED ? NULL : map;
#ifdef MADV_HUGEPAGE
    if (s->hints) {
        madvise(s->hints, size, MADV_HUGEPAGE);
    }
#endif
}

void rp_local_hints_close(rp_local_t *s)
{
    if (s->hints) {
        munmap(s->hints, sizeof(s->hints[0]) << s->hint_bits);
        s->hints = NULL;
    }
}

/** The slot is chosen by the hash's upper bits; these are those below them. */
static uint64_t tag_of(const rp_local_t *s, uint64_t hash)
{
    return hash << s->hint_bits >> (64 - TAG_BITS);
}

static uint64_t *slot_of(const rp_local_t *s, uint64_t hash)
{
    return &s->hints[hash >> (64 - s->hint_bits)];
}

void rp_local_foresee(const rp_local_t *s, uint64_t hash)
{
    uint64_t hint, count;
    uintptr_t at;

    rp_frequency_foresee(&s->frequency, hash);
    hint = s->hints ? __atomic_load_n(slot_of(s, hash), __ATOMIC_RELAXED) : 0;
    if (!hint || hint >> (64 - TAG_BITS) != tag_of(s, hash)) {
        return;
    }
    at = (uintptr_t)(hint & ((UINT64_C(1) << AT_BITS) - 1)) * LINE;
    __builtin_prefetch((const void *)(at & ~(uintptr_t)(s->page - 1)));
    for (count = hint >> AT_BITS & ((1u << COUNT_BITS) - 1); count; count--, at += LINE) {
        __builtin_prefetch((const void *)at);
    }
}

void rp_local_hint(const rp_local_t *s, uint64_t hash, const MDB_val *value)
{
    uintptr_t from = ((uintptr_t)value->mv_data - BEFORE) / LINE;
    uint64_t lines = ((uintptr_t)value->mv_data + value->mv_size - 1) / LINE - from + 1, hint;
    uint64_t *slot;

    if (!s->hints) {
        return;
    }
    slot = slot_of(s, hash);
    hint = tag_of(s, hash) << (64 - TAG_BITS) | (lines < LINES_MAX ? lines : LINES_MAX) << AT_BITS |
           ((uint64_t)from & ((UINT64_C(1) << AT_BITS) - 1));
    if (__atomic_load_n(slot, __ATOMIC_RELAXED) != hint) {
        __atomic_store_n(slot, hint, __ATOMIC_RELAXED);
    }
}

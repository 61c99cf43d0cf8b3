/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Stacks are mapped by themselves; the switch is Boost.Context's where there is one, else ucontext's. */

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#ifndef RP_BOOST_CONTEXT
#include <ucontext.h>
#endif

#include "lane/coroutine.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Instrumented code needs several times the stack. */
#if defined(WITH_ASAN) || defined(WITH_TSAN)
#define SIZE_FACTOR 4
#else
#define SIZE_FACTOR 1
#endif

/* So many stacks wait, warm, for those who come next; what a burst needed beyond them goes back to the system. */
#define WARM 64

#ifdef RP_BOOST_CONTEXT
/* The assembler's own interface, which is the same since Boost 1.61; its header is for C++ alone. */
typedef void *context_t;
typedef struct transfer_t {
    context_t from;
    void *data;
} transfer_t;
transfer_t jump_fcontext(context_t to, void *data);
context_t make_fcontext(void *top, size_t size, void (*fn)(transfer_t));
#else
typedef ucontext_t context_t;
#endif

/** Lies at the upper end of its own stack. */
struct rp_coroutine_t {
    rp_coroutine_t *next; /* among the warm ones */
    rp_stacks_t *stacks;
    char *map;            /* begins with the page that nothing may touch */
    void (*fn)(void *data);
    void *data;
    int ended;
    context_t here, resumer;
#ifdef WITH_ASAN
    const void *resumer_bottom;
    size_t resumer_size;
#endif
#ifdef WITH_TSAN
    void *fiber, *resumer_fiber;
#endif
};

struct rp_stacks_t {
    size_t size; /* of a stack */
    size_t page;
    rp_coroutine_t *warm;
    unsigned nwarm, used;
};

static __thread rp_coroutine_t *current;

rp_coroutine_t *rp_coroutine_current(void)
{
    return current;
}

/* ------------------------------------------------------------------ stacks */

rp_stacks_t *rp_stacks_create(size_t size)
{
    rp_stacks_t *stacks = calloc(1, sizeof(*stacks));
    long page = sysconf(_SC_PAGESIZE);

    if (stacks) {
        stacks->page = page > 0 ? (size_t)page : 4096;
        stacks->size = (size * SIZE_FACTOR + stacks->page - 1) / stacks->page * stacks->page;
    }
    return stacks;
}

static rp_coroutine_t *map_stack(rp_stacks_t *stacks)
{
    size_t all = stacks->page + stacks->size;
    char *map = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    rp_coroutine_t *coroutine;

    if (map == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(map + stacks->page, stacks->size, PROT_READ | PROT_WRITE) != 0) {
        munmap(map, all);
        return NULL;
    }
    coroutine = (rp_coroutine_t *)((uintptr_t)(map + all - sizeof(*coroutine)) & ~(uintptr_t)63);
    coroutine->stacks = stacks;
    coroutine->map = map;
#ifdef WITH_TSAN
    coroutine->fiber = __tsan_create_fiber(0);
#endif
    return coroutine;
}

static void unmap_stack(rp_coroutine_t *coroutine)
{
    rp_stacks_t *stacks = coroutine->stacks;
    char *map = coroutine->map;

#ifdef WITH_TSAN
    __tsan_destroy_fiber(coroutine->fiber);
#endif
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(map + stacks->page, stacks->size);
#endif
    munmap(map, stacks->page + stacks->size);
}

void rp_stacks_destroy(rp_stacks_t *stacks)
{
    while (stacks->warm) {
        rp_coroutine_t *coroutine = stacks->warm;

        stacks->warm = coroutine->next;
        unmap_stack(coroutine);
    }
    free(stacks);
}

unsigned rp_stacks_used(const rp_stacks_t *stacks)
{
    return stacks->used;
}

static rp_coroutine_t *take_stack(rp_stacks_t *stacks)
{
    rp_coroutine_t *coroutine = stacks->warm;

    if (coroutine) {
        stacks->warm = coroutine->next;
        stacks->nwarm--;
    }
    else {
        coroutine = map_stack(stacks);
    }
    stacks->used += coroutine != NULL;
    return coroutine;
}

static void give_back(rp_coroutine_t *coroutine)
{
    rp_stacks_t *stacks = coroutine->stacks;

    stacks->used--;
    if (stacks->nwarm == WARM) {
        unmap_stack(coroutine);
        return;
    }
    coroutine->next = stacks->warm;
    stacks->warm = coroutine;
    stacks->nwarm++;
}

/* ------------------------------------------------------------------ the switch */

/* What the sanitizers must know before a switch to a coroutine, and behind the one back. */
static void *leave_thread(rp_coroutine_t *coroutine)
{
    void *fake = NULL;

#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&fake, coroutine->map + coroutine->stacks->page, coroutine->stacks->size);
#endif
#ifdef WITH_TSAN
    coroutine->resumer_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(coroutine->fiber, 0);
#endif
    (void)coroutine;
    return fake;
}

static void back_on_thread(void *fake)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
    (void)fake;
}

static void arrive(rp_coroutine_t *coroutine, void *fake)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, &coroutine->resumer_bottom, &coroutine->resumer_size);
#endif
    (void)coroutine;
    (void)fake;
}

/* The other way: to the one who resumed it.  An ended one has no more need of its fake stack. */
static void *leave_coroutine(rp_coroutine_t *coroutine)
{
    void *fake = NULL;

#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(coroutine->ended ? NULL : &fake, coroutine->resumer_bottom, coroutine->resumer_size);
#endif
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(coroutine->resumer_fiber, 0);
#endif
    (void)coroutine;
    return fake;
}

static void switch_out(rp_coroutine_t *coroutine)
{
    void *fake = leave_coroutine(coroutine);

#ifdef RP_BOOST_CONTEXT
    coroutine->resumer = jump_fcontext(coroutine->resumer, NULL).from;
#else
    swapcontext(&coroutine->here, &coroutine->resumer);
#endif
    arrive(coroutine, fake);
}

static void run(rp_coroutine_t *coroutine)
{
    arrive(coroutine, NULL);
    coroutine->fn(coroutine->data);
    coroutine->ended = 1;
    switch_out(coroutine); /* for good */
    abort();
}

#ifdef RP_BOOST_CONTEXT
static void begin(transfer_t transfer)
{
    rp_coroutine_t *coroutine = transfer.data;

    coroutine->resumer = transfer.from;
    run(coroutine);
}
#else
/* makecontext() passes integers only. */
static void begin(unsigned high, unsigned low)
{
    run((rp_coroutine_t *)(uintptr_t)((uint64_t)high << 32 | low));
}
#endif

static void prepare(rp_coroutine_t *coroutine)
{
    char *bottom = coroutine->map + coroutine->stacks->page;
    size_t size = (size_t)((char *)coroutine - bottom);

#ifdef RP_BOOST_CONTEXT
    coroutine->here = make_fcontext((char *)coroutine, size, begin);
#else
    uint64_t self = (uintptr_t)coroutine;

    getcontext(&coroutine->here);
    coroutine->here.uc_stack.ss_sp = bottom;
    coroutine->here.uc_stack.ss_size = size;
    coroutine->here.uc_link = NULL;
    makecontext(&coroutine->here, (void (*)(void))begin, 2, (unsigned)(self >> 32), (unsigned)self);
#endif
}

void rp_coroutine_resume(rp_coroutine_t *coroutine)
{
    void *fake = leave_thread(coroutine);

    current = coroutine;
#ifdef RP_BOOST_CONTEXT
    coroutine->here = jump_fcontext(coroutine->here, coroutine).from;
#else
    swapcontext(&coroutine->resumer, &coroutine->here);
#endif
    current = NULL;
    back_on_thread(fake);
    if (coroutine->ended) {
        give_back(coroutine);
    }
}

void rp_coroutine_pause(void)
{
    switch_out(current);
}

int rp_coroutine_start(rp_stacks_t *stacks, void (*fn)(void *data), void *data)
{
    rp_coroutine_t *coroutine = take_stack(stacks);

    if (!coroutine) {
        return 0;
    }
    coroutine->fn = fn;
    coroutine->data = data;
    coroutine->ended = 0;
    prepare(coroutine);
    rp_coroutine_resume(coroutine);
    return 1;
}

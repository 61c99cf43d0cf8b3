/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * For modules that add a way to choose among the members of a pool.
 *
 * Such a module registers a rproxy_method_t in its register_hooks function,
 *
 *     ap_register_provider(p, RPROXY_METHOD_GROUP, "my-method", RPROXY_METHOD_VERSION, &my_method);
 *
 * and its operator writes "RProxyMethod my-method" into an <RProxyPool>.  Nothing of mod_rproxy has to be linked.
 *
 * Structs only ever grow at their ends, and each begins with its size.  Before reading a field that the first version
 * did not have, see that size reaches so far.
 */
#ifndef MOD_RPROXY_H
#define MOD_RPROXY_H

#include <httpd.h>
#include <ap_provider.h>
#include <apr_time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPROXY_METHOD_GROUP "rproxy_method"
#define RPROXY_METHOD_VERSION "0"

/** A member that may get the request. What other processes do to it meanwhile is not seen. */
typedef struct rproxy_candidate_t {
    apr_size_t size;             /* of this struct */
    const char *url;             /* as in RProxyMember */
    unsigned slot;               /* its place in the pool, the same in all processes for as long as it is a member */
    unsigned weight;             /* 1 to 256 */
    unsigned inflight;           /* exchanges that all processes have with it now */
    apr_interval_time_t latency; /* until the head of a response, of late, in microseconds; 0: not known */
} rproxy_candidate_t;

/** What is to be decided. It and all that it points to is gone when the function has returned. */
typedef struct rproxy_choice_t {
    apr_size_t size;         /* of this struct */
    request_rec *r;          /* to be read only */
    const char *pool;        /* its name */
    apr_uint64_t random;     /* fresh bits, for no secrets */
    unsigned tries;          /* of this request so far; the members that had them are no candidates */
    unsigned n;              /* candidates, at least one */
    const rproxy_candidate_t *const *candidates; /* of one priority, in the order of their slots */
} rproxy_choice_t;

/** A method. It outlives all requests. */
typedef struct rproxy_method_t {
    apr_size_t size; /* sizeof(rproxy_method_t) where the module was compiled */

    /**
     * Choose a member. Called by many threads at a time, for each try of each request: let it be quick and never wait.
     * mod_rproxy has left out who is down, ejected, drained, full or was tried, and gives members that are to be tried
     * after a failure their one request itself. It does not ask for requests with a session, which go to that session's
     * member, nor for those that had to wait in the pool's queue, which take what becomes free.
     * @return the index of the candidate; -1 to leave it to chance, by weight
     */
    int (*pick)(const rproxy_choice_t *choice);
} rproxy_method_t;

#ifdef __cplusplus
}
#endif

#endif

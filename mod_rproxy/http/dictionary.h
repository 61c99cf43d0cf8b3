/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** dictionary.c: the fields of RFC 9842, Compression Dictionary Transport.  A part of http.h, which includes it. */
#ifndef RP_HTTP_DICTIONARY_H
#define RP_HTTP_DICTIONARY_H

#ifndef RP_HTTP_H
#error "include http/http.h"
#endif

/** Bytes of a SHA-256, by which dictionaries are known. */
#define RP_DICTIONARY_HASH 32

/** What a client has already, and what a response may be coded against (RFC 9842). */
typedef struct rp_dictionary_t {
    unsigned char hash[RP_DICTIONARY_HASH];
    rp_str_t bytes; /* at most RP_DICTIONARY_MAX; stay where they are until the stream is over */
} rp_dictionary_t;

/** A window of 8 MiB, which every decoder has, reaches all of it (RFC 9842 §5). */
#define RP_DICTIONARY_MAX ((apr_size_t)6 * 1024 * 1024)

/** Characters of an id (RFC 9842 §2.1.3). */
#define RP_DICTIONARY_ID_MAX 1024

/** What a response says of its use as a dictionary; strings are in the pool. */
typedef struct rp_dictionary_use_t {
    const char *match; /* a URL Pattern without regular expressions */
    const char *id;    /* "" for none */
} rp_dictionary_use_t;

/**
 * Read Use-As-Dictionary (RFC 9842 §2.1).
 * @return 0 when there is none, or none that a client may use: invalid, without match, with groups of regular expressions
 *         in it, or of another type than raw
 */
int rp_dictionary_use(apr_pool_t *p, const apr_table_t *response, rp_dictionary_use_t *use);

/** Read Available-Dictionary (RFC 9842 §2.2). @return 0 when there is none, or it is not one SHA-256 */
int rp_dictionary_available(apr_pool_t *p, const apr_table_t *request, unsigned char hash[RP_DICTIONARY_HASH]);

/** The client's Dictionary-ID (RFC 9842 §2.3); "" for none; NULL when it is invalid. */
const char *rp_dictionary_id(apr_pool_t *p, const apr_table_t *request);

/**
 * May a response be coded with a dictionary for this request?  Its length would tell other origins of its content, unless
 * they may read it anyway (RFC 9842 §9.3.2).
 */
int rp_dictionary_may_serve(const apr_table_t *request, const apr_table_t *response);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** stale.c, tags.c, no_vary_search.c, hints.c: what caches do beyond RFC 9111.  A part of http.h, which includes it. */
#ifndef RP_HTTP_EXTENSIONS_H
#define RP_HTTP_EXTENSIONS_H

#ifndef RP_HTTP_H
#error "include http/http.h"
#endif

/* ------------------------------------------------------------------ stale.c: RFC 9111 §4.2.4, RFC 5861 */

/**
 * How long after its freshness lifetime a response may be used while it is being revalidated, or instead of an error:
 * what it says itself, else what is configured (RP_NO_TIME or 0: not at all).  0 when it forbids stale answers.
 */
rp_secs_t rp_stale_while_revalidate(const rp_cc_t *response_cc, rp_secs_t configured);
rp_secs_t rp_stale_if_error(const rp_cc_t *response_cc, rp_secs_t configured);

/** May a stale response of this age answer this request at once, and be revalidated afterwards? */
int rp_may_revalidate_later(const rp_cc_t *response_cc, const rp_cc_t *request_cc, rp_secs_t configured,
                            rp_secs_t lifetime, rp_secs_t age);

/** May it stand in for a 500, 502, 503 or 504?  A request's own stale-if-error counts where the response has none. */
int rp_may_cover_error(const rp_cc_t *response_cc, const rp_cc_t *request_cc, rp_secs_t configured, rp_secs_t lifetime,
                       rp_secs_t age);

/** May it be used when no backend can be reached (RFC 9111 §4.2.4)? */
int rp_may_use_disconnected(const rp_cc_t *response_cc, const rp_cc_t *request_cc, rp_secs_t age);

/* ------------------------------------------------------------------ tags.c: groups (RFC 9875) and tags */

typedef enum rp_tag_kind_e {
    RP_TAG_GROUP, /* of Cache-Groups: one origin's, two origins' groups of one name are two */
    RP_TAG_KEY    /* of Surrogate-Key and Cache-Tag: whoever may purge uses it across origins */
} rp_tag_kind_e;

typedef struct rp_tag_t {
    rp_tag_kind_e kind;
    rp_str_t text; /* case counts; terminated */
} rp_tag_t;

/** More tags, or longer ones, of one response are left out.  RFC 9875 §2 wants 32 of 32 characters at least. */
#define RP_MAX_TAGS 128
#define RP_MAX_TAG_LEN 1024

/**
 * The groups and tags that a response says it belongs to: Cache-Groups (a List of Strings, RFC 9875 §2; ignored as a
 * whole when it is anything else), Surrogate-Key (words between blanks) and Cache-Tag (between commas).  None
 * stands twice.
 * @param tags  set to an array of rp_tag_t in p, which may be empty, groups first
 * @return 1, or 0 when some were left out for their number or length, so that purging by these misses the response
 */
int rp_tags(apr_pool_t *p, const apr_table_t *fields, apr_array_header_t **tags);

/**
 * The groups that a response to an unsafe request invalidates: Cache-Group-Invalidation (RFC 9875 §3), which the
 * caller ignores after safe ones.  Arguments and result as for rp_tags().
 */
int rp_tags_invalidated(apr_pool_t *p, const apr_table_t *fields, apr_array_header_t **tags);

/* ------------------------------------------------------------------ no_vary_search.c: No-Vary-Search */

/** Which differences between queries make no difference (draft-ietf-httpbis-no-vary-search). */
typedef struct rp_nvs_t {
    int any_order;             /* key-order: parameters of different names may change places */
    int only;                  /* names are those that count, by except; else those that do not count, by params */
    apr_array_header_t *names; /* of rp_str_t, decoded to UTF-8, sorted, each once */
} rp_nvs_t;

/**
 * Parse No-Vary-Search.
 * @param value  all lines joined; NULL when absent
 * @return NULL for the default, which is that queries are what they are: also when value is invalid, says nothing, or
 *         has both params and except
 */
const rp_nvs_t *rp_nvs_parse(apr_pool_t *p, const char *value);

/**
 * Rules as text that rp_nvs_parse() reads, the same for the same rules however they were written; "" for NULL.
 */
const char *rp_nvs_format(apr_pool_t *p, const rp_nvs_t *rules);

/**
 * The canonical form of a query: two are the same exactly when rules make the queries equivalent (§6 of the draft).
 * Parameters are read as application/x-www-form-urlencoded (WHATWG URL §5.1): "+", percent-encodings and bytes
 * that are no UTF-8 are what they are there.
 * @param query  without its "?"; NULL when the URL has none, which is the same as an empty one unless rules is NULL
 * @return query itself when rules is NULL; else never NULL
 */
const char *rp_nvs_query(apr_pool_t *p, const rp_nvs_t *rules, const char *query);

/* ------------------------------------------------------------------ hints.c: 103 (Early Hints), RFC 8297 */

/** Hints of more lines or bytes than these are too many to be remembered for a URL. */
#define RP_MAX_HINTS 32
#define RP_MAX_HINTS_LEN 4096

/**
 * Add the hints among a 103's fields, Link and Content-Security-Policy, to *hints, each line once; strings stay fields'.
 * @param hints  *hints may be NULL, and is made in p when there is a first one
 */
void rp_hints_add(apr_pool_t *p, apr_table_t **hints, const apr_table_t *fields);

/** Are they few and short enough to be remembered, and is there a Link? */
int rp_hints_fit(const apr_table_t *hints);

/** Is each line of some among those of all? */
int rp_hints_within(const apr_table_t *some, const apr_table_t *all);

/**
 * Is a 103 of ours of use to a client, and will it not choke on it (RFC 8297 §3)?  Browsers heed it when they navigate,
 * and say that they do; others must have at least HTTP/2, where interim responses cannot be taken for final ones.
 * @param sec_fetch_mode  of the request (Fetch Metadata), or NULL
 * @param http_version    1001 for HTTP/1.1
 */
int rp_hints_wanted(const char *sec_fetch_mode, int http_version);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * http/: the rules of HTTP as pure code.
 *
 * Nothing in this room opens a socket, knows a request_rec or looks at a clock: memory goes in, decisions come
 * out, and time is an argument.  Strings are slices (rp_str_t) of the caller's memory unless a function takes a
 * pool, in which case what it returns lives in that pool.  Tables are APR tables because httpd's are.
 *
 * Times are whole seconds since the epoch (int64_t, "rp_secs_t"), as HTTP's own are; RP_NO_TIME means absent.
 */
#ifndef RP_HTTP_H
#define RP_HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <apr_pools.h>
#include <apr_tables.h>

typedef int64_t rp_secs_t;
#define RP_NO_TIME ((rp_secs_t)-1)

/** Delta-seconds and lifetimes beyond this count as this (RFC 9111 §1.2.2). */
#define RP_MAX_DELTA ((rp_secs_t)1 << 31)

/** A slice of somebody's memory; not terminated.  ptr may be NULL when len is 0. */
typedef struct rp_str_t {
    const char *ptr;
    size_t len;
} rp_str_t;

#define RP_STR(literal) ((rp_str_t){(literal), sizeof(literal) - 1})

/* ------------------------------------------------------------------ field.c: syntax shared by all fields */

/** Nonzero when s is a non-empty token (RFC 9110 §5.6.2). */
int rp_is_token(rp_str_t s);

/** Nonzero when every byte may stand in a field value: VCHAR, SP, HTAB or obs-text (RFC 9110 §5.5). */
int rp_is_field_value(rp_str_t s);

/** s without leading and trailing SP and HTAB. */
rp_str_t rp_trim(rp_str_t s);

/** Nonzero when a and b are equal but for ASCII case. */
int rp_str_caseeq(rp_str_t a, rp_str_t b);

/** rp_str_caseeq against a terminated string. */
int rp_str_is(rp_str_t a, const char *b);

/**
 * Iterate over a comma separated list (RFC 9110 §5.6.1): puts the next non-empty, trimmed element into *item and
 * moves *list behind it; commas inside quoted-strings and their quoted-pairs do not separate.
 * @return 1 when there was an element, 0 at the end
 */
int rp_list_next(rp_str_t *list, rp_str_t *item);

/**
 * Iterate over the ";" parameters of an element, name[=value]: the first call's name is the element itself when
 * the caller passes the whole element.  A quoted value is put into *value with its quotes; when there is no "="
 * value->ptr is NULL.  Names and values are trimmed.
 * @return 1 when there was a part, 0 at the end
 */
int rp_param_next(rp_str_t *rest, rp_str_t *name, rp_str_t *value);

/** The text that a quoted-string or token stands for, quoted-pairs resolved; in p only when it had to be copied. */
rp_str_t rp_unquote(apr_pool_t *p, rp_str_t s);

/** Nonzero when the comma separated list in value (may be NULL) has the token, ASCII case ignored. */
int rp_list_has(const char *value, const char *token);

/**
 * A non-negative decimal integer of digits only.  Values beyond max become max (RFC 9111 §1.2.2 wants that of
 * delta-seconds).
 * @return 1, or 0 when s is not one
 */
int rp_parse_uint(rp_str_t s, uint64_t max, uint64_t *out);

/** What a weight is at most: thousandths are all that a qvalue can say. */
#define RP_QVALUE_MAX 1000

/** A qvalue (RFC 9110 §12.4.2) in thousandths, 0..RP_QVALUE_MAX; -1 when s is none. */
int rp_parse_qvalue(rp_str_t s);

/* ------------------------------------------------------------------ head.c, framing.c: a response's head and length */

typedef struct rp_field_t {
    rp_str_t name;
    rp_str_t value; /* trimmed, obs-fold (RFC 9112 §5.2) replaced by spaces in the caller's buffer */
} rp_field_t;

typedef enum rp_parse_e {
    RP_PARSE_DONE,
    RP_PARSE_MORE, /* well-formed so far, needs more bytes */
    RP_PARSE_BAD   /* what is wrong is in .error */
} rp_parse_e;

/** More fields than this in one head are refused; httpd's default for requests is 100. */
#define RP_MAX_FIELDS 256

typedef struct rp_head_t {
    int minor;       /* HTTP/1.minor: 0 or 1; a higher one is read as 1 (RFC 9110 §2.5) */
    int status;      /* 100..999; what is above 599 counts as 5xx (RFC 9110 §15) */
    rp_str_t reason; /* may be empty */
    int nfields;
    rp_field_t fields[RP_MAX_FIELDS];
    size_t length;     /* bytes of the head, its empty line included, when RP_PARSE_DONE */
    const char *error; /* static text for the log when RP_PARSE_BAD */
} rp_head_t;

/**
 * Parse the head of an HTTP/1.x response (RFC 9112 §4, §5) from buf[0..len).  All slices in head point into buf,
 * which is writable because obs-folds are replaced in place.  Strict: an invalid status line, a status below 100, a
 * bare CR, a NUL or other control byte, white space in or after a field name, an empty field name, a fold before the
 * first field, more than RP_MAX_FIELDS fields are RP_PARSE_BAD.  A bare LF ends a line; the space before an empty reason
 * may be missing.
 * @param seen  bytes of buf that an earlier call already looked at (0 at first, and again after a 1xx head was taken
 *              out): avoids scanning them again.  With it, what is wrong may be told only once the empty line is there,
 *              so the caller bounds len.
 */
rp_parse_e rp_head_parse(rp_head_t *head, char *buf, size_t len, size_t seen);

/** Parse field lines alone up to the empty line (a trailer section, RFC 9112 §7.1.2) into head->fields. */
rp_parse_e rp_trailers_parse(rp_head_t *head, char *buf, size_t len);

/** The first field of that name, or NULL. */
const rp_field_t *rp_head_get(const rp_head_t *head, const char *name);

/** A longer Content-Length is refused; apr_off_t can hold this one. */
#define RP_MAX_LENGTH ((uint64_t)INT64_MAX)

typedef enum rp_body_e {
    RP_BODY_NONE,
    RP_BODY_LENGTH,
    RP_BODY_CHUNKED,
    RP_BODY_UNTIL_CLOSE
} rp_body_e;

typedef struct rp_framing_t {
    rp_body_e body;
    uint64_t length;   /* for RP_BODY_LENGTH */
    int reusable;      /* the connection may carry another exchange after this one (RFC 9112 §9.3) */
    const char *error; /* static text, when refused */
} rp_framing_t;

/**
 * How long the response's body is (RFC 9112 §6.3).  An unknown transfer coding ends with the connection, and its
 * bytes are passed on as they are.  Conflicting or malformed Content-Length (a list of equal values is folded into one),
 * Transfer-Encoding together with Content-Length, Transfer-Encoding in HTTP/1.0, a Transfer-Encoding other than exactly
 * one "chunked" or one unknown coding are refused, also where there is no body: what cannot be framed with certainty
 * could be another response's bytes.  A 101, and a 1xx or 204 that announces a body, is not reusable.
 * What is passed on gets its Content-Length from ->length, not from the field's text, which may be "5, 5".
 * @param to_head  the request was HEAD
 * @return 1, or 0 with ->error set
 */
int rp_response_framing(rp_framing_t *out, const rp_head_t *head, int to_head);

/* ------------------------------------------------------------------ chunked.c: RFC 9112 §7.1 */

#define RP_MAX_TRAILER_BYTES 8192

typedef struct rp_chunked_t {
    int state;
    uint64_t left;     /* bytes left of the current chunk's data */
    unsigned line_len; /* bytes seen of the current size line or trailer section, bounded */
    const char *error;
    size_t trailer_len;
    char trailer[RP_MAX_TRAILER_BYTES + 2]; /* the raw trailer section up to and with its empty line */
} rp_chunked_t;

void rp_chunked_init(rp_chunked_t *c);

/**
 * Take bytes from *in and put the next run of body bytes (a slice of *in) into *data; *in moves behind what was
 * used.  Chunk extensions are skipped (bounded to 4096 bytes a line); chunk sizes beyond 2^62, bare CR, bare LF,
 * missing CRLF after data, junk in sizes are refused.  Where *in is cut makes no difference.  ->trailer is for
 * rp_trailers_parse, which checks it; without trailers it is just the empty line.
 * @return RP_PARSE_DONE at the end of the whole body (data empty; *in begins behind it), RP_PARSE_MORE otherwise
 *         (data may be empty: *in is used up), RP_PARSE_BAD with ->error
 */
rp_parse_e rp_chunked_next(rp_chunked_t *c, rp_str_t *in, rp_str_t *data);

/* ------------------------------------------------------------------ hop.c: fields of one hop */

/**
 * Remove from fields what belongs to one connection only: Connection and every field it names, HTTP2-Settings,
 * Keep-Alive, Proxy-Connection, Proxy-Authorization, TE, Trailer, Transfer-Encoding, Upgrade (RFC 9110 §7.6.1), and
 * "Proxy" (httpoxy).  Content-Length, Host, Cache-Control, Date and other fields that RFC 9110 forbids to be named in
 * Connection, access control's and forwarding's among them, are never removed because of it.  Proxy-Authenticate
 * stays: a 407 makes no sense without it.
 * @return 1, or 0 when a Connection field is malformed (nothing is removed then)
 */
int rp_hop_strip(apr_table_t *fields);

/** The first half of it: what Connection names.  Connection itself stays. @return as rp_hop_strip */
int rp_hop_strip_named(apr_table_t *fields);

/** The other half: what is of one hop by its name. */
void rp_hop_strip_known(apr_table_t *fields);

/**
 * Nonzero when a trailer field of that name may be passed on (RFC 9110 §6.5.1): not what frames, routes, controls
 * access or caching, or describes the content.
 */
int rp_trailer_is_allowed(rp_str_t name);

/* ------------------------------------------------------------------ uri.c: request targets */

/**
 * Nonzero when target ("*", or an absolute path with or without query) can be sent to a backend as it is: bytes
 * 0x21..0x7E without "#"; in the path also no "\\", valid percent-encodings only, and no %00.  Bytes that RFC 3986
 * wants encoded and that clients do not encode, such as '"' and "|", harm nobody.
 */
int rp_target_is_safe(const char *target);

/**
 * The part of raw (an absolute path or absolute-form as received, with or without query) that follows prefix (a
 * decoded, normalised path without trailing slash, "" for the root).  Percent-encoded bytes, dot segments (also %2e)
 * and, with merge_slashes, runs of slashes are read as httpd's own normalisation reads them; what is returned is raw's
 * own bytes except that dot segments are removed (RFC 3986 §5.2.4) and a run of slashes at its beginning is one slash,
 * because to a backend "//host/" may be a network-path reference (behind a prefix it stays without merge_slashes).
 * What httpd authorised is what is sent: nothing in the rest can make a backend climb where httpd did not.
 * @return the rest in p, "" or beginning with "/" or "?"; NULL when raw does not lie under prefix, climbs above the
 *         root, is wrongly encoded, has a %00 or "#", or has what would be a dot segment after decoding %2F or %5C,
 *         reading "\\" as "/" or dropping a parameter ("..;x")
 */
const char *rp_target_rest(apr_pool_t *p, const char *raw, const char *prefix, int merge_slashes);

/**
 * Nonzero when uri (r->uri, decoded and normalised) is what httpd makes of raw: nobody has rewritten it since, and
 * raw may be sent for it.  0 also whenever rp_target_rest would return NULL for the root.
 */
int rp_target_is_uri(apr_pool_t *p, const char *raw, const char *uri, int merge_slashes);

/* ------------------------------------------------------------------ reference.c: a backend's references to itself */

/** How public URLs and a backend's own relate; none is NULL, paths have no trailing slash, hosts may have a port. */
typedef struct rp_mapping_t {
    const char *public_scheme; /* "https" */
    const char *public_host;   /* "shop.example" or "shop.example:8443" */
    const char *public_path;   /* "/app", ""; decoded: it is escaped where it goes out */
    const char *backend_scheme;
    const char *backend_host;      /* the member's authority, "10.0.0.11:8080" */
    const char *backend_path;      /* "/base", "" */
    int paths_differ;              /* public_path is not backend_path */
} rp_mapping_t;

/**
 * Map a reference in Location, Content-Location (or a URL in Refresh) back: an absolute or network-path reference
 * to backend_host (default ports equal to absent ones) gets the public scheme and host; one to public_host keeps
 * them; then, and for absolute-path references, a path under backend_path is moved under public_path.  Anything else
 * (relative paths, other hosts, authorities with a userinfo) is returned as it came: the same pointer.
 */
const char *rp_map_reference(apr_pool_t *p, const rp_mapping_t *m, const char *reference);

/** The same for a Refresh field's value, "5; url=…" (quoted or not). */
const char *rp_map_refresh(apr_pool_t *p, const rp_mapping_t *m, const char *value);

/**
 * The same for a Set-Cookie field's value: Path under backend_path is moved under public_path; a Domain equal to
 * backend_host's host (also with a leading dot) is dropped, so that the cookie becomes the public host's.  The Path of
 * a "__Host-" cookie stays "/".
 */
const char *rp_map_cookie(apr_pool_t *p, const rp_mapping_t *m, const char *value);

/**
 * The path and query on scheme and host that a reference in a response for base (path and query there) leads to
 * (RFC 3986 §5.2), without fragment; in p.  NULL when it leads to another origin, or cannot be read with certainty.
 */
const char *rp_reference_target(apr_pool_t *p, const char *scheme, const char *host, const char *base,
                                const char *reference);

/* ------------------------------------------------------------------ forwarded.c: RFC 7239, Via */

typedef struct rp_forwarded_t {
    const char *client;    /* address, without port */
    const char *host;      /* the Host received */
    const char *scheme;    /* "http" or "https" */
    int trusted;           /* the peer's own claims are kept and added to */
} rp_forwarded_t;

/**
 * Set Forwarded, X-Forwarded-For, -Proto and -Host in a request's fields; see RFC 7239 §4-6 (IPv6 is quoted).  A
 * trusted peer's lists are added to and its -Proto and -Host stay; when it has sent X-Forwarded-* but no Forwarded,
 * Forwarded begins with what those say (RFC 7239 §7.4).  Call it after rp_hop_strip.
 */
void rp_forwarded_set(apr_pool_t *p, apr_table_t *fields, const rp_forwarded_t *f);

/** Add "1.minor pseudonym" to Via (RFC 9110 §7.6.3). */
void rp_via_add(apr_pool_t *p, apr_table_t *fields, int minor, const char *pseudonym);

/* ------------------------------------------------------------------ cache_control.c: RFC 9111 §5.2 */

typedef struct rp_cc_t {
    unsigned no_cache : 1;   /* without field names */
    unsigned no_store : 1;
    unsigned no_transform : 1;
    unsigned only_if_cached : 1;
    unsigned must_revalidate : 1;
    unsigned proxy_revalidate : 1;
    unsigned must_understand : 1;
    unsigned private_ : 1;   /* without field names */
    unsigned public_ : 1;
    unsigned immutable : 1;  /* RFC 8246 */
    unsigned max_stale_any : 1; /* max-stale without a value */
    unsigned present : 1;    /* there was a Cache-Control field at all */
    rp_secs_t max_age;       /* RP_NO_TIME when absent; an invalid value is 0: stale (RFC 9111 §4.2.1) */
    rp_secs_t s_maxage;
    rp_secs_t max_stale;
    rp_secs_t min_fresh;     /* RP_NO_TIME also when invalid */
    rp_secs_t stale_while_revalidate; /* RFC 5861 */
    rp_secs_t stale_if_error;
    const char *no_cache_fields; /* "a, b" in the pool, NULL when absent: not to be reused, so not to be stored */
    const char *private_fields;  /* the same; not to be stored */
} rp_cc_t;

/**
 * Parse Cache-Control (all lines of it joined with commas; NULL when absent).  Unknown directives are ignored; names
 * are case-insensitive; values may be tokens or quoted-strings; of duplicate values the most restrictive counts
 * (the smallest freshness, RFC 9111 §4.2.1).  A quote that is never closed counts as no-store, because it may have
 * swallowed one; a list of field names that cannot be read as none, so that the whole response is meant.
 */
void rp_cc_parse(apr_pool_t *p, rp_cc_t *cc, const char *value);

/**
 * targeted.c: the directives of a response that are meant for us (RFC 9213): those of the first field of targets that
 * is there, valid and not empty, or else Cache-Control's.  Where a targeted field counts, Expires does not (§2.2).
 * @param targets  names of targeted fields, first ones first, NULL behind the last; NULL for none
 * @return 1 when *cc is of a targeted field
 */
int rp_response_cc(apr_pool_t *p, const apr_table_t *fields, const char *const *targets, rp_cc_t *cc);

/* ------------------------------------------------------------------ date.c: RFC 9110 §5.6.7 */

/**
 * An HTTP-date in any of the three formats, ASCII case ignored (RFC 9111 §4.2) but nothing else forgiven.
 * @param value  terminated, white space around it allowed; may be NULL
 * @param now    tells the century of a two-digit year: at most 50 years after it
 * @return 0 for a date before 1970, RP_NO_TIME when it is none
 */
rp_secs_t rp_date_parse(const char *value, rp_secs_t now);

/* ------------------------------------------------------------------ freshness.c: RFC 9111 §3, §4.2 */

/** The facts about a response that decide on storing it and on its freshness; filled from its fields. */
typedef struct rp_response_facts_t {
    int status;
    rp_cc_t cc;              /* from rp_response_cc() */
    int targeted;            /* it is of a targeted field */
    rp_secs_t date;          /* RP_NO_TIME when absent or invalid */
    rp_secs_t expires;       /* RP_NO_TIME when absent or targeted; 0 when invalid: in the past (RFC 9111 §5.3) */
    rp_secs_t last_modified;
    rp_secs_t age;           /* Age field's value, 0 when absent or invalid; its first value when a list */
    int age_is_unclear;      /* there is an Age, and it is not one number */
    const char *etag;        /* as received; NULL when absent or malformed */
    const char *vary;        /* all lines joined; NULL when absent */
    int has_set_cookie;
    int has_content_range;
    rp_secs_t request_time;  /* when the request that got it was sent */
    rp_secs_t response_time; /* when it arrived */
    rp_secs_t ruled;         /* the freshness lifetime that an operator gives it; RP_NO_TIME: none. Not of its fields */
} rp_response_facts_t;

/**
 * Fill *facts from a table of response fields; strings stay the table's or go to p.
 * @param targets  as for rp_response_cc()
 */
void rp_response_facts(apr_pool_t *p, rp_response_facts_t *facts, int status, const apr_table_t *fields,
                       const char *const *targets, rp_secs_t request_time, rp_secs_t response_time);

/** Which responses with Set-Cookie are stored; each is given to everybody, cookie included (RFC 9111 §7.3). */
typedef enum rp_cookies_e {
    RP_COOKIES_NEVER,
    RP_COOKIES_SHARED,    /* those that speak to shared caches: public, s-maxage, or a targeted field's max-age */
    RP_COOKIES_ANONYMOUS, /* and those with explicit freshness that answer a request without a Cookie */
    RP_COOKIES_ALWAYS
} rp_cookies_e;

/** What an operator may change about storing. */
typedef struct rp_store_rules_t {
    int allow_authorization; /* store responses to requests with Authorization without the leave of RFC 9111 §3.5 */
    rp_cookies_e set_cookie;
} rp_store_rules_t;

/** What a request had that may make a response one user's own. */
#define RP_HAD_AUTHORIZATION 1
#define RP_HAD_COOKIE 2

/**
 * May a shared cache store this response (RFC 9111 §3)?
 * @param method         "GET" or "HEAD": any other is no
 * @param request_cc     the request's directives (no-store)
 * @param had            what the request had: RP_HAD_AUTHORIZATION, RP_HAD_COOKIE
 * @return NULL when it may, else a static word why not: "method", "status", "no-store", "private", "authorization",
 *         "set-cookie", "vary-star", "partial", "no-freshness" (no leave by RFC 9111 §3, or never usable: no time in
 *         which it is fresh or may be served stale, and no validator to ask with)
 */
const char *rp_not_storable(const rp_response_facts_t *facts, const rp_store_rules_t *rules, const char *method,
                            const rp_cc_t *request_cc, int had);

/**
 * May a response that has a Set-Cookie be stored, as far as the cookie is concerned?  A cookie that
 * private="Set-Cookie" or no-cache="Set-Cookie" keep back never hinders: the caller leaves it out (RFC 9111 §5.2.2.4,
 * §5.2.2.7).
 */
int rp_may_store_cookie(const rp_response_facts_t *facts, rp_cookies_e allowed, int had);

/** Does the response say how long it is fresh (s-maxage, max-age, Expires), be it 0? */
int rp_has_explicit_freshness(const rp_response_facts_t *facts);

/** Nonzero when a status may be stored by heuristic freshness (RFC 9110 §15.1). */
int rp_status_is_heuristic(int status);

/** How long what says nothing of its freshness is fresh (RFC 9111 §4.2.2). */
typedef struct rp_heuristic_t {
    unsigned percent; /* of the time since Last-Modified, 0..100; 0: no heuristics */
    rp_secs_t most;
} rp_heuristic_t;

/**
 * Freshness lifetime for a shared cache (RFC 9111 §4.2.1), 0..RP_MAX_DELTA seconds: the operator's, s-maxage, max-age,
 * Expires - Date, then a part of the time since Last-Modified, for statuses that allow it and for what is marked
 * "public" (§4.2.2).
 */
rp_secs_t rp_freshness_lifetime(const rp_response_facts_t *facts, rp_heuristic_t heuristic);

/** Age when it arrived: corrected_initial_age of RFC 9111 §4.2.3. */
rp_secs_t rp_initial_age(const rp_response_facts_t *facts);

/** current_age (RFC 9111 §4.2.3); never negative. */
rp_secs_t rp_current_age(rp_secs_t initial_age, rp_secs_t response_time, rp_secs_t now);

typedef enum rp_usable_e {
    RP_USABLE_FRESH,       /* answer with it */
    RP_USABLE_STALE_OK,    /* stale, but the request's max-stale allows it */
    RP_USABLE_VALIDATE     /* ask the backend first */
} rp_usable_e;

/**
 * May a stored response be used without asking (RFC 9111 §4, §4.2.4, §5.2.1)?  A client's max-age, with which browsers
 * reload, does not count for what is immutable as long as it is fresh (RFC 8246 §2).
 * @param pragma_no_cache  the request has Pragma: no-cache and no Cache-Control (RFC 9111 §5.4)
 */
rp_usable_e rp_usable(const rp_cc_t *response_cc, const rp_cc_t *request_cc, int pragma_no_cache,
                      rp_secs_t lifetime, rp_secs_t age);

/* ------------------------------------------------------------------ conditional.c: RFC 9110 §13, §8.8 */

/** Strong and weak comparison of entity tags as they stand in fields, quotes and W/ included (RFC 9110 §8.8.3.2). */
int rp_etag_strong_eq(const char *a, const char *b);
int rp_etag_weak_eq(const char *a, const char *b);

/**
 * Nonzero when the list of an If-None-Match (strong = 0) or If-Match (strong = 1) has "*" or matches etag (may be
 * NULL).  Nothing is matched from a malformed member on.
 */
int rp_etag_list_has(const char *list, const char *etag, int strong);

/**
 * Evaluate the preconditions of a GET or HEAD against a representation in hand, in the order of RFC 9110 §13.2.2
 * (If-Range is not among them).
 * @param request        the request's fields
 * @param etag           of the selected representation, NULL when none
 * @param last_modified  RP_NO_TIME when none
 * @param date           when it was made or, failing that, arrived: stands in for last_modified in If-Modified-Since
 *                       (RFC 9111 §4.3.2); RP_NO_TIME when unknown
 * @return 200 (go on), 304, or 412 when If-Match or If-Unmodified-Since fails; these two are the origin's to judge
 *         (§13.2.2), so a cache forwards the request then instead of answering
 */
int rp_preconditions(const apr_table_t *request, const char *etag, rp_secs_t last_modified, rp_secs_t date);

/** Nonzero when a Range may be honoured in view of If-Range (RFC 9110 §13.1.5); yes when there is no If-Range. */
int rp_if_range_ok(const apr_table_t *request, const char *etag, rp_secs_t last_modified, rp_secs_t date);

/**
 * Nonzero when a 304 with these validators (NULL and RP_NO_TIME when it has none) speaks of the stored response that
 * we asked about with its own (RFC 9111 §4.3.4); if not, the stored response must not be freshened.
 */
int rp_304_is_of(const rp_response_facts_t *stored, const rp_response_facts_t *fresh);

/** The same for a 200 to a HEAD, whose validators must all be the stored response's (RFC 9111 §4.3.5). */
int rp_head_is_of(const rp_response_facts_t *stored, const rp_response_facts_t *fresh);

/**
 * Freshen stored fields with those of a 304 (RFC 9111 §3.2): every field of fresh replaces all of its namesakes in
 * stored, except what the stored body's integrity depends on (Content-Length, Content-Encoding, Content-Range,
 * Content-MD5, digests), hop-by-hop fields and ETag (a weaker one).  A stored Age goes, because it counted from the old
 * answer.
 */
void rp_freshen_fields(apr_table_t *stored, const apr_table_t *fresh);

/* ------------------------------------------------------------------ vary.c: RFC 9111 §4.1 */

/** Nonzero when Vary (may be NULL) has "*", or a member that is no field name and so cannot be matched either. */
int rp_vary_is_star(const char *vary);

/**
 * The names in Vary as a lower-case, sorted, unique, comma-joined list in p; "*" when rp_vary_is_star; NULL for none.
 */
const char *rp_vary_names(apr_pool_t *p, const char *vary);

/**
 * The part of a request that Vary names make a key of: for each name its normalised values (all lines joined, white
 * space around commas removed, Accept-Language, -Encoding and -Charset in lower case and without an order, absent
 * distinct from empty), in a form in which no two different selections are alike.
 * @param names  from rp_vary_names, neither NULL nor "*"
 */
const char *rp_vary_selection(apr_pool_t *p, const char *names, const apr_table_t *request);

/**
 * The same as for a request whose Accept-Language asks for nothing but language, a form that no rp_vary_selection has.
 * @param language  from rp_language_preferred() or rp_language_only()
 * @return NULL when accept-language is not among names
 */
const char *rp_vary_selection_in(apr_pool_t *p, const char *names, const apr_table_t *request, const char *language);

#include "http/range.h"      /* range.c */
#include "http/structured.h" /* structured.c: RFC 9651 */
#include "http/query.h"      /* query.c, cookie.c */
#include "http/session.h"    /* session.c, cookie.c */
#include "http/extensions.h" /* tags.c, no_vary_search.c */
#include "http/language.h"   /* language.c */
#include "http/dictionary.h" /* dictionary.c: RFC 9842 */

/* ------------------------------------------------------------------ accept_encoding.c: RFC 9110 §12.5.3 */

/** Codings in our order of no preference; bit i of a mask is coding i. */
typedef enum rp_coding_e {
    RP_CODING_IDENTITY,
    RP_CODING_GZIP, /* also x-gzip */
    RP_CODING_BR,
    RP_CODING_ZSTD,
    RP_CODING_DCZ, /* Zstandard with a dictionary that the client has (RFC 9842 §5), never meant by "*" */
    RP_CODING_DCB, /* Brotli likewise (RFC 9842 §4) */
    RP_NCODINGS
} rp_coding_e;

/** Nonzero for codings that need a dictionary. */
int rp_coding_has_dictionary(rp_coding_e coding);

/**
 * Choose a content coding.
 * @param accept_encoding  the field, all lines joined; NULL when absent (then identity)
 * @param prefer           the server's codings in order of preference, best first, identity not among them
 * @param n                how many
 * @return the coding with the highest q-value, the server's order deciding among equals; identity when nothing else is
 *         acceptable, even when the client refused it (a 406 helps nobody), or when the field is junk
 */
rp_coding_e rp_accept_encoding(const char *accept_encoding, const rp_coding_e *prefer, int n);

#endif

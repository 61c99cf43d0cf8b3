/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * encode/: content codings on the way to the client.
 *
 * codec.h's tables say what a coding can do (gzip.c, br.c, zstd.c); plan.c decides whether a response is
 * coded and what that does to its fields; filter.c is the one output filter.  The decision is taken from
 * fields alone, before the first byte of the body is seen, so that HEAD and 304 say what a GET would.
 *
 * The order of calls for a response: rp_encode_applies(); if so rp_encode_choose() and rp_encode_apply(),
 * whatever was chosen.  For a request that goes on to a backend: rp_encode_choose(), then
 * rp_encode_strip_validators().
 */
#ifndef RP_ENCODE_H
#define RP_ENCODE_H

#include <httpd.h>
#include "http/http.h"

/** Bytes that are not worth coding: what is saved is less than what the fields and the time cost. */
#define RP_ENCODE_MIN_SIZE 256

/** From RProxyCompress, -Types, -Min and -Level; what is -1 or NULL has its default. */
typedef struct rp_encode_conf_t {
    rp_coding_e prefer[RP_NCODINGS]; /* best first, identity not among them */
    int nprefer;                     /* 0 or -1: off */
    apr_array_header_t *types;       /* of const char *: "type/subtype", "type/" and a star, or "+suffix" */
    apr_off_t min_size;              /* bytes; a shorter body of known length is left alone */
    int level[RP_NCODINGS];          /* within rp_encode_levels() */
} rp_encode_conf_t;

/** The default content types, NULL-terminated. */
extern const char *const rp_encode_default_types[];

/** Bounds and default of a coding's level, for the directive table; all 0 for identity. */
void rp_encode_levels(rp_coding_e coding, int *min, int *max, int *dflt);

/** The name in Content-Encoding ("gzip", "br", "zstd", "identity"). */
const char *rp_coding_name(rp_coding_e coding);

/** The coding of that name (ASCII case ignored, "x-gzip" is gzip), or -1. */
int rp_coding_by_name(const char *name);

/** What the plan needs to know of a response. */
typedef struct rp_encode_facts_t {
    int status;
    const char *content_type;     /* with parameters; NULL when absent */
    const char *content_encoding; /* NULL when absent */
    const char *cache_control;    /* NULL when absent */
    apr_off_t length;             /* of the body; -1 when unknown */
    int has_content_range;
} rp_encode_facts_t;

/**
 * Is coding sound for this response, whatever is configured?  Any final status but those whose body is absent
 * or something else than the whole representation (204, 205, 206, 226, 304); no Content-Range; not coded
 * already; not no-transform.
 */
int rp_encode_possible(const rp_encode_facts_t *facts);

/**
 * Could this response go out in another coding, had the request another Accept-Encoding?  Then it says
 * Vary: Accept-Encoding, whatever is chosen.  That is rp_encode_possible() with compression on, a listed
 * type, and a length that is unknown or at least min_size.
 */
int rp_encode_applies(const rp_encode_conf_t *conf, const rp_encode_facts_t *facts);

/**
 * The coding for this request by its Accept-Encoding.  Identity when it has a Range, so that ranges are
 * always of the bytes as the backend made them, and when it says no-transform (RFC 9111 §5.2.1.6).
 */
rp_coding_e rp_encode_choose(const rp_encode_conf_t *conf, const apr_table_t *request);

/**
 * The entity tag of the coded representation: "x" becomes "x+gzip", weak ones likewise and stay weak, because
 * other bytes have another tag (RFC 9110 §8.8.3.3).
 * @return etag itself for identity; NULL when etag is NULL or malformed: no tag is better than one for two
 *         things
 */
const char *rp_encode_etag(apr_pool_t *p, const char *etag, rp_coding_e coding);

/**
 * Translate the validators of a request that goes to a backend, which knows nothing of our codings.
 *
 * If-Match: our suffix is taken off every tag that has one.  If-None-Match: taken off where it is coding's; a
 * tag with another of our suffixes is dropped, as it is of a representation that we would not send.  When
 * none is left the field goes, and with it If-Modified-Since, which has no say beside If-None-Match (RFC 9110
 * §13.1.3).  "*" and malformed fields stay as they are.
 *
 * If-Range is left alone: a tag with a suffix says that the client has a part of coded bytes, ranges are of
 * uncoded ones, so the backend must find no match and send the whole.
 * @param coding  from rp_encode_choose()
 */
void rp_encode_strip_validators(apr_pool_t *p, apr_table_t *request, rp_coding_e coding);

/**
 * Which representation a backend's 304 is about, when rp_encode_strip_validators() translated the request:
 * coding if the client's own If-None-Match has etag's coded form, else identity (the 304 is then passed on as
 * it came).
 * @param if_none_match  as the client sent it, all lines joined; may be NULL
 * @param etag           of the 304; when NULL any tag with coding's suffix will do
 * @param coding         as was given to rp_encode_strip_validators()
 */
rp_coding_e rp_encode_held(const char *if_none_match, const char *etag, rp_coding_e coding);

/** Add Accept-Encoding to Vary unless it, or "*", is there. */
void rp_encode_vary(apr_table_t *response);

/**
 * Make the fields those of the coded representation: Content-Encoding, ETag; without Content-Length,
 * Accept-Ranges and the digests of uncoded bytes (Content-MD5, Digest, RFC 9530's Content-Digest and
 * Repr-Digest).  Nothing for identity.
 */
void rp_encode_fields(apr_pool_t *p, apr_table_t *response, rp_coding_e coding);

/** Take digests out of the fields, or trailer fields, of a response that is coded by us: they are of other bytes. */
void rp_encode_drop_digests(apr_table_t *fields);

/**
 * Let the response of r go out in coding.  Vary is added to r->headers_out at once; identity needs no more,
 * and a 304 gets its ETag at once too.  For the rest the output filter is added; it sets the fields
 * with the first brigade, unless some other filter (mod_deflate's) has coded the response by then.  In a
 * subrequest: nothing, the response is a part of another one.  A response to HEAD gets its fields, but needs
 * a brigade to get them: an EOS.
 *
 * Call it once, with r->status and r->headers_out complete, before the first brigade.
 */
void rp_encode_apply(request_rec *r, const rp_encode_conf_t *conf, rp_coding_e coding);

/** Register the output filter and the cleanup at a child's exit; called by the module's register_hooks. */
void rp_encode_register(void);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * encode/: content codings on the way to the client.
 *
 * codec.h's table says what a coding can do (gzip.c, br.c, zstd.c); plan.c decides whether and how a response is
 * coded and what that does to its fields; filter.c is the one output filter.  The decision is taken from fields
 * alone, before the first byte of the body is seen, so that 304 and HEAD tell what a GET would.
 */
#ifndef RP_ENCODE_H
#define RP_ENCODE_H

#include <httpd.h>
#include "http/http.h"

/** From RProxyCompress, RProxyCompressTypes, RProxyCompressMin, RProxyCompressLevel. */
typedef struct rp_encode_conf_t {
    rp_coding_e prefer[RP_NCODINGS]; /* best first */
    int nprefer;                     /* 0: off */
    apr_array_header_t *types;       /* of const char *, lower case: a type, or one with a star for the subtype, or "+json" for a suffix */
    apr_off_t min_size;              /* bytes; shorter ones with a known length are left alone */
    int level[RP_NCODINGS];
} rp_encode_conf_t;

/** The default content types, NULL-terminated. */
extern const char *const rp_encode_default_types[];

/** Level bounds and default of a coding, for the directive table. */
void rp_encode_levels(rp_coding_e coding, int *min, int *max, int *dflt);

/** The name in Content-Encoding ("gzip", "br", "zstd", "identity"), and back (-1 when unknown). */
const char *rp_coding_name(rp_coding_e coding);
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
 * Could this response go out in another coding for some other Accept-Encoding?  Then it must say Vary: Accept-Encoding,
 * whatever is chosen.  No for: compression off, listed types not matched, already encoded, no-transform, too short,
 * 204, 206, 304-less-body statuses other than 200-class/4xx/5xx pages with bodies, Content-Range.
 */
int rp_encode_applies(const rp_encode_conf_t *conf, const rp_encode_facts_t *facts);

/**
 * The coding for this request when rp_encode_applies(): by Accept-Encoding; identity when the request has a Range, so that
 * ranges are of the bytes that the client already has.
 */
rp_coding_e rp_encode_choose(const rp_encode_conf_t *conf, const apr_table_t *request);

/**
 * The entity tag of the coded representation: "x" becomes "x+gzip" (weak ones likewise, staying weak); other bytes have
 * another tag (RFC 9110 §8.8.3.3).  identity returns etag itself.
 */
const char *rp_encode_etag(apr_pool_t *p, const char *etag, rp_coding_e coding);

/**
 * For a request that goes to a backend, which knows nothing of our codings: in If-None-Match, If-Match and If-Range, take the
 * suffix off every tag that carries one of ours.  With coding the one that rp_encode_choose() gives, tags of other codings are dropped from
 * If-None-Match (they are not of the representation that we would send).
 */
void rp_encode_strip_validators(apr_pool_t *p, apr_table_t *request, rp_coding_e coding);

/**
 * Set the response's fields in r->headers_out for coding: Vary, and unless identity Content-Encoding, ETag, no Content-Length, no
 * Accept-Ranges, no Content-MD5/Digest fields (RFC 9530 Content-Digest; Repr-Digest too), and add the output filter.  Call it once, before the first brigade, and also for 304 (fields only).
 */
void rp_encode_apply(request_rec *r, const rp_encode_conf_t *conf, rp_coding_e coding);

/** Register the output filter; called by the module's register_hooks. */
void rp_encode_register(void);

#endif

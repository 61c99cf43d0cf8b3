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
#include <ap_expr.h>
#include "http/http.h"

/** Bytes that are not worth coding: what is saved is less than what the fields and the time cost. */
#define RP_ENCODE_MIN_SIZE 256

/** The most that RProxyCompressPad takes; RP_CODEC_PAD. */
#define RP_ENCODE_PAD_MOST 4096

/** Of RProxyCompressStored: bytes up to which the highest level of all is worth its time, what is coded at all, CPU. */
#define RP_ENCODE_STORED_HIGHEST (1024 * 1024)
#define RP_ENCODE_STORED_LARGEST (16 * 1024 * 1024)
#define RP_ENCODE_STORED_BUDGET 50
#define RP_ENCODE_STORED_ROOM (64 * 1024 * 1024)

/** One RProxyDictionary. */
typedef struct rp_dictionary_conf_t {
    const char *match, *dest, *id;
    const char *field;          /* Use-As-Dictionary, made of these; NULL: off */
    const char *url;            /* with a file: where clients get it, */
    const char *link;           /* and how pages name it; NULL: none */
    const char *etag;
    rp_dictionary_t dictionary; /* the file's; lives as long as the configuration */
} rp_dictionary_conf_t;

/** One condition of RProxyCompressExcept: on a cookie, or an expression. */
typedef struct rp_encode_exception_t {
    const char *cookie; /* its name, or NULL */
    const ap_expr_info_t *expr;
    int is_late;        /* the expression needs what the quick handler does not know */
} rp_encode_exception_t;

/** From RProxyCompress, -Types, -Min, -Level and -Stored; what is -1 or NULL has its default. */
typedef struct rp_encode_conf_t {
    rp_coding_e prefer[RP_NCODINGS]; /* best first, identity not among them */
    const apr_array_header_t *exceptions; /* of rp_encode_exception_t; NULL: nothing was said */
    int pad;                         /* at most so many random bytes hide a length; 0: none */
    int adapt;                       /* lower levels when the CPU is short */
    int ask_gzip;                    /* backends are asked for gzip */
    int dictionaries;                /* nonzero when one of them needs a dictionary */
    int nprefer;                     /* 0 or -1: off */
    apr_array_header_t *types;       /* of const char *: "type/subtype", "type/" and a star, or "+suffix" */
    apr_off_t min_size;              /* bytes; a shorter body of known length is left alone */
    int level[RP_NCODINGS];          /* within rp_encode_levels() */
    const rp_dictionary_conf_t *use;      /* RProxyDictionary without a file; NULL: nothing was said */
    const rp_dictionary_conf_t *external; /* and with one */
    struct {
        int on;                      /* cached responses are coded once more, thoroughly, and kept so */
        int level[RP_NCODINGS];
        int budget;                  /* percent of one core that this may take */
        apr_uint64_t largest;        /* of what is coded so, bytes; 0: the default */
        apr_uint64_t room;           /* bytes of the store that it may take on the host; 0: the default */
    } stored;
} rp_encode_conf_t;

/** No coding to negotiate, but what undoes a backend's gzip; where a coding stands, it means the bytes unpacked. */
#define RP_UNGZIP RP_NCODINGS

/** The default content types, NULL-terminated. */
extern const char *const rp_encode_default_types[];

/** Bounds and default of a coding's level, for the directive table; all 0 for identity. */
void rp_encode_levels(rp_coding_e coding, int *min, int *max, int *dflt);

/** Nonzero when the library that this is linked with can do the coding. */
int rp_coding_is_there(rp_coding_e coding);

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

/** Nonzero when a body that begins so is not worth coding: all bytes are about as frequent as in what is packed. */
int rp_encode_is_packed(rp_str_t beginning);

/**
 * The level to use just now instead of level: the lowest one when twice as many processes want the CPU as it has cores,
 * level itself when all find a place.
 */
int rp_level_now(rp_coding_e coding, int level);

/** The same for a load and a number of cores that are given. */
int rp_level_at(rp_coding_e coding, int level, double load, int cores);

/** Nonzero when the backend has coded it in gzip and in nothing else. */
int rp_encode_is_gzip(const char *content_encoding);

/**
 * Is this a backend's gzip that we may undo, or replace by another coding?  Then it says Vary: Accept-Encoding as well.
 */
int rp_encode_undoes(const rp_encode_conf_t *conf, const rp_encode_facts_t *facts);

/**
 * What is to become of a backend's gzip: identity, which leaves it as it is, for clients that take gzip; coding for
 * those that take that but no gzip; else RP_UNGZIP.
 */
rp_coding_e rp_encode_undo(const apr_table_t *request, rp_coding_e coding);

/**
 * Could this response go out in another coding, had the request another Accept-Encoding?  Then it says
 * Vary: Accept-Encoding, whatever is chosen.  That is rp_encode_possible() with compression on, a listed
 * type, and a length that is unknown or at least min_size.
 */
int rp_encode_applies(const rp_encode_conf_t *conf, const rp_encode_facts_t *facts);

/**
 * The coding for this request by its Accept-Encoding.  Identity when it says no-transform (RFC 9111 §5.2.1.6), and when
 * it has a Range, so that ranges are of the bytes as the backend made them; but not when its If-Range says that it has a
 * part of what is stored in this coding.
 * @param dictionary  nonzero when the client's dictionary can be used
 */
rp_coding_e rp_encode_choose(const rp_encode_conf_t *conf, const apr_table_t *request, int dictionary);

/** Characters of a digest of coded bytes: lower case hexadecimal digits. */
#define RP_ENCODE_DIGEST 12

/**
 * The entity tag of the coded representation, because other bytes have another tag (RFC 9110 §8.8.3.3): "x" becomes
 * W/"x+gzip" where it is coded anew for each client, so that the bytes may differ, and "x+gzip-0123456789ab" where they
 * are known by their digest; a weak one stays weak, and W/"x" becomes W/"x+gzip-w" where those are not known.
 * @param digest  RP_ENCODE_DIGEST characters, or NULL
 * @return etag itself for identity; NULL when etag is NULL or malformed: no tag is better than one for two
 *         things
 */
const char *rp_encode_etag(apr_pool_t *p, const char *etag, rp_coding_e coding, const char *digest);

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
 * The tag under which the client has a representation in coding, whenever and by whom it was coded; NULL when its
 * If-None-Match has none.
 * @param if_none_match  as the client sent it, all lines joined; may be NULL
 * @param etag           of the representation as it is uncoded; when NULL any tag with coding's suffix will do
 */
const char *rp_encode_held(apr_pool_t *p, const char *if_none_match, const char *etag, rp_coding_e coding);

/** Add what the coding depends on to Vary, unless it, or "*", is there: Accept-Encoding, and Available-Dictionary. */
void rp_encode_vary(const rp_encode_conf_t *conf, apr_table_t *response);

/**
 * Make the fields those of the coded representation: Content-Encoding, ETag; without Content-Length,
 * Accept-Ranges and the digests of uncoded bytes (Content-MD5, Digest, RFC 9530's Content-Digest and
 * Repr-Digest).  Nothing for identity.
 * @param digest  see rp_encode_etag()
 */
void rp_encode_fields(apr_pool_t *p, apr_table_t *response, rp_coding_e coding, const char *digest);

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
 * @param dictionary  for the codings that need one; lives as long as r does
 */
void rp_encode_apply(request_rec *r, const rp_encode_conf_t *conf, rp_coding_e coding,
                     const rp_dictionary_t *dictionary);

/** Register the output filter and the cleanup at a child's exit; called by the module's register_hooks. */
void rp_encode_register(void);

#endif

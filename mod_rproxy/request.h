/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The one struct of a request, passed down from the hooks to the wire; lives in the request's pool.
 *
 * route/ makes it, cache/ asks it what may be stored, balance/ and upstream/ fill in the response.  No step keeps state
 * of its own elsewhere.
 */
#ifndef RP_REQUEST_H
#define RP_REQUEST_H

#include "cache/policy.h"
#include "config/config.h"
#include "http/http.h"
#include "upstream/conn.h"

/** The head of a final response as a backend sent it, mapped to the public view. */
typedef struct rp_response_t {
    int status;
    const char *reason;      /* "" when there was none */
    apr_table_t *fields;     /* end-to-end fields only */
    rp_framing_t framing;
    apr_time_t request_time; /* wall clock, when the request went out and the head came in */
    apr_time_t time;
    apr_bucket_brigade *ahead;  /* goes to the client before the body that comes in, or NULL */
    apr_bucket_brigade *behind; /* and behind it */
    apr_uint64_t joined;        /* bytes of both together */
} rp_response_t;

/** Sees each piece of a response's body on its way to the client, and its end. */
typedef struct rp_tee_t {
    void (*data)(void *ctx, const char *buf, apr_size_t len);
    void (*pause)(void *ctx);             /* the backend makes a pause: others may want what there is */
    void (*end)(void *ctx, int complete); /* before the client gets the end */
    int (*wants_rest)(void *ctx);         /* the client went away: is the rest to be fetched all the same? */
    /* How long a client may hold up what others wait for as well; 0: as long as it likes. */
    apr_interval_time_t (*patience)(void *ctx);
    /* It does: will rest() be able to give it later what it does not take now? */
    int (*hold)(void *ctx);
    /* Behind end(): append to bb what lies behind the first bytes. @return other than APR_SUCCESS: it cannot be had */
    apr_status_t (*rest)(void *ctx, apr_uint64_t from, apr_bucket_brigade *bb);
    void *ctx;
} rp_tee_t;

/** What is counted and logged of a request when it is over. Times are microseconds. */
typedef struct rp_account_t {
    int served;                     /* it came to the handler */
    const char *cache;              /* what the cache did, as the note rproxy-cache has it; NULL: there was none */
    const char *said;               /* behind our name in Cache-Status */
    apr_time_t asked;               /* rp_now(): a member was first looked for; 0: none was */
    apr_interval_time_t connect;    /* went on connecting, all tries together */
    apr_interval_time_t head;       /* from the request that was answered to the head of its response; 0: there was none */
    apr_time_t ended;               /* rp_now(): the last exchange was over; 0: it is not */
} rp_account_t;

typedef enum rp_detached_e {
    RP_ATTACHED,
    RP_DETACHED,      /* there is no client, or none any more: the response is for the cache alone */
    RP_DETACHED_HELD  /* the client is slow: it gets the rest when the cache has it */
} rp_detached_e;

typedef struct rp_request_t {
    request_rec *r;
    const rp_server_conf_t *sconf;
    const rp_dir_conf_t *dconf;
    const rp_route_t *route;

    const char *name;          /* ours, in Via and the like */
    const char *public_scheme; /* as the client sees it, through trusted peers too */
    const char *public_host;   /* likewise; lower case */
    const char *host;          /* the authority that was asked for, as it came; "" when none (HTTP/1.0) */
    const char *url;           /* path and query that were asked for, after rewriting: what the cache knows it by */
    const char *target;        /* for the backend's request line */
    int trusted;               /* the peer is one of RProxyTrust */

    const char *method;        /* for the backend's request line */
    apr_table_t *fields;       /* request fields for backends: end-to-end, with ours added */
    rp_body_e body;            /* of the request: none, length, chunked */
    apr_uint64_t body_len;
    rp_str_t content;          /* its beginning, read ahead or kept for another try; ptr is NULL for none */
    apr_size_t content_room;   /* bytes there are for it */
    int content_whole;         /* content is all of it, to be sent as often as need be */
    apr_uint64_t keep_most;    /* so much of it is kept while it is sent */
    const char *content_key;   /* what a cache tells it from other content by, or NULL: see rp_query_read() */
    int body_begun;            /* bytes of it were taken from the client and not kept: no second try */
    apr_uint64_t body_sent;    /* bytes of it that went to the backend */
    struct rp_upload_t *upload; /* see upstream/upload.h: more of it is sent while the response comes; NULL: nothing is */
    int sent_whole;            /* the request went out to its last byte: without that its connection is of no more use */
    int continued;             /* the backend has said 100 */
    int answered;              /* the status of the final response, whose head came before it was waited for; or 0 */
    int close_client;          /* the client may still send what nobody wants: its connection ends with the response */
    int is_part;               /* of another response (a subrequest, an error document): whole, and without conditions */
    const char *upgrade;       /* the protocols that the client would switch to, or NULL */
    int wants_trailers;        /* the client can take trailers */
    rp_detached_e detached;

    rp_conn_t *conn;           /* of the exchange in progress */
    apr_time_t try_until;      /* rp_now(): when it must have brought a head; 0: no such bound */
    apr_time_t sent;           /* rp_now(): when the request was out */
    rp_response_t response;
    apr_table_t *hints;        /* of the 103s that the backend sent before it, or NULL */
    const apr_table_t *hinted; /* those that the client was sent before the backend was asked, or NULL */
    apr_table_t *hints_passed; /* those of tries that came to nothing, or NULL */
    apr_uint64_t queue_ticket; /* in its pool's queue, if it has ever waited there; else 0 */
    apr_time_t queue_until;    /* rp_now(): it waits there no longer than until then */
    struct rp_session_t *session; /* see balance/sticky.h; NULL: not looked for */
    int attempts;
    const char *member;        /* URL of the last one tried */
    rp_failure_t failure;
    const char *key_own;       /* what it adds to its cache keys, where that is known from elsewhere; else NULL */
    rp_policy_t policy;        /* what the operator's rules make of it */
    rp_coding_e coding;        /* what the client would get, when the response may be encoded */
    rp_coding_e plain_coding;  /* the same without a dictionary */
    rp_dictionary_t *dictionary; /* that the client has, when coding needs one; bytes are NULL until they are used */
    rp_account_t account;
} rp_request_t;

#endif

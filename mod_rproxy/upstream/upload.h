/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A request's content on its way from the client to rq->conn, in steps that do not wait.
 *
 * Until the backend answers send.c waits between them.  When it answers with success before it has all of the content,
 * the response goes to the client while the rest is sent: then relay.c waits, by rp_upload_wait(), for both at a time.
 */
#ifndef RP_UPLOAD_H
#define RP_UPLOAD_H

#include "request.h"

/** Room for content whose length nobody said, to begin with. */
#define RP_CONTENT_ROOM 4096

/** What one step of sending came to. */
typedef enum rp_step_e {
    RP_STEP_OK,
    RP_STEP_END,      /* the content is out */
    RP_STEP_EARLY,    /* the backend answers already (or closed): no need for the rest */
    RP_STEP_OVERLAP,  /* it succeeds already: the rest is sent while the response is passed on */
    RP_STEP_LOST,     /* writing failed, see the status */
    RP_STEP_TIMEOUT,
    RP_STEP_CLIENT,   /* the client's side failed, see the status */
    RP_STEP_NO_INPUT, /* the client has sent nothing for now */
    RP_STEP_NO_OUTPUT /* the backend takes nothing for now */
} rp_step_e;

typedef struct rp_upload_t {
    apr_bucket_brigade *bb; /* from the client */
    apr_bucket_brigade *held; /* taken out of it: what out lies in */
    rp_str_t kept;          /* of rq->content: not yet in out */
    rp_str_t out;           /* what is to be written next, framed */
    char *room;             /* for a chunk */
    int last;               /* nothing comes behind what is in out */
    int want;               /* what writing waits for */
    apr_uint64_t moved;     /* bytes that were written */
} rp_upload_t;

/** To send rq's content to rq->conn, from its beginning; in the request's pool. */
rp_upload_t *rp_upload_new(rp_request_t *rq);

/** Send what can be sent without waiting; but HTTP/2 streams, which have no socket, are waited for in their filter. */
rp_step_e rp_upload_step(rp_request_t *rq, rp_upload_t *upload, apr_status_t *status);

/** What the client has sent, of about a chunk's size, into bb. @return RP_STEP_OK, RP_STEP_NO_INPUT or RP_STEP_CLIENT */
rp_step_e rp_upload_read(rp_request_t *rq, apr_bucket_brigade *bb, apr_status_t *status);

/** Put it behind rq->content. @return RP_STEP_OK, RP_STEP_END when that is all of it, or RP_STEP_CLIENT */
rp_step_e rp_upload_take(rp_request_t *rq, apr_bucket_brigade *bb, apr_status_t *status);

/**
 * While rq->upload is there: wait for the backend or the client, and send on meanwhile.
 * @param backend  RP_WANT_ bits, or 0
 * @param client   likewise
 * @return APR_SUCCESS when one of them holds or the content has come to its end (rq->upload is NULL then); APR_TIMEUP;
 *         APR_ECONNABORTED for the client, whose connection is of no more use
 */
apr_status_t rp_upload_wait(rp_request_t *rq, int backend, int client, apr_time_t deadline);

/** Send no more of it: neither connection is used for another exchange. */
void rp_upload_give_up(rp_request_t *rq);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** session.c, cookie.c: where a request says which session it belongs to.  A part of http.h, which includes it. */
#ifndef RP_SESSION_H
#define RP_SESSION_H

#include <apr_tables.h>

/**
 * Take the next cookie of a Cookie field's value (RFC 6265 §5.4) from *rest; what has no "=" is passed over.
 * @return 0 at the end
 */
int rp_cookie_next(rp_str_t *rest, rp_str_t *name, rp_str_t *value);

/**
 * A Cookie field's value without the cookies of a name; the others are as they came, byte by byte.
 * @return cookies itself when none of them has the name; NULL when nothing is left; else in p
 */
const char *rp_cookie_without(apr_pool_t *p, const char *cookies, const char *name);

/**
 * Is this Set-Cookie field for the cookie of that name, with regard to case (RFC 6265 §4.1)? Its value then.
 * @return 1 or 0
 */
int rp_set_cookie_read(const char *field, const char *name, rp_str_t *value);

/**
 * The route behind the last "." of a session's id, as servlet containers append it ("0A1B.node1"), also within quotes.
 * @return with len 0 when there is none
 */
rp_str_t rp_route_suffix(rp_str_t id);

/**
 * A parameter of a URL's path (";name=value" in any segment) or else of its query, as it stands there: not
 * decoded, with regard to case.
 * @return 1 with its value, which may be empty; 0 when it is not there
 */
int rp_url_param(const char *url, const char *name, rp_str_t *value);

/** May caches between here and the client keep a response and give it to others (RFC 9111 §3, RFC 9213)? */
typedef enum rp_sharing_e {
    RP_SHARING_NOT,     /* it says that they may not */
    RP_SHARING_UNSAID,  /* it says nothing that invites them, so it may be made private */
    RP_SHARING_INVITED  /* it is meant for them: a cookie in it might become everybody's */
} rp_sharing_e;

/** What a response's fields say of that; Expires is compared with now. */
rp_sharing_e rp_response_sharing(apr_pool_t *p, const apr_table_t *fields, rp_secs_t now);

#endif

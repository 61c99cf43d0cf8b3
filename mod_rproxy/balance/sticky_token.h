/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** What our own cookie says: a name for a member that only who has the secret can make, and nobody else can read. */
#ifndef RP_STICKY_TOKEN_H
#define RP_STICKY_TOKEN_H

#include <apr_time.h>

#include "http/http.h"

/** Characters of a token: 16 bytes in base64url (RFC 4648 §5) without padding. */
#define RP_TOKEN_LEN 22

/** The token of a member: HMAC-SHA256 of the pool's name and the member's URL, cut to 16 bytes. Terminated. */
void rp_sticky_token(rp_str_t secret, const char *pool, const char *url, char token[RP_TOKEN_LEN + 1]);

/**
 * Take a cookie's value apart: TOKEN, or TOKEN "." seconds since the epoch when it was given.
 * @param since  0 when it does not say, or says nonsense: a client may write what it likes there
 */
void rp_sticky_read(rp_str_t value, rp_str_t *token, apr_int64_t *since);

/**
 * Is it time to give the cookie anew, so that a session that is in use does not end?  Half of its lifetime is over, or
 * nobody can say. Seconds; a lifetime of 0 is the browser's business.
 */
int rp_sticky_is_due(apr_int64_t since, apr_int64_t lifetime, apr_int64_t now);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What one peer's TLS is like: whom to expect there, as whom to come, and the sessions to resume.
 *
 * A rp_tls_t is made of a member's settings, which never change under it; so a session that it keeps was made with the
 * peer that those settings ask for, and stays with them.  It verifies certificates itself and knows the handshakes that
 * it made; transport.h does the shaking of hands.
 */
#ifndef RP_TLS_H
#define RP_TLS_H

#include <apr_pools.h>
#include <apr_thread_mutex.h>
#include <apr_time.h>
#include <openssl/ssl.h>

/** What a member's options say of TLS; NULL where they say nothing. */
typedef struct rp_tls_conf_t {
    const char *ca;   /* PEM file; the system's trust store */
    int verify;
    const char *pin;  /* see rp_pins_parse() */
    const char *sni;  /* name to ask for, and to find in the certificate; the member's host */
    const char *cert; /* PEM file with our certificate, and what its issuers need behind it */
    const char *key;  /* PEM file; cert's */
    const char *min;  /* "1.2" or "1.3"; 1.2 */
} rp_tls_conf_t;

#define RP_PIN_LEN 32
/** "sha256//", base64 and a NUL */
#define RP_PIN_TEXT 53

/** SHA-256 of a public key as certificates have it (SubjectPublicKeyInfo), as for curl's --pinnedpubkey. */
typedef struct rp_pins_t {
    int n;
    unsigned char (*pins)[RP_PIN_LEN];
} rp_pins_t;

/**
 * Read "sha256//BASE64" or several of them between commas.
 * @return 1, or 0 with *bad being the one that cannot be read; both in p
 */
int rp_pins_parse(apr_pool_t *p, const char *text, rp_pins_t *pins, const char **bad);

/** A certificate's pin, and as text. @return 0 when it cannot be computed */
int rp_pin_of(X509 *certificate, unsigned char pin[RP_PIN_LEN]);
void rp_pin_text(const unsigned char pin[RP_PIN_LEN], char text[RP_PIN_TEXT]);

/** Nonzero when pin is one of pins. */
int rp_pins_have(const rp_pins_t *pins, const unsigned char pin[RP_PIN_LEN]);

/** Sessions to keep for a peer: as many new connections can be resumed at once in a child process. */
#define RP_TLS_SESSIONS 16

typedef struct rp_tls_sessions_t {
    apr_thread_mutex_t *lock;   /* NULL: none are kept */
    SSL_SESSION *kept[RP_TLS_SESSIONS]; /* newest last */
    int n;
    apr_int64_t verified;       /* Unix seconds of the last full handshake */
    apr_int64_t avoid;          /* Unix seconds until which none is offered */
} rp_tls_sessions_t;

/** From now on keep sessions; p's cleanup frees them. In a child process. */
apr_status_t rp_tls_sessions_open(rp_tls_sessions_t *s, apr_pool_t *p);

/** Keep one. @return 1 when it is, and the caller's reference with it */
int rp_tls_sessions_put(rp_tls_sessions_t *s, SSL_SESSION *session);

/** The best one to resume, for the caller to free, or NULL. A ticket of TLS 1.3 is given out once (RFC 8446 §C.4). */
SSL_SESSION *rp_tls_sessions_take(rp_tls_sessions_t *s, apr_int64_t now);

/** A full handshake was made: what is in the certificate is known anew. */
void rp_tls_sessions_verified(rp_tls_sessions_t *s, apr_int64_t now);

/** Forget all of them, and offer none for seconds from now. */
void rp_tls_sessions_drop(rp_tls_sessions_t *s, apr_int64_t now, apr_int64_t seconds);

/** A peer's TLS. */
typedef struct rp_tls_t {
    SSL_CTX *ctx;
    const char *name;     /* of the peer: a host name or an IP address */
    int verify;
    rp_pins_t pins;
    rp_tls_sessions_t sessions;
    apr_int64_t warned;   /* Unix seconds; when its certificate's end was last told */
} rp_tls_t;

/**
 * A client's TLS for a peer.
 * @param host  the peer's name when conf->sni is NULL
 * @return in p, whose cleanup frees it; NULL with *error, which names the option and what it should be
 */
rp_tls_t *rp_tls_make(apr_pool_t *p, const rp_tls_conf_t *conf, const char *host, const char **error);

/**
 * Read what conf names, to see that it is of use.
 * @return NULL, or what is wrong, in p
 */
const char *rp_tls_check(apr_pool_t *p, const rp_tls_conf_t *conf);

/** When (Unix seconds) the certificate ends that the peer showed in this handshake or the one resumed; 0: unknown. */
apr_int64_t rp_tls_not_after(const SSL *ssl);

#endif

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Algorithms of OpenSSL's that are fetched once, as each fetch takes a lock and a search. */
#ifndef RP_DIGEST_H
#define RP_DIGEST_H

#include <apr_pools.h>
#include <openssl/evp.h>

/** In each child, before what hashes. */
void rp_digest_init(apr_pool_t *p);

/** SHA-256; NULL before rp_digest_init(). */
const EVP_MD *rp_sha256(void);

#endif

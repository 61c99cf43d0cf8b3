/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "http/digest.h"

static EVP_MD *sha256;

static apr_status_t free_sha256(void *unused)
{
    (void)unused;
    EVP_MD_free(sha256);
    sha256 = NULL;
    return APR_SUCCESS;
}

void rp_digest_init(apr_pool_t *p)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    apr_pool_cleanup_register(p, NULL, free_sha256, apr_pool_cleanup_null);
}

const EVP_MD *rp_sha256(void)
{
    return sha256;
}

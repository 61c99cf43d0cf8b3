/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#ifndef RP_CLIENT_CERT_H
#define RP_CLIENT_CERT_H

#include "request.h"

/** Add Client-Cert and Client-Cert-Chain (RFC 9440) to rq->fields as RProxyClientCert says. */
void rp_client_cert_add(rp_request_t *rq);

#endif

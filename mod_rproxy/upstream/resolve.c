/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A peer's name to addresses, its certificates to a TLS context. */

#include <netdb.h>
#include <string.h>
#include <sys/un.h>

#include <apr_strings.h>

#include "upstream/conn.h"

#define MAX_ADDRESSES 16

static void unix_address(rp_peer_t *peer, apr_pool_t *p)
{
    struct sockaddr_un *sa;

    peer->addresses = apr_pcalloc(p, sizeof(rp_address_t));
    peer->naddresses = 1;
    sa = (struct sockaddr_un *)&peer->addresses[0].sa;
    sa->sun_family = AF_UNIX;
    apr_cpystrn(sa->sun_path, peer->conf->host, sizeof(sa->sun_path));
    peer->addresses[0].len = sizeof(*sa);
}

/* Blocks for as long as the system's resolver does: at start, or in a request only while a name has never been known. */
int rp_peer_resolve(rp_peer_t *peer, apr_pool_t *p, const char **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
    struct addrinfo *found, *ai;
    char port[8];
    int rc;

    if (peer->conf->scheme == RP_SCHEME_UNIX) {
        unix_address(peer, p);
        return 1;
    }
    apr_snprintf(port, sizeof(port), "%d", peer->conf->port);
    rc = getaddrinfo(peer->conf->host, port, &hints, &found);
    if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY) {
        /* A loopback address counts as no configured address (RFC 3493 §6.1): ask again without that rule. */
        hints.ai_flags &= ~AI_ADDRCONFIG;
        rc = getaddrinfo(peer->conf->host, port, &hints, &found);
    }
    if (rc != 0) {
        *error = apr_psprintf(p, "cannot resolve %s: %s", peer->conf->host, gai_strerror(rc));
        return 0;
    }
    peer->addresses = apr_pcalloc(p, MAX_ADDRESSES * sizeof(rp_address_t));
    peer->naddresses = 0;
    for (ai = found; ai && peer->naddresses < MAX_ADDRESSES; ai = ai->ai_next) {
        rp_address_t *address = &peer->addresses[peer->naddresses++];

        memcpy(&address->sa, ai->ai_addr, ai->ai_addrlen);
        address->len = ai->ai_addrlen;
    }
    freeaddrinfo(found);
    return 1;
}

int rp_peer_init(rp_peer_t *peer, const rp_member_conf_t *conf, apr_pool_t *p, const char **error, const char **warning)
{
    memset(peer, 0, sizeof(*peer));
    peer->conf = conf;
    if (conf->scheme == RP_SCHEME_HTTPS) {
        peer->tls = rp_tls_make(p, &conf->tls, conf->host, error);
        if (!peer->tls) {
            return 0;
        }
    }
    rp_peer_resolve(peer, p, warning);
    return 1;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A peer's name to addresses, its certificates to a TLS context. */

#include <netdb.h>
#include <string.h>
#include <sys/un.h>

#include <apr_strings.h>

#include "upstream/conn.h"

static void unix_address(const rp_member_conf_t *conf, rp_address_t *address)
{
    struct sockaddr_un *sa = (struct sockaddr_un *)&address->sa;

    memset(address, 0, sizeof(*address));
    sa->sun_family = AF_UNIX;
    apr_cpystrn(sa->sun_path, conf->host, sizeof(sa->sun_path));
    address->len = sizeof(*sa);
}

int rp_resolve(const rp_member_conf_t *conf, rp_address_t addresses[RP_MAX_ADDRESSES], apr_pool_t *p, const char **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
    struct addrinfo *found, *ai;
    char port[8];
    int rc, n = 0;

    if (conf->scheme == RP_SCHEME_UNIX) {
        unix_address(conf, &addresses[0]);
        return 1;
    }
    apr_snprintf(port, sizeof(port), "%d", conf->port);
    rc = getaddrinfo(conf->host, port, &hints, &found);
    if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY) {
        /* A loopback address counts as no configured address (RFC 3493 §6.1): ask again without that rule. */
        hints.ai_flags &= ~AI_ADDRCONFIG;
        rc = getaddrinfo(conf->host, port, &hints, &found);
    }
    if (rc != 0) {
        *error = apr_psprintf(p, "cannot resolve %s: %s", conf->host, gai_strerror(rc));
        return 0;
    }
    for (ai = found; ai && n < RP_MAX_ADDRESSES; ai = ai->ai_next) {
        memcpy(&addresses[n].sa, ai->ai_addr, ai->ai_addrlen);
        addresses[n++].len = ai->ai_addrlen;
    }
    freeaddrinfo(found);
    return n;
}

int rp_peer_addresses(const rp_peer_t *peer, rp_address_t addresses[RP_MAX_ADDRESSES])
{
    if (peer->conf->scheme == RP_SCHEME_UNIX) {
        unix_address(peer->conf, &addresses[0]);
        return 1;
    }
    return peer->shared ? rp_addresses_get(peer->shared, addresses) : 0;
}

int rp_peer_init(rp_peer_t *peer, const rp_member_conf_t *conf, apr_pool_t *p, const char **error)
{
    memset(peer, 0, sizeof(*peer));
    peer->conf = conf;
    if (conf->scheme == RP_SCHEME_HTTPS) {
        peer->tls = rp_tls_make(p, &conf->tls, conf->host, error);
    }
    return conf->scheme != RP_SCHEME_HTTPS || peer->tls != NULL;
}

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** A peer's name to addresses, its certificates to a TLS context. */

#include <string.h>
#include <sys/un.h>

#include <apr_strings.h>

#include "upstream/conn.h"
#include "upstream/find.h"

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
    rp_found_t found;

    if (conf->scheme == RP_SCHEME_UNIX) {
        unix_address(conf, &addresses[0]);
        return 1;
    }
    return rp_find(conf, &found, p, error) ? rp_found_addresses(&found, addresses) : 0;
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

/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** RProxyFarmTickets: keys of TLS session tickets that the farm shares. */

#include <stddef.h>
#include <strings.h>

#include <apr_optional.h>
#include <apr_strings.h>
#include <mod_watchdog.h>

#include "config/directives.h"

#define RP_OPTION(key, type, min, max, field, dflt, sentence) \
    { key, type, min, max, offsetof(rp_tickets_conf_t, field), dflt, sentence },

const rp_option_t rp_tickets_options[] = {
#include "config/tickets_options.def"
    { NULL, RP_OPT_INT, 0, 0, 0, NULL, NULL }
};

const char *rp_cmd_farm_tickets(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    rp_tickets_conf_t *tickets = &rp_server_conf(cmd->server)->tickets;
    const char *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    int i;

    (void)dir;
    if (error) {
        return error;
    }
    if (argc < 1 || (strcasecmp(argv[0], "on") && strcasecmp(argv[0], "off"))) {
        return "RProxyFarmTickets: write on, with rotate=TIME behind it if you like, or off";
    }
    tickets->on = !strcasecmp(argv[0], "on");
    tickets->where = rp_where(cmd);
    rp_option_defaults(rp_tickets_options, tickets);
    for (i = 1; i < argc; i++) {
        error = rp_option_set(cmd->pool, rp_tickets_options, tickets, argv[i]);
        if (error) {
            return apr_psprintf(cmd->pool, "RProxyFarmTickets: %s", error);
        }
    }
    return NULL;
}

const char *rp_tickets_check(const rp_server_conf_t *conf)
{
    if (!conf->tickets.on) {
        return NULL;
    }
    if (!conf->farm) {
        return "RProxyFarmTickets needs a farm to share keys with: write RProxyFarm URL secret=FILE";
    }
    if (!conf->farm->secret.len) {
        return "RProxyFarmTickets needs a secret, as who reads the keys in Redis could read TLS traffic: write "
               "secret=FILE behind RProxyFarm, a file of 32 random bytes or more that all proxies have";
    }
    if (!ap_find_linked_module("mod_ssl.c")) {
        return "RProxyFarmTickets needs mod_ssl, whose tickets they are: write LoadModule ssl_module modules/mod_ssl.so";
    }
    if (!APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance)) {
        return "RProxyFarmTickets needs mod_watchdog: write LoadModule watchdog_module "
               "modules/mod_watchdog.so";
    }
    return NULL;
}

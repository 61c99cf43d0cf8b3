/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** The end of a request: what is counted of it, and the notes that are for CustomLog. */
#ifndef RP_ACCOUNT_H
#define RP_ACCOUNT_H

#include <httpd.h>

/** In the parent, at start: the counters' memory, and who keeps samples of them. */
void rp_account_init(apr_pool_t *pconf, server_rec *main_server);

/** httpd's log_transaction hook, before those that write logs. @return DECLINED */
int rp_account_request(request_rec *r);

/** httpd's pre_config hook: %^RP for LogFormat, when mod_log_config is loaded. @return OK */
int rp_log_json_register(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);

#endif

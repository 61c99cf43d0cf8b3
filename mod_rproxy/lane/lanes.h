/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Lanes under mpm_event: threads of a child that own clients' connections and run their requests on coroutines.
 *
 * A worker of the MPM accepts a connection, shakes hands when it is TLS, and gives an HTTP/1 connection away in
 * process_connection (lanes.c).  From then on it belongs to one lane (client.c): idle, it is a descriptor in that
 * lane's epoll and holds no stack; a request is httpd's own processing of it on a coroutine, whose reads (input.c) and
 * writes (output.c) yield where they would block.  What mod_rproxy does not serve is run by a worker for as long as it
 * takes, and the coroutine waits (errand.c).
 */
#ifndef RP_LANES_H
#define RP_LANES_H

#include <httpd.h>

/**
 * Without RProxyLanes, and under another MPM, the hooks do nothing.
 * @param serves   is a request, whose line and fields were read, one that may stay on its lane?
 * @param handler  who makes content without ever blocking: an r->handler
 */
void rp_lanes_register(int (*serves)(request_rec *r), const char *handler);

/** Bytes of a coroutine's stack. */
#define RP_DEFAULT_LANE_STACK (256 * 1024)
/** RProxyLanes auto: as many as there are processors. */
#define RP_LANES_AUTO (-2)
#define RP_LANES_MAX 64

#endif

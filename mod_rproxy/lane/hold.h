/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Staying with a connection for a moment after a response, under an asynchronous MPM.
 *
 * mpm_event gives a kept connection back to its listener thread after each response, and hands it to a
 * worker again for the next request.  When that comes within milliseconds, the two hand-overs are a good part
 * of what a response from the cache costs.  So the worker itself waits for it: for at most
 * RProxyKeepAliveWait, and only while nobody else needs the worker.  Whatever is not plain goes to the MPM at
 * once, as if nobody had waited.
 */
#ifndef RP_HOLD_H
#define RP_HOLD_H

#define RP_DEFAULT_KEEP_ALIVE_WAIT apr_time_from_msec(100)

/** Under another MPM the hooks do nothing. */
void rp_hold_register(void);

#endif

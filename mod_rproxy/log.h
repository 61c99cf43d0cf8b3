/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Log tags: every error-log line of ours begins with one, unique in the module, so that a line can be looked up.
 * Numbers go by room: 00xx configuration and start, 01xx routing, 02xx cache, 03xx balancing, 04xx upstream,
 * 05xx encoding, 06xx management, 07xx the farm's Redis, 08xx limits.
 */
#ifndef RP_LOG_H
#define RP_LOG_H

#define RPLOGNO(n) "RP" #n ": "

#endif

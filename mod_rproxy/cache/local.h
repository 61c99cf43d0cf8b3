/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** This host's store as this child process has it open; private to cache/. */
#ifndef RP_LOCAL_H
#define RP_LOCAL_H

#include "cache/store.h"

/** The open store, or NULL: then everything is a miss. */
rp_store_t *rp_local_store(void);

#endif

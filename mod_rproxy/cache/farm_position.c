/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include "cache/store_log.h"

static rp_store_t *store;

void rp_farm_position_use(rp_store_t *local)
{
    store = local;
}

rp_position_t rp_farm_position_of(uint64_t stamp)
{
    return store ? rp_log_position_of(store, stamp) : (rp_position_t){ 0, 0 };
}

uint64_t rp_farm_stamp_of(rp_position_t position)
{
    return store ? rp_log_stamp_of(store, position) : 0;
}

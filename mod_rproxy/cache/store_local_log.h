/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/** Private to the local store's files on the farm's log (store_local_log*.c): how its rows lie. */
#ifndef RP_STORE_LOCAL_LOG_H
#define RP_STORE_LOCAL_LOG_H

#include "cache/store_local.h"
#include "cache/store_log.h"

/** 'S', once. */
typedef struct rp_log_row_t {
    unsigned char log[RP_KEY_HALF]; /* which log: a hash */
    uint64_t origin;                /* of own orders */
    uint64_t number;                /* of the last one */
    rp_position_t position;         /* carried out up to there */
    rp_position_t base;             /* purges behind it are known, those before it not all */
    uint64_t base_after;            /* newest stamp when that was so */
    uint64_t seen;                  /* rows 'R' */
    uint64_t waiting;               /* rows 'N' */
    uint64_t begun;
} rp_log_row_t;

/** 'R' and a position: what the order there has come to in stamps. Both grow with the position. */
typedef struct rp_log_seen_t {
    uint64_t before; /* its purges have larger ones; so have those behind it */
    uint64_t after;  /* they, and those before it, have none larger than this; UINT64_MAX: not carried out yet */
} rp_log_seen_t;

/** 'N' and a number: an own order that was not seen in the log yet; 'O' and a number: it was. The order follows. */
typedef struct rp_log_own_row_t {
    uint64_t before;
    int64_t when; /* it came into its state (wall clock) */
    uint32_t state;
    uint32_t unused;
} rp_log_own_row_t;

enum { RP_OWN_NEW, RP_OWN_SENT, RP_OWN_KEPT };

#define RP_LOG_SEEN_KEY 17
#define RP_LOG_OWN_KEY RP_LOCAL_STAMP_KEY

void rp_log_seen_key(unsigned char key[RP_LOG_SEEN_KEY], rp_position_t at);
rp_position_t rp_log_seen_at(const MDB_val *key);

/** @return MDB_NOTFOUND when there is none, of zeros */
int rp_log_row_read(rp_local_t *s, MDB_txn *txn, rp_log_row_t *row);
int rp_log_row_put(rp_local_txn_t *t, rp_log_row_t *row);

/** Read an own order's row. @param order  out: points into v */
int rp_log_own_row(const MDB_val *v, rp_log_own_row_t *row, rp_str_t *order);

/** Is this order one of ours? If it waits, it is seen from now on. @param before  out: its row's, when it waited */
int rp_log_own_seen(rp_local_txn_t *t, rp_log_row_t *log, const rp_log_order_t *order, int *is_own, uint64_t *before);

/** All that were seen wait to be sent again. */
int rp_log_own_again(rp_local_txn_t *t, rp_log_row_t *log);

/** The smallest stamp that was the newest before an own order that waits; UINT64_MAX: none does. */
int rp_log_own_before(rp_local_t *s, MDB_txn *txn, uint64_t *before);

#endif

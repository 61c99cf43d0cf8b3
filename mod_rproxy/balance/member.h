/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A slot's member as a child process has it: its peer, made when it is first needed.
 *
 * A slot is given to another member only while nobody has an exchange with the one before.  So whoever has counted
 * itself in (rp_member_enter()) and then found the slot taken has a peer that stays: rp_member_ready() is that look.
 */
#ifndef RP_MEMBER_H
#define RP_MEMBER_H

#include "balance/balance.h"

/** Write what is configured of a member into its slot, all but whose it is (origin, generation). */
void rp_slot_fill(rp_slot_t *slot, rp_slot_info_t *info, const rp_member_conf_t *conf);

/** Forget what a free slot has of its last member. */
void rp_slot_clear(rp_slot_t *slot);

/** What a new member is, beside what its configuration says. */
typedef struct rp_placing_t {
    const char *text;      /* its options */
    const rp_address_t *addresses;
    int naddresses;
    rp_origin_e origin;
    const char *authority; /* of one that was found by a name: for Host */
    unsigned parent;       /* that name's slot */
} rp_placing_t;

/**
 * Put a member into a free slot; holding the lock, and rp_state_plan() is due.
 * @return the slot; -1: there is no room
 */
int rp_pool_place(rp_pool_t *pool, const rp_member_conf_t *conf, const rp_placing_t *placing);

/** The slot of a member or name, by URL, be it removed; -1: none. Holding the lock. */
int rp_pool_find(const rp_pool_t *pool, const char *url);

/** The opposite: a configured member's slot stays its own. Holding the lock; rp_state_plan() is due. */
void rp_pool_clear_out(rp_pool_t *pool, unsigned i);

/** Read a member's options as they are kept in a slot. @return in p; NULL with *error */
rp_member_conf_t *rp_member_parse_text(apr_pool_t *p, const char *url, const char *text, const char **error);

/** In each child, before the members are used. */
apr_status_t rp_members_child_init(apr_pool_t *p);

/**
 * Behind rp_member_enter(): see that there is a member still, and that member->peer is its.
 * @return 0: there is none, or it cannot be made
 */
int rp_member_ready(rp_member_t *member);

/**
 * For those who use a member's peer without an exchange.
 * @return 0 when there is none; with 1, rp_member_release() is due
 */
int rp_member_hold(rp_member_t *member);
void rp_member_release(rp_member_t *member);

/** Close idle connections that nobody will use any more; about once a second. */
void rp_member_tidy(rp_member_t *member);

#endif

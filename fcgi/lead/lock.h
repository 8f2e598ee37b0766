/*
 * Who leads: an advisory lock on a connection that does all of the leader's writing (RULES 26).
 *
 * Whoever wins it takes epoch + 1. PostgreSQL gives the lock to another the moment this connection's backend is dead,
 * while the old leader may not know it yet; so every burst of changes to the engine or to nginx begins with a question
 * on the same connection and lasts at most LOCK_BURST_MS, and every transaction of the leader runs on it too. db.c
 * makes a new connection where the old one is dead: then the lock is lost, and every call here says so.
 *
 * Errors of all: ERR_CONFLICT "leadership_lost", and db.c's.
 */
#ifndef NAP_LEAD_LOCK_H
#define NAP_LEAD_LOCK_H

#include "store/db.h"

#define LOCK_BURST_MS 4500

struct lock {
	struct db *db;
	int64_t connects; /* of db, when the lock was won */
	int64_t epoch;
	char installation[64];
};

/* Tries once; *ret_won false: somebody else leads. */
NODISCARD bool lock_try(struct lock *l, struct db *db, bool *ret_won, struct err *e);

/* Before a burst: is it still ours? */
NODISCARD bool lock_check(struct lock *l, struct err *e);

/* tx_begin, on the connection that holds the lock or not at all */
NODISCARD bool lock_tx(struct lock *l, struct tx *tx, struct err *e);

#endif

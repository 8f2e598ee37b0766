/*
 * The engine as it was last seen: what the leader wrote at its last sweep. nap-api never asks the engine itself.
 */
#ifndef NAP_STORE_ENGINE_VIEW_H
#define NAP_STORE_ENGINE_VIEW_H

#include "store/rows.h"

/* reachable, error, observed_at of the last whole sweep */
extern const struct row_field ENGINE_FIELDS[];
extern const size_t ENGINE_FIELDS_N;
NODISCARD bool engine_view(struct db *db, PGresult **ret, struct err *e);

/*
 * Whether the leader waits for the operator (held, held_reason), what he answered (answer: "adopt", "prune", or NULL), and
 * how many units stay that nobody declares because he adopted them (adopted); with reachable, error and observed_at.
 */
extern const struct row_field HOLD_FIELDS[];
extern const size_t HOLD_FIELDS_N;
NODISCARD bool engine_hold(struct db *db, PGresult **ret, struct err *e);

/* answer: "adopt" keeps what the engine shows, "prune" removes what nobody declares; nothing where nothing waits for it */
NODISCARD bool engine_answer(struct db *db, const char *answer, struct err *e);

/* by id, behind after ("": from the first) */
extern const struct row_field MACHINE_FIELDS[];
extern const size_t MACHINE_FIELDS_N;
NODISCARD bool machine_list(
	struct db *db, const char *after, int64_t limit, PGresult **ret, struct err *e);

/* by name; tenant 0: all that row-level security shows, which for an admin is every one */
extern const struct row_field UNIT_FIELDS[];
extern const size_t UNIT_FIELDS_N;
NODISCARD bool unit_list(struct db *db, int64_t tenant, const char *after, int64_t limit,
	PGresult **ret, struct err *e);

#endif

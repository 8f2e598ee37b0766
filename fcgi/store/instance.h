/*
 * Instances as nap-api shows them, and their announcements. They are made and observed by the leader.
 */
#ifndef NAP_STORE_INSTANCE_H
#define NAP_STORE_INSTANCE_H

#include "store/rows.h"

extern const struct row_field INSTANCE_FIELDS[];
extern const size_t INSTANCE_FIELDS_N;

/* by number and release; columns id too; behind (number, id), both 0: from the first */
NODISCARD bool instance_list(struct db *db, int64_t app_id, int64_t number, int64_t id,
	int64_t limit, PGresult **ret, struct err *e);

/* that of the release that serves, else of the newest one. ERR_NOT_FOUND "not_found". */
NODISCARD bool instance_get(
	struct db *db, int64_t app_id, int64_t number, PGresult **ret, struct err *e);

/* Those that have ended for good and are still wanted run again: what start means for an app that is not stopped. */
NODISCARD bool instance_run_ended(struct db *db, int64_t app_id, struct err *e);

extern const struct row_field ENDPOINT_FIELDS[];
extern const size_t ENDPOINT_FIELDS_N;

/* announced by the sidekicks and not yet aged out */
NODISCARD bool endpoint_list(struct db *db, int64_t app_id, PGresult **ret, struct err *e);

#endif

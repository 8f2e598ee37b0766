/*
 * Releases as nap-api shows them. They are made in job/release.c and never changed.
 */
#ifndef NAP_STORE_RELEASE_H
#define NAP_STORE_RELEASE_H

#include "store/rows.h"

extern const struct row_field RELEASE_FIELDS[];
extern const size_t RELEASE_FIELDS_N;
/* the same, and "profile" and "profile_text" */
extern const struct row_field RELEASE_ONE_FIELDS[];
extern const size_t RELEASE_ONE_FIELDS_N;

/* newest first; below: only numbers lower than it, 0: from the top */
NODISCARD bool release_list(
	struct db *db, int64_t app_id, int64_t below, int64_t limit, PGresult **ret, struct err *e);

/* number 0: the one that serves. ERR_NOT_FOUND "not_found". */
NODISCARD bool release_get(
	struct db *db, int64_t app_id, int64_t number, PGresult **ret, struct err *e);

#endif

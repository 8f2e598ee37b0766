/*
 * What the instances of an app wrote to their standard output.
 */
#ifndef NAP_STORE_OUTPUT_H
#define NAP_STORE_OUTPUT_H

#include "store/rows.h"

/* instance, release, state, exit_code, exit_signal, started_at, ended_at */
extern const struct row_field OUTPUT_FIELDS[];
extern const size_t OUTPUT_FIELDS_N;

/*
 * The instances of the release that serves, by number; of one whose last run has ended that run's bytes and sha256, else
 * both are NULL. Of an app that took turns and is over, the last run stands for its instance. Columns OUTPUT_FIELDS,
 * number, bytes, sha256.
 */
NODISCARD bool output_list(struct db *db, int64_t app_id, PGresult **ret, struct err *e);

#endif

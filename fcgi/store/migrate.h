/*
 * The schema: files 0001_name.sql, 0002_name.sql, … of one folder, run in the order of their numbers.
 *
 * Each runs once, in a transaction of its own, as nap_owner and under an advisory lock, so that two starts at once
 * make one schema. The table migration keeps number, name and SHA-256 of what ran. A file never changes once it was
 * released: another change is another file. Numbers may be left out.
 */
#ifndef NAP_STORE_MIGRATE_H
#define NAP_STORE_MIGRATE_H

#include "store/db.h"

/*
 * folder   of the files; all that end in .sql count
 * ret_n    how many ran now (may be NULL)
 * Errors: ERR_CONFLICT "schema_newer" (the database knows a number that the folder does not: it belongs to a later
 * nap), "schema_changed" (a file is not the one that ran), "migration_failed" (the server's words are in msg),
 * ERR_INVALID "migration_name" (a file's name has another form, or two have one number). What ran before a failure stays.
 */
NODISCARD bool migrate(struct db *db, const char *folder, int *ret_n, struct err *e);

#endif

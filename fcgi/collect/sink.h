/*
 * Where the lines go: the log files of the apps they belong to (store/applog.h), which stay open between lines.
 *
 * Whose a unit is PostgreSQL says, by its release: a late line of a destroyed app never lands in the log of a new
 * app of the same name. What is found is remembered; what is not is asked for again after a while and dropped
 * until then. A line that is known already, because the connection began again before it, is not written twice.
 */
#ifndef NAP_COLLECT_SINK_H
#define NAP_COLLECT_SINK_H

#include "collect/line.h"
#include "model/config.h"
#include "store/db.h"

#define SINK_CHANNEL "nap_log" /* told the app's id when its log has new lines */

struct sink;

struct sink *sink_new(const struct config *cfg, struct db *db);
void sink_free(struct sink *s);

/* again: the line may have been written before; it is looked for first. False: the database is away, nothing was
 * written. A log that cannot be written (no space) loses the line, with a word in nap's own log. */
NODISCARD bool sink_write(struct sink *s, const struct log_line *line, bool again);

bool sink_dirty(const struct sink *s); /* some log has lines that nobody was told of */
void sink_tell(struct sink *s);	       /* tells the readers */
void sink_close_idle(struct sink *s);  /* logs not written to for a while */

/* Removes the logs of apps that are gone for longer than the setting log_keep_hours. */
NODISCARD bool sink_sweep(struct sink *s, struct err *e);

#endif

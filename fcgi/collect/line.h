/*
 * From journal entries to lines of an app's log.
 *
 * Kept are entries of units with nap's names, instances and builds, but no sidekicks:
 *
 *	'o'  what the unit's processes wrote (_SYSTEMD_UNIT); nap's own helper nap-node among them counts as 's'
 *	's'  what the engine says about the unit (UNIT), without the unit's name in front. Any process may write a
 *	     field UNIT, so it counts only where the writer is no unit itself
 *
 * journald cuts a line at 48 KiB and marks the pieces (_LINE_BREAK=line-max): they are put together again, up to
 * MAX_LOG_JOINED bytes, a longer line goes on in the next. An entry with newlines becomes several lines. Colours
 * and cursor movements (ECMA-48 control sequences) are left out; what else is no text store/applog.c replaces.
 */
#ifndef NAP_COLLECT_LINE_H
#define NAP_COLLECT_LINE_H

#include "collect/export.h"
#include "model/unit.h"

#define LINE_MAX_PENDING 64 /* lines whose end has not come; more: the oldest is taken as it is */

struct log_line {
	const char *unit;      /* as the journal names it */
	struct unit_name name; /* of the instance; of a build the release's, with number 0 */
	int64_t time_us;
	char stream;
	struct slice text; /* one line, not yet valid UTF-8 */
};

/* false: it could not be kept, the entry is to come again */
typedef bool line_fn(void *ctx, const struct log_line *line);

struct lines;

struct lines *lines_new(line_fn *on_line, void *ctx);
void lines_free(struct lines *l);
/* Both are false where on_line was: some lines may be kept already, what was pending is lost. */
NODISCARD bool lines_take(struct lines *l, const struct export_entry *entry);
/* lines whose next piece has not come for ms are taken as they are; 0: all */
NODISCARD bool lines_flush(struct lines *l, int64_t ms);
/* forgets what waits: a new connection brings it again */
void lines_restart(struct lines *l);
/* some line waits for its next piece */
bool lines_pending(const struct lines *l);

/* What of text is for people: control sequences are left out, a carriage return at its end too. ret: n bytes. */
size_t line_clean(char *ret, const char *text, size_t n);

#endif

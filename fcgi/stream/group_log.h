/*
 * The log of a group, followed: the logs of its members, each from its own place on, merged by the lines' times.
 *
 * A stream knows its members and which of them may have more, so that a line costs the reading of one log however many
 * members there are. Members that come later are looked for now and then. The id of a message is its time; who comes
 * back with it gets the lines behind that time, of the last RESUME_LINES of each member.
 */
#ifndef NAP_STREAM_GROUP_LOG_H
#define NAP_STREAM_GROUP_LOG_H

#include "stream/hub.h"

struct group_log;

/*
 * As of now, in the caller's transaction: the last lines of all members first, or with after (a time) those behind it.
 * *ret NULL: there is no such group.
 */
NODISCARD bool group_log_open(const struct config *cfg, struct db *db, const char *group,
	int64_t lines, const char *after, struct group_log **ret, struct err *e);
void group_log_free(struct group_log *g); /* NULL is fine */

/* the app's log has grown; whether it is a member's */
bool group_log_told(struct group_log *g, int64_t app_id);

/* The next page for s, whose group is s->group; ends it where the group is gone. */
NODISCARD bool group_log_read(
	const struct config *cfg, struct db *db, struct stream *s, struct err *e);

#endif

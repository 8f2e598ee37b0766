/*
 * What state each instance and each app is in, from what the engine shows, what sidekicks announce and how runs ended
 * (DESIGN 4 and 6).
 *
 * ready   announced as healthy, and the engine says active. Where the app has never listened (and its profile names no
 *	   health path), or has no port at all: it has run for 5 s.
 * An announcement older than three of its intervals is silence. Silence makes an instance unhealthy, but not while the
 * ages begin anew (leader.grace_until), and never takes the last route of an app while the engine says active.
 */
#ifndef NAP_LEAD_JUDGE_H
#define NAP_LEAD_JUDGE_H

#include "lead/leader.h"

/* Sets new_… of every instance; refusals of admission (act.h) stand in new_reason of waiting ones already. */
void judge_instances(struct leader *l, struct world *w);

/* Writes what has changed of instances and apps. In the tick's transaction. */
NODISCARD bool judge_write(struct leader *l, struct world *w, struct err *e);

/* it may take requests: nginx is to reach it */
bool judge_routable(const struct instance *i);

#endif

/*
 * Which instances there are to be: rows of the table instance, from the rows of app. Set by set, in SQL.
 *
 * An app that is neither stopped nor being destroyed has instances 1 to N of the release that serves and of the one
 * that is being started beside it. Others leave: those of an abandoned release, and of a stopped or destroyed app, at
 * once; those of the former release, once nginx reaches the new one, and those above N, with leave_at set: out of the
 * routes, and gone when nginx has settled without them and no connection of its own to them is open any more (busy.h),
 * or `drain` seconds have passed. Gone rows stay until the engine has confirmed that the unit is gone: their number,
 * port and name are taken until then. One that is restarted leaves the routes and is stopped by the same rule (act.c).
 */
#ifndef NAP_LEAD_PLAN_H
#define NAP_LEAD_PLAN_H

#include "model/config.h"
#include "store/db.h"

/* settled: nginx serves the routes as they were at the end of the last tick. In the tick's transaction. */
NODISCARD bool plan_instances(struct db *db, const struct config *cfg, bool settled, struct err *e);

/* Where apps have ports of their own: gives one to each app without. */
NODISCARD bool plan_app_ports(struct db *db, const struct config *cfg, struct err *e);

#endif

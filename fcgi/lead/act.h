/*
 * From what is declared to what the engine has: PUTs and DELETEs, in bursts (RULES 26).
 *
 * An admitted instance has a main unit and a sidekick, launched, with the texts stored in its release; its release has
 * a template of each, inactive. What is missing, has another text (somebody edited it) or another desired state is PUT
 * again; the same once more is harmless. A restart is PUT loaded, wait until the engine has stopped it, PUT launched.
 * A gone instance's units are deleted; its row goes when view_gone says so of both. A unit of ours (by its
 * installation's id, never by its name) that nobody has declared for orphan_grace seconds is deleted.
 *
 * A unit that fails is tried again with back-off, so that one that is poisoned (500 to every call) delays no other.
 *
 * Guards (RULES 27). A unit of ours with a release above its app's counter: the database is an old one; the counters
 * are raised and installation.held set. A tick that would delete orphans or make anew units that were there, more than
 * 10 and a fifth of all, without an operation asking: the same. Held, only what an operation asks for is done, until the
 * operator answers (nap_engine_answer): "adopt" keeps the orphans that are there (table adopted_unit), "prune" removes
 * them and those adopted before; both let the one tick pass that takes the answer, however much it makes anew.
 */
#ifndef NAP_LEAD_ACT_H
#define NAP_LEAD_ACT_H

#include "lead/leader.h"

/* What is to be changed, worked out inside the transaction, done outside of it. */
struct plan_of_action;

/* In the tick's transaction: reads texts, deletes rows whose units are gone, sets installation.held. */
NODISCARD bool act_plan(
	struct leader *l, struct world *w, struct plan_of_action **ret, struct err *e);

/* Outside of a transaction: the burst, and what came of it. */
NODISCARD bool act_do(struct leader *l, struct plan_of_action *p, struct err *e);

/* For build.c, inside act_plan: launches a unit with these options (stolen); deletes one, if it is there and ours. */
void act_put(struct plan_of_action *p, struct seen *unit, json_t *options);
void act_remove(struct leader *l, struct plan_of_action *p, struct seen *unit, bool asked);

void act_free(struct plan_of_action *p);

#endif

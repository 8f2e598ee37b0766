/*
 * What PostgreSQL says, as one tick works with it: every app that has something to run, and every instance row.
 *
 * Read in the tick's transaction behind plan.h, freed at its end. Ages are milliseconds by the database's clock;
 * -1: never.
 */
#ifndef NAP_LEAD_WORLD_H
#define NAP_LEAD_WORLD_H

#include "lead/view.h"
#include "store/db.h"

struct app {
	int64_t id, tenant_id, release_id, next_release_id, routed_release_id; /* 0: none */
	const char *tenant, *name, *label, *state;
	const char *wave; /* "", or its part in a group that takes turns */
	int port, instances, running;
	bool stopped, deleting, deployed, listened;
	bool asked; /* an operation of it is queued, runs, or ended less than 10 minutes ago */
	struct instance *first; /* its instances, by release and number */
	size_t n;
};

struct instance {
	int64_t id, release_id, release_number, memory;
	struct app *app;
	int of;				  /* how many its release is to have */
	int number, port;		  /* port 0: not admitted yet, and so never put */
	const char *unit, *sidekick_unit; /* sidekick_unit NULL: it has none */
	const char *want, *state, *reason, *machine, *address, *health;
	int64_t want_ms, active_ms, ready_ms, exited_ms, leave_ms;
	bool listened;
	const char *exit_result;    /* "": no record */
	const char *exit_reason;    /* of result disk: its figures */
	int exit_code, exit_signal; /* -1: none */
	int announced;		    /* 1 healthy, 0 not, -1 nothing */
	int64_t announced_ms, interval_ms;

	/* worked out in the tick */
	struct seen *main, *sidekick;
	enum word word;
	bool sick; /* announced as unhealthy just now */
	const char *new_state, *new_reason, *new_machine, *new_address;
	bool new_active, new_ready; /* active_at, ready_at are to be set */
};

struct world {
	struct arena a;
	struct app *apps;
	struct instance *instances;
	size_t apps_n, instances_n;
};

NODISCARD bool world_load(struct world *w, struct db *db, struct err *e);
/* ties instances to what is seen of their units; marks these as declared */
void world_see(struct world *w, struct view *v);
void world_clear(struct world *w);

/* the release serves or is to serve, the number is within the app's scale, and it is not on its way out */
bool instance_is_wanted(const struct instance *i);
bool instance_is_gone(const struct instance *i); /* want is "gone" */

#endif

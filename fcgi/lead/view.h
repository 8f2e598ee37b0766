/*
 * The engine as this leader sees it: one entry for every unit of nap's form, kept over the sweeps.
 *
 * What fleet shows is late, doubled and full of holes (docs/engine.md); the rules by which it is read stand here:
 * - A state counts if its machine is in the list of machines and is the one that the unit is scheduled on; of two
 *   states of one name the other is a ghost of up to 30 s.
 * - A missing state proves nothing: the last word is kept for 30 s. nap-agent, which knows its machine, is believed
 *   at once (view.exact).
 * - `failed` is believed when it has stood for 3 s: after a restart the old one is shown for a while.
 * - The unit list is exact about what is declared, but its pages shift: only what was deleted by us and is then
 *   missing is gone.
 * - Fewer than half of the known machines are believed after 60 s. An endpoint that shows none of them is refused
 *   until they are forgotten, an hour after they were seen last.
 * - Where nap can be reached on loopback only, a machine that is elsewhere makes the sweep fail: it could fetch nothing.
 *
 * Times are CLOCK_MONOTONIC in milliseconds.
 */
#ifndef NAP_LEAD_VIEW_H
#define NAP_LEAD_VIEW_H

#include "remote/engine.h"

#define VIEW_MISSING_MS	 30000
#define VIEW_FAILED_MS	 3000
#define VIEW_MACHINES_MS 60000

enum word {
	WORD_UNKNOWN,  /* not seen since this leader began */
	WORD_ABSENT,   /* no state, long enough to be believed */
	WORD_STARTING, /* loaded and about to start, start-pre */
	WORD_ACTIVE,
	WORD_WAITING,  /* auto-restart: ended, is started again */
	WORD_STOPPING, /* deactivating */
	WORD_DEAD,     /* inactive: ended with success, or not started */
	WORD_FAILED,
	WORD_BROKEN, /* the machine could not load it */
};

struct seen {
	char *name;
	/* the unit */
	bool exists, ours;
	char desired[12], current[12];
	uint64_t put_sweep; /* the last list of units before our last PUT */
	int64_t put_at;	    /* our last PUT of it as a new one, or when this leader saw it first */
	char machine[40];   /* where it is scheduled, as of the last list of units; "": nowhere */
	uint64_t hash;	    /* of its options; 0: not known */
	/* its state */
	enum word word;
	int64_t word_since; /* since when it is this one */
	int64_t state_at;   /* when a state of it was there last; 0: never */
	int missing;	    /* sweeps without one in a row */
	char at[40];	    /* machine of the state */
	/* what was done to it */
	int64_t deleted_at;	/* our DELETE was answered; 0: no */
	uint64_t deleted_sweep; /* the last list of units before that */
	bool deleted_live;	/* it had a state then */
	int64_t try_at;		/* not before; 0: at once */
	int tries;		/* failed ones in a row */
	char refusal[200];	/* what the engine said last */
	int64_t leaving_since;	/* out of the routes because it is to be restarted; 0: it is not */
	int64_t orphan_since;	/* nobody has declared it; 0: somebody has */
	bool declared;		/* in this tick */
	bool adopted;		/* declared or not, the operator wants it to stay */
};

struct view {
	struct engine *engine;
	const char *installation;
	bool exact; /* the engine is nap-agent */
	bool local; /* nap is reached on loopback only */
	struct seen **table;
	size_t size, used;
	/* the last sweep */
	struct arena machines_arena, states_arena, units_arena;
	struct engine_machine *machines;
	struct engine_state *states;
	struct engine_unit *units;
	size_t machines_n, states_n, units_n;
	uint64_t sweeps, unit_sweeps;
	int64_t units_at;
	bool surprise; /* something is not as it should be: read the unit list too */
	/* machines believed in */
	char (*known)[40];
	size_t known_n;
	int64_t known_at, fewer_since;
};

void view_init(struct view *v, struct engine *en, const char *installation, bool exact);
void view_release(struct view *v);

/* The entry of a unit; made if need be. */
struct seen *view_unit(struct view *v, const char *name);
/* NULL if there is none */
struct seen *view_find(const struct view *v, const char *name);

/*
 * Reads machines and states, and the units where they are due (every 30 s, or after a surprise).
 * Errors: ERR_UPSTREAM: nothing was believed, the view is what it was.
 */
NODISCARD bool view_sweep(struct view *v, struct err *e);

/* what is believed of the unit's state now */
enum word view_word(const struct view *v, const struct seen *s);
/* the words that systemd uses, mapped */
enum word view_systemd_word(const char *load, const char *active, const char *sub);

/* its DELETE was answered, the unit list has been read without it, and its state is gone */
bool view_gone(const struct view *v, const struct seen *s);

/* primary address of a machine; "" if it is not listed */
const char *view_address(const struct view *v, const char *machine);

#endif

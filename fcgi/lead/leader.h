/*
 * What one reign of a leader holds; each file of this folder works on it. Gone with the lock, so that a new leader
 * begins without prejudice (all ages begin anew for silence_grace seconds).
 */
#ifndef NAP_LEAD_LEADER_H
#define NAP_LEAD_LEADER_H

#include "lead/lock.h"
#include "lead/routes.h"
#include "lead/view.h"
#include "lead/world.h"
#include "model/config.h"

/* the texts of a release's units, as hashes: what the engine shows is compared with them */
struct text_hash {
	int64_t release_id;
	uint64_t main, sidekick;
};

struct leader {
	const struct config *cfg;
	struct db *db;
	struct lock lock;
	struct engine engine;
	struct view view;
	struct routes routes;
	struct text_hash *texts;
	size_t texts_n, texts_size;
	int64_t grace_until; /* silence does not count before */
	bool away;	     /* the engine did not answer in this tick */
	bool moving;	     /* something is on its way: the next tick comes soon */
	bool held; /* installation.held: nothing is removed or made anew that nobody asked for */
	bool adopt, prune; /* the operator's answer to that, for one tick */
	int64_t usage_at, keep_at, recorded_at;
	int64_t keys_version; /* of the SSH keys' files; -1: not written in this reign */
	int64_t sweep_ms;     /* what the last look at the engine took */
	uint64_t recorded;    /* hash of the listing written last */
};

#endif

#include "lead/build.h"

#include "base/clock.h"
#include "store/build.h"

static bool is_over(enum word word)
{
	return word == WORD_DEAD || word == WORD_FAILED || word == WORD_BROKEN ||
	       word == WORD_ABSENT;
}

/* it ran, and has been over for so long that its end should have been told */
static bool is_lost(const struct seen *s, enum word word, bool ran)
{
	int64_t now = clock_mono_ms();
	int64_t since = word == WORD_ABSENT ? s->state_at : s->word_since;

	if (word == WORD_BROKEN)
		return true;
	return is_over(word) && ran && s->exists && now - since > BUILD_LOST_MS;
}

static bool want_build(struct leader *l, struct plan_of_action *p, const PGresult *r, int k,
	struct seen *s, struct err *e)
{
	enum word word = view_word(&l->view, s);
	bool ran = streq(db_text(r, k, "state"), "running");
	const char *at = s->state_at && s->at[0] ? s->at : NULL, *reason = NULL;
	json_error_t je;
	json_t *options;

	l->moving = true;
	if (is_lost(s, word, ran))
		return build_lost(l->db, s->name, e);
	if (s->exists && !s->ours)
		reason = "a unit of this name that is not nap's is in the engine";
	else if (s->refusal[0])
		reason = s->refusal;
	else if (s->exists && !s->machine[0] && !at && !l->view.exact)
		reason = "no machine has taken it yet";
	if (!build_seen(l->db, s->name, word == WORD_ACTIVE, at, reason, e))
		return false;
	if (s->exists && (!s->ours || streq(s->desired, "launched")))
		return true;
	options = json_loads(db_text(r, k, "unit_options"), 0, &je);
	if (options)
		act_put(p, s, options);
	return true;
}

static bool forget(struct leader *l, struct seen *s, struct err *e)
{
	s->deleted_at = 0;
	return build_gone(l->db, s->name, e);
}

bool build_plan(struct leader *l, struct plan_of_action *p, struct err *e)
{
	auto_result PGresult *r = NULL;

	if (!build_wanted(l->db, &r, e))
		return false;
	for (int k = 0; k < db_rows(r); k++) {
		struct seen *s = view_unit(&l->view, db_text(r, k, "unit"));
		bool ok = true;

		s->declared = true;
		if (streq(db_text(r, k, "want"), "run"))
			ok = want_build(l, p, r, k, s, e);
		else if (view_gone(&l->view, s) ||
			 (streq(db_text(r, k, "state"), "waiting") && !s->exists && !s->state_at))
			ok = forget(l, s, e);
		else
			act_remove(l, p, s, true);
		if (!ok)
			return false;
	}
	return true;
}

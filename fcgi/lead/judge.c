#include "lead/judge.h"

#include "base/clock.h"

#define SETTLED_MS  5000 /* an app that never listened is ready when it has run so long */
/* fleet places a unit in its next pass, one that follows another in the one after: every 2 s */
#define UNPLACED_MS 10000

enum health { HEALTHY, SICK, SILENT };

static bool is_state(const struct instance *i, const char *state)
{
	return streq(i->state, state);
}

static enum health health_of(const struct leader *l, const struct instance *i)
{
	bool fresh = i->announced >= 0 && i->announced_ms <= 3 * i->interval_ms;

	if (fresh)
		return i->announced ? HEALTHY : SICK;
	if (clock_mono_ms() >= l->grace_until)
		return SILENT;
	/* nap was not there to hear it: what was so goes on */
	return is_state(i, "ready") && i->announced != 0 ? HEALTHY : SILENT;
}

static void set(struct instance *i, const char *state, const char *reason)
{
	i->new_state = state;
	i->new_reason = reason;
}

/* of the run that goes on */
static int64_t running_ms(const struct instance *i)
{
	return i->exited_ms >= 0 && i->exited_ms < i->active_ms ? i->exited_ms : i->active_ms;
}

static const char *end_reason(struct world *w, const struct instance *i)
{
	if (streq(i->exit_result, "oom-kill"))
		return arena_printf(&w->a, "it needed more than its memory of %lld MiB",
			(long long)(i->memory >> 20));
	if (streq(i->exit_result, "disk"))
		return i->exit_reason[0] ? i->exit_reason : "disk: it used more than it may";
	if (i->exit_signal > 0)
		return arena_printf(&w->a, "it was ended by signal %d", i->exit_signal);
	if (i->exit_code == 127)
		return "exit code 127: a command was not found on the machine";
	if (i->exit_code >= 0)
		return arena_printf(&w->a, "it ended with exit code %d", i->exit_code);
	return "it ended again and again";
}

static bool has_ended(const struct instance *i, const char *result)
{
	return streq(i->exit_result, result) && (i->active_ms < 0 || i->exited_ms <= i->active_ms);
}

static void judge_late(struct leader *l, struct world *w, struct instance *i)
{
	const char *what = i->health[0] == '/'
				   ? arena_printf(&w->a, "%s does not answer", i->health)
				   : "it does not listen on its port";
	bool late = running_ms(i) > l->cfg->ready_timeout * 1000;

	if (!late)
		set(i, "starting", NULL);
	else if (i->release_id == i->app->release_id)
		set(i, "unhealthy", what);
	else
		set(i, "failed",
			arena_printf(
				&w->a, "%s after %lld s", what, (long long)l->cfg->ready_timeout));
}

static void judge_active(struct leader *l, struct world *w, struct instance *i)
{
	bool never_listens =
		!i->sidekick || (i->health[0] == '\0' && !i->app->listened && !i->listened);
	enum health health;

	i->new_active = true;
	if (never_listens) {
		bool ready = i->active_ms >= 0 && running_ms(i) >= SETTLED_MS;

		i->new_ready = ready;
		l->moving = l->moving || !ready;
		set(i, ready ? "ready" : "starting", NULL);
		return;
	}
	health = health_of(l, i);
	i->sick = health == SICK;
	i->new_ready = i->ready_ms >= 0 || health == HEALTHY;
	if (health == HEALTHY)
		set(i, "ready", NULL);
	else if (i->ready_ms >= 0)
		set(i, "unhealthy",
			health == SICK ? "it does not answer" : "nothing is heard of it");
	else
		judge_late(l, w, i);
}

static void judge_absent(struct leader *l, struct world *w, struct instance *i)
{
	const struct seen *s = i->main;
	int64_t now = clock_mono_ms();

	if (s->refusal[0] && !s->exists)
		set(i, "waiting", s->refusal);
	else if (i->active_ms >= 0 && !l->view.exact)
		set(i, "restarting",
			arena_printf(&w->a, "moving: its machine was lost %lld s ago",
				(long long)(s->state_at ? (now - s->state_at) / 1000 : 0)));
	else if (s->exists && !s->machine[0] && s->state_at == 0 && !l->view.exact &&
		 now - s->put_at > UNPLACED_MS)
		set(i, "waiting", "no machine has taken it yet");
	else
		set(i, i->ready_ms >= 0 ? "restarting" : "starting", NULL);
}

static void judge_word(struct leader *l, struct world *w, struct instance *i)
{
	if (i->main->exists && !i->main->ours) {
		/* what it shows is not the state of ours */
		set(i, "waiting", "a unit of this name that is not nap's is in the engine");
		return;
	}
	switch (i->word) {
	case WORD_UNKNOWN:
		set(i, i->state, i->reason[0] ? i->reason : NULL);
		i->new_active = i->active_ms >= 0;
		i->new_ready = i->ready_ms >= 0;
		return;
	case WORD_ABSENT:
		judge_absent(l, w, i);
		return;
	case WORD_ACTIVE:
		/* its record came before the engine noticed */
		if (has_ended(i, "finished"))
			set(i, "finished", NULL);
		else if (has_ended(i, "gave-up") || has_ended(i, "disk"))
			set(i, "failed", end_reason(w, i));
		else
			judge_active(l, w, i);
		return;
	case WORD_WAITING:
		set(i, "restarting", i->exited_ms >= 0 ? end_reason(w, i) : NULL);
		return;
	case WORD_FAILED:
		set(i, "failed", end_reason(w, i));
		return;
	case WORD_BROKEN:
		set(i, "failed", "the machine could not load its unit");
		return;
	case WORD_DEAD:
		if (streq(i->exit_result, "finished"))
			set(i, "finished", NULL);
		else if (streq(i->exit_result, "gave-up") || streq(i->exit_result, "disk"))
			set(i, "failed", end_reason(w, i));
		else
			set(i, i->ready_ms >= 0 ? "restarting" : "starting", NULL);
		return;
	case WORD_STARTING:
	case WORD_STOPPING:
		set(i, is_state(i, "restarting") ? "restarting" : "starting", NULL);
		return;
	}
}

static void judge_one(struct leader *l, struct world *w, struct instance *i)
{
	i->new_machine = i->main->at[0] && i->main->state_at ? i->main->at : i->machine;
	i->new_address = i->new_machine[0] ? view_address(&l->view, i->new_machine) : "";
	if (!i->new_address[0])
		i->new_address = i->address;
	if (instance_is_gone(i)) {
		set(i, "stopping", NULL);
	} else if (i->port == 0) {
		if (!i->new_state)
			set(i, "waiting", l->away ? "the engine does not answer" : NULL);
	} else {
		judge_word(l, w, i);
		if (streq(i->want, "restart") && !streq(i->new_state, "ready"))
			set(i, "restarting", NULL);
	}
	if (streq(i->new_state, "starting") || streq(i->new_state, "restarting") ||
		streq(i->new_state, "stopping") || streq(i->want, "restart") || i->leave_ms >= 0)
		l->moving = true;
}

/* An app whose instances all went silent while the engine says that they run keeps them: it is nap that is deaf. */
static void keep_last_route(struct app *a)
{
	size_t n = 0;

	for (size_t k = 0; k < a->n; k++)
		n += judge_routable(&a->first[k]);
	for (size_t k = 0; k < a->n && n == 0; k++) {
		struct instance *i = &a->first[k];

		if (instance_is_wanted(i) && i->release_id == a->release_id && i->listened &&
			i->word == WORD_ACTIVE && i->ready_ms >= 0 && !i->sick &&
			streq(i->new_state, "unhealthy") && streq(i->want, "run"))
			set(i, "ready", "nothing is heard of it");
	}
}

void judge_instances(struct leader *l, struct world *w)
{
	for (size_t k = 0; k < w->instances_n; k++)
		judge_one(l, w, &w->instances[k]);
	for (size_t k = 0; k < w->apps_n; k++)
		keep_last_route(&w->apps[k]);
}

bool judge_routable(const struct instance *i)
{
	return i->release_id == i->app->release_id && instance_is_wanted(i) &&
	       streq(i->want, "run") && i->sidekick && i->listened &&
	       streq(i->new_state, "ready") && i->new_address[0];
}

SQL(JUDGE_INSTANCE,
	"UPDATE instance SET since = CASE WHEN state <> $2 THEN now() ELSE since END, state = $2, reason = $3, "
	"machine = nullif($4, ''), address = nullif($5, ''), "
	"active_at = CASE WHEN $6::boolean THEN coalesce(active_at, now()) END, "
	"ready_at = CASE WHEN $7::boolean THEN coalesce(ready_at, now()) END WHERE id = $1");

static bool write_instance(struct leader *l, const struct instance *i, struct err *e)
{
	if (streq(i->state, i->new_state) && streq(i->reason, i->new_reason ? i->new_reason : "") &&
		streq(i->machine, i->new_machine) && streq(i->address, i->new_address) &&
		(i->active_ms >= 0) == i->new_active && (i->ready_ms >= 0) == i->new_ready)
		return true;
	return db_exec(l->db, NULL, e, JUDGE_INSTANCE, I64(i->id), i->new_state, i->new_reason,
		i->new_machine, i->new_address, BOOL(i->new_active), BOOL(i->new_ready));
}

struct count {
	int ready, finished, failed, troubled, all;
};

static struct count count_of(const struct app *a, int64_t release)
{
	struct count c = { 0 };

	for (size_t k = 0; k < a->n; k++) {
		const struct instance *i = &a->first[k];
		const char *s = i->new_state;

		if (i->release_id != release || !instance_is_wanted(i))
			continue;
		c.all++;
		c.ready += streq(s, "ready");
		c.finished += streq(s, "finished");
		c.failed += streq(s, "failed");
		c.troubled += streq(s, "failed") || streq(s, "unhealthy") ||
			      streq(s, "restarting") || (streq(s, "waiting") && i->new_reason);
	}
	return c;
}

static const char *app_state(const struct app *a, const struct count *c)
{
	if (a->deleting)
		return "deleting";
	if (!a->release_id && !a->next_release_id)
		/* 'starting' and 'failed' are said by the request and the job; its source is on its way, or was no good */
		return streq(a->state, "failed")		    ? "failed"
		       : a->deployed || streq(a->state, "starting") ? "starting"
								    : "empty";
	if (a->stopped || a->instances == 0)
		return "stopped";
	if (!a->release_id || streq(a->wave, "held"))
		return "starting";
	if (streq(a->wave, "over")) /* its units are gone; how it ended stays */
		return a->state;
	if (c->all > 0 && c->finished == c->all)
		return "finished";
	if (c->ready + c->finished >= a->instances)
		return "running";
	if (c->ready > 0)
		return c->troubled ? "degraded" : "running";
	if (c->failed > 0 && c->failed + c->finished == c->all)
		return "failed";
	return c->troubled ? "degraded" : "starting";
}

SQL(JUDGE_APP, "UPDATE app SET state = $2, running_instances = $3::integer WHERE id = $1");

bool judge_write(struct leader *l, struct world *w, struct err *e)
{
	for (size_t k = 0; k < w->instances_n; k++)
		if (!write_instance(l, &w->instances[k], e))
			return false;
	for (size_t k = 0; k < w->apps_n; k++) {
		struct app *a = &w->apps[k];
		struct count c = count_of(a, a->release_id);
		const char *state = app_state(a, &c);

		if ((!streq(state, a->state) || c.ready != a->running) &&
			!db_exec(l->db, NULL, e, JUDGE_APP, I64(a->id), state, I64(c.ready)))
			return false;
		a->state = state;
	}
	return true;
}

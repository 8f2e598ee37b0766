/*
 * One unit on the machine: its folders, its supervisor, its phase. What shall happen is decided in agent/plan.h.
 *
 * The agent and nap-unit talk through files only, so that neither needs the other to live:
 *
 *	A/unit/NAME/name          the unit's name (the folder's, unless it is longer than a file name may be)
 *	A/unit/NAME/options.json  [{"section","name","value"}, …], what is loaded
 *	A/unit/NAME/hash          SHA-1 of its content
 *	A/unit/NAME/uid           the number that is this unit's alone (user mode: the agent's own)
 *	A/unit/NAME/desired       launched, or loaded: written before runsv is told to stop, so that nap-unit's finish
 *	                          knows an ordered stop from an end
 *	A/unit/NAME/phase         nap-unit's: "PHASE RESULT CODE SIGNAL SINCE_US RESTARTS PID", replaced by rename
 *	A/unit/NAME/events        nap-unit's: "TIME_US TEXT" lines, appended
 *	A/service/NAME/run        exec nap-unit run A/unit/NAME
 *	A/service/NAME/finish     exec nap-unit finish A/unit/NAME "$@"
 *	A/service/NAME/log/run    exec svlogd -t A/log/NAME
 *
 * The agent starts `runsv A/service/NAME` in a session of its own and ends it by writing x to supervise/control
 * (runsv(8): TERM to the program, finish, close the log, exit). It holds the write end of that fifo: POLLERR on it is
 * the death of runsv, whoever started it. Where runsv dies otherwise it is started again; nap-unit run first clears
 * away what an earlier run of the unit left.
 *
 * A unit has stopped when its runsv is gone and no process of its uid and none in its cgroup is left.
 */
#ifndef NAP_AGENT_SUPER_H
#define NAP_AGENT_SUPER_H

#include "agent/agent.h"

/* "nap-unit" beside the running program */
char *super_helper(const char *name);

/* Makes the unit's folders from u->content and sets u->loaded; a uid is taken if it has none. */
NODISCARD bool super_load(struct agent *ag, struct agent_unit *u, struct err *e);

/* Starts runsv; u->control opens a moment later, by super_attach() */
NODISCARD bool super_start(struct agent *ag, struct agent_unit *u, struct err *e);

/* Opens runsv's fifo, if a runsv reads it: true when u->control is open */
bool super_attach(struct agent *ag, struct agent_unit *u);
void super_detach(struct agent_unit *u);

/* Nothing was run yet: before a start that is not the continuation of an earlier one */
void super_forget_phase(const struct agent *ag, struct agent_unit *u);

/* The unit is dead, and nap-unit could not write it */
void super_end_phase(const struct agent *ag, struct agent_unit *u);

/* Tells runsv to stop; asking again after the unit's time has passed kills. Never waits. */
void super_stop(struct agent *ag, struct agent_unit *u);

/* The unit has ended by itself: its runsv is told to leave. */
void super_exit(const struct agent_unit *u);

/* Removes the unit's folders and cgroups; what it kept stays for a while (agent/kept.h). Only when super_sweep() said so. */
void super_unload(struct agent *ag, struct agent_unit *u);

/* Kills what is left of units whose runsv is gone; true for u when nothing is. Looks at all processes once a call. */
void super_sweep(struct agent *ag, struct agent_unit *const *u, size_t n, bool *ret_gone);

/* Takes up what an earlier agent left: folders, living supervisors, phases. */
void super_adopt(struct agent *ag);

/* Reads phase; true if it changed. */
bool super_read_phase(struct agent *ag, struct agent_unit *u);

/* Appends to the unit's events what systemd would say. */
void super_event(const struct agent *ag, const struct agent_unit *u, const char *fmt, ...)
	PRINTF(3, 4);

#endif

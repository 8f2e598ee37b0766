/*
 * Which isolation this machine allows this user: each is tried with a real program, in the order crun, bwrap, setpriv.
 */
#ifndef NAP_UNIT_PROBE_H
#define NAP_UNIT_PROBE_H

#include "unit/unit_dir.h"

/*
 * state: S; its agent/ folder must exist. wanted: NULL or "auto" tries; a word of isolation_word() is tried alone, none
 * taken as it is. Errors: ERR_UPSTREAM "no_isolation" with the reason of each.
 */
NODISCARD bool isolation_probe(
	const char *state, const char *wanted, struct arena *a, enum isolation *ret, struct err *e);

#endif

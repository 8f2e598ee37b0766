/*
 * nap-unit run DIR: one start of a unit, from ExecStartPre= to the end of its main process, as systemd.service(5) says.
 * runsv starts it, and nap-unit finish behind it.
 */
#ifndef NAP_UNIT_RUN_H
#define NAP_UNIT_RUN_H

#include "unit/unit_dir.h"

/* The exit status of main(): the main process's, or 128 + its signal. How it ended is in the unit's file "end". */
int unit_run(struct unit *u);

/*
 * nap-unit finish DIR CODE SIGNAL, as runsv gives them (code -1: by signal): clears away what is left, ExecStopPost=,
 * Restart=, phase and events. With no end file nap-unit run was killed, or it became a privileged main process itself.
 */
int unit_finish(struct unit *u, int code, int signal_number);

#endif

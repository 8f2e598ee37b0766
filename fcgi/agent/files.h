/*
 * S/run/files/files.sock: what instances left in $NAP_OUT. nginx alone reaches it, by the folder that it stands in, and
 * asks only what nap-api has told it to (front.conf, api/files.c). Each connection is handed to a nap-files of its own:
 * a download is as slow as its client, and the agent's loop waits for nobody.
 */
#ifndef NAP_AGENT_FILES_H
#define NAP_AGENT_FILES_H

#include "agent/agent.h"

/* ag->files.fd listens afterwards */
NODISCARD bool files_open(struct agent *ag, struct err *e);
/* it is readable */
void files_take(struct agent *ag);
/* a child ended: one of them, perhaps */
void files_reaped(struct agent *ag, pid_t pid);
/* nothing listens any more; what is being told is cut off */
void files_close(struct agent *ag);

#endif

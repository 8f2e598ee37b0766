/*
 * The leader: the one process that brings the engine to what PostgreSQL says, and nginx to what the engine shows.
 *
 * Any number of nap-workers may run in mode `lead`; an advisory lock lets one of them lead, the others wait for it.
 * Reading order: lead.c (the tick), lock.h (who leads), view.h (the engine as seen), plan.h (which instances there
 * are to be), judge.h (what state each is in), act.h (PUT and DELETE), routes.h (nginx), keep.h (what is thrown away).
 */
#ifndef NAP_LEAD_LEAD_H
#define NAP_LEAD_LEAD_H

#include "model/config.h"

/* Leads, or waits to, until SIGTERM. Returns the exit status. */
int lead_run(const struct config *cfg);

#endif

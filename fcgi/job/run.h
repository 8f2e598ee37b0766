/*
 * Worker processes: claim an operation, run it, write its end, again. One operation at a time; any number of processes.
 */
#ifndef NAP_JOB_RUN_H
#define NAP_JOB_RUN_H

#include "model/config.h"

/* Both run until TERM or INT and return the exit status. */
int run_jobs(const struct config *cfg);
int run_quick(const struct config *cfg); /* operations of the quick lane only */

#endif

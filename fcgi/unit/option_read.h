/*
 * How the value of one option is read: inner to options.c and its readers.
 *
 * A reader reads r->value, the option's text, into the field of r->o that its row in options.c names; false: it cannot
 * be read, the field is as it was, and options.c says so. What can be read in part warns by itself.
 *
 * To add an option: see unit/options.h. To add a kind of value: a reader here and in the file of its kind.
 */
#ifndef NAP_UNIT_OPTION_READ_H
#define NAP_UNIT_OPTION_READ_H

#include "unit/options.h"

struct reading {
	struct arena *a;
	const struct unit_place *place;
	struct unit_options *o;
	const char *name, *value; /* the option that is being read */
	int which;		  /* the row's: which limit, which kind of path */
};

typedef bool read_fn(struct reading *r, void *field);

/* adds "NAME=VALUE: why" to the warnings; true, so that a reader may end with it */
bool reading_warn(struct reading *r, const char *why);

/* one value: option_values.c */
read_fn read_text, read_bool, read_time, read_timeout, read_timeout_both, read_count, read_int;
read_fn read_memory, read_tasks, read_weight, read_shares, read_quota, read_umask;
read_fn read_names, read_environment, read_environment_file, read_directory;
read_fn read_type, read_restart, read_kill_mode, read_signal, read_exits, read_protect;
read_fn read_limit; /* which: an RLIMIT_ */

/* option_paths.c; which: an enum unit_path_kind */
read_fn read_paths;

/* command lines: option_commands.c */
read_fn read_commands;

#endif

/*
 * Rows of texts in columns, as wide as the terminal allows.
 *
 *	struct table t = table_new(c, "NAME STATE INSTANCES *COMMAND");
 *	table_row(&t, name, state, instances, command);
 *	table_print(&t);
 *
 * A column with * gives way where the row is wider than the terminal (its text ends in …), one with + is right-aligned, one
 * with ! is coloured by term_state. Elsewhere than on a terminal nothing is cut. Without rows the headings are printed
 * to a terminal only.
 */
#ifndef NAP_CLI_TABLE_H
#define NAP_CLI_TABLE_H

#include "cli/term.h"

#define TABLE_COLUMNS 64

struct table {
	struct arena *a;
	const struct term *term;
	struct {
		const char *heading;
		bool gives_way, right, state;
		size_t width;
	} column[TABLE_COLUMNS];
	size_t columns, rows, size;
	const char **cell;
};

struct table table_new(struct arena *a, const struct term *term, const char *headings);
/* one text for each column; NULL is "-" */
void table_add(struct table *t, const char *const *cells);
#define table_row(t, ...) table_add(t, (const char *const[]){ __VA_ARGS__ })
void table_print(struct table *t);

#endif

#include "cli/table.h"

#define GAP 2

struct table table_new(struct arena *a, const struct term *term, const char *headings)
{
	struct table t = { .a = a, .term = term };
	char *rest = arena_strdup(a, headings), *word;

	while ((word = strsep(&rest, " "))) {
		assert(t.columns < TABLE_COLUMNS);
		t.column[t.columns].gives_way = *word == '*';
		t.column[t.columns].right = *word == '+';
		t.column[t.columns].state = *word == '!';
		t.column[t.columns].heading = word + (strchr("*+!", *word) != NULL);
		t.column[t.columns].width = term_columns(t.column[t.columns].heading);
		t.columns++;
	}
	return t;
}

void table_add(struct table *t, const char *const *cells)
{
	if ((t->rows + 1) * t->columns > t->size) {
		size_t size = MAX(t->size * 2, 16 * t->columns);
		const char **bigger = arena_alloc(t->a, size * sizeof *bigger);

		for (size_t i = 0; i < t->rows * t->columns; i++)
			bigger[i] = t->cell[i];
		t->cell = bigger;
		t->size = size;
	}
	for (size_t i = 0; i < t->columns; i++) {
		const char *text = cells[i] && *cells[i] ? term_text(t->a, cells[i]) : "-";

		t->cell[t->rows * t->columns + i] = text;
		t->column[i].width = MAX(t->column[i].width, term_columns(text));
	}
	t->rows++;
}

/* what is too wide is taken from the widest of the columns that give way, down to their headings */
static void narrow(struct table *t)
{
	size_t sum = 0;

	for (size_t i = 0; i < t->columns; i++)
		sum += t->column[i].width + (i ? GAP : 0);
	while (t->term->tty && sum > t->term->width) {
		size_t widest = t->columns;

		for (size_t i = 0; i < t->columns; i++)
			if (t->column[i].gives_way &&
				t->column[i].width > term_columns(t->column[i].heading) &&
				(widest == t->columns ||
					t->column[i].width > t->column[widest].width))
				widest = i;
		if (widest == t->columns)
			return;
		t->column[widest].width--;
		sum--;
	}
}

static void pad(const struct table *t, size_t n)
{
	(void)fprintf(t->term->file, "%*s", (int)n, "");
}

static void print_cell(const struct table *t, size_t i, const char *text, enum colour colour)
{
	size_t width = t->column[i].width, columns = term_columns(text);

	if (columns > width) {
		text = arena_printf(t->a, "%.*s…", (int)term_fit(text, width - 1), text);
		columns = term_columns(text);
	}
	if (t->column[i].right)
		pad(t, width - columns);
	term_put(t->term, colour, text);
	if (i + 1 == t->columns)
		(void)fputc('\n', t->term->file);
	else
		pad(t, (t->column[i].right ? 0 : width - columns) + GAP);
}

void table_print(struct table *t)
{
	narrow(t);
	for (size_t i = 0; i < t->columns && (t->rows || t->term->tty); i++)
		print_cell(t, i, t->column[i].heading, DIM);
	for (size_t r = 0; r < t->rows; r++)
		for (size_t i = 0; i < t->columns; i++) {
			const char *text = t->cell[r * t->columns + i];

			print_cell(t, i, text, t->column[i].state ? term_state(text) : PLAIN);
		}
}

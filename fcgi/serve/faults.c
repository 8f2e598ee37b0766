#include "serve/faults.h"

#include "model/profile.h"

#include <stdarg.h>

PRINTF(5, 0)
static void add(struct faults *f, const char *field, int line, const char *code, const char *fmt,
	va_list ap)
{
	auto_free char *text = NULL;

	if (f->n == MAX_FAULTS) {
		f->dropped++;
		return;
	}
	if (f->n == f->size) {
		struct fault *more;

		f->size = f->size ? f->size * 2 : 8;
		more = arena_alloc(f->a, f->size * sizeof *more);
		if (f->n)
			memcpy(more, f->v, f->n * sizeof *more);
		f->v = more;
	}
	if (vasprintf(&text, fmt, ap) < 0)
		abort(); /* no memory */
	f->v[f->n++] =
		(struct fault){ arena_strdup(f->a, field), code, arena_strdup(f->a, text), line };
}

void fault_add(struct faults *f, const char *field, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, field, 0, code, fmt, ap);
	va_end(ap);
}

void fault_add_line(
	struct faults *f, const char *field, int line, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, field, line, code, fmt, ap);
	va_end(ap);
}

bool faults_end(const struct faults *f, struct err *e)
{
	if (f->n == 0)
		return true;
	if (f->n == 1)
		return err_set(e, ERR_INVALID, "validation_failed", "\"%s\" %s", f->v[0].field,
			f->v[0].detail);
	return err_set(
		e, ERR_INVALID, "validation_failed", "%zu fields are wrong", f->n + f->dropped);
}

void profile_faults(struct faults *f, const struct profile *p)
{
	for (size_t i = 0; i < p->faults_n; i++)
		if (p->faults[i].error)
			fault_add_line(f, "profile", p->faults[i].line, p->faults[i].code, "%s",
				p->faults[i].text);
}

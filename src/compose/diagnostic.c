/* Diagnostics of the Compose files: with the include and extends places that led there. */
#include "compose/model.h"

#include <stdarg.h>

static struct mark owned_mark(const struct compose_model *m, struct where where)
{
	struct mark mark = model_mark(m, where);
	mark.file = xstrdup(mark.file);
	return mark;
}

static void add_chain(const struct compose_model *m, const struct step *step, struct diagnostic *d)
{
	if (!step)
		return;
	add_chain(m, step->up, d);
	if (step->where.line)
		vec_push(&d->chain, owned_mark(m, step->where));
}

void diagnose(struct compose_model *m, enum severity severity, struct where where, const char *path,
	      const char *hint, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	cleanup_free char *message = xvasprintf(format, ap);
	va_end(ap);
	struct mark mark = model_mark(m, where);
	struct diagnostic *d = diagnostics_add(m->diagnostics, severity, &mark, ptr_take(message));
	if (!d)
		return;
	const struct source *file = &m->sources.v[where.file];
	d->hint = xstrdup(hint);
	d->path = xstrdup(path);
	d->source = file->text ? source_line(file->text, file->len, where.line) : NULL;
	add_chain(m, m->step, d);
}

const char *nearest_hint(struct compose_model *m, const char *word, const char *const *names)
{
	const char *found = nearest_word(word, names);
	return found ? arena_printf(m->arena, "did you mean '%s'?", found) : NULL;
}

/* Diagnostics: what is wrong, where, with the text of the line and the way that led there. */
#include "compose/model.h"

#include <stdarg.h>

enum { DIAGNOSTICS_MAX = 100, SOURCE_LINE_MAX = 400 };

void diagnostics_done(struct diagnostics *d)
{
	vec_each(item, &d->items) {
		free((char *)item->mark.file);
		free(item->message);
		free(item->hint);
		free(item->source);
		free(item->path);
		vec_each(step, &item->chain)
			free((char *)step->file);
		vec_done(&item->chain);
	}
	vec_done(&d->items);
	d->errors = 0;
}

/* The text of a line, without its end and cut to a sane length. */
static char *source_line(const struct source *s, uint32_t line)
{
	if (!s->text || !line)
		return NULL;
	const char *p = s->text, *end = s->text + s->len;
	for (uint32_t i = 1; i < line; i++) {
		p = memchr(p, '\n', end - p);
		if (!p)
			return NULL;
		p++;
	}
	const char *stop = memchr(p, '\n', end - p);
	size_t len = (stop ? stop : end) - p;
	if (len && p[len - 1] == '\r')
		len--;
	return xstrndup(p, len < SOURCE_LINE_MAX ? len : SOURCE_LINE_MAX);
}

static struct mark owned_mark(const struct compose_model *m, struct where where)
{
	struct mark mark = model_mark(m, where);
	mark.file = xstrdup(mark.file);
	return mark;
}

static bool said(const struct diagnostics *d, const struct mark *mark, const char *message)
{
	vec_each(item, &d->items)
		if (item->mark.line == mark->line && item->mark.column == mark->column &&
		    str_eq(item->mark.file, mark->file) && str_eq(item->message, message))
			return true;
	return false;
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
	struct diagnostics *list = m->diagnostics;
	struct mark mark = model_mark(m, where);
	if (said(list, &mark, message))
		return;
	if (severity == SEVERITY_ERROR)
		list->errors++;
	if (list->items.n >= DIAGNOSTICS_MAX)
		return;
	struct diagnostic *d = vec_add(&list->items);
	d->severity = severity;
	d->mark = owned_mark(m, where);
	d->message = ptr_take(message);
	d->hint = xstrdup(hint);
	d->path = xstrdup(path);
	d->source = source_line(&m->sources.v[where.file], where.line);
	add_chain(m, m->step, d);
}

const char *nearest_hint(struct compose_model *m, const char *word, const char *const *names)
{
	size_t limit = strlen(word) <= 3 ? 1 : strlen(word) <= 6 ? 2 : 3, best = limit + 1;
	const char *found = NULL;
	for (; *names; names++) {
		size_t d = str_distance(word, *names, limit);
		if (d < best) {
			best = d;
			found = *names;
		}
	}
	return found ? arena_printf(m->arena, "did you mean '%s'?", found) : NULL;
}

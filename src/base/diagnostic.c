/* Diagnostics: kept in order, each said once. */
#include "base/diagnostic.h"

#include "base/str.h"

enum { SOURCE_LINE_MAX = 400 };

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

static bool said(const struct diagnostics *d, const struct mark *mark, const char *message)
{
	vec_each(item, &d->items)
		if (item->mark.line == mark->line && item->mark.column == mark->column &&
		    str_eq(item->mark.file, mark->file) && str_eq(item->message, message))
			return true;
	return false;
}

struct diagnostic *diagnostics_add(struct diagnostics *d, enum severity severity,
				   const struct mark *mark, char *message)
{
	cleanup_free char *owned = message;

	if (said(d, mark, message))
		return NULL;
	if (severity == SEVERITY_ERROR)
		d->errors++;
	if (d->items.n >= DIAGNOSTICS_MAX)
		return NULL;
	struct diagnostic *item = vec_add(&d->items);
	item->severity = severity;
	item->mark = *mark;
	item->mark.file = xstrdup(mark->file);
	item->message = ptr_take(owned);
	return item;
}

char *source_line(const char *text, size_t len, uint32_t line)
{
	const char *p = text, *end = text + len;

	if (!line)
		return NULL;
	for (uint32_t i = 1; i < line; i++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return NULL;
		p++;
	}
	const char *stop = memchr(p, '\n', (size_t)(end - p));
	size_t n = (size_t)((stop ? stop : end) - p);
	if (n && p[n - 1] == '\r')
		n--;
	return xstrndup(p, n < SOURCE_LINE_MAX ? n : SOURCE_LINE_MAX);
}

const char *nearest_word(const char *word, const char *const *names)
{
	size_t limit = strlen(word) < 2	   ? 0
		       : strlen(word) <= 3 ? 1
		       : strlen(word) <= 6 ? 2
					   : 3,
	       best = limit + 1;
	const char *found = NULL;

	for (; *names; names++) {
		size_t d = str_distance(word, *names, limit);
		if (d < best) {
			best = d;
			found = *names;
		}
	}
	return found;
}

/* Mistakes in files that people write (Compose files, Dockerfiles): what is wrong, where, with the
 * text of the line, and what was probably meant. Many per run; the cli prints them with a caret. */
#ifndef STAVE_BASE_DIAGNOSTIC_H
#define STAVE_BASE_DIAGNOSTIC_H

#include "base/cleanup.h"
#include "base/vec.h"

#include <stdint.h>

/* A place in a file: line and column count from 1; 0 when there is none. */
struct mark {
	const char *file; /* as the user would write it: relative to the working directory where
			     that is shorter. Interned: lives as long as the result it came with */
	int line, column;
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE };

struct diagnostic {
	enum severity severity;
	struct mark mark;	/* its file is the diagnostic's own copy */
	char *message;		/* "unknown key 'imgae' in service 'web'" */
	char *hint;		/* "did you mean 'image'?" or NULL */
	char *source;		/* the text of the line, for the caret; NULL when unknown */
	VEC(struct mark) chain; /* the include/extends places that led here, outermost first */
	char *path;		/* "services.web.imgae", the name of a check, or NULL */
};

enum { DIAGNOSTICS_MAX = 100 };

struct diagnostics {
	VEC(struct diagnostic) items; /* at most DIAGNOSTICS_MAX */
	size_t errors;		      /* how many there were, those that were not kept included */
};
void diagnostics_done(struct diagnostics *d);
#define cleanup_diagnostics cleanup(diagnostics_done)

/* Adds one and returns it, for hint, source, path and chain to be filled (owned, malloc). NULL when
 * the same was said of the same place, or too much was said already. `mark` is copied, `message`
 * taken. */
struct diagnostic *diagnostics_add(struct diagnostics *d, enum severity severity,
				   const struct mark *mark, char *message);

/* The text of a line, without its end and cut to a sane length; NULL when there is none. Owned. */
char *source_line(const char *text, size_t len, uint32_t line);
/* The one of `names` (NULL-terminated) that `word` is probably a misspelling of, or NULL. Letters'
 * case counts. */
const char *nearest_word(const char *word, const char *const *names);

#endif

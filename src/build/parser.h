/* Inside of the Dockerfile parser: dockerfile.c cuts the text into logical lines, instruction.c
 * reads one of them, flags.c its flags, mount.c a --mount. */
#ifndef STAVE_BUILD_PARSER_H
#define STAVE_BUILD_PARSER_H

#include "build/dockerfile.h"

/* What is wrong with one instruction. */
struct fault {
	char *message; /* NULL: nothing; owned */
	char *hint;    /* owned or NULL */
};
#define FAULT_INIT ((struct fault){ 0 })
void fault_done(struct fault *fault);
#define cleanup_fault cleanup(fault_done)
/* Sets the message (the first one stays) and returns -EINVAL. */
int fault_set(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where the lines of heredocs come from. Returns false at the end of the text; the line is without
 * its end. */
struct line_source {
	bool (*next)(void *data, const char **ret, size_t *ret_len);
	void *data;
	uint32_t line; /* number of the line that was given last */
};

/* Reads one logical line. *ret is filled as far as it went, also on failure. `nested`: it is the
 * trigger of an ONBUILD. */
int instruction__read(const char *text, char escape, struct line_source *lines, bool nested,
		      struct instruction *ret, struct fault *fault);
void instruction__done(struct instruction *in);

/* Takes the flags off the front of *text and stores them; *text is then what follows them. */
int flags__read(struct instruction *in, const char **text, struct fault *fault);

/* --- words.c --- */
/* What stands between blanks. */
void words__fields(const char *text, struct strv *ret);
/* The same, but quoted blanks do not count; quotes and escapes stay. */
void words__quoted(const char *text, char escape, struct strv *ret);
/* Takes the words that begin with "--" off the front, without their quotes and escapes. Returns
 * what follows. */
const char *words__flags(const char *text, struct strv *ret);
/* Comma-separated fields, a quoted one may hold commas. -EINVAL: an open quote. */
int words__csv(const char *text, struct strv *ret);
/* The elements of a JSON array. 0: it is none; 1: it is; -EINVAL: one that has not only strings. */
int words__json(const char *text, struct strv *ret);

extern const char *const instruction__names[]; /* by kind, NULL at the end */

#endif

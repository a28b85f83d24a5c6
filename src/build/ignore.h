/* .dockerignore, and the patterns of --exclude: an ordered list of which the last that matches
 * decides. `!` makes an exception, `**` is any number of directories, the rest is as in glob.h; a
 * pattern that matches a directory matches what is in it. */
#ifndef STAVE_BUILD_IGNORE_H
#define STAVE_BUILD_IGNORE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct ignore;

enum { IGNORE_BYTES_MAX = 1 << 20, IGNORE_PATTERNS_MAX = 4096 };

/* The text of a .dockerignore. ERR_INPUT names the line that is wrong. */
int ignore_parse(const char *text, size_t len, const char *name, struct ignore **ret,
		 struct err *err);
/* Patterns one by one. */
int ignore_new(const struct strv *patterns, struct ignore **ret, struct err *err);
/* The file for a Dockerfile within its context: `<dockerfile>.dockerignore` beside it (dockerfile
 * NULL or outside of the context: not looked for), else .dockerignore; read beneath the descriptor.
 * *ret is NULL when there is neither, *ret_name (owned, may be NULL) is the one that was read. */
int ignore_load(int context, const char *dockerfile, struct ignore **ret, char **ret_name,
		struct err *err);
void ignore_free(struct ignore *ignore);
DEFINE_CLEANUP(struct ignore, ignore_free)

/* Is the path (relative, clean, no slash at either end) left out? Looks at its parents, too. */
bool ignore_path(const struct ignore *ignore, const char *path);
/* May anything below the left-out directory be an exception? */
bool ignore_has_exceptions(const struct ignore *ignore, const char *path);

/* The same for a walk, which knows what held for the parent: a set of pattern numbers that the
 * parent or one of its parents matched. */
struct ignore_state {
	uint64_t *matched; /* owned; NULL: none */
};
void ignore_state_done(struct ignore_state *state);
/* parent: NULL at the top. Fills *ret. */
bool ignore_step(const struct ignore *ignore, const struct ignore_state *parent, const char *path,
		 struct ignore_state *ret);

#endif

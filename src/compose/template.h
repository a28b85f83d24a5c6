/* ${VARIABLE} substitution in one string: $X ${X} ${X:-d} ${X-d} ${X:?m} ${X?m} ${X:+r} ${X+r},
 * nested, and $$ for a dollar. Used for Compose values and for .env files. */
#ifndef STAVE_COMPOSE_TEMPLATE_H
#define STAVE_COMPOSE_TEMPLATE_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	TEMPLATE_DEPTH_MAX = 50,      /* ${A:-${B:-...}} */
	TEMPLATE_RESULT_MAX = 1 << 20 /* bytes of one value */
};

/* What a string says about a variable, for `config --variables` and for warnings. */
struct template_use {
	const char *name; /* len bytes, not terminated */
	size_t len;
	char kind; /* 0: plain, '-', '?', '+' */
	bool braced;
	const char *word; /* the default, message or replacement; NULL when plain */
	size_t word_len;
	size_t at; /* offset of the dollar in the string */
};

struct template_hooks {
	/* The variable's value (borrowed), or NULL when it is not set. */
	const char *(*lookup)(void *data, const char *name);
	/* A plain reference to a variable that is not set; may be NULL. */
	void (*missing)(void *data, const char *name, const struct template_use *use);
	void *data;
};

/* Appends the result to `out` (which bounds it). Returns 0, or -1 with a message in `error` and the
 * offset of the culprit in *ret_at. */
int template_expand(const char *text, size_t len, const struct template_hooks *hooks,
		    struct str *out, struct str *error, size_t *ret_at);

/* Calls fn for every reference, nested ones included. */
void template_uses(const char *text, size_t len,
		   void (*fn)(void *data, const struct template_use *use), void *data);

#endif

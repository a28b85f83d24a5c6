/* Variables and quotes in a Dockerfile's operands: $v ${v} ${v:-d} ${v-d} ${v:+d} ${v+d} ${v:?m}
 * ${v?m} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}. Results are bounded, because a few
 * lines of doubling variables would otherwise fill the memory. */
#ifndef STAVE_BUILD_EXPAND_H
#define STAVE_BUILD_EXPAND_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

struct instruction;

enum {
	EXPAND_WORD_MAX = (128 << 10) - 1, /* the kernel takes no longer argument or variable */
	EXPAND_HEREDOC_MAX = 8 << 20,
	EXPAND_DEPTH_MAX = 64, /* ${a:-${b:-...}} */
};

struct expand {
	/* The value of a variable (borrowed until the next call), or NULL when it is not set. */
	const char *(*lookup)(void *data, const char *name);
	void *data;
	char escape; /* the Dockerfile's; 0: '\\' */
	/* Told of each variable that is used bare ($v, ${v}) and not set; may be NULL. */
	void (*unset)(void *data, const char *name);
};

/* Replaces variables and removes quotes and escapes; spaces stay. Appends to out, whose maximum
 * should be EXPAND_WORD_MAX. ERR_INPUT: bad syntax, ${v:?}, or the result is too long. */
int expand_word(const struct expand *x, const char *word, struct str *out, struct err *err);
/* The same with a fresh text of at most EXPAND_WORD_MAX bytes. Owned. */
int expand_text(const struct expand *x, const char *word, char **ret, struct err *err);
/* As a shell would: the result is split at blanks that are not quoted. Appends. */
int expand_words(const struct expand *x, const char *text, struct strv *ret, struct err *err);
/* The content of an unquoted heredoc: variables are replaced, quotes stay. Owned. */
int expand_heredoc(const struct expand *x, const char *content, char **ret, struct err *err);

/* Splits at blanks that are not quoted; quotes, escapes and variables stay in the words. */
void expand_split(const char *text, char escape, struct strv *ret);

/* Replaces the operands of an instruction in place, those that the reference says are replaced:
 * args of ADD COPY EXPOSE FROM STOPSIGNAL USER VOLUME WORKDIR, pairs of ENV LABEL ARG, chown chmod
 * checksum exclude, platform, and the contents of unquoted heredocs of ADD and COPY. The pairs of
 * one instruction all see the values from before it. Mounts are replaced by run_mount_parse(). */
int instruction_expand(struct instruction *in, const struct expand *x, struct err *err);

#endif

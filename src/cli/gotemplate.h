/* Templates as --format takes them: Go's text/template over JSON values, with the functions that
 * Docker adds (json, split, join, title, lower, upper, pad, truncate, println) and Go's own
 * (and, or, not, eq, ne, lt, le, gt, ge, len, index, print, printf); if, else, range, with,
 * variables, comments and the trimming of blanks.
 *
 *	struct gotemplate t = { .text = "{{range .List}}{{.}} {{end}}", .known = names };
 *	gotemplate_expand(&t, row, &out, err);
 */
#ifndef STAVE_CLI_GOTEMPLATE_H
#define STAVE_CLI_GOTEMPLATE_H

#include "base/err.h"
#include "base/json.h"

struct gotemplate {
	const char *text;
	/* Object with the members that a row may have; another one is an error outside of
	 * conditions. NULL: any. Borrowed. */
	const json_t *known;
	const json_t *labels; /* object, for {{.Label "key"}}; NULL: none */
	bool titles; /* the row is that of the titles: members of members are their names in
			capitals */
};

/* Appends the expansion for `row`. ERR_USAGE for what is not understood, with the template. */
int gotemplate_expand(const struct gotemplate *t, const json_t *row, struct str *out,
		      struct err *err);

/* gotemplate-value.c: as Go prints a value: [a b], map[k:v]; text as it is; nothing for null. */
void gotemplate_print(const json_t *value, struct str *out);
/* What Go takes for true: not false, 0, empty or null. */
bool gotemplate_truth(const json_t *value);

/* gotemplate-functions.c: a function with its arguments (what is piped is the last). *ret is a new
 * reference. ERR_USAGE, with what is wrong only. ERR_NOT_FOUND: there is no such function. */
enum { GOTEMPLATE_ARGS_MAX = 16 };
int gotemplate_call(const char *name, json_t *const *args, size_t n, json_t **ret, struct err *err);
bool gotemplate_is_function(const char *name);

#endif

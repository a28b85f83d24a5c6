/* The option parser: one pass over the words, driven by tables. */
#include "base/parse.h"
#include "base/time.h"
#include "cli/cmd.h"

static void *at(void *values, const struct option *o)
{
	return (char *)values + o->offset;
}

/* The option and the scope that has it: the inner one first. */
static const struct option *by_name(const struct option_scope **scope, const char *name, size_t len)
{
	for (; *scope; *scope = (*scope)->outer)
		for (const struct option *o = (*scope)->table; o && o->name; o++)
			if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
				return o;
	return NULL;
}

static const struct option *by_letter(const struct option_scope **scope, char letter)
{
	for (; *scope; *scope = (*scope)->outer)
		for (const struct option *o = (*scope)->table; o && o->name; o++)
			if (o->letter && o->letter == letter)
				return o;
	return NULL;
}

static const char *nearest(const struct option_scope *scope, const char *name)
{
	const char *best = NULL;
	size_t best_distance = strlen(name) / 3 + 1;
	for (; scope; scope = scope->outer)
		for (const struct option *o = scope->table; o && o->name; o++) {
			size_t d = str_distance(name, o->name, best_distance);
			if (o->flags & OPTION_HIDDEN)
				continue;
			if (d < best_distance || (d == best_distance && !best)) {
				best = o->name;
				best_distance = d;
			}
		}
	return best;
}

/* "10" is seconds, as Docker Compose's -t; "1m30s" is what it says; -1 means no limit. */
static int parse_seconds(const char *value, int64_t *ret)
{
	int64_t seconds;
	if (parse_i64(value, -1, INT64_MAX / NSEC_PER_SEC, &seconds) == 0) {
		*ret = seconds < 0 ? NSEC_NEVER : seconds * NSEC_PER_SEC;
		return 0;
	}
	return parse_duration(value, ret);
}

static int set(const struct option *o, void *values, const char *value)
{
	void *place = at(values, o);
	switch (o->type) {
	case OPTION_FLAG:
		if (!value) {
			*(bool *)place = true;
			return 0;
		}
		return parse_bool(value, place);
	case OPTION_TEXT: *(const char **)place = value ? value : ""; return 0;
	case OPTION_LIST: strv_add(place, value); return 0;
	case OPTION_CSV: {
		cleanup_strv struct strv parts = strv_split(value, ',');
		strv_copy(place, &parts);
		return 0;
	}
	case OPTION_INT: {
		struct option_int *n = place;
		int r = parse_i64(value, INT64_MIN, INT64_MAX, &n->value);
		n->set = r == 0;
		return r;
	}
	case OPTION_DURATION: {
		struct option_duration *d = place;
		int r = parse_seconds(value, &d->ns);
		d->set = r == 0;
		return r;
	}
	}
	return -EINVAL;
}

void options_defaults(const struct option *table, void *values)
{
	for (const struct option *o = table; o && o->name; o++)
		if (o->fallback)
			(void)set(o, values, o->fallback); /* the tables' own defaults are valid:
							      walked by a test */
}

void options_done(const struct option *table, void *values)
{
	for (const struct option *o = table; o && o->name; o++)
		if (o->type == OPTION_LIST || o->type == OPTION_CSV)
			strv_done(at(values, o));
}

static bool takes_value(const struct option *o)
{
	return o->type != OPTION_FLAG && !(o->flags & OPTION_TEXT_OPT);
}

static int bad_value(const struct option *o, const char *value, const char *who, struct err *err)
{
	return err_usage(err, "invalid value '%s' for '--%s' (see '%s --help')", value ? value : "",
			 o->name, who);
}

static int long_option(const struct option_scope *scopes, const struct strv *args, size_t *i,
		       const char *who, struct err *err)
{
	const char *word = args->v[*i] + 2, *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct option_scope *scope = scopes;
	const struct option *o = by_name(&scope, word, len);
	if (!o) {
		cleanup_free char *name = xstrndup(word, len);
		const char *near = nearest(scopes, name);
		return err_usage(err, "unknown flag: --%s%s%s%s (see '%s --help')", name,
				 near ? "; did you mean --" : "", near ? near : "", near ? "?" : "",
				 who);
	}
	const char *value = equals ? equals + 1 : NULL;
	if (!value && takes_value(o)) {
		if (*i + 1 >= args->n)
			return err_usage(err, "flag needs an argument: --%s (see '%s --help')",
					 o->name, who);
		value = args->v[++*i];
	}
	return set(o, scope->values, value) < 0 ? bad_value(o, value, who, err) : 0;
}

/* "-it", "-f file", "-ffile", "-t=5". */
static int short_options(const struct option_scope *scopes, const struct strv *args, size_t *i,
			 const char *who, struct err *err)
{
	for (const char *p = args->v[*i] + 1; *p; p++) {
		const struct option_scope *scope = scopes;
		const struct option *o = by_letter(&scope, *p);
		if (!o)
			return err_usage(err,
					 "unknown shorthand flag: '%c' in %s (see '%s --help')", *p,
					 args->v[*i], who);
		if (!takes_value(o) && p[1] != '=') {
			if (set(o, scope->values, NULL) < 0)
				return bad_value(o, NULL, who, err);
			continue;
		}
		const char *value = p + 1;
		if (*value == '=')
			value++;
		else if (!*value) {
			if (*i + 1 >= args->n)
				return err_usage(err,
						 "flag needs an argument: -%c (see '%s --help')",
						 *p, who);
			value = args->v[++*i];
		}
		return set(o, scope->values, value) < 0 ? bad_value(o, value, who, err) : 0;
	}
	return 0;
}

int options_parse(const struct option_scope *scope, const struct strv *args, size_t first,
		  bool stop_at_arg, size_t *ret_next, struct strv *rest, const char *who,
		  struct err *err)
{
	size_t i;
	for (i = first; i < args->n; i++) {
		const char *word = args->v[i];
		int r = 0;
		if (strcmp(word, "--") == 0) {
			i++;
			break;
		}
		if (str_starts(word, "--"))
			r = long_option(scope, args, &i, who, err);
		else if (word[0] == '-' && word[1])
			r = short_options(scope, args, &i, who, err);
		else if (stop_at_arg)
			break;
		else
			strv_add(rest, word);
		if (r < 0)
			return r;
	}
	if (ret_next)
		*ret_next = i;
	else
		for (; i < args->n; i++)
			strv_add(rest, args->v[i]);
	return 0;
}

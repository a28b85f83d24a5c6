/* RUN --mount=type=cache,target=/x,...: one row for each option. */
#include "base/parse.h"
#include "build/expand.h"
#include "build/parser.h"

enum {
	ON_BIND = 1u << MOUNT_BIND,
	ON_CACHE = 1u << MOUNT_CACHE,
	ON_TMPFS = 1u << MOUNT_TMPFS,
	ON_SECRET = 1u << MOUNT_SECRET,
	ON_SSH = 1u << MOUNT_SSH,
	ON_ALL = ON_BIND | ON_CACHE | ON_TMPFS | ON_SECRET | ON_SSH,
};

enum option_type {
	OPT_KIND,
	OPT_TEXT,
	OPT_TRUE,
	OPT_FALSE,
	OPT_SHARING,
	OPT_SIZE,
	OPT_ID,
	OPT_MODE
};

struct option_row {
	const char *name;
	enum option_type type;
	size_t offset;
	unsigned on; /* the kinds of mount that have it */
};

#define AT(field) offsetof(struct run_mount, field)

static const struct option_row rows[] = {
	{ "type", OPT_KIND, AT(kind), ON_ALL },
	{ "target", OPT_TEXT, AT(target), ON_ALL },
	{ "dst", OPT_TEXT, AT(target), ON_ALL },
	{ "destination", OPT_TEXT, AT(target), ON_ALL },
	{ "source", OPT_TEXT, AT(source), ON_BIND | ON_CACHE },
	{ "src", OPT_TEXT, AT(source), ON_BIND | ON_CACHE },
	{ "from", OPT_TEXT, AT(from), ON_BIND | ON_CACHE },
	{ "id", OPT_TEXT, AT(id), ON_CACHE | ON_SECRET | ON_SSH },
	{ "env", OPT_TEXT, AT(env), ON_SECRET },
	{ "readonly", OPT_TRUE, AT(read_only), ON_BIND | ON_CACHE },
	{ "ro", OPT_TRUE, AT(read_only), ON_BIND | ON_CACHE },
	{ "readwrite", OPT_FALSE, AT(read_only), ON_BIND | ON_CACHE },
	{ "rw", OPT_FALSE, AT(read_only), ON_BIND | ON_CACHE },
	{ "required", OPT_TRUE, AT(required), ON_SECRET | ON_SSH },
	{ "sharing", OPT_SHARING, AT(sharing), ON_CACHE },
	{ "size", OPT_SIZE, AT(size_bytes), ON_TMPFS },
	{ "uid", OPT_ID, AT(uid), ON_CACHE | ON_SECRET | ON_SSH },
	{ "gid", OPT_ID, AT(gid), ON_CACHE | ON_SECRET | ON_SSH },
	{ "mode", OPT_MODE, AT(mode), ON_CACHE | ON_SECRET | ON_SSH },
};

static const char *const kinds[] = {
	[MOUNT_BIND] = "bind",	   [MOUNT_CACHE] = "cache", [MOUNT_TMPFS] = "tmpfs",
	[MOUNT_SECRET] = "secret", [MOUNT_SSH] = "ssh",	    [MOUNT_KIND_MAX_] = NULL,
};
static const char *const sharings[] = {
	[SHARING_SHARED] = "shared",
	[SHARING_PRIVATE] = "private",
	[SHARING_LOCKED] = "locked",
	[SHARING_MAX_] = NULL,
};

void run_mount_done(struct run_mount *m)
{
	free(m->target);
	free(m->source);
	free(m->from);
	free(m->id);
	free(m->env);
	*m = (struct run_mount){ 0 };
}

static int find_name(const char *const *names, const char *value)
{
	for (int i = 0; names[i]; i++)
		if (strcasecmp(names[i], value) == 0)
			return i;
	return -1;
}

static int store_name(const char *const *names, const struct option_row *row, const char *value,
		      int *ret, struct err *err)
{
	int found = find_name(names, value);

	if (found < 0) {
		const char *near = nearest_word(value, names);
		return err_input(err, "'%s' is no %s of a mount%s%s%s", value,
				 row->type == OPT_KIND ? "type" : row->name,
				 near ? "; did you mean '" : "", near ? near : "",
				 near ? "'?" : "");
	}
	*ret = found;
	return 0;
}

static int store(struct run_mount *m, const struct option_row *row, const char *value,
		 struct err *err)
{
	void *field = (char *)m + row->offset;
	bool on = true;
	int found = 0, r;

	switch (row->type) {
	case OPT_KIND:
		if ((r = store_name(kinds, row, value, &found, err)) == 0)
			m->kind = (enum mount_kind)found;
		return r;
	case OPT_SHARING:
		if ((r = store_name(sharings, row, value, &found, err)) == 0)
			m->sharing = (enum mount_sharing)found;
		return r;
	case OPT_TEXT:
		free(*(char **)field);
		*(char **)field = xstrdup(value);
		return 0;
	case OPT_TRUE:
	case OPT_FALSE:
		if (*value && parse_bool(value, &on) < 0)
			return err_input(err, "'%s=%s' of a mount is neither true nor false",
					 row->name, value);
		*(bool *)field = on == (row->type == OPT_TRUE);
		return 0;
	case OPT_SIZE:
		if (parse_size(value, field) < 0)
			return err_input(err, "'size=%s' of a mount is not a size such as 64m",
					 value);
		return 0;
	case OPT_ID: {
		uint64_t id;
		if (parse_u64(value, 0, INT32_MAX, &id) < 0)
			return err_input(err, "'%s=%s' of a mount is not a number", row->name,
					 value);
		*(uint32_t *)field = (uint32_t)id;
		return 0;
	}
	case OPT_MODE:
		if (parse_octal(value, 07777, field) < 0)
			return err_input(err, "'mode=%s' of a mount is not an octal mode", value);
		m->has_mode = true;
		return 0;
	}
	return 0;
}

static const struct option_row *find_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcasecmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static int unknown_option(const char *name, struct err *err)
{
	const char *names[ARRAY_SIZE(rows) + 1] = { 0 }, *near;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		names[i] = rows[i].name;
	near = nearest_word(name, names);
	return err_input(err, "unknown option '%s' of a mount%s%s%s", name,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* One option. *ret_open: its value has a variable that cannot be replaced yet. */
static int read_option(const char *field, const struct expand *x, struct run_mount *m,
		       unsigned *allowed, bool *ret_open, struct err *err)
{
	const char *equals = strchr(field, '=');
	cleanup_free char *name = xstrndup(field, equals ? (size_t)(equals - field) : SIZE_MAX);
	const char *value = equals ? equals + 1 : "";
	cleanup_free char *expanded = NULL;
	const struct option_row *row = find_row(name);
	int r;

	if (!row)
		return unknown_option(name, err);
	if (!equals && row->type != OPT_TRUE && row->type != OPT_FALSE)
		return err_input(err, "the option '%s' of a mount needs a value: %s=...", name,
				 name);
	*allowed &= row->on;
	if (strchr(value, '$')) {
		if (str_eq(row->name, "from"))
			return err_input(err,
					 "'from=%s' of a mount cannot have a variable; give the "
					 "image a stage of its own (FROM %s AS name)",
					 value, value);
		if (!x) {
			*ret_open = true;
			return 0;
		}
	}
	if (x && !str_eq(row->name, "from")) {
		if ((r = expand_text(x, value, &expanded, err)) < 0)
			return r;
		value = expanded;
	}
	return store(m, row, value, err);
}

static int check(const struct run_mount *m, const struct strv *fields, unsigned allowed, bool open,
		 struct err *err)
{
	if (open)
		return 0;
	if (!(allowed & 1u << m->kind)) {
		for (size_t i = 0; i < fields->n; i++) {
			cleanup_free char *name =
				xstrndup(fields->v[i], strcspn(fields->v[i], "="));
			const struct option_row *row = find_row(name);
			if (row && !(row->on & 1u << m->kind))
				return err_input(err, "a mount of type %s has no option '%s'",
						 kinds[m->kind], name);
		}
	}
	if (str_empty(m->target) && m->kind != MOUNT_SECRET && m->kind != MOUNT_SSH)
		return err_input(err, "a mount of type %s needs a target", kinds[m->kind]);
	if (m->kind == MOUNT_SECRET && str_empty(m->target) && str_empty(m->id))
		return err_input(err, "a mount of type secret needs an id or a target");
	return 0;
}

int run_mount_parse(const char *text, const struct expand *x, struct run_mount *ret,
		    struct err *err)
{
	cleanup_run_mount struct run_mount m = { 0 };
	cleanup_strv struct strv fields = { 0 };
	unsigned allowed = ON_ALL;
	bool open = false;
	int r = 0;

	if (words__csv(text, &fields) < 0)
		return err_input(err, "--mount=%s: a quote is not where a field begins or ends",
				 text);
	/* The kind first: it decides what is the default. */
	for (size_t i = 0; r == 0 && i < fields.n; i++)
		if (strncasecmp(fields.v[i], "type=", 5) == 0)
			r = read_option(fields.v[i], x, &m, &allowed, &open, err);
	m.read_only = m.kind == MOUNT_BIND;
	for (size_t i = 0; r == 0 && i < fields.n; i++)
		if (strncasecmp(fields.v[i], "type=", 5) != 0)
			r = read_option(fields.v[i], x, &m, &allowed, &open, err);
	if (r == 0)
		r = check(&m, &fields, allowed, open, err);
	if (r == 0) {
		*ret = m;
		m = (struct run_mount){ 0 };
	}
	return r;
}

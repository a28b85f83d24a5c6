/* Loads Compose files that a test has as text: each in a directory of its own, with an environment
 * of its own. */
#ifndef STAVE_TEST_COMPOSE_CASE_H
#define STAVE_TEST_COMPOSE_CASE_H

#include "base/fs.h"
#include "base/str.h"
#include "compose/compose.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

struct case_file {
	const char *name, *text;
};

struct loading {
	char dir[64];
	struct compose_options options;
	struct strv environ;
	struct compose_result result;
	struct err err;
	int r;
};

static inline void loading_begin(struct loading *l, const struct case_file *files, size_t n)
{
	memset(l, 0, sizeof(*l));
	snprintf(l->dir, sizeof(l->dir), "/tmp/stave-compose-XXXXXX");
	if (!mkdtemp(l->dir))
		abort();
	for (size_t i = 0; i < n && files[i].name; i++) {
		struct err err = ERR_INIT;
		cleanup_free char *path = path_join(l->dir, files[i].name);
		cleanup_free char *dir = path_dir(path);
		if (fs_mkdirs(AT_FDCWD, dir, 0755, &err) < 0 ||
		    fs_write_atomic(AT_FDCWD, path, files[i].text, strlen(files[i].text), 0644, 0,
				    &err) < 0)
			abort();
	}
	strv_add(&l->environ, "SET=value");
	strv_add(&l->environ, "EMPTY=");
	strv_add(&l->environ, "HOME=/home/me");
	l->options.environ = &l->environ;
	l->options.working_dir = l->dir;
	l->options.project_name = "p";
}

static inline void loading_run(struct loading *l)
{
	l->r = compose_load(&l->options, &l->result, &l->err);
}

static inline void loading_end(struct loading *l)
{
	struct err err = ERR_INIT;
	compose_result_done(&l->result);
	strv_done(&l->environ);
	strv_done(&l->options.files);
	strv_done(&l->options.profiles);
	strv_done(&l->options.services);
	err_done(&l->err);
	(void)fs_remove_tree(AT_FDCWD, l->dir, &err);
	err_done(&err);
}

/* One file called compose.yaml. */
static inline void loading_text(struct loading *l, const char *text)
{
	struct case_file file = { "compose.yaml", text };
	loading_begin(l, &file, 1);
	loading_run(l);
}

/* The value at "services/web/image" of the canonical document as compact JSON text; the directory
 * of the case is written as @. Owned; "" when there is none. */
static inline char *loading_value(struct loading *l, const char *path)
{
	cleanup_json json_t *document = compose_to_json(&l->result);
	json_t *value = document;
	struct strv steps = strv_split(path, '/');
	for (size_t i = 0; i < steps.n && value; i++)
		value = json_is_array(value) ? json_array_get(value, (size_t)(steps.v[i][0] - '0'))
					     : json_object_get(value, steps.v[i]);
	strv_done(&steps);
	if (!value)
		return xstrdup("");
	cleanup_free char *text =
		json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	struct str out = STR_INIT;
	size_t len = strlen(l->dir);
	for (const char *p = text; *p;) {
		if (strncmp(p, l->dir, len) == 0) {
			str_addc(&out, '@');
			p += len;
		} else
			str_addc(&out, *p++);
	}
	return str_take(&out);
}

/* The first error, or NULL. */
static inline const struct diagnostic *loading_error(const struct loading *l)
{
	vec_each(d, &l->result.diagnostics.items)
		if (d->severity == SEVERITY_ERROR)
			return d;
	return NULL;
}

#endif

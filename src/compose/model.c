#include "compose/model.h"

#include "base/fs.h"

struct compose_model *model_new(const struct compose_options *options,
				struct diagnostics *diagnostics)
{
	struct compose_model *m = new0(struct compose_model);
	m->arena = arena_new();
	m->options = options;
	m->diagnostics = diagnostics;
	vec_push(&m->sources, (struct source){ .name = NULL });
	return m;
}

void model_free(struct compose_model *m)
{
	if (!m)
		return;
	vec_done(&m->sources);
	strv_done(&m->files);
	strv_done(&m->env_files);
	strv_done(&m->profiles);
	map_done(&m->env);
	map_done(&m->env_where);
	map_done(&m->unset);
	map_done(&m->parsed);
	map_done(&m->secrets);
	json_decref(m->canonical);
	json_decref(m->disabled);
	arena_free(m->arena);
	free(m);
}

const char *model_display(struct compose_model *m, const char *path)
{
	if (path[0] != '/' || !m->cwd)
		return arena_strdup(m->arena, path);
	size_t len = strlen(m->cwd);
	if (len > 1 && strncmp(path, m->cwd, len) == 0 && path[len] == '/')
		return arena_strdup(m->arena, path + len + 1);
	/* One directory up is still shorter to read than the whole path; more is not. */
	cleanup_free char *parent = path_dir(m->cwd);
	size_t up = strlen(parent);
	if (up > 1 && strncmp(path, parent, up) == 0 && path[up] == '/')
		return arena_printf(m->arena, "../%s", path + up + 1);
	return arena_strdup(m->arena, path);
}

uint16_t model_source(struct compose_model *m, const char *path, const char *text, size_t len)
{
	for (size_t i = 1; i < m->sources.n; i++)
		if (strcmp(m->sources.v[i].path, path) == 0)
			return i;
	if (m->sources.n >= UINT16_MAX)
		return 0;
	vec_push(&m->sources, (struct source){
				      .name = model_display(m, path),
				      .path = arena_strdup(m->arena, path),
				      .text = text,
				      .len = len,
			      });
	return m->sources.n - 1;
}

struct mark model_mark(const struct compose_model *m, struct where where)
{
	return (struct mark){ m->sources.v[where.file].name, (int)where.line, where.column };
}

const char *model_place(struct compose_model *m, struct where where)
{
	if (!where.line)
		return "";
	return arena_printf(m->arena, "%s:%u", m->sources.v[where.file].name, where.line);
}

const char *model_env(const struct compose_model *m, const char *name)
{
	return map_get(&m->env, name);
}

struct where service_where(const struct compose_model *m, const char *name, const char *key)
{
	const struct entry *e = map_entry_at(map_at(m->tree, "services"), name);
	const struct entry *inner = e && key ? map_entry_at(e->value, key) : NULL;
	return inner && inner->where.line ? inner->where : e ? e->where : NOWHERE;
}

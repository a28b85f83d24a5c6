#include "compose/environment.h"

#include "base/fs.h"
#include "compose/dotenv.h"

#include <sys/stat.h>

static void add(struct compose_model *m, const char *name, const char *value)
{
	if (!map_has(&m->env, name))
		map_set(&m->env, name, (void *)value);
}

void environment_shell(struct compose_model *m)
{
	char **list = m->options->environ ? m->options->environ->v : environ;
	for (char **v = list; v && *v; v++) {
		const char *equals = strchr(*v, '=');
		if (!equals || equals == *v)
			continue;
		cleanup_free char *name = xstrndup(*v, equals - *v);
		add(m, name, arena_strdup(m->arena, equals + 1));
	}
	add(m, "PWD", m->cwd);
}

static const char *lookup(void *data, const char *name)
{
	return model_env(data, name);
}

int environment_file(struct compose_model *m, const char *path, bool required, struct where where)
{
	struct stat st;
	if (stat(path, &st) < 0 && !required)
		return 0;
	if (strcmp(path, "/dev/null") == 0)
		return 0;
	struct dotenv d = { .arena = m->arena, .lookup = lookup, .data = m };
	cleanup_err struct err err = ERR_INIT;
	uint32_t line = 0;
	int r = dotenv_load(&d, path, false, &line, &err);
	if (r < 0 && line)
		complain(m, WHERE(model_source(m, path, NULL, 0), line, 1), NULL, "%s", err.msg);
	else if (r < 0)
		complain(m, where, NULL, "cannot read the env file '%s': %s",
			 model_display(m, path), err.msg);
	uint16_t file = model_source(m, path, NULL, 0);
	vec_each(e, &d.entries)
		if (r == 0 && e->value && !map_has(&m->env, e->name)) {
			struct where *at = arena_alloc(m->arena, sizeof(*at));
			*at = (struct where){ file, 1, e->line };
			map_set(&m->env, e->name, (void *)e->value);
			map_set(&m->env_where, e->name, at);
		}
	dotenv_done(&d);
	return r < 0 ? -1 : 0;
}

struct map environment_fork(struct compose_model *m)
{
	struct map saved = m->env;
	m->env = MAP_INIT;
	map_each(e, &saved)
		map_set(&m->env, e->key, e->value);
	return saved;
}

void environment_restore(struct compose_model *m, struct map *saved)
{
	map_done(&m->env);
	m->env = *saved;
	*saved = MAP_INIT;
}

#include "compose/resolve.h"

#include "compose/dotenv.h"
#include "compose/keys.h"
#include "compose/output.h"

#include <sys/stat.h>

/* Every section of the tree in its typed form. */
static json_t *typed_project(struct compose_model *m, json_t *places)
{
	json_t *project = json_object();
	json_put_str(project, "name", m->name);
	for (const struct key *k = root_keys; k->name; k++) {
		const struct node *map = map_at(m->tree, k->name);
		if (k->out != OUT_OBJECT_MAP || !node_is(map, NODE_MAP))
			continue;
		bool services = strcmp(k->name, "services") == 0;
		json_t *section = json_object();
		map_each_entry(e, map) {
			char *path = arena_printf(m->arena, "%s.%s", k->name, e->key);
			json_t *where = services && places ? json_object() : NULL;
			if (e->value->kind == NODE_MAP)
				json_object_set_new_nocheck(
					section, e->key,
					output_object(m, e->value, k->shape->each, path, where));
			if (where)
				json_object_set_new_nocheck(places, e->key, where);
		}
		if (services || json_object_size(section))
			json_object_set_new_nocheck(project, k->name, output_sorted(section));
		json_decref(section);
	}
	if (!json_object_get(project, "services"))
		json_object_set_new(project, "services", json_object());
	map_each_entry(e, m->tree)
		if (str_starts(e->key, "x-"))
			json_object_set_new_nocheck(project, e->key, node_json(e->value));
	return project;
}

static bool has_profile(const json_t *service, const struct strv *active)
{
	json_t *list = json_object_get(service, "profiles");
	size_t i;
	json_t *item;
	if (!json_array_size(list) || strv_has(active, "*"))
		return true;
	/* No profile is the empty one. */
	json_array_foreach(list, i, item)
		if (strv_has(active, json_string_value(item)) ||
		    (!active->n && !json_string_length(item)))
			return true;
	return false;
}

/* Moves the services without an active profile to m->disabled, and those that have one back. */
static void apply_profiles(struct compose_model *m)
{
	json_t *services = json_object_get(m->canonical, "services");
	cleanup_json json_t *active = json_object(), *disabled = json_object();
	json_t *both[] = { services, m->disabled };
	const char *name;
	json_t *service;
	for (size_t i = 0; i < ARRAY_SIZE(both); i++)
		json_object_foreach(both[i], name, service) {
			bool on = m->options->all_services || has_profile(service, &m->profiles);
			json_object_set_nocheck(on ? active : disabled, name, service);
		}
	json_object_set(m->canonical, "services", active);
	json_decref(m->disabled);
	m->disabled = json_incref(disabled);
}

struct env_scope {
	struct compose_model *m;
	json_t *own;	 /* the service's environment; NULL for labels, which know nothing else */
	json_t *earlier; /* what earlier files said */
};

static const char *lookup(void *data, const char *name)
{
	struct env_scope *s = data;
	const char *value = s->own ? model_env(s->m, name) : NULL;
	if (!value)
		value = json_string_value(json_object_get(s->own, name));
	return value ? value : json_string_value(json_object_get(s->earlier, name));
}

/* The commonest trap of all: env_file is for the container, not for ${...} in the Compose file. */
static void warn_env_file(struct compose_model *m, const char *name, const char *file,
			  uint32_t line)
{
	const struct where *where = map_get(&m->unset, name);
	if (where)
		diagnose(m, SEVERITY_WARNING, *where, NULL,
			 "put it into .env, or name the file with --env-file",
			 "'%s' is set in '%s' (line %u), but env_file has no part in interpolation",
			 name, file, line);
}

static int read_env_file(struct env_scope *s, const char *service, const char *path, bool raw,
			 bool required, json_t *into, json_t *places)
{
	struct compose_model *m = s->m;
	struct where where = service_where(m, service, "env_file");
	struct stat st;
	if (stat(path, &st) < 0 && errno == ENOENT && !required)
		return 0;
	struct dotenv d = { .arena = m->arena, .lookup = lookup, .data = s };
	cleanup_err struct err err = ERR_INIT;
	uint32_t line = 0;
	int r = strcmp(path, "/dev/null") == 0 ? 0 : dotenv_load(&d, path, raw, &line, &err);
	if (r < 0 && line)
		complain(m, WHERE(model_source(m, path, NULL, 0), line, 1), NULL, "%s", err.msg);
	else if (r < 0)
		complain(m, where, NULL, "service '%s': cannot read '%s': %s", service,
			 model_display(m, path), err.msg);
	const char *shown = r == 0 && d.entries.n ? model_display(m, path) : "";
	vec_each(e, &d.entries) {
		if (r < 0 || !e->value)
			continue;
		warn_env_file(m, e->name, shown, e->line);
		json_object_set_new_nocheck(into, e->name, json_string_nocheck(e->value));
		char key[300], place[512];
		snprintf(key, sizeof(key), "environment.%s", e->name);
		snprintf(place, sizeof(place), "%s:%u", shown, e->line);
		if (places && !json_object_get(s->own, e->name))
			json_object_set_new_nocheck(places, key, json_string_nocheck(place));
	}
	dotenv_done(&d);
	return r < 0 ? -1 : 0;
}

/* Sets a key of a service, which then stands where `config` prints it. */
static void put_in_order(json_t *service, const char *name, json_t *value)
{
	bool fresh = !json_object_get(service, name);
	json_object_set_new(service, name, value);
	if (!fresh)
		return;
	cleanup_json json_t *copy = json_copy(service);
	json_object_clear(service);
	for (const struct key *k = service_shape.keys; k->name; k++)
		if (json_object_get(copy, k->name))
			json_object_set(service, k->name, json_object_get(copy, k->name));
}

/* env_file below environment; a name without a value takes the shell's. */
static void resolve_environment(struct compose_model *m, const char *name, json_t *service,
				json_t *places)
{
	json_t *own = json_object_get(service, "environment");
	cleanup_json json_t *merged = json_object();
	const char *key;
	json_t *value, *file;
	size_t i;
	json_object_foreach(own, key, value) {
		const char *found = json_is_null(value) ? model_env(m, key) : NULL;
		if (found)
			json_object_set_new_nocheck(own, key, json_string_nocheck(found));
	}
	cleanup_json json_t *none = json_object();
	struct env_scope scope = { m, own ? own : none, merged };
	json_array_foreach(json_object_get(service, "env_file"), i, file)
		read_env_file(&scope, name, json_str(file, "path", ""),
			      str_eq(json_str(file, "format", ""), "raw"),
			      json_flag(file, "required", true), merged, places);
	if (json_object_size(merged)) {
		if (own)
			json_object_update(merged, own);
		put_in_order(service, "environment", output_sorted(merged));
	}
	json_object_del(service, "env_file");
}

/* label_file below labels. */
static void resolve_labels(struct compose_model *m, const char *name, json_t *service)
{
	json_t *files = json_object_get(service, "label_file"), *file;
	if (!files)
		return;
	cleanup_json json_t *merged = json_object();
	struct env_scope scope = { m, NULL, merged };
	size_t i;
	json_array_foreach(files, i, file) {
		read_env_file(&scope, name, json_string_value(file), false, true, merged, NULL);
	}
	json_t *own = json_object_get(service, "labels");
	if (own)
		json_object_update(merged, own);
	if (json_object_size(merged))
		put_in_order(service, "labels", output_sorted(merged));
	json_object_del(service, "label_file");
}

static void resolve_services(struct compose_model *m, json_t *places)
{
	const char *name;
	json_t *service;
	json_object_foreach(json_object_get(m->canonical, "services"), name, service) {
		if (!m->options->no_env_resolution)
			resolve_environment(m, name, service, json_object_get(places, name));
		resolve_labels(m, name, service);
	}
}

/* Services named on the command line bring their profiles. */
static int enable_named(struct compose_model *m)
{
	bool changed = false;
	for (size_t i = 0; i < m->options->services.n; i++) {
		const char *name = m->options->services.v[i];
		json_t *off = json_object_get(m->disabled, name), *profile;
		size_t k;
		if (json_object_get(json_object_get(m->canonical, "services"), name))
			continue;
		if (!off) {
			const struct node *services = map_at(m->tree, "services");
			const char **names = arena_alloc(
				m->arena, ((services ? services->n : 0) + 1) * sizeof(*names));
			for (uint32_t n = 0; services && n < services->n; n++)
				names[n] = services->entries[n].key;
			diagnose(m, SEVERITY_ERROR, NOWHERE, NULL, nearest_hint(m, name, names),
				 "no such service: %s", name);
			continue;
		}
		json_array_foreach(json_object_get(off, "profiles"), k, profile)
			if (!strv_has(&m->profiles, json_string_value(profile)))
				strv_add(&m->profiles, json_string_value(profile));
		changed = true;
	}
	if (changed)
		apply_profiles(m);
	return model_failed(m) ? -1 : 0;
}

static void mark_needed(const json_t *services, const char *name, struct map *needed)
{
	struct strv queue cleanup(strv_done) = { 0 };
	strv_add(&queue, name);
	for (size_t i = 0; i < queue.n; i++) {
		const char *dependency;
		json_t *value, *service = json_object_get(services, queue.v[i]);
		if (!service || map_has(needed, queue.v[i]))
			continue;
		map_set(needed, queue.v[i], service);
		json_object_foreach(json_object_get(service, "depends_on"), dependency, value)
			strv_add(&queue, dependency);
	}
}

/* Keeps what the command line names, with its dependencies. */
static void select_services(struct compose_model *m)
{
	if (!m->options->services.n)
		return;
	json_t *services = json_object_get(m->canonical, "services"), *service;
	struct map needed cleanup(map_done) = MAP_INIT;
	const char *name;
	void *next;
	for (size_t i = 0; i < m->options->services.n; i++)
		mark_needed(services, m->options->services.v[i], &needed);
	json_object_foreach_safe(services, next, name, service) {
		if (map_has(&needed, name))
			continue;
		json_object_set_nocheck(m->disabled, name, service);
		json_object_del(services, name);
	}
}

static void need(json_t *set, const char *name)
{
	if (name)
		json_object_set_new_nocheck(set, name, json_true());
}

static void need_sources(json_t *set, const json_t *list)
{
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
		need(set, json_str(item, "source", NULL));
}

/* Resources that no active service uses are not part of the project. */
static void prune(struct compose_model *m)
{
	static const char *const sections[] = { "networks", "volumes", "secrets", "configs",
						"models" };
	enum { NETWORKS, VOLUMES, SECRETS, CONFIGS, MODELS, SECTIONS };
	json_t *used[SECTIONS];
	const char *name, *key;
	json_t *service, *item;
	size_t i;
	void *next;
	for (i = 0; i < SECTIONS; i++)
		used[i] = json_object();
	json_object_foreach(json_object_get(m->canonical, "services"), name, service) {
		json_object_foreach(json_object_get(service, "networks"), key, item)
			need(used[NETWORKS], key);
		json_object_foreach(json_object_get(service, "models"), key, item)
			need(used[MODELS], key);
		json_array_foreach(json_object_get(service, "volumes"), i, item)
			if (str_eq(json_str(item, "type", ""), "volume"))
				need(used[VOLUMES], json_str(item, "source", NULL));
		need_sources(used[SECRETS], json_object_get(service, "secrets"));
		need_sources(used[CONFIGS], json_object_get(service, "configs"));
		need_sources(used[SECRETS],
			     json_object_get(json_object_get(service, "build"), "secrets"));
	}
	for (i = 0; i < SECTIONS; i++) {
		json_t *section = json_object_get(m->canonical, sections[i]);
		json_object_foreach_safe(section, next, key, item)
			if (!json_object_get(used[i], key))
				json_object_del(section, key);
		if (section && !json_object_size(section))
			json_object_del(m->canonical, sections[i]);
		json_decref(used[i]);
	}
}

int resolve_project(struct compose_model *m, json_t *places)
{
	m->canonical = typed_project(m, places);
	m->disabled = json_object();
	if (model_failed(m))
		return -1;
	apply_profiles(m);
	if (!m->options->no_consistency && !m->options->all_services &&
	    check_consistency(m, m->canonical, m->disabled) < 0)
		return -1;
	if (enable_named(m) < 0)
		return -1;
	select_services(m);
	resolve_services(m, places);
	prune(m);
	find_traps(m);
	return model_failed(m) ? -1 : 0;
}

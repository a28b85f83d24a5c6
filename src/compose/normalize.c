/* What Compose makes explicit: the default network, dependencies that follow from other keys, real
 * names of resources, values of bare environment names. */
#include "base/fs.h"
#include "compose/pass.h"

static struct node *made(struct node *n)
{
	n->made = true;
	return n;
}

static struct node *bare_value(struct compose_model *m, struct node *item)
{
	if (!node_str(item) || strchr(item->text, '='))
		return item;
	const char *value = model_env(m, item->text);
	if (!value)
		return item;
	struct node *n = node_string(m->arena, arena_printf(m->arena, "%s=%s", item->text, value),
				     item->where);
	n->was = item;
	return n;
}

/* NAME without a value takes the one it has in the environment. keep: stays when it has none. */
static void resolve_bare(struct compose_model *m, struct node *n, bool keep)
{
	uint32_t kept = 0;
	if (n->kind == NODE_LIST) {
		list_each(item, n) {
			struct node *value = bare_value(m, *item);
			if (keep || !node_str(value) || strchr(value->text, '='))
				n->items[kept++] = value;
		}
		n->n = kept;
	} else if (n->kind == NODE_MAP) {
		map_each_entry(e, n) {
			const char *value =
				e->value->kind == NODE_NULL ? model_env(m, e->key) : NULL;
			if (value)
				e->value = node_string(m->arena, value, e->where);
			if (keep || e->value->kind != NODE_NULL)
				n->entries[kept++] = *e;
		}
		n->n = kept;
		map_reindex(n);
	}
}

static void resource_values(struct compose_model *m, struct node *root, const char *section)
{
	struct node *map = map_at(root, section);
	if (!node_is(map, NODE_MAP))
		return;
	map_each_entry(e, map) {
		struct node *name = map_at(e->value, "environment");
		const char *value = node_str(name) ? model_env(m, name->text) : NULL;
		if (!value)
			continue;
		cleanup_free char *key = xasprintf("%s.%s", section, e->key);
		map_set(&m->secrets, key, arena_strdup(m->arena, value));
		if (strcmp(section, "configs") == 0)
			map_put(m->arena, e->value, "content",
				made(node_string(m->arena, value, name->where)), name->where);
	}
}

void pass_environment(struct compose_model *m, struct node *root)
{
	struct node *services = map_at(root, "services");
	if (node_is(services, NODE_MAP))
		map_each_entry(e, services) {
			struct node *env = map_at(e->value, "environment");
			if (node_is(env, NODE_LIST))
				resolve_bare(m, env, true);
		}
	resource_values(m, root, "secrets");
	resource_values(m, root, "configs");
}

static struct node *section(struct compose_model *m, struct node *root, const char *name)
{
	struct node *map = map_at(root, name);
	if (!node_is(map, NODE_MAP)) {
		map = made(node_map(m->arena, NOWHERE));
		map_put(m->arena, root, name, map, NOWHERE);
	}
	return map;
}

static void default_network(struct compose_model *m, struct node *root, struct node *services)
{
	bool used = false;
	map_each_entry(e, services) {
		struct node *s = e->value;
		if (map_at(s, "provider") || map_at(s, "network_mode"))
			continue;
		struct node *networks = map_at(s, "networks");
		if (!node_is(networks, NODE_MAP) || networks->n == 0) {
			networks = made(node_map(m->arena, e->where));
			map_put(m->arena, networks, "default", node_null(m->arena, e->where),
				e->where);
			map_put(m->arena, s, "networks", networks, e->where);
			used = true;
		} else if (map_at(networks, "default"))
			used = true;
	}
	struct node *networks = map_at(root, "networks");
	if (used && !map_at(networks, "default")) {
		networks = section(m, root, "networks");
		map_put(m->arena, networks, "default", made(node_null(m->arena, NOWHERE)), NOWHERE);
	}
}

static void imply_dependency(struct compose_model *m, struct node *service, const char *name,
			     bool restart, struct where where)
{
	struct arena *a = m->arena;
	struct node *depends = map_at(service, "depends_on");
	if (!node_is(depends, NODE_MAP)) {
		depends = made(node_map(a, where));
		map_put(a, service, "depends_on", depends, where);
	}
	if (map_at(depends, name))
		return;
	struct node *d = made(node_map(a, where));
	map_put(a, d, "condition", node_string(a, "service_started", where), where);
	map_put(a, d, "restart", node_bool(a, restart, where), where);
	map_put(a, d, "required", node_bool(a, true, where), where);
	map_put(a, depends, arena_strdup(a, name), d, where);
}

static void implied_dependencies(struct compose_model *m, struct node *service)
{
	static const char *const shared[] = { "network_mode", "ipc", "pid", "uts", "cgroup" };
	struct node *links = map_at(service, "links"), *from = map_at(service, "volumes_from");
	if (node_is(links, NODE_LIST))
		list_each(item, links) {
			struct strv parts cleanup(strv_done) =
				strv_split(node_text(m->arena, *item), ':');
			imply_dependency(m, service, parts.n == 2 ? parts.v[0] : (*item)->text,
					 true, (*item)->where);
		}
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		struct node *n = map_at(service, shared[i]);
		const char *name = node_str(n) ? str_after(n->text, "service:") : NULL;
		if (name)
			imply_dependency(m, service, name, true, n->where);
	}
	if (node_is(from, NODE_LIST))
		list_each(item, from) {
			if (!node_str(*item) || str_starts((*item)->text, "container:"))
				continue;
			struct strv parts cleanup(strv_done) = strv_split((*item)->text, ':');
			imply_dependency(m, service, parts.v[0], false, (*item)->where);
		}
}

static void normalize_build(struct compose_model *m, struct node *build)
{
	struct arena *a = m->arena;
	struct node *args = map_at(build, "args");
	if (!map_at(build, "context"))
		map_put(a, build, "context", made(node_string(a, ".", build->where)), build->where);
	if (!map_at(build, "dockerfile") && !map_at(build, "dockerfile_inline"))
		map_put(a, build, "dockerfile", made(node_string(a, "Dockerfile", build->where)),
			build->where);
	if (args)
		resolve_bare(m, args, false);
}

static void normalize_service(struct compose_model *m, struct node *s)
{
	struct entry *policy = map_entry_at(s, "pull_policy");
	if (policy && str_eq(node_str(policy->value), "if_not_present"))
		policy->value = node_string(m->arena, "missing", policy->value->where);
	if (node_is(map_at(s, "build"), NODE_MAP))
		normalize_build(m, map_at(s, "build"));
	if (map_at(s, "environment"))
		resolve_bare(m, map_at(s, "environment"), true);
	implied_dependencies(m, s);
}

/* A resource without a name is called <project>_<key>; an external one is called as its key. */
static void name_resources(struct compose_model *m, struct node *root, const char *kind)
{
	struct node *map = map_at(root, kind);
	if (!node_is(map, NODE_MAP))
		return;
	map_each_entry(e, map) {
		if (e->value->kind == NODE_NULL) {
			e->value = made(node_map(m->arena, e->where));
		} else if (e->value->kind != NODE_MAP || map_at(e->value, "name"))
			continue;
		struct node *external = map_at(e->value, "external");
		bool outside = node_is(external, NODE_BOOL) && external->flag;
		const char *name =
			outside ? e->key : arena_printf(m->arena, "%s_%s", m->name, e->key);
		map_put(m->arena, e->value, "name", made(node_string(m->arena, name, e->where)),
			e->where);
	}
}

void pass_normalize(struct compose_model *m, struct node *root)
{
	static const char *const named[] = { "networks", "volumes", "configs", "secrets" };
	struct node *services = map_at(root, "services");
	if (node_is(services, NODE_MAP)) {
		default_network(m, root, services);
		map_each_entry(e, services)
			if (e->value->kind == NODE_MAP)
				normalize_service(m, e->value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		name_resources(m, root, named[i]);
}

/* Warnings for what is allowed and yet hardly meant. */
#include "compose/resolve.h"

struct trap {
	struct compose_model *m;
	const char *name;
	const json_t *service, *services;
};

static struct where port_where(const struct trap *t, size_t index)
{
	const struct node *ports = map_at(map_at(map_at(t->m->tree, "services"), t->name), "ports");
	return node_is(ports, NODE_LIST) && index < ports->n ? ports->items[index]->where : NOWHERE;
}

/* Lists of two files are appended: an override that means to change a host port adds a second. */
static void second_port(const struct trap *t)
{
	const json_t *ports = json_object_get(t->service, "ports");
	struct map seen cleanup(map_done) = MAP_INIT;
	size_t i;
	json_t *port;
	json_array_foreach(ports, i, port) {
		cleanup_free char *key =
			xasprintf("%lld/%s", (long long)json_int(port, "target", 0),
				  json_str(port, "protocol", "tcp"));
		uintptr_t first = (uintptr_t)map_get(&seen, key);
		map_set(&seen, key, (void *)(uintptr_t)(i + 1));
		if (!first)
			continue;
		struct where a = port_where(t, first - 1), b = port_where(t, i);
		if (!b.line || a.file == b.file)
			continue;
		diagnose(t->m, SEVERITY_WARNING, b,
			 arena_printf(t->m->arena, "services.%s.ports", t->name),
			 "to replace the ports of the earlier file, write 'ports: !override'",
			 "service '%s' publishes port %s a second time: an override adds to the "
			 "ports of "
			 "%s",
			 t->name, key, model_place(t->m, a));
	}
}

static bool never_healthy(const json_t *service)
{
	const json_t *health = json_object_get(service, "healthcheck");
	const char *test = json_string_value(json_array_get(json_object_get(health, "test"), 0));
	return json_flag(health, "disable", false) || str_eq(test, "NONE");
}

static bool never_completes(const json_t *service)
{
	const char *restart = json_str(service, "restart", "no");
	return strcmp(restart, "always") == 0 || strcmp(restart, "unless-stopped") == 0;
}

static void hopeless_dependency(const struct trap *t)
{
	static const struct {
		const char *condition;
		bool (*never)(const json_t *service);
		const char *why;
	} rules[] = {
		{ "service_healthy", never_healthy, "its healthcheck is disabled" },
		{ "service_completed_successfully", never_completes,
		  "it is started again whenever it ends" },
	};
	const char *name;
	json_t *dependency;
	json_object_foreach(json_object_get(t->service, "depends_on"), name, dependency)
		for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
			const json_t *other = json_object_get(t->services, name);
			if (other &&
			    str_eq(json_str(dependency, "condition", ""), rules[i].condition) &&
			    rules[i].never(other))
				warn(t->m, service_where(t->m, t->name, "depends_on"),
				     arena_printf(t->m->arena, "services.%s.depends_on", t->name),
				     "service '%s' waits for '%s' to be '%s', which can never come "
				     "true: %s",
				     t->name, name, rules[i].condition, rules[i].why);
		}
}

void find_traps(struct compose_model *m)
{
	struct trap t = { .m = m, .services = json_object_get(m->canonical, "services") };
	json_t *service;
	json_object_foreach((json_t *)t.services, t.name, service) {
		t.service = service;
		second_port(&t);
		hopeless_dependency(&t);
	}
}

#include "compose/resolve.h"

#include "base/parse.h"

struct consistency {
	struct compose_model *m;
	json_t *project, *services, *disabled;
	const char *name; /* of the service that is looked at */
	json_t *service;
};

#define wrong(c, key, ...)                                                                         \
	complain((c)->m, service_where((c)->m, (c)->name, (key)), service_path((c), (key)),        \
		 __VA_ARGS__)

static char *service_path(struct consistency *c, const char *key)
{
	return arena_printf(c->m->arena, "services.%s%s%s", c->name, key ? "." : "",
			    key ? key : "");
}

static const char *nearest_of(struct consistency *c, const char *name, json_t *map)
{
	const char *names[1000], *key;
	json_t *value;
	size_t n = 0;
	json_object_foreach(map, key, value)
		if (n < ARRAY_SIZE(names) - 1)
			names[n++] = key;
	names[n] = NULL;
	return nearest_hint(c->m, name, names);
}

/* The place of an item of a map or list below a key of the service. */
static struct where item_where(struct consistency *c, const char *key, const char *item)
{
	const struct node *service = map_at(map_at(c->m->tree, "services"), c->name);
	const struct node *value = map_at(service, key);
	const struct entry *e = map_entry_at(value, item);
	if (e && e->where.line)
		return e->where;
	if (node_is(value, NODE_LIST))
		list_each(one, value)
			if (str_eq(node_str(map_at(*one, "source")), item))
				return (*one)->where;
	return service_where(c->m, c->name, key);
}

static void undefined(struct consistency *c, const char *key, const char *item, json_t *map,
		      const char *what)
{
	diagnose(c->m, SEVERITY_ERROR, item_where(c, key, item), service_path(c, key),
		 nearest_of(c, item, map), "service '%s' refers to an undefined %s '%s'", c->name,
		 what, item);
}

static void check_image(struct consistency *c)
{
	if (!json_object_get(c->service, "image") && !json_object_get(c->service, "build") &&
	    !json_object_get(c->service, "provider"))
		wrong(c, NULL, "service '%s' has neither an image nor a build context", c->name);
}

static void check_contexts(struct consistency *c)
{
	json_t *build = json_object_get(c->service, "build"), *value;
	const char *key;
	json_object_foreach(json_object_get(build, "additional_contexts"), key, value) {
		const char *target = str_after(json_string_value(value), "service:");
		json_t *other = target ? json_object_get(c->services, target) : NULL;
		if (target && !other)
			wrong(c, "build",
			      "service '%s' takes the unknown service '%s' as a build context",
			      c->name, target);
		else if (target && !json_object_get(other, "build"))
			wrong(c, "build",
			      "service '%s' takes '%s' as a build context, which has no build",
			      c->name, target);
	}
}

static void check_build(struct consistency *c)
{
	json_t *build = json_object_get(c->service, "build"), *item;
	const char *platform = json_str(c->service, "platform", NULL);
	size_t i;
	if (!build)
		return;
	if (json_object_get(build, "dockerfile") && json_object_get(build, "dockerfile_inline"))
		wrong(c, "build",
		      "service '%s': dockerfile and dockerfile_inline exclude each other", c->name);
	check_contexts(c);
	struct strv platforms cleanup(strv_done) = { 0 };
	json_strv(build, "platforms", &platforms);
	if (platforms.n && platform && !strv_has(&platforms, platform))
		wrong(c, "platform", "service '%s': build.platforms must have the platform '%s'",
		      c->name, platform);
	json_t *secrets = json_object_get(c->project, "secrets");
	json_array_foreach(json_object_get(build, "secrets"), i, item)
		if (!json_object_get(secrets, json_str(item, "source", "")))
			undefined(c, "build", json_str(item, "source", ""), secrets,
				  "build secret");
}

static void check_networks(struct consistency *c)
{
	const char *mode = json_str(c->service, "network_mode", NULL), *name;
	json_t *networks = json_object_get(c->service, "networks"), *value,
	       *known = json_object_get(c->project, "networks");
	if (mode && json_object_size(networks))
		wrong(c, "network_mode",
		      "service '%s': network_mode and networks exclude each other", c->name);
	json_object_foreach(networks, name, value)
		if (!json_object_get(known, name) &&
		    (strcmp(name, "default") != 0 || !c->m->options->no_normalize))
			undefined(c, "networks", name, known, "network");
	const char *other = mode ? str_after(mode, "service:") : NULL;
	if (other && !json_object_get(c->services, other))
		wrong(c, "network_mode", "there is no service '%s' for the network_mode of '%s'",
		      other, c->name);
}

static void check_healthcheck(struct consistency *c)
{
	const char *first = json_string_value(json_array_get(
		json_object_get(json_object_get(c->service, "healthcheck"), "test"), 0));
	if (first && strcmp(first, "CMD") != 0 && strcmp(first, "CMD-SHELL") != 0 &&
	    strcmp(first, "NONE") != 0)
		wrong(c, "healthcheck",
		      "service '%s': healthcheck.test must begin with CMD, CMD-SHELL or NONE",
		      c->name);
}

static void check_depends(struct consistency *c)
{
	const char *name;
	json_t *value;
	json_object_foreach(json_object_get(c->service, "depends_on"), name, value) {
		if (json_object_get(c->services, name))
			continue;
		if (json_object_get(c->disabled, name)) {
			if (json_flag(value, "required", true))
				diagnose(
					c->m, SEVERITY_ERROR, item_where(c, "depends_on", name),
					service_path(c, "depends_on"),
					"enable its profile, or say 'required: false'",
					"service '%s' depends on '%s', whose profile is not active",
					c->name, name);
			continue;
		}
		diagnose(c->m, SEVERITY_ERROR, item_where(c, "depends_on", name),
			 service_path(c, "depends_on"), nearest_of(c, name, c->services),
			 "service '%s' depends on an undefined service '%s'", c->name, name);
	}
}

static void check_references(struct consistency *c)
{
	static const struct {
		const char *key, *section, *what;
	} lists[] = { { "configs", "configs", "config" }, { "secrets", "secrets", "secret" } };
	size_t i;
	json_t *item, *value, *known = json_object_get(c->project, "volumes");
	const char *name;
	json_array_foreach(json_object_get(c->service, "volumes"), i, item) {
		const char *source = json_str(item, "source", NULL);
		if (str_eq(json_str(item, "type", ""), "volume") && source &&
		    !json_object_get(known, source))
			undefined(c, "volumes", source, known, "volume");
	}
	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		known = json_object_get(c->project, lists[k].section);
		json_array_foreach(json_object_get(c->service, lists[k].key), i, item)
			if (!json_object_get(known, json_str(item, "source", "")))
				undefined(c, lists[k].key, json_str(item, "source", ""), known,
					  lists[k].what);
	}
	known = json_object_get(c->project, "models");
	json_object_foreach(json_object_get(c->service, "models"), name, value)
		if (!json_object_get(known, name))
			undefined(c, "models", name, known, "model");
}

/* The same limit said twice must say the same; a missing one counts as 0. */
static void check_twice(struct consistency *c)
{
	static const struct {
		const char *key, *part, *inner;
	} pairs[] = {
		{ "cpus", "limits", "cpus" },
		{ "mem_limit", "limits", "memory" },
		{ "mem_reservation", "reservations", "memory" },
		{ "pids_limit", "limits", "pids" },
	};
	json_t *resources = json_object_get(json_object_get(c->service, "deploy"), "resources");
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		json_t *own = json_object_get(c->service, pairs[i].key);
		json_t *part = json_object_get(resources, pairs[i].part);
		json_t *other = json_object_get(part, pairs[i].inner);
		if (own && part && !json_equal(own, other))
			wrong(c, pairs[i].key,
			      "service '%s': '%s' and 'deploy.resources.%s.%s' have distinct "
			      "values",
			      c->name, pairs[i].key, pairs[i].part, pairs[i].inner);
	}
}

static void check_scale(struct consistency *c)
{
	json_t *scale = json_object_get(c->service, "scale"),
	       *deploy = json_object_get(c->service, "deploy"),
	       *replicas = json_object_get(deploy, "replicas");
	if (scale && replicas && !json_equal(scale, replicas))
		wrong(c, "scale",
		      "service '%s': 'scale' and 'deploy.replicas' have distinct values", c->name);
	else if (scale && deploy)
		json_object_set(deploy, "replicas", scale);
}

static void check_watch(struct consistency *c)
{
	size_t i;
	json_t *rule;
	json_array_foreach(json_object_get(json_object_get(c->service, "develop"), "watch"), i,
			   rule) {
		const char *action = json_str(rule, "action", "");
		if (!json_object_get(rule, "target") && strcmp(action, "rebuild") != 0 &&
		    strcmp(action, "restart") != 0)
			wrong(c, "develop",
			      "service '%s': a watch that is no rebuild needs a target", c->name);
	}
}

static void claim_target(struct consistency *c, struct map *seen, const char *target, char *where,
			 const char *key)
{
	const char *first = map_get(seen, target);
	if (first)
		wrong(c, key, "%s: '%s' is mounted already as %s", where, target, first);
	else
		map_set(seen, target, where);
}

static void check_targets(struct consistency *c)
{
	struct map seen cleanup(map_done) = MAP_INIT;
	struct arena *a = c->m->arena;
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(c->service, "tmpfs"), i, item) {
		cleanup_free char *target = xstrdup(json_string_value(item));
		target[strcspn(target, ":")] = '\0';
		claim_target(c, &seen, target,
			     arena_printf(a, "services.%s.tmpfs[%zu]", c->name, i), "tmpfs");
	}
	json_array_foreach(json_object_get(c->service, "volumes"), i, item)
		claim_target(c, &seen, json_str(item, "target", ""),
			     arena_printf(a, "services.%s.volumes[%zu]", c->name, i), "volumes");
}

/* depends_on must not lead back to where it began. Colours: 0 not seen, 1 on the way, 2 done. */
static bool find_cycle(struct consistency *c, const char *start, struct map *colour)
{
	struct frame {
		const char *name;
		void *next;
		json_t *depends;
	};
	VEC(struct frame) stack = { 0 };
	bool found = false;
	vec_push(&stack, (struct frame){ .name = start });
	map_set(colour, start, (void *)1);
	while (stack.n && !found) {
		struct frame *top = &stack.v[stack.n - 1];
		if (!top->depends) {
			top->depends = json_object_get(json_object_get(c->services, top->name),
						       "depends_on");
			top->next = json_object_iter(top->depends);
		} else
			top->next = json_object_iter_next(top->depends, top->next);
		const char *name = top->next ? json_object_iter_key(top->next) : NULL;
		if (!name) {
			map_set(colour, top->name, (void *)2);
			stack.n--;
			continue;
		}
		uintptr_t state = (uintptr_t)map_get(colour, name);
		if (state == 0) {
			map_set(colour, name, (void *)1);
			vec_push(&stack, (struct frame){ .name = name });
		} else if (state == 1) {
			cleanup_str struct str way = STR_INIT_MAX(2000);
			size_t from = 0;
			while (strcmp(stack.v[from].name, name) != 0)
				from++;
			for (size_t i = from; i < stack.n; i++)
				str_addf(&way, "%s -> ", stack.v[i].name);
			str_add(&way, name);
			c->name = stack.v[stack.n - 1].name;
			complain(c->m, item_where(c, "depends_on", name),
				 service_path(c, "depends_on"), "a dependency cycle: %s",
				 str_text(&way));
			found = true;
		}
	}
	vec_done(&stack);
	return found;
}

static void check_cycles(struct consistency *c)
{
	struct map colour cleanup(map_done) = MAP_INIT;
	const char *name;
	json_t *service;
	json_object_foreach(c->services, name, service)
		if (!map_has(&colour, name) && find_cycle(c, name, &colour))
			return;
}

static void check_container_names(struct consistency *c)
{
	struct map seen cleanup(map_done) = MAP_INIT;
	const char *name;
	json_t *service;
	json_object_foreach(c->services, name, service) {
		const char *own = json_str(service, "container_name", NULL);
		c->name = name;
		if (own && map_has(&seen, own))
			wrong(c, "container_name",
			      "services '%s' and '%s' both have the container_name '%s'",
			      (const char *)map_get(&seen, own), name, own);
		else if (own)
			map_set(&seen, own, (void *)name);
	}
}

int check_consistency(struct compose_model *m, json_t *project, json_t *disabled)
{
	static void (*const checks[])(struct consistency *) = {
		check_image, check_build,      check_networks, check_healthcheck, check_depends,
		check_twice, check_references, check_scale,    check_watch,	  check_targets,
	};
	struct consistency c = { m,	   project, json_object_get(project, "services"),
				 disabled, NULL,    NULL };
	size_t errors = m->diagnostics->errors;
	json_object_foreach(c.services, c.name, c.service)
		for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
			checks[i](&c);
	check_cycles(&c);
	check_container_names(&c);
	return m->diagnostics->errors == errors ? 0 : -1;
}

#include "base/fs.h"
#include "compose/pass.h"

struct canon_run {
	struct compose_model *m;
	bool lenient;
};

/* Returns what takes the node's place (the node itself when it is in its long form already). */
typedef struct node *(*canon_fn)(struct canon_run *c, struct node *n, const struct trail *trail);

static void refuse(struct canon_run *c, const struct node *n, const struct trail *trail,
		   const char *message)
{
	if (!c->lenient)
		complain(c->m, n->where, trail_text(c->m->arena, trail), "%s: %s",
			 trail_text(c->m->arena, trail), message);
}

static void put_string(struct canon_run *c, struct node *map, const char *key, const char *text,
		       struct where where)
{
	map_put(c->m->arena, map, key, node_string(c->m->arena, text, where), where);
}

static void put_true(struct canon_run *c, struct node *map, const char *key, struct where where)
{
	if (!map_at(map, key)) {
		struct node *n = node_bool(c->m->arena, true, where);
		n->made = true;
		map_put(c->m->arena, map, key, n, where);
	}
}

static struct node *made_map(struct canon_run *c, const struct node *n)
{
	struct node *map = node_map(c->m->arena, n->where);
	map->made = true;
	return map;
}

/* One key of a new map takes the whole value: a build is its context, a secret its source. */
static struct node *wrap(struct canon_run *c, struct node *n, const char *key)
{
	if (n->kind != NODE_STRING)
		return n;
	struct node *map = made_map(c, n);
	map_put(c->m->arena, map, key, n, n->where);
	return map;
}

static struct node *canon_build(struct canon_run *c, struct node *n, const struct trail *t)
{
	return wrap(c, n, "context");
}

static struct node *canon_file(struct canon_run *c, struct node *n, const struct trail *t)
{
	return wrap(c, n, "source");
}

static struct node *canon_extends(struct canon_run *c, struct node *n, const struct trail *t)
{
	return wrap(c, n, "service");
}

/* A list of NAME=value as a map; only the name `bare` may stand without a value. */
static struct node *canon_pairs(struct canon_run *c, struct node *n, const char *bare,
				const struct trail *trail)
{
	struct arena *a = c->m->arena;
	struct node *list = n;
	if (n->kind == NODE_STRING) {
		list = node_list(a, n->where);
		list_add(a, list, n);
	}
	if (list->kind != NODE_LIST)
		return n;
	struct node *map = made_map(c, n);
	list_each(item, list) {
		const char *text = node_str(*item), *equals = text ? strchr(text, '=') : NULL;
		struct where where = (*item)->where;
		if (!text || (!equals && !str_eq(bare, text))) {
			refuse(c, *item, trail, "expected name=value");
			return n;
		}
		char *key = arena_strndup(a, text, equals ? (size_t)(equals - text) : strlen(text));
		map_put(a, map, key,
			equals ? node_string(a, equals + 1, where) : node_null(a, where), where);
	}
	return map;
}

static struct node *canon_ssh(struct canon_run *c, struct node *n, const struct trail *trail)
{
	return canon_pairs(c, n, "default", trail);
}

static struct node *canon_key_value(struct canon_run *c, struct node *n, const struct trail *trail)
{
	return canon_pairs(c, n, NULL, trail);
}

static struct node *canon_depends(struct canon_run *c, struct node *n, const struct trail *trail)
{
	struct arena *a = c->m->arena;
	if (n->kind == NODE_MAP) {
		map_each_entry(e, n)
			if (e->value->kind == NODE_MAP)
				put_true(c, e->value, "required", e->where);
		return n;
	}
	if (n->kind != NODE_LIST)
		return n;
	struct node *map = made_map(c, n);
	list_each(item, n) {
		if (!node_str(*item))
			continue;
		struct node *one = made_map(c, *item);
		put_string(c, one, "condition", "service_started", (*item)->where);
		put_true(c, one, "required", (*item)->where);
		map_put(a, map, (*item)->text, one, (*item)->where);
	}
	return map;
}

static struct node *canon_env_file(struct canon_run *c, struct node *n, const struct trail *trail)
{
	struct arena *a = c->m->arena;
	struct node *list = n;
	if (n->kind == NODE_STRING) {
		list = node_list(a, n->where);
		list_add(a, list, n);
	}
	if (list->kind == NODE_LIST)
		list_each(item, list) {
			*item = wrap(c, *item, "path");
			if ((*item)->kind == NODE_MAP)
				put_true(c, *item, "required", (*item)->where);
		}
	return list;
}

static struct node *canon_string_list(struct canon_run *c, struct node *n,
				      const struct trail *trail)
{
	if (n->kind != NODE_STRING)
		return n;
	struct node *list = node_list(c->m->arena, n->where);
	list_add(c->m->arena, list, n);
	return list;
}

static struct node *canon_gpus(struct canon_run *c, struct node *n, const struct trail *trail)
{
	if (n->kind != NODE_STRING)
		return n;
	struct node *list = node_list(c->m->arena, n->where), *one = made_map(c, n);
	map_put(c->m->arena, one, "count", n, n->where);
	list_add(c->m->arena, list, one);
	return list;
}

static struct node *canon_names(struct canon_run *c, struct node *n, const struct trail *trail)
{
	if (n->kind != NODE_LIST)
		return n;
	struct node *map = made_map(c, n);
	list_each(item, n)
		if (node_str(*item))
			map_put(c->m->arena, map, (*item)->text,
				node_null(c->m->arena, (*item)->where), (*item)->where);
	return map;
}

static struct node *canon_ports(struct canon_run *c, struct node *n, const struct trail *trail)
{
	if (n->kind != NODE_LIST)
		return n;
	struct node *out = node_list(c->m->arena, n->where);
	size_t i = 0;
	list_each(item, n) {
		struct trail at = { trail, NULL, i++ };
		cleanup_str struct str error = STR_INIT_MAX(4096);
		if ((*item)->kind >= NODE_LIST || (*item)->kind == NODE_NULL)
			list_add(c->m->arena, out, *item);
		else if (port_parse(c->m, *item, out, &error) < 0) {
			if (c->lenient)
				return n;
			refuse(c, *item, &at, str_text(&error));
		}
	}
	return out;
}

static struct node *canon_volume(struct canon_run *c, struct node *n, const struct trail *trail)
{
	if (n->kind == NODE_STRING) {
		cleanup_str struct str error = STR_INIT_MAX(4096);
		struct node *map = mount_parse(c->m, n, &error);
		if (!map)
			refuse(c, n, trail, str_text(&error));
		return map ? map : n;
	}
	const char *target = node_str(map_at(n, "target"));
	if (target && *target) {
		cleanup_free char *clean = path_clean(target);
		if (strcmp(clean, target) != 0)
			put_string(c, n, "target", clean, map_at(n, "target")->where);
	}
	return n;
}

static struct node *canon_device(struct canon_run *c, struct node *n, const struct trail *trail)
{
	if (n->kind != NODE_STRING)
		return n;
	struct strv parts cleanup(strv_done) = strv_split(n->text, ':');
	if (parts.n > 3) {
		refuse(c, n, trail, "more than two colons; use the long form");
		return n;
	}
	struct node *map = made_map(c, n);
	put_string(c, map, "source", parts.v[0], n->where);
	put_string(c, map, "target", parts.n > 1 && *parts.v[1] ? parts.v[1] : parts.v[0],
		   n->where);
	put_string(c, map, "permissions", parts.n > 2 ? parts.v[2] : "rwm", n->where);
	return map;
}

/* external: {name: x} is external: true with name: x. */
static struct node *canon_resource(struct canon_run *c, struct node *n, const struct trail *trail)
{
	struct node *external = map_at(n, "external"), *own = map_at(n, "name");
	if (!node_is(external, NODE_MAP))
		return n;
	struct node *name = map_at(external, "name");
	map_put(c->m->arena, n, "external", node_bool(c->m->arena, true, external->where),
		external->where);
	if (!name)
		return n;
	warn(c->m, external->where, trail_text(c->m->arena, trail),
	     "'external.name' is deprecated: write 'external: true' and 'name: %s'",
	     node_str(name) ? name->text : "");
	if (own && !node_equal(own, name))
		refuse(c, name, trail, "'name' and 'external.name' differ; keep 'name'");
	else if (!own)
		map_put(c->m->arena, n, "name", name, name->where);
	return n;
}

/* One rule with several paths is as many rules. */
static struct node *canon_watch(struct canon_run *c, struct node *n, const struct trail *trail)
{
	if (n->kind != NODE_LIST)
		return n;
	struct node *out = node_list(c->m->arena, n->where);
	list_each(item, n) {
		struct node *paths = map_at(*item, "path");
		if (!node_is(paths, NODE_LIST)) {
			list_add(c->m->arena, out, *item);
			continue;
		}
		list_each(path, paths) {
			struct node *one = node_clone(c->m->arena, *item);
			map_put(c->m->arena, one, "path", *path, (*path)->where);
			list_add(c->m->arena, out, one);
		}
	}
	return out;
}

static const canon_fn canons[CANON_MAX_] = {
	[CANON_BUILD] = canon_build,	     [CANON_SSH] = canon_ssh,
	[CANON_KEY_VALUE] = canon_key_value, [CANON_DEPENDS] = canon_depends,
	[CANON_ENV_FILE] = canon_env_file,   [CANON_STRING_LIST] = canon_string_list,
	[CANON_EXTENDS] = canon_extends,     [CANON_GPUS] = canon_gpus,
	[CANON_NAMES] = canon_names,	     [CANON_PORTS] = canon_ports,
	[CANON_WATCH] = canon_watch,	     [CANON_FILE] = canon_file,
	[CANON_VOLUME] = canon_volume,	     [CANON_DEVICE] = canon_device,
	[CANON_RESOURCE] = canon_resource,
};

static void walk(struct canon_run *c, struct node *n, const struct shape *shape,
		 const struct trail *trail);

static void walk_items(struct canon_run *c, struct node *n, const struct key *k,
		       const struct trail *trail)
{
	canon_fn fn = canons[k->item_canon];
	if (n->kind == NODE_LIST)
		for (size_t i = 0; i < n->n; i++) {
			struct trail at = { trail, NULL, i };
			n->items[i] = fn(c, n->items[i], &at);
		}
	else if (n->kind == NODE_MAP)
		map_each_entry(e, n) {
			struct trail at = { trail, e->key, 0 };
			e->value = fn(c, e->value, &at);
		}
}

static void walk(struct canon_run *c, struct node *n, const struct shape *shape,
		 const struct trail *trail)
{
	if (!shape)
		return;
	if (n->kind == NODE_LIST) {
		for (size_t i = 0; i < n->n; i++) {
			struct trail at = { trail, NULL, i };
			walk(c, n->items[i], shape->items, &at);
		}
		return;
	}
	if (n->kind != NODE_MAP)
		return;
	map_each_entry(e, n) {
		const struct key *k = shape_key(shape, e->key);
		struct trail at = { trail, e->key, 0 };
		if (k && k->canon)
			e->value = canons[k->canon](c, e->value, &at);
		if (k && k->item_canon)
			walk_items(c, e->value, k, &at);
		walk(c, e->value, k ? k->shape : shape->each, &at);
	}
}

int pass_canonical(struct compose_model *m, struct node *root, bool lenient)
{
	struct canon_run c = { m, lenient };
	size_t errors = m->diagnostics->errors;
	walk(&c, root, &root_shape, NULL);
	return m->diagnostics->errors == errors ? 0 : -1;
}

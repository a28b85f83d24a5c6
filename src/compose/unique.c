#include "compose/pass.h"

/* Each writes the identity of an item into `out`; false: it has none, keep it. */
typedef bool (*identity_fn)(struct compose_model *m, const struct node *item, struct str *out);

static bool by_key(struct compose_model *m, const struct node *item, struct str *out)
{
	if (!node_str(item))
		return false;
	const char *equals = strchr(item->text, '=');
	str_addn(out, item->text, equals ? (size_t)(equals - item->text) : item->n);
	return true;
}

static bool by_volume(struct compose_model *m, const struct node *item, struct str *out)
{
	if (item->kind == NODE_STRING) {
		cleanup_str struct str error = STR_INIT;
		item = mount_parse(m, item, &error);
	}
	const char *target = item ? node_str(map_at(item, "target")) : NULL;
	if (target)
		str_add(out, target);
	return target != NULL;
}

static bool by_device(struct compose_model *m, const struct node *item, struct str *out)
{
	const char *target = node_str(map_at(item, "target"));
	if (node_str(item)) {
		const char *colon = strchr(item->text, ':');
		target = colon ? colon + 1 : item->text;
		const char *end = strchr(target, ':');
		str_addn(out, target, end ? (size_t)(end - target) : strlen(target));
		return true;
	}
	if (target)
		str_add(out, target);
	return target != NULL;
}

static bool by_expose(struct compose_model *m, const struct node *item, struct str *out)
{
	node_print(item, out);
	return item->kind < NODE_LIST;
}

static bool by_file(const struct node *item, const char *dir, struct str *out)
{
	const char *target = node_str(map_at(item, "target")),
		   *source = node_str(map_at(item, "source"));
	if (target)
		str_add(out, target);
	else if (node_str(item) || source)
		str_addf(out, "%s/%s", dir, source ? source : item->text);
	return out->len > 0;
}

static bool by_secret(struct compose_model *m, const struct node *item, struct str *out)
{
	return by_file(item, "/run/secrets", out);
}

static bool by_config(struct compose_model *m, const struct node *item, struct str *out)
{
	return by_file(item, "", out);
}

static void add_or(struct str *out, const struct node *value, const char *fallback)
{
	if (value)
		node_print(value, out);
	else
		str_add(out, fallback);
}

static bool by_port(struct compose_model *m, const struct node *item, struct str *out)
{
	if (item->kind != NODE_MAP) {
		node_print(item, out);
		return item->kind < NODE_LIST;
	}
	if (!map_at(item, "target"))
		return false;
	add_or(out, map_at(item, "host_ip"), "0.0.0.0");
	str_addc(out, ':');
	add_or(out, map_at(item, "published"), "");
	str_addc(out, ':');
	add_or(out, map_at(item, "target"), "");
	str_addc(out, '/');
	add_or(out, map_at(item, "protocol"), "tcp");
	return true;
}

static bool by_env_file(struct compose_model *m, const struct node *item, struct str *out)
{
	const char *path = node_str(item) ? item->text : node_str(map_at(item, "path"));
	if (path)
		str_add(out, path);
	return path != NULL;
}

static const identity_fn identities[] = {
	[UNIQUE_KEY] = by_key,	     [UNIQUE_VOLUME] = by_volume,     [UNIQUE_DEVICE] = by_device,
	[UNIQUE_EXPOSE] = by_expose, [UNIQUE_SECRET] = by_secret,     [UNIQUE_CONFIG] = by_config,
	[UNIQUE_PORT] = by_port,     [UNIQUE_ENV_FILE] = by_env_file,
};

static void make_unique(struct compose_model *m, struct node *list, identity_fn identity)
{
	if (list->n < 2)
		return;
	struct map seen = MAP_INIT;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < list->n; i++) {
		struct node *item = list->items[i];
		cleanup_str struct str id = STR_INIT;
		if (!identity(m, item, &id)) {
			list->items[kept++] = item;
			continue;
		}
		uintptr_t at = (uintptr_t)map_get(&seen, str_text(&id));
		if (at) {
			struct node *old = list->items[at - 1];
			if (!item->was && item != old)
				item->was = old;
			list->items[at - 1] = item;
			continue;
		}
		list->items[kept++] = item;
		map_set(&seen, str_text(&id), (void *)(uintptr_t)kept);
	}
	list->n = kept;
	map_done(&seen);
}

static void walk(struct compose_model *m, struct node *n, const struct shape *shape)
{
	if (!shape || n->kind != NODE_MAP)
		return;
	map_each_entry(e, n) {
		const struct key *k = shape_key(shape, e->key);
		if (k && k->unique && e->value->kind == NODE_LIST)
			make_unique(m, e->value, identities[k->unique]);
		walk(m, e->value, k ? k->shape : shape->each);
	}
}

void pass_unique(struct compose_model *m, struct node *root)
{
	walk(m, root, &root_shape);
}

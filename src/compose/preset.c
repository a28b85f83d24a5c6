#include "compose/pass.h"

static void put_made(struct compose_model *m, struct node *map, const char *key, struct node *value)
{
	if (map_at(map, key))
		return;
	value->made = true;
	map_put(m->arena, map, key, value, map->where);
}

static void preset_build(struct compose_model *m, struct node *n)
{
	put_made(m, n, "context", node_string(m->arena, ".", n->where));
}

static void preset_secret(struct compose_model *m, struct node *n)
{
	const char *source = node_str(map_at(n, "source"));
	if (source)
		put_made(m, n, "target",
			 node_string(m->arena, arena_printf(m->arena, "/run/secrets/%s", source),
				     n->where));
}

static void preset_port(struct compose_model *m, struct node *n)
{
	put_made(m, n, "protocol", node_string(m->arena, "tcp", n->where));
	put_made(m, n, "mode", node_string(m->arena, "ingress", n->where));
}

static void preset_device_request(struct compose_model *m, struct node *n)
{
	if (!map_at(n, "device_ids"))
		put_made(m, n, "count", node_string(m->arena, "all", n->where));
}

static void (*const presets[PRESET_MAX_])(struct compose_model *, struct node *) = {
	[PRESET_BUILD] = preset_build,
	[PRESET_SECRET] = preset_secret,
	[PRESET_PORT] = preset_port,
	[PRESET_DEVICE_REQUEST] = preset_device_request,
};

static void apply(struct compose_model *m, struct node *n, enum preset preset)
{
	if (preset && n->kind == NODE_MAP)
		presets[preset](m, n);
}

static void walk(struct compose_model *m, struct node *n, const struct shape *shape,
		 enum preset item_preset)
{
	if (!shape || n->kind < NODE_LIST)
		return;
	if (n->kind == NODE_LIST) {
		list_each(item, n) {
			apply(m, *item, item_preset);
			walk(m, *item, shape->items, PRESET_NONE);
		}
		return;
	}
	map_each_entry(e, n) {
		const struct key *k = shape_key(shape, e->key);
		apply(m, e->value, k ? k->preset : item_preset);
		walk(m, e->value, k ? k->shape : shape->each, k ? k->item_preset : PRESET_NONE);
	}
}

void pass_presets(struct compose_model *m, struct node *root)
{
	walk(m, root, &root_shape, PRESET_NONE);
}

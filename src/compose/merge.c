#include "compose/pass.h"

struct merging {
	struct compose_model *m;
};

static struct node *merge(struct merging *g, struct node *base, struct node *over,
			  const struct key *key, const struct shape *shape, enum merge rule,
			  const struct trail *trail);

/* Remembers what `over` replaces, behind what it was made from itself. */
static struct node *replace(struct node *base, struct node *over)
{
	struct node *last = over;
	for (int i = 0; last->was && i < 64; i++)
		last = (struct node *)last->was;
	if (last != base && !last->was)
		last->was = base;
	return over;
}

static const char *base_place(struct merging *g, const struct node *base)
{
	return base->where.line ? model_place(g->m, base->where) : "an earlier file";
}

static struct node *mismatch(struct merging *g, struct node *base, struct node *over,
			     const struct trail *trail)
{
	char *path = trail_text(g->m->arena, trail);
	complain(g->m, over->where, path, "%s is %s here and %s in %s: they cannot be merged", path,
		 node_kind_name(over->kind), node_kind_name(base->kind), base_place(g, base));
	return base;
}

static struct node *merge_maps(struct merging *g, struct node *base, struct node *over,
			       const struct key *key, const struct shape *shape,
			       const struct trail *trail)
{
	base->made = false;
	map_each_entry(e, over) {
		struct entry *old = map_entry_at(base, e->key);
		if (!old) {
			map_put(g->m->arena, base, e->key, e->value, e->where);
			continue;
		}
		const struct key *k = shape_key(shape, e->key);
		struct trail at = { trail, e->key, 0 };
		old->value = merge(g, old->value, e->value, k,
				   k	   ? k->shape
				   : shape ? shape->each
					   : NULL,
				   k	 ? k->merge
				   : key ? key->item_merge
					 : MERGE_DEEP,
				   &at);
		old->where = e->where;
	}
	return base;
}

static struct node *merge_lists(struct merging *g, struct node *base, struct node *over)
{
	list_each(item, over)
		list_add(g->m->arena, base, *item);
	return base;
}

static struct node *pair(struct arena *a, const char *key, const struct node *value,
			 struct where where)
{
	cleanup_str struct str text = STR_INIT;
	str_add(&text, key);
	if (value->kind != NODE_NULL) {
		str_addc(&text, '=');
		node_print(value, &text);
	}
	struct node *n = node_string_n(a, str_text(&text), text.len,
				       value->where.line ? value->where : where);
	n->was = value->was;
	return n;
}

static int by_text(const void *a, const void *b)
{
	return strcmp((*(struct node *const *)a)->text, (*(struct node *const *)b)->text);
}

/* A map as a sorted list of KEY=value (one per value where a value is a list), text as a list of
 * one. */
static struct node *to_list(struct arena *a, struct node *n)
{
	if (n->kind == NODE_LIST)
		return n;
	struct node *list = node_list(a, n->where);
	if (n->kind == NODE_STRING)
		list_add(a, list, n);
	if (n->kind != NODE_MAP)
		return list;
	map_each_entry(e, n) {
		if (e->value->kind != NODE_LIST) {
			list_add(a, list, pair(a, e->key, e->value, e->where));
			continue;
		}
		list_each(item, e->value)
			list_add(a, list, pair(a, e->key, *item, e->where));
	}
	if (list->n)
		qsort(list->items, list->n, sizeof(*list->items), by_text);
	return list;
}

static struct node *merge_hosts(struct merging *g, struct node *base, struct node *over)
{
	struct arena *a = g->m->arena;
	base = to_list(a, base);
	over = to_list(a, over);
	struct map seen = MAP_INIT;
	list_each(item, base)
		if (node_str(*item))
			map_set(&seen, (*item)->text, base);
	list_each(item, over)
		if (!node_str(*item) || !map_has(&seen, (*item)->text))
			list_add(a, base, *item);
	map_done(&seen);
	return base;
}

/* A list of names as a map whose values are all `value`. */
static struct node *to_map(struct arena *a, struct node *n,
			   struct node *(*value)(struct arena *, struct where))
{
	if (n->kind != NODE_LIST)
		return n;
	struct node *map = node_map(a, n->where);
	list_each(item, n)
		if (node_str(*item))
			map_put(a, map, (*item)->text, value(a, (*item)->where), (*item)->where);
	return map;
}

static struct node *started(struct arena *a, struct where where)
{
	struct node *map = node_map(a, where);
	map_put(a, map, "condition", node_string(a, "service_started", where), where);
	map_put(a, map, "required", node_bool(a, true, where), where);
	return map;
}

static struct node *build_map(struct arena *a, struct node *n)
{
	if (n->kind != NODE_STRING)
		return n;
	struct node *map = node_map(a, n->where);
	map_put(a, map, "context", n, n->where);
	return map;
}

static struct node *merge_logging(struct merging *g, struct node *base, struct node *over,
				  const struct key *key, const struct trail *trail)
{
	const char *old = node_str(map_at(base, "driver")),
		   *fresh = node_str(map_at(over, "driver"));
	if (old && fresh && strcmp(old, fresh) != 0)
		return replace(base, over);
	return merge_maps(g, base, over, key, key->shape, trail);
}

static struct node *merge_ipam(struct merging *g, struct node *base, struct node *over,
			       const struct key *key, const struct trail *trail)
{
	list_each(item, over) {
		const char *subnet = node_str(map_at(*item, "subnet"));
		struct node *same = NULL;
		list_each(old, base)
			if (str_eq(node_str(map_at(*old, "subnet")), subnet))
				same = *old;
		if (same)
			merge_maps(g, same, *item, NULL, key->shape->items, trail);
		else
			list_add(g->m->arena, base, *item);
	}
	return base;
}

static struct node *merge(struct merging *g, struct node *base, struct node *over,
			  const struct key *key, const struct shape *shape, enum merge rule,
			  const struct trail *trail)
{
	struct arena *a = g->m->arena;
	switch (rule) {
	case MERGE_OVERRIDE: return replace(base, over);
	case MERGE_SEQUENCE:
		if (over->kind == NODE_NULL)
			return base;
		return merge_lists(g, to_list(a, base), to_list(a, over));
	case MERGE_HOSTS: return merge_hosts(g, base, over);
	case MERGE_BUILD:
		base = build_map(a, base);
		over = build_map(a, over);
		break;
	case MERGE_DEPENDS:
		base = to_map(a, base, started);
		over = to_map(a, over, started);
		break;
	case MERGE_NAMES:
		base = to_map(a, base, node_null);
		over = to_map(a, over, node_null);
		break;
	case MERGE_LOGGING:
		if (base->kind == NODE_MAP && over->kind == NODE_MAP)
			return merge_logging(g, base, over, key, trail);
		break;
	case MERGE_IPAM:
		if (base->kind == NODE_LIST && over->kind == NODE_LIST)
			return merge_ipam(g, base, over, key, trail);
		break;
	case MERGE_DEEP: break;
	}
	if (over->kind == NODE_NULL)
		return base;
	if (base->kind < NODE_LIST)
		return replace(base, over);
	if (base->kind != over->kind)
		return mismatch(g, base, over, trail);
	if (base->kind == NODE_LIST)
		return merge_lists(g, base, over);
	return merge_maps(g, base, over, key, shape, trail);
}

struct node *pass_merge(struct compose_model *m, struct node *base, struct node *over)
{
	struct merging g = { m };
	return merge(&g, base, over, NULL, &root_shape, MERGE_DEEP, NULL);
}

struct node *pass_merge_service(struct compose_model *m, struct node *base, struct node *over,
				const char *name)
{
	struct merging g = { m };
	struct trail services = { NULL, "services", 0 }, at = { &services, name, 0 };
	return merge(&g, base, over, NULL, &service_shape, MERGE_DEEP, &at);
}

/* !reset and !override: where a document says them is remembered as a path, and the tag leaves the
 * tree; before the document is merged, those paths are removed from what it is merged into. */
#include "compose/pass.h"

enum { RESETS_MAX = 10000 };

void resets_done(struct resets *r)
{
	vec_done(&r->paths);
}

static int remember(struct compose_model *m, const struct node *n, const struct trail *trail,
		    struct resets *ret)
{
	if (ret->paths.n >= RESETS_MAX) {
		complain(m, n->where, NULL, "more than %d !reset and !override tags", RESETS_MAX);
		return -1;
	}
	struct node *path = node_list(m->arena, n->where);
	for (const struct trail *t = trail; t; t = t->up) {
		if (!t->name)
			return 0; /* an item of a list: there is nothing to match it with */
		list_add(m->arena, path, node_string(m->arena, t->name, n->where));
	}
	for (size_t i = 0; i < path->n / 2; i++) {
		struct node *swap = path->items[i];
		path->items[i] = path->items[path->n - 1 - i];
		path->items[path->n - 1 - i] = swap;
	}
	vec_push(&ret->paths, path);
	return 0;
}

/* Returns 1 when the node is to be left out. */
static int collect(struct compose_model *m, struct node *n, const struct trail *trail,
		   struct resets *ret)
{
	if (n->tag != TAG_NONE) {
		int r = remember(m, n, trail, ret);
		return r < 0 ? r : n->tag == TAG_RESET;
	}
	uint32_t kept = 0, before = n->n;
	if (n->kind != NODE_LIST && n->kind != NODE_MAP)
		return 0;
	for (uint32_t i = 0; i < before; i++) {
		bool map = n->kind == NODE_MAP;
		struct trail at = { trail, map ? n->entries[i].key : NULL, i };
		int r = collect(m, map ? n->entries[i].value : n->items[i], &at, ret);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (map)
			n->entries[kept++] = n->entries[i];
		else
			n->items[kept++] = n->items[i];
	}
	if (kept != before) {
		n->n = kept;
		if (n->kind == NODE_MAP)
			map_reindex(n);
	}
	return 0;
}

int resets_collect(struct compose_model *m, struct node *doc, struct resets *ret)
{
	return collect(m, doc, NULL, ret) < 0 ? -1 : 0;
}

static void drop_path(struct node *target, const struct node *path, uint32_t from)
{
	for (uint32_t i = from; i + 1 < path->n && target; i++)
		target = map_at(target, path->items[i]->text);
	if (node_is(target, NODE_MAP) && path->n > from)
		map_drop(target, path->items[path->n - 1]->text);
}

void resets_apply(const struct resets *r, struct node *target)
{
	vec_each(path, &r->paths)
		drop_path(target, *path, 0);
}

void resets_apply_service(const struct resets *r, const char *name, struct node *service)
{
	vec_each(path, &r->paths) {
		const struct node *p = *path;
		if (p->n > 2 && str_eq(p->items[0]->text, "services") &&
		    str_eq(p->items[1]->text, name))
			drop_path(service, p, 2);
	}
}

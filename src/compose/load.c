#include "compose/load.h"

#include "compose/document.h"

#include "base/fs.h"

static void drop_version(struct compose_model *m, struct node *tree)
{
	struct entry *e = map_entry_at(tree, "version");
	if (!e)
		return;
	warn(m, e->where, "version", "'version' is obsolete and ignored; remove it");
	map_drop(tree, "version");
}

/* An empty dns is none. */
static void drop_empty(struct node *tree)
{
	struct node *services = map_at(tree, "services");
	if (!node_is(services, NODE_MAP))
		return;
	map_each_entry(e, services) {
		const struct node *dns = map_at(e->value, "dns");
		if (dns && (node_empty(dns) || (dns->n == 1 && node_empty(dns->items[0]))))
			map_drop(e->value, "dns");
	}
}

/* Some passes, in their order, over (a slice of) the tree. */
typedef int (*passes_fn)(struct compose_model *m, struct node *tree, const struct file_set *set);

/* Runs the passes over one service after the other, and then over what is beside the services: a
 * service stays in the processor's cache from the first pass to the last, so that a file ten times
 * as long costs ten times as much. A slice is a tree with one service that shares all below it with
 * the whole one. */
static int in_slices(struct compose_model *m, struct node *tree, const struct file_set *set,
		     passes_fn passes)
{
	struct node *services = map_at(tree, "services");
	size_t errors = m->diagnostics->errors;
	if (!node_is(services, NODE_MAP) || services->n < 2) {
		passes(m, tree, set);
		return m->diagnostics->errors == errors ? 0 : -1;
	}
	struct node one = *services, rest = *tree;
	struct entry only = { "services", &one, map_entry_at(tree, "services")->where };
	struct node slice = { .kind = NODE_MAP, .n = 1, .cap = 1, .where = tree->where };
	slice.entries = &only;
	one.n = one.cap = 1;
	one.index_size = 0;
	map_each_entry(e, services) {
		one.entries = e;
		passes(m, &slice, set);
	}
	rest = *node_shallow(m->arena, tree);
	map_entry_at(&rest, "services")->value = node_map(m->arena, services->where);
	passes(m, &rest, set);
	return m->diagnostics->errors == errors ? 0 : -1;
}

/* From what was written to long forms. */
static int settle(struct compose_model *m, struct node *tree, const struct file_set *set)
{
	pass_unique(m, tree);
	if (pass_validate(m, tree) < 0 || pass_canonical(m, tree, m->options->no_interpolate) < 0)
		return -1;
	drop_empty(tree);
	pass_unique(m, tree);
	return 0;
}

/* From one file's, or several merged files', long forms to the model. */
static int complete(struct compose_model *m, struct node *tree, const struct file_set *set)
{
	pass_presets(m, tree);
	if (pass_check(m, tree) < 0)
		return -1;
	if (set->resolve_paths && pass_paths(m, tree, set->dir) < 0)
		return -1;
	pass_environment(m, tree);
	return 0;
}

/* Interpolates, extends and includes one document, and merges it onto `base`. */
static struct node *load_document(struct compose_model *m, struct node *base, struct node *doc,
				  const char *path, const struct file_set *set)
{
	if (doc->kind != NODE_MAP) {
		complain(m, doc->where, NULL, "a Compose file must be a mapping, not %s",
			 node_kind_name(doc->kind));
		return NULL;
	}
	struct resets resets = { 0 };
	size_t errors = m->diagnostics->errors;
	bool ok = resets_collect(m, doc, &resets) == 0;
	if (ok && !m->options->no_interpolate)
		pass_interpolate(m, doc, &root_shape, NULL);
	ok = ok && load_extends(m, doc, path, set, &resets) == 0 &&
	     load_include(m, doc, path, set, load_set) == 0;
	if (ok) {
		base = load_apply(m, base, doc, &resets, path);
		in_slices(m, base, set, settle);
		drop_version(m, base);
	}
	resets_done(&resets);
	return ok && m->diagnostics->errors == errors ? base : NULL;
}

static bool including_itself(struct compose_model *m, const struct file_set *set)
{
	unsigned depth = 0;
	for (const struct file_set *up = set->up; up; up = up->up) {
		if (++depth > 100) {
			complain(m, set->where, "include",
				 "includes are nested more than 100 deep");
			return true;
		}
		if (str_eq(up->paths->v[0], set->paths->v[0])) {
			complain(m, set->where, "include", "'%s' includes itself",
				 model_display(m, set->paths->v[0]));
			return true;
		}
	}
	return false;
}

struct node *load_set(struct compose_model *m, const struct file_set *set)
{
	struct node *tree = NULL;
	if (including_itself(m, set))
		return NULL;
	for (size_t i = 0; i < set->paths->n; i++) {
		struct node *docs = load_documents(m, set->paths->v[i], set->where);
		if (!docs)
			return NULL;
		list_each(doc, docs) {
			tree = load_document(m, tree, *doc, set->paths->v[i], set);
			if (!tree)
				return NULL;
		}
	}
	if (!tree) {
		struct where where = { model_source(m, set->paths->v[0], NULL, 0), 0, 0 };
		complain(m, where, NULL, "an empty Compose file");
		return NULL;
	}
	return in_slices(m, tree, set, complete) < 0 ? NULL : tree;
}

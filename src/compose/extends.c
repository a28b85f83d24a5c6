#include "base/fs.h"
#include "compose/document.h"
#include "compose/load.h"

enum { EXTENDS_DEPTH_MAX = 200 };

/* The services of one file, as `extends` sees them. */
struct scope {
	const char *path;
	const char *dir; /* files named in it are relative to this */
	struct node *services;
	struct map done; /* names whose extends is resolved */
	struct map open; /* names that are being resolved */
};

struct extending {
	struct compose_model *m;
	const struct file_set *set;
	const struct resets *resets;
	struct map scopes; /* path -> struct scope * */
	unsigned depth;
};

static void scope_free(void *p)
{
	struct scope *s = p;
	map_done(&s->done);
	map_done(&s->open);
	free(s);
}

static struct scope *scope_new(const char *path, const char *dir, struct node *services)
{
	struct scope *s = new0(struct scope);
	s->path = path;
	s->dir = dir;
	s->services = services;
	return s;
}

/* Loads a file that is only extended from: merged and canonical, but not validated; its paths are
 * made absolute, so that they keep their meaning. */
static struct node *load_base(struct extending *x, const char *path, const char *dir,
			      struct where where)
{
	struct compose_model *m = x->m;
	struct node *docs = load_documents(m, path, where), *tree = NULL;
	if (!docs)
		return NULL;
	list_each(doc, docs) {
		if ((*doc)->kind != NODE_MAP) {
			complain(m, (*doc)->where, NULL, "a Compose file must be a mapping, not %s",
				 node_kind_name((*doc)->kind));
			return NULL;
		}
		struct resets resets = { 0 };
		resets_collect(m, *doc, &resets);
		if (!m->options->no_interpolate)
			pass_interpolate(m, *doc, &root_shape, NULL);
		tree = load_apply(m, tree, *doc, &resets, path);
		pass_unique(m, tree);
		resets_done(&resets);
	}
	if (tree && pass_canonical(m, tree, m->options->no_interpolate) == 0)
		pass_paths(m, tree, dir);
	return tree;
}

static struct scope *scope_of_file(struct extending *x, const char *path, const struct node *at,
				   const char *name)
{
	struct compose_model *m = x->m;
	struct scope *s = map_get(&x->scopes, path);
	if (s)
		return s;
	size_t errors = m->diagnostics->errors;
	cleanup_free char *dir = path_dir(path);
	struct node *tree = load_base(x, path, dir, at->where);
	if (m->diagnostics->errors > errors)
		return NULL;
	struct node *services = map_at(tree, "services");
	if (!node_is(services, NODE_MAP)) {
		complain(m, at->where, NULL, "cannot extend service '%s': '%s' has no services",
			 name, model_display(m, path));
		return NULL;
	}
	s = scope_new(arena_strdup(m->arena, path), arena_strdup(m->arena, dir), services);
	map_set(&x->scopes, path, s);
	return s;
}

static const char *const *service_names(struct compose_model *m, const struct node *services)
{
	const char **names = arena_alloc(m->arena, (services->n + 1) * sizeof(*names));
	for (uint32_t i = 0; i < services->n && i < 1000; i++)
		names[i] = services->entries[i].key;
	return names;
}

static struct node *resolve(struct extending *x, struct scope *s, const char *name);

/* The service that `extends` names, resolved itself; NULL after a diagnostic, or when it is empty.
 */
static struct node *find_base(struct extending *x, struct scope *s, const char *name,
			      const struct node *extends, bool *ret_failed)
{
	struct compose_model *m = x->m;
	const struct node *service =
		extends->kind == NODE_MAP ? map_at(extends, "service") : extends;
	const struct node *file = map_at(extends, "file");
	*ret_failed = true;
	if (!node_str(service)) {
		complain(m, extends->where, NULL, "services.%s.extends needs the key 'service'",
			 name);
		return NULL;
	}
	struct scope *from = s;
	if (node_str(file)) {
		if (load_refuses_remote(m, file))
			return NULL;
		cleanup_free char *path = path_join(s->dir, file->text);
		from = scope_of_file(x, path, file, name);
		if (!from)
			return NULL;
	}
	if (!map_entry_at(from->services, service->text)) {
		diagnose(m, SEVERITY_ERROR, service->where, NULL,
			 nearest_hint(m, service->text, service_names(m, from->services)),
			 "cannot extend service '%s': there is no service '%s' in '%s'", name,
			 service->text, model_display(m, from->path));
		return NULL;
	}
	if (map_has(&from->open, service->text)) {
		complain(m, extends->where, NULL, "service '%s' extends itself, by way of '%s'",
			 service->text, name);
		return NULL;
	}
	struct step step = { m->step, extends->where, service->text };
	size_t errors = m->diagnostics->errors;
	m->step = &step;
	struct node *base = resolve(x, from, service->text);
	m->step = step.up;
	*ret_failed = m->diagnostics->errors > errors;
	return base;
}

/* The service with what it extends merged in; in its place from now on. */
static struct node *resolve(struct extending *x, struct scope *s, const char *name)
{
	struct compose_model *m = x->m;
	struct entry *e = map_entry_at(s->services, name);
	struct node *service = e->value, *extends = map_at(service, "extends");
	if (service->kind == NODE_NULL)
		return NULL;
	if (!extends || map_has(&s->done, name))
		return service;
	if (++x->depth > EXTENDS_DEPTH_MAX) {
		complain(m, extends->where, NULL, "a chain of more than %d extends",
			 EXTENDS_DEPTH_MAX);
		return NULL;
	}
	bool failed;
	map_set(&s->open, name, s);
	struct node *base = find_base(x, s, name, extends, &failed);
	map_take(&s->open, name);
	map_set(&s->done, name, s);
	x->depth--;
	if (!base || failed)
		return service;
	if (base->kind != NODE_MAP) {
		complain(m, base->where, NULL, "the service that '%s' extends must be a mapping",
			 name);
		return service;
	}
	base = node_clone(m->arena, base);
	m->nodes += base->n;
	resets_apply_service(x->resets, name, base);
	struct node *merged = pass_merge_service(m, base, service, name);
	if (merged->kind == NODE_MAP)
		map_drop(merged, "extends");
	map_entry_at(s->services, name)->value = merged;
	return merged;
}

int load_extends(struct compose_model *m, struct node *doc, const char *path,
		 const struct file_set *set, const struct resets *resets)
{
	struct entry *services = map_entry_at(doc, "services");
	size_t errors = m->diagnostics->errors;
	if (!services)
		return 0;
	if (services->value->kind != NODE_MAP) {
		complain(m, services->where, "services", "services must be a mapping, not %s",
			 node_kind_name(services->value->kind));
		return -1;
	}
	struct extending x = { m, set, resets, MAP_INIT_FREE(scope_free), 0 };
	struct scope *here = scope_new(path, set->dir, services->value);
	for (uint32_t i = 0; i < here->services->n; i++) {
		const struct entry *e = &here->services->entries[i];
		if (e->value->kind == NODE_MAP)
			resolve(&x, here, e->key);
		else if (e->value->kind != NODE_NULL)
			complain(m, e->where, NULL, "services.%s must be a mapping, not %s", e->key,
				 node_kind_name(e->value->kind));
	}
	scope_free(here);
	map_done(&x.scopes);
	return m->diagnostics->errors == errors ? 0 : -1;
}

#include "base/fs.h"
#include "compose/pass.h"

#include <ctype.h>

struct resolve {
	struct compose_model *m;
	const char *dir;
	bool failed;
};

static const char *expand_home(struct compose_model *m, const char *path)
{
	if (*path != '~')
		return path;
	const char *home = getenv("HOME");
	if (!home || !*home)
		return path;
	cleanup_free char *joined = xasprintf("%s/%s", home, path + 1);
	cleanup_free char *clean = path_clean(joined);
	return arena_strdup(m->arena, clean);
}

static bool windows_path(const char *p)
{
	return (isalpha((unsigned char)p[0]) && p[1] == ':' && (p[2] == '\\' || p[2] == '/')) ||
	       str_starts(p, "\\\\");
}

static bool remote_context(const char *p)
{
	static const char *const prefixes[] = { "https://",    "http://", "git://",   "ssh://",
						"github.com/", "git@",	  "service:", NULL };
	for (const char *const *prefix = prefixes; *prefix; prefix++)
		if (str_starts(p, *prefix))
			return true;
	return strstr(p, "://") != NULL;
}

static struct node *absolute(struct resolve *r, struct node *n, bool host)
{
	if (!node_str(n))
		return n;
	const char *path = expand_home(r->m, n->text);
	if (*path == '/' || (host && windows_path(path))) {
		if (path == n->text)
			return n;
		struct node *home = node_string(r->m->arena, path, n->where);
		home->was = n->was;
		return home;
	}
	cleanup_free char *joined = path_join(r->dir, path);
	struct node *fresh = node_string(r->m->arena, joined, n->where);
	fresh->was = n->was;
	return fresh;
}

static void mount_source(struct resolve *r, struct node *n, const struct trail *trail)
{
	if (n->kind != NODE_MAP || !str_eq(node_str(map_at(n, "type")), "bind"))
		return;
	struct entry *e = map_entry_at(n, "source");
	if (!e || node_empty(e->value)) {
		char *path = trail_text(r->m->arena, trail);
		complain(r->m, n->where, path, "%s: a bind mount needs a source", path);
		return;
	}
	e->value = absolute(r, e->value, true);
}

/* A local volume with o=bind is a bind mount in disguise. */
static void volume_device(struct resolve *r, struct node *n)
{
	struct node *opts = map_at(n, "driver_opts");
	if (!str_eq(node_str(map_at(n, "driver")), "local") || !opts ||
	    !str_eq(node_str(map_at(opts, "o")), "bind"))
		return;
	struct entry *device = map_entry_at(opts, "device");
	if (device)
		device->value = absolute(r, device->value, true);
}

static struct node *apply(struct resolve *r, struct node *n, enum path_rule rule,
			  const struct trail *trail)
{
	switch (rule) {
	case PATH_NONE: break;
	case PATH_FILE: return absolute(r, n, false);
	case PATH_CONTEXT:
		return node_str(n) && remote_context(n->text) ? n : absolute(r, n, false);
	case PATH_SSH:
	case PATH_HOST: return absolute(r, n, true);
	case PATH_MOUNT: mount_source(r, n, trail); break;
	case PATH_VOLUME: volume_device(r, n); break;
	}
	return n;
}

static void walk(struct resolve *r, struct node *n, const struct shape *shape,
		 enum path_rule item_rule, const struct trail *trail)
{
	if (!shape)
		return;
	if (n->kind == NODE_LIST)
		for (size_t i = 0; i < n->n; i++) {
			struct trail at = { trail, NULL, i };
			n->items[i] = apply(r, n->items[i], item_rule, &at);
			walk(r, n->items[i], shape->items, PATH_NONE, &at);
		}
	else if (n->kind == NODE_MAP)
		map_each_entry(e, n) {
			const struct key *k = shape_key(shape, e->key);
			struct trail at = { trail, e->key, 0 };
			e->value = apply(r, e->value, k ? k->path : item_rule, &at);
			walk(r, e->value, k ? k->shape : shape->each, k ? k->item_path : PATH_NONE,
			     &at);
		}
}

int pass_paths(struct compose_model *m, struct node *root, const char *dir)
{
	struct resolve r = { m, dir, false };
	size_t errors = m->diagnostics->errors;
	walk(&r, root, &root_shape, PATH_NONE, NULL);
	return m->diagnostics->errors == errors ? 0 : -1;
}

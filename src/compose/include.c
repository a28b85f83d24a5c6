#include "base/fs.h"
#include "compose/document.h"
#include "compose/environment.h"
#include "compose/load.h"

#include <sys/stat.h>

static void add_strings(const struct node *n, struct strv *out)
{
	if (node_str(n))
		strv_add(out, n->text);
	else if (node_is(n, NODE_LIST))
		list_each(item, n)
			if (node_str(*item))
				strv_add(out, (*item)->text);
}

static void make_absolute(struct strv *paths, const char *dir)
{
	for (size_t i = 0; i < paths->n; i++) {
		char *joined = path_join(dir, paths->v[i]);
		free(paths->v[i]);
		paths->v[i] = joined;
	}
}

/* Its own variables: those of env_file, or of .env in its directory; the includer's win. */
static int include_environment(struct compose_model *m, const struct node *include, const char *dir,
			       const struct file_set *set)
{
	struct strv files cleanup(strv_done) = { 0 };
	const struct node *given = map_at(include, "env_file");
	add_strings(given, &files);
	make_absolute(&files, set->dir);
	for (size_t i = 0; i < files.n; i++)
		if (environment_file(m, files.v[i], true, given->where) < 0)
			return -1;
	if (files.n)
		return 0;
	cleanup_free char *dotenv = path_join(dir, ".env");
	struct stat st;
	if (stat(dotenv, &st) == 0 && !S_ISDIR(st.st_mode))
		return environment_file(m, dotenv, false, include->where);
	return 0;
}

/* Puts what was included beside what the document has itself; the same twice is fine. */
static void import(struct compose_model *m, struct node *doc, struct node *from, const char *file)
{
	static const char *const sections[] = { "services", "volumes", "networks",
						"secrets",  "configs", "models" };
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		struct node *source = map_at(from, sections[i]);
		if (!node_is(source, NODE_MAP))
			continue;
		struct node *target = map_at(doc, sections[i]);
		if (!node_is(target, NODE_MAP)) {
			map_put(m->arena, doc, sections[i], source, source->where);
			continue;
		}
		map_each_entry(e, source) {
			struct entry *own = map_entry_at(target, e->key);
			if (!own)
				map_put(m->arena, target, e->key, e->value, e->where);
			else if (!node_equal(own->value, e->value))
				complain(
					m, own->where, NULL,
					"%s.%s is defined here and, differently, in '%s', which is "
					"included",
					sections[i], e->key, model_display(m, file));
		}
	}
}

static int include_one(struct compose_model *m, struct node *doc, const struct node *include,
		       const struct file_set *set, load_fn load)
{
	struct strv paths cleanup(strv_done) = { 0 };
	const struct node *list = node_str(include) ? include : map_at(include, "path");
	const struct node *given = map_at(include, "project_directory");
	add_strings(list, &paths);
	if (!paths.n) {
		complain(m, include->where, "include", "an include needs the key 'path'");
		return -1;
	}
	if (node_is(list, NODE_LIST)) {
		list_each(item, list)
			if (load_refuses_remote(m, *item))
				return -1;
	} else if (load_refuses_remote(m, list))
		return -1;
	make_absolute(&paths, set->dir);
	cleanup_free char *dir = node_str(given) && *given->text ? path_join(set->dir, given->text)
								 : path_dir(paths.v[0]);
	struct map saved = environment_fork(m);
	struct step step = { m->step, include->where, "include" };
	const struct step *up = m->step;
	m->step = &step;
	struct file_set inner = { .paths = &paths,
				  .dir = arena_strdup(m->arena, dir),
				  .up = set,
				  .where = include->where,
				  .resolve_paths = true };
	struct node *tree = NULL;
	if (include_environment(m, include, dir, set) == 0)
		tree = load(m, &inner);
	m->step = up;
	environment_restore(m, &saved);
	if (!tree)
		return -1;
	import(m, doc, tree, paths.v[0]);
	return 0;
}

int load_include(struct compose_model *m, struct node *doc, const char *path,
		 const struct file_set *set, load_fn load)
{
	struct entry *e = map_entry_at(doc, "include");
	size_t errors = m->diagnostics->errors;
	if (!e || e->value->kind == NODE_NULL) {
		if (e)
			map_drop(doc, "include");
		return 0;
	}
	struct node *list = e->value;
	if (list->kind != NODE_LIST) {
		complain(m, e->where, "include", "include must be a list, not %s",
			 node_kind_name(list->kind));
		return -1;
	}
	map_drop(doc, "include");
	list_each(item, list)
		include_one(m, doc, *item, set, load);
	return m->diagnostics->errors == errors ? 0 : -1;
}

#include "compose/explain.h"

#include "base/parse.h"
#include "compose/dotenv.h"
#include "compose/model.h"

static json_t *value_json(const struct node *n)
{
	return n->kind == NODE_LIST && !n->n ? json_array() : node_json(n);
}

static void add_step(json_t *list, struct compose_model *m, json_t *value, struct where where,
		     const char *how)
{
	json_t *step = json_object();
	json_put(step, "value", value);
	json_put_str(step, "place", model_place(m, where));
	json_put_str(step, "how", how);
	json_array_append_new(list, step);
}

static json_t *history(struct compose_model *m, const struct node *n, struct where key)
{
	json_t *list = json_array();
	bool derived = n->made || !n->where.line;
	add_step(list, m, value_json(n), derived && key.line ? key : n->where,
		 derived ? "derived" : "set");
	for (const struct node *old = n->was; old && json_array_size(list) < 100; old = old->was) {
		bool same = old->where.file == n->where.file && old->where.line == n->where.line;
		add_step(list, m, value_json(old), old->where, same ? "interpolated" : "replaced");
		n = old;
	}
	return list;
}

/* The item of a list that a step of a path names: its index, or the KEY of KEY=value. */
static const struct node *list_step(const struct node *list, const char *step)
{
	size_t len = strlen(step);
	uint64_t index;
	if (parse_u64(step, 0, UINT32_MAX, &index) == 0)
		return index < list->n ? list->items[index] : NULL;
	list_each(item, list)
		if (node_str(*item) && strncmp((*item)->text, step, len) == 0 &&
		    ((*item)->text[len] == '=' || !(*item)->text[len]))
			return *item;
	return NULL;
}

/* A path into steps at dots and brackets. A key may hold dots itself: the longest that is there
 * wins. */
static const struct node *find(const struct node *n, const char *path, struct where *ret_key)
{
	while (n && *path) {
		if (*path == '.' || *path == '[' || *path == ']') {
			path++;
			continue;
		}
		const struct node *next = NULL;
		for (size_t len = strlen(path); len > 0 && !next; len--) {
			if (path[len] && !strchr(".[]", path[len]))
				continue;
			cleanup_free char *step = xstrndup(path, len);
			const struct entry *e = map_entry_at(n, step);
			next = e ? e->value : n->kind == NODE_LIST ? list_step(n, step) : NULL;
			if (!next)
				continue;
			*ret_key = e ? e->where : next->where;
			path += len;
			break;
		}
		if (!next)
			return NULL;
		n = next;
	}
	return n;
}

json_t *explain_path(const struct compose_result *result, const char *path, struct err *err)
{
	struct compose_model *m = result->model;
	struct where key = NOWHERE;
	const struct node *n = m->tree ? find(m->tree, path, &key) : NULL;
	if (n)
		return history(m, n, key);
	/* A variable of an env_file is not in the tree. */
	const char *rest = str_after(path, "services.");
	const char *env = rest ? strstr(rest, ".environment.") : NULL;
	if (env) {
		cleanup_free char *service = xstrndup(rest, env - rest);
		cleanup_json json_t *all = explain_environment(result, service, err);
		size_t i;
		json_t *v, *loser;
		json_array_foreach(all, i, v) {
			if (strcmp(json_str(v, "name", ""), env + strlen(".environment.")) != 0)
				continue;
			json_t *list = json_array();
			json_array_append_new(
				list, json_pack("{sO* ss ss}", "value", json_object_get(v, "value"),
						"place", json_str(v, "source", ""), "how", "set"));
			json_array_foreach(json_object_get(v, "losers"), i, loser)
				json_array_append_new(
					list, json_pack("{sO* ss ss}", "value",
							json_object_get(loser, "value"), "place",
							json_str(loser, "source", ""), "how",
							"replaced"));
			return list;
		}
	}
	if (!err->no)
		(void)err_not_found(err, "nothing is set at '%s'", path);
	return NULL;
}

struct env_list {
	struct compose_model *m;
	json_t *by_name; /* name -> list of {value, source}, the winner first */
	const json_t *own;
};

static void add_source(struct env_list *l, const char *name, json_t *value, const char *source)
{
	json_t *list = json_object_get(l->by_name, name);
	if (!list) {
		list = json_array();
		json_object_set_new_nocheck(l->by_name, name, list);
	}
	json_t *one = json_object();
	json_put(one, "value", value);
	json_put_str(one, "source", source);
	json_array_append_new(list, one);
}

/* The value in an item NAME=value of a list; the text itself when it is no such item. */
static const char *without_name(struct arena *a, const struct node *n, const char *name)
{
	const char *text = node_text(a, n);
	const char *rest = n->kind == NODE_STRING ? str_after(text, name) : NULL;
	return rest && *rest == '=' ? rest + 1 : text;
}

static void add_own(struct env_list *l, const char *name, const struct node *value,
		    struct where where)
{
	const char *text = value ? node_text(l->m->arena, value) : NULL;
	const char *shell = model_env(l->m, name);
	bool bare = !value || value->kind == NODE_NULL;
	const char *place = model_place(l->m, where);
	if (bare && shell)
		add_source(l, name, json_string_nocheck(shell),
			   arena_printf(l->m->arena, "the shell or .env, by way of %s", place));
	else
		add_source(l, name, bare ? json_null() : json_string_nocheck(text), place);
	/* Steps at one place are one value: before and after its variables were replaced. */
	for (const struct node *old = value ? value->was : NULL; old; old = old->was) {
		if (old->where.file == where.file && old->where.line == where.line)
			continue;
		where = old->where;
		add_source(l, name, json_string_nocheck(without_name(l->m->arena, old, name)),
			   model_place(l->m, where));
	}
}

static const char *lookup(void *data, const char *name)
{
	struct env_list *l = data;
	const char *value = model_env(l->m, name);
	return value ? value : json_string_value(json_object_get(l->own, name));
}

static void add_file(struct env_list *l, const struct node *file)
{
	struct compose_model *m = l->m;
	const char *path = node_str(map_at(file, "path"));
	struct dotenv d = { .arena = m->arena, .lookup = lookup, .data = l };
	cleanup_err struct err err = ERR_INIT;
	uint32_t line;
	if (path && dotenv_load(&d, path, str_eq(node_str(map_at(file, "format")), "raw"), &line,
				&err) == 0)
		vec_each(e, &d.entries)
			if (e->value)
				add_source(l, e->name, json_string_nocheck(e->value),
					   arena_printf(m->arena, "%s:%u", model_display(m, path),
							e->line));
	dotenv_done(&d);
}

static void collect(struct env_list *l, const struct node *service)
{
	const struct node *own = map_at(service, "environment"),
			  *files = map_at(service, "env_file");
	if (node_is(own, NODE_MAP))
		map_each_entry(e, own)
			add_own(l, e->key, e->value, e->where);
	else if (node_is(own, NODE_LIST))
		list_each(item, own) {
			const char *text = node_str(*item),
				   *equals = text ? strchr(text, '=') : NULL;
			if (!text)
				continue;
			struct node *value = NULL;
			if (equals) {
				value = node_string(l->m->arena, equals + 1, (*item)->where);
				value->was = (*item)->was;
			}
			add_own(l,
				arena_strndup(l->m->arena, text,
					      equals ? (size_t)(equals - text) : strlen(text)),
				value, (*item)->where);
		}
	/* a later file wins over an earlier one, and environment over all */
	for (uint32_t i = node_is(files, NODE_LIST) ? files->n : 0; i-- > 0;)
		add_file(l, files->items[i]);
}

json_t *explain_environment(const struct compose_result *result, const char *service,
			    struct err *err)
{
	struct compose_model *m = result->model;
	const struct node *node = map_at(map_at(m->tree, "services"), service);
	if (!node) {
		(void)err_not_found(err, "no such service: %s", service);
		return NULL;
	}
	cleanup_json json_t *by_name = json_object();
	const json_t *canonical =
		json_object_get(json_object_get(m->canonical, "services"), service);
	struct env_list l = { m, by_name, json_object_get(canonical, "environment") };
	collect(&l, node);
	struct strv names cleanup(strv_done) = { 0 };
	const char *name;
	json_t *sources, *all = json_array();
	json_object_foreach(by_name, name, sources)
		strv_add(&names, name);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		sources = json_object_get(by_name, names.v[i]);
		json_t *one = json_copy(json_array_get(sources, 0));
		json_put_str(one, "name", names.v[i]);
		json_array_remove(sources, 0);
		json_object_set(one, "losers", sources);
		json_array_append_new(all, one);
	}
	return all;
}

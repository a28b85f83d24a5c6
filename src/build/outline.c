#include "build/outline.h"

#include <ctype.h>

static json_t *location(uint32_t line)
{
	return json_pack("{s:[{s:{s:i},s:{s:i}}]}", "ranges", "start", "line", (int)line, "end",
			 "line", (int)line);
}

/* A comment directly above that begins with the name says what the thing is for. */
static const char *description(const struct instruction *in, const char *name)
{
	for (size_t i = in->comments.n; name && i-- > 0;) {
		const char *text = in->comments.v[i] + strspn(in->comments.v[i], " \t");
		const char *rest = str_after(text, name);

		if (rest && isspace((unsigned char)*rest))
			return rest + strspn(rest, " \t");
	}
	return NULL;
}

json_t *outline_targets(const struct dockerfile *file)
{
	json_t *list = json_array();

	vec_each(stage, &file->stages) {
		json_t *j = json_object();

		json_put_str(j, "name", stage->name);
		if (stage->index + 1 == file->stages.n)
			json_put(j, "default", json_true());
		json_put_str(j, "description", description(stage->from, stage->name));
		json_put_str(j, "base", stage->from->args.n ? stage->from->args.v[0] : "");
		json_put(j, "location", location(stage->from->first));
		json_array_append_new(list, j);
	}
	return json_pack("{s:o}", "targets", list);
}

static bool has_name(const json_t *list, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (str_eq(json_str(item, "name", ""), name))
			return true;
	return false;
}

static void add_arg(const struct graph *graph, const struct instruction *in,
		    const struct pair *pair, json_t *list)
{
	const char *given = env_get(&graph->options->args, pair->key);
	const char *global = scope_value(&graph->global, pair->key);
	json_t *j;

	if (has_name(list, pair->key))
		return;
	/* The value is one before the first FROM: that is where it is described. */
	if (!pair->value && global)
		vec_each(other, &graph->file->globals)
			vec_each(p, &(*other)->pairs)
				if (str_eq(p->key, pair->key))
					in = *other;
	j = json_object();
	json_put_str(j, "name", pair->key);
	json_put_str(j, "description", description(in, pair->key));
	json_put_str(j, "value", given ? given : pair->value ? pair->value : global);
	json_put(j, "location", location(in->first));
	json_array_append_new(list, j);
}

static void add_mount(const struct instruction *in, const char *text, json_t *secrets, json_t *ssh)
{
	cleanup_run_mount struct run_mount m = { 0 };
	struct err bad = ERR_INIT; /* said when it is built */
	json_t *list, *j;
	const char *id;

	if (run_mount_parse(text, NULL, &m, &bad) < 0) {
		err_done(&bad);
		return;
	}
	if (m.kind != MOUNT_SECRET && m.kind != MOUNT_SSH)
		return;
	list = m.kind == MOUNT_SECRET ? secrets : ssh;
	id = m.id ? m.id : m.kind == MOUNT_SSH ? "default" : m.target ? m.target : "";
	if (m.kind == MOUNT_SECRET && !m.id && strrchr(id, '/'))
		id = strrchr(id, '/') + 1;
	if (has_name(list, id))
		return;
	j = json_object();
	json_put_str(j, "name", id);
	if (m.required)
		json_put(j, "required", json_true());
	json_put(j, "location", location(in->first));
	json_array_append_new(list, j);
}

static bool names_variable(const char *text, const char *name)
{
	for (const char *at = text; text && (at = strchr(at, '$')); at++) {
		const char *word = at + 1 + (at[1] == '{');
		const char *rest = str_after(word, name);

		if (rest && !isalnum((unsigned char)*rest) && *rest != '_')
			return true;
	}
	return false;
}

static void add_stage(const struct graph *graph, const struct stage *stage, json_t *args,
		      json_t *secrets, json_t *ssh)
{
	vec_each(in, &graph->file->globals)
		vec_each(pair, &(*in)->pairs)
			if (names_variable(stage->from->original, pair->key))
				add_arg(graph, *in, pair, args);
	vec_each(in, &stage->body) {
		if ((*in)->kind == INSTRUCTION_ARG)
			vec_each(pair, &(*in)->pairs)
				add_arg(graph, *in, pair, args);
		for (size_t i = 0; i < (*in)->mounts.n; i++)
			add_mount(*in, (*in)->mounts.v[i], secrets, ssh);
	}
}

json_t *outline_target(const struct dockerfile *file, const struct graph *graph)
{
	const struct stage *target = &file->stages.v[graph->target];
	json_t *j = json_object(), *args = json_array(), *secrets = json_array(),
	       *ssh = json_array();

	json_put_str(j, "name", target->name);
	json_put_str(j, "description", description(target->from, target->name));
	vec_each(stage, &file->stages)
		if (graph->stages.v[stage->index].needed)
			add_stage(graph, stage, args, secrets, ssh);
	json_put(j, "args", args);
	json_put(j, "secrets", secrets);
	json_put(j, "ssh", ssh);
	return j;
}

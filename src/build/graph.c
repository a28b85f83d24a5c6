#include "build/graph.h"

#include "base/parse.h"
#include "image/assemble.h"

#include <strings.h>

void graph_done(struct graph *graph)
{
	vec_each(s, &graph->stages) {
		free(s->base);
		free(s->platform);
		vec_done(&s->uses);
	}
	vec_done(&graph->stages);
	strv_done(&graph->predefined);
	scope_done(&graph->global);
}

/* A named context stands for a stage or an image of its name, also with the default tag. */
static const struct build_context *find_context(const struct build_options *o, const char *name)
{
	vec_each(c, &o->contexts) {
		size_t len = strlen(c->name);

		if (str_eq(c->name, name) ||
		    (strncmp(c->name, name, len) == 0 && str_eq(name + len, ":latest")))
			return c;
	}
	return NULL;
}

void graph_source(const struct graph *graph, const char *name, size_t before, struct source *ret)
{
	const struct build_context *c = find_context(graph->options, name);
	const struct stage *stage;

	*ret = (struct source){ 0 };
	if (c) {
		ret->kind = c->dir ? SOURCE_DIR : SOURCE_IMAGE;
		ret->name = c->dir ? c->dir : c->image;
	} else if ((stage = dockerfile_stage(graph->file, name, before))) {
		ret->kind = SOURCE_STAGE;
		ret->stage = stage->index;
	} else if (str_eq(name, "scratch")) {
		ret->kind = SOURCE_SCRATCH;
	} else {
		ret->kind = SOURCE_IMAGE;
		ret->name = name;
	}
}

static int expand_globals(struct graph *g, struct err *err)
{
	vec_each(in, &g->file->globals) {
		struct expand x = scope_expand(&g->global);
		int r = instruction_expand(*in, &x, err);

		if (r < 0)
			return err_wrap(err, "%s:%u", g->file->name, (*in)->first);
		vec_each(pair, &(*in)->pairs)
			scope_declare(&g->global, pair);
	}
	return 0;
}

static int expand_from(struct graph *g, const struct stage *stage, struct err *err)
{
	struct expand x = scope_expand(&g->global);
	struct graph_stage *s = vec_add(&g->stages);
	int r = instruction_expand(stage->from, &x, err);

	if (r == 0 && (!stage->from->args.n || str_empty(stage->from->args.v[0])))
		r = err_input(err, "base name (%s) should not be blank", stage->from->original);
	if (r < 0)
		return err_wrap(err, "%s:%u", g->file->name, stage->from->first);
	s->base = xstrdup(stage->from->args.v[0]);
	if (!str_empty(stage->from->platform))
		r = image_platform(stage->from->platform, &s->platform, err);
	return r < 0 ? err_wrap(err, "%s:%u", g->file->name, stage->from->first) : 0;
}

static void use(struct graph *g, size_t index, const char *name)
{
	struct source source;

	graph_source(g, name, index, &source);
	if (source.kind == SOURCE_STAGE)
		vec_push(&g->stages.v[index].uses, source.stage);
}

static void find_uses(struct graph *g, const struct stage *stage)
{
	use(g, stage->index, g->stages.v[stage->index].base);
	vec_each(in, &stage->body) {
		if ((*in)->copy.from)
			use(g, stage->index, (*in)->copy.from);
		for (size_t i = 0; i < (*in)->mounts.n; i++) {
			cleanup_run_mount struct run_mount m = { 0 };
			struct err bad = ERR_INIT; /* said when the step is reached */

			if (run_mount_parse((*in)->mounts.v[i], NULL, &m, &bad) < 0)
				err_done(&bad);
			else if (m.from)
				use(g, stage->index, m.from);
		}
	}
}

static void need(struct graph *g, size_t index)
{
	struct graph_stage *s = &g->stages.v[index];

	if (s->needed)
		return;
	s->needed = true;
	vec_each(u, &s->uses)
		need(g, *u); /* always an earlier one: no deeper than there are stages */
}

static int find_target(struct graph *g, struct err *err)
{
	const char *target = g->options->target;
	const struct stage *stage;

	if (!g->file->stages.n)
		return err_input(err, "%s: no FROM instruction", g->file->name);
	g->target = g->file->stages.n - 1;
	if (str_empty(target))
		return 0;
	stage = dockerfile_stage(g->file, target, SIZE_MAX);
	if (!stage)
		return err_not_found(err, "target stage \"%s\" could not be found", target);
	g->target = stage->index;
	return 0;
}

int graph_make(struct graph *ret, const struct dockerfile *file,
	       const struct build_options *options, struct err *err)
{
	cleanup_free char *own = xasprintf("linux/%s", image_architecture());
	int r;

	*ret = (struct graph){ .file = file, .options = options };
	scope_predefine(str_empty(options->platform) ? own : options->platform, own,
			&ret->predefined);
	strv_addf(&ret->predefined, "TARGETSTAGE=%s",
		  str_empty(options->target) ? "default" : options->target);
	ret->global = (struct scope){
		.given = &options->args,
		.predefined = &ret->predefined,
		.escape = file->escape,
	};
	r = find_target(ret, err);
	if (r == 0)
		r = expand_globals(ret, err);
	/* Lines of stages that are not needed may use what is not given. */
	vec_each(stage, &file->stages) {
		if (r < 0)
			break;
		r = expand_from(ret, stage, err);
	}
	if (r < 0)
		return r;
	vec_each(stage, &file->stages)
		find_uses(ret, stage);
	need(ret, ret->target);
	return 0;
}

/* FROM: what a stage begins with. */
#include "build/stage.h"

#include "base/fs.h"

static void show_pull(void *data, const char *what, const char *phase, uint64_t done,
		      uint64_t total)
{
	struct stage_run *run = data;
	cleanup_free char *text = NULL;
	const char *hex = str_after(what, "sha256:");

	if (!total || done < total)
		return; /* whole layers are enough for a log */
	text = xasprintf("%.19s %s %.1fMB done", hex ? what : what, phase, (double)total / 1e6);
	stage_event(run, BUILD_STATUS, text);
}

/* Finds the image, pulling it when it is not there, is for another machine, or has to be new. */
static int get_image(struct stage_run *run, const char *name, const char *platform, bool announce,
		     struct image *ret, struct err *err)
{
	const struct build_options *o = run->options;
	struct image_pull pull = { .platform = platform, .progress = { show_pull, run } };
	struct err missing = ERR_INIT;
	int r = o->pull ? -ENOENT : image_find(o->store, name, ret, &missing);

	if (r == 0 && platform) {
		cleanup_strv struct strv parts = strv_split(platform, '/');

		if (parts.n > 1 && ret->config.architecture &&
		    !str_eq(parts.v[1], ret->config.architecture)) {
			image_done(ret);
			r = -ENOENT;
		}
	}
	if (r == -ENOENT) {
		err_done(&missing);
		if (announce)
			stage_event(run, BUILD_STATUS, "pulling");
		r = image_pull(o->store, name, &pull, NULL, err);
		return r < 0 ? r : image_find(o->store, name, ret, err);
	}
	return r < 0 ? err_move(err, &missing) : 0;
}

/* With a SOURCE_DATE_EPOCH steps are made anew: their files' times are other ones. */
static void base_key(const struct stage_run *run, const char *chain, char key[SHA256_HEX])
{
	struct cache_entry e = { 0 };
	char epoch[24];

	cache_input(&e, "the base image", chain);
	snprintf(epoch, sizeof(epoch), "%lld", (long long)run->options->epoch);
	if (run->options->has_epoch)
		cache_input(&e, "SOURCE_DATE_EPOCH", epoch);
	cache_key(&e);
	memcpy(key, e.key, SHA256_HEX);
	cache_entry_done(&e);
}

static int image_stack(struct stage_run *run, const struct image *image, struct stack *ret,
		       char key[SHA256_HEX], struct err *err)
{
	struct image_layers layers = { 0 };
	int r = image_layers_load(run->options->store, image, &layers, err);

	vec_each(l, &layers.items)
		vec_push(&ret->layers, (struct stack_layer){ .image = *l });
	base_key(run, layers.items.n ? layers.items.v[layers.items.n - 1].chain : "scratch", key);
	vec_done(&layers.items);
	return r;
}

static void begin_scope(struct stage_run *run)
{
	if (parse_rfc3339(json_str(run->product.doc, "created", ""), &run->when) < 0)
		run->when = 0;
	run->scope = (struct scope){
		.given = &run->options->args,
		.predefined = &run->graph->predefined,
		.global = &run->graph->global,
		.escape = run->file->escape,
	};
	product_env(&run->product, &run->scope.env);
}

static int from_image(struct stage_run *run, const char *name, const char *platform,
		      struct err *err)
{
	cleanup_image struct image image = { 0 };
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_free char *full = NULL, *what = NULL;
	struct err not_ref = ERR_INIT; /* an id */
	int r;

	if (!str_starts(name, "sha256:") && image_ref_parse(name, &ref, &not_ref) == 0)
		full = image_ref_full(&ref);
	err_done(&not_ref);
	what = xasprintf("FROM %s", full ? full : name);
	stage_begin(run, what);
	r = get_image(run, name, platform, true, &image, err);
	if (r == 0)
		r = image_stack(run, &image, &run->stack, run->key, err);
	if (r < 0)
		return r;
	product_copy(&run->product, image.config.raw);
	stage_end(run);
	return 0;
}

static int from_scratch(struct stage_run *run, const char *platform, struct err *err)
{
	cleanup_free char *own = xasprintf("linux/%s", image_architecture());

	(void)err;
	run->step++;
	product_new(&run->product, platform ? platform : own);
	base_key(run, "scratch", run->key);
	return 0;
}

static int from_stage(struct stage_run *run, size_t index, struct err *err)
{
	const struct stage_result *other;
	int r = stage_other(run, index, &other, err);

	if (r < 0)
		return r;
	run->step++;
	stack_copy(&run->stack, &other->stack);
	memcpy(run->key, other->key, sizeof(run->key));
	product_copy(&run->product, other->doc);
	return 0;
}

int stage_from(struct stage_run *run, struct err *err)
{
	const struct graph_stage *s = &run->graph->stages.v[run->stage->index];
	const char *platform = s->platform ? s->platform : run->options->platform;
	struct source source;
	int r;

	graph_source(run->graph, s->base, run->stage->index, &source);
	switch (source.kind) {
	case SOURCE_STAGE: r = from_stage(run, source.stage, err); break;
	case SOURCE_SCRATCH: r = from_scratch(run, platform, err); break;
	case SOURCE_IMAGE: r = from_image(run, source.name, platform, err); break;
	default:
		r = err_unsupported(err, "FROM %s: a directory as a base image is not supported",
				    s->base);
	}
	if (r == 0)
		begin_scope(run);
	return r;
}

int stage_source(struct stage_run *run, const char *name, struct stack *ret, char key[SHA256_HEX],
		 const char **ret_dir, struct err *err)
{
	cleanup_image struct image image = { 0 };
	const struct stage_result *other;
	struct source source;
	int r;

	*ret_dir = NULL;
	graph_source(run->graph, name, run->stage->index, &source);
	switch (source.kind) {
	case SOURCE_DIR: *ret_dir = source.name; return 0;
	case SOURCE_STAGE:
		r = stage_other(run, source.stage, &other, err);
		if (r < 0)
			return r;
		stack_copy(ret, &other->stack);
		memcpy(key, other->key, SHA256_HEX);
		return 0;
	case SOURCE_SCRATCH: return err_input(err, "'scratch' has no files");
	case SOURCE_IMAGE: break;
	}
	r = get_image(run, source.name, run->options->platform, false, &image, err);
	return r < 0 ? r : image_stack(run, &image, ret, key, err);
}

/* FROM: what a stage begins with. */
#include "build/stage.h"

#include "base/fs.h"

#include <fcntl.h>

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

/* Finds the image for the platform, pulling it when it is not there or has to be new. One of
 * another machine's does not take the name of this machine's away. */
static int get_image(struct stage_run *run, const char *name, const char *platform, bool announce,
		     struct image *ret, struct err *err)
{
	const struct build_options *o = run->options;
	cleanup_free char *own = xasprintf("linux/%s", image_architecture()), *id = NULL;
	struct image_pull pull = { .platform = platform, .progress = { show_pull, run } };
	struct err missing = ERR_INIT;
	int r = o->pull && !str_starts(name, "sha256:")
			? -ENOENT
			: image_find_for(o->store, name, platform, ret, &missing);

	if (r != -ENOENT)
		return r < 0 ? err_move(err, &missing) : 0;
	err_done(&missing);
	if (announce)
		stage_event(run, BUILD_STATUS, "pulling");
	pull.keep_name = !str_eq(platform, own);
	r = image_pull(o->store, name, &pull, &id, err);
	return r < 0 ? r : image_find(o->store, id, ret, err);
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
	(void)err;
	run->step++;
	product_new(&run->product, platform);
	base_key(run, "scratch", run->key);
	return 0;
}

/* A named context that is a directory: its files on nothing. */
static int from_dir(struct stage_run *run, const char *name, const char *dir, const char *platform,
		    struct err *err)
{
	cleanup_free char *what = xasprintf("FROM %s", name);
	cleanup_fd int fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	struct tree tree = { .fd = fd, .name = name };
	char hex[SHA256_HEX];
	bool file;
	int r;

	if (fd < 0)
		return fd;
	stage_begin(run, what);
	r = stage_gather(run, &tree, NULL, &run->stack, hex, &file, err);
	if (r < 0)
		return r;
	product_new(&run->product, platform);
	base_key(run, hex, run->key);
	stage_end(run);
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
	strv_copy(&run->keys, &other->keys);
	product_copy(&run->product, other->doc);
	return 0;
}

/* Of the stage's FROM, else of the build. */
static char *platform_of(const struct stage_run *run, const char *given)
{
	const char *whole = given ? given : run->options->platform;

	return whole ? xstrdup(whole) : xasprintf("linux/%s", image_architecture());
}

int stage_from(struct stage_run *run, struct err *err)
{
	const struct graph_stage *s = &run->graph->stages.v[run->stage->index];
	cleanup_free char *platform = platform_of(run, s->platform);
	struct source source;
	int r = 0;

	graph_source(run->graph, s->base, run->stage->index, &source);
	switch (source.kind) {
	case SOURCE_STAGE: r = from_stage(run, source.stage, err); break;
	case SOURCE_SCRATCH: r = from_scratch(run, platform, err); break;
	case SOURCE_IMAGE: r = from_image(run, source.name, platform, err); break;
	case SOURCE_DIR: r = from_dir(run, s->base, source.name, platform, err); break;
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
	cleanup_free char *platform = platform_of(run, NULL);

	r = get_image(run, source.name, platform, false, &image, err);
	return r < 0 ? r : image_stack(run, &image, ret, key, err);
}

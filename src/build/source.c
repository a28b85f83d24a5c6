/* What a name in FROM or --from stands for: another stage's result, an image, a directory. */
#include "build/stage.h"

#include "base/fs.h"

static void show_pull(void *data, const char *what, const char *phase, uint64_t done,
		      uint64_t total)
{
	struct stage_run *run = data;
	cleanup_free char *text = NULL;

	if (!total || done < total)
		return; /* whole layers are enough for a log */
	text = xasprintf("%.19s %s %.1fMB done", what, phase, (double)total / 1e6);
	stage_event(run, BUILD_STATUS, text);
}

int stage_image(struct stage_run *run, const char *name, const char *platform, bool announce,
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
void stage_base_key(const struct stage_run *run, const char *chain, char key[SHA256_HEX])
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

int stage_image_stack(struct stage_run *run, const struct image *image, struct stack *ret,
		      char key[SHA256_HEX], struct err *err)
{
	struct image_layers layers = { 0 };
	int r = image_layers_load(run->options->store, image, &layers, err);

	vec_each(l, &layers.items)
		vec_push(&ret->layers, (struct stack_layer){ .image = *l });
	stage_base_key(run, layers.items.n ? layers.items.v[layers.items.n - 1].chain : "scratch",
		       key);
	vec_done(&layers.items);
	return r;
}

char *stage_platform(const struct stage_run *run, const char *given)
{
	const char *whole = given ? given : run->options->platform;

	return whole ? xstrdup(whole) : xasprintf("linux/%s", image_architecture());
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
	cleanup_free char *platform = stage_platform(run, NULL);

	r = stage_image(run, source.name, platform, false, &image, err);
	return r < 0 ? r : stage_image_stack(run, &image, ret, key, err);
}

/* FROM: what a stage begins with. */
#include "build/stage.h"

#include "base/fs.h"

#include <fcntl.h>

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
	r = stage_image(run, name, platform, true, &image, err);
	if (r == 0)
		r = stage_image_stack(run, &image, &run->stack, run->key, err);
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
	stage_base_key(run, "scratch", run->key);
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
	stage_base_key(run, hex, run->key);
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

int stage_from(struct stage_run *run, struct err *err)
{
	const struct graph_stage *s = &run->graph->stages.v[run->stage->index];
	cleanup_free char *platform = stage_platform(run, s->platform);
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

#include "build/export.h"

#include "build/commit.h"
#include "build/share-out.h"
#include "build/stage.h"

struct exporting {
	const struct export *export;
	nsec_t since;
};

static void say(const struct exporting *e, enum build_event_kind kind, const char *text)
{
	struct report_head head = {
		.kind = REPORT_EVENT,
		.event = kind,
		.duration = now_mono() - e->since,
	};

	(void)report_send(e->export->link, &head,
			  text); /* the build that is gone needs no telling */
}

static void said_layer(void *data, const char *text)
{
	cleanup_free char *line = xasprintf("exporting layer %s", text);

	say(data, BUILD_STATUS, line);
}

static bool wants_inline(const struct build_options *o)
{
	vec_each(place, &o->cache_to)
		if (place->kind == BUILD_CACHE_INLINE)
			return true;
	return str_eq(env_get(&o->args, "BUILDKIT_INLINE_CACHE"), "1");
}

/* --cache-to type=inline: the image says by which steps its layers were made. */
static int add_inline(const struct exporting *e, const struct stage_result *result, struct err *err)
{
	cleanup(sharing_done) struct sharing s = { 0 };
	int r = share_gather(&s, e->export->depot, e->export->options->store, result, err);

	if (r == 0)
		json_put(result->doc, SHARE_INLINE_KEY, sharing_inline(&s));
	return r;
}

static int make_image(const struct exporting *e, const struct stage_result *result, json_t *made,
		      struct err *err)
{
	const struct build_options *o = e->export->options;
	struct image_layers layers = { 0 };
	cleanup_free char *id = NULL, *manifest = NULL, *line = NULL;
	int r;

	say(e, BUILD_STARTED, "exporting to image");
	r = commit_layers(e->export->depot, o->store, &result->stack, &layers, said_layer,
			  (void *)e, err);
	(void)json_object_del(result->doc, SHARE_INLINE_KEY); /* the base image's */
	if (r == 0 && wants_inline(o))
		r = add_inline(e, result, err);
	if (r == 0)
		r = commit_image(o, result->doc, &layers, &id, &manifest, err);
	vec_done(&layers.items);
	if (r < 0)
		return r;
	line = xasprintf("writing image %s done", id);
	say(e, BUILD_STATUS, line);
	for (size_t i = 0; i < o->tags.n; i++) {
		cleanup_free char *name = xasprintf("naming to %s done", o->tags.v[i]);

		say(e, BUILD_STATUS, name);
	}
	say(e, BUILD_DONE, NULL);
	json_put_str(made, "id", id);
	json_put_str(made, "manifest", manifest);
	return 0;
}

static int make_files(const struct exporting *e, const struct stage_result *result, struct err *err)
{
	const struct build_options *o = e->export->options;
	int r = 0;

	say(e, BUILD_STARTED, "exporting to client");
	vec_each(out, &o->outputs) {
		if (r == 0)
			r = output_files(o, e->export->depot, &result->stack, out, err);
	}
	if (r == 0)
		say(e, BUILD_DONE, NULL);
	return r;
}

_Noreturn void export_main(const struct export *export)
{
	struct exporting e = { export, now_mono() };
	struct report_head head = { .kind = REPORT_RESULT };
	struct stage_result result = { 0 };
	struct err err = ERR_INIT;
	json_t *j = json_object();
	cleanup_free char *text = NULL;
	int r = stage_result_from_json(export->result, &result, &err);

	if (r == 0 && export->options->outputs.n)
		r = make_files(&e, &result, &err);
	if (r == 0 && !export->options->only_files)
		r = make_image(&e, &result, j, &err);
	stage_result_done(&result);
	if (r < 0) {
		json_decref(j);
		j = report_err_to_json(&err);
		head.kind = REPORT_ERROR;
	}
	text = json_text(j);
	_exit(report_send(export->link, &head, text) < 0 ? 1 : 0);
}

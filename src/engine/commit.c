#include "engine/commit.h"

#include "base/fs.h"
#include "engine/state.h"
#include "image/assemble.h"
#include "runtime/runtime.h"

#include <fcntl.h>

/* --- configuration --- */

/* A variable that the container got from us, not from its image or service. */
static bool is_ours(const char *entry, const struct image *base, const json_t *service)
{
	static const char *const names[] = { "HOSTNAME", "TERM", "HOME" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = str_after(entry, names[i]);
		if (!value || *value != '=')
			continue;
		return !env_get(&base->config.env, names[i]) &&
		       !json_object_get(json_object_get(service, "environment"), names[i]);
	}
	return false;
}

static void put_env(json_t *config, const struct spec *spec, const struct image *base,
		    const json_t *service)
{
	json_t *env = json_array();
	for (size_t i = 0; i < spec->process.env.n; i++)
		if (!is_ours(spec->process.env.v[i], base, service))
			json_array_append_new(env, json_string(spec->process.env.v[i]));
	json_put(config, "Env", env);
}

/* An entrypoint of the service's drops the image's command, as when it is started. */
static void put_command(json_t *config, const json_t *service)
{
	json_t *entrypoint = json_object_get(service, "entrypoint");
	json_t *command = json_object_get(service, "command");
	if (json_is_array(entrypoint)) {
		json_put(config, "Entrypoint", json_incref(entrypoint));
		json_object_del(config, "Cmd");
	}
	if (json_is_array(command))
		json_put(config, "Cmd", json_incref(command));
}

/* Adds the names to an object of empty objects, as "ExposedPorts" and "Volumes" are. */
static json_t *set_of(json_t *config, const char *key)
{
	json_t *set = json_object_get(config, key);
	if (!json_is_object(set)) {
		set = json_object();
		json_put(config, key, set);
	}
	return set;
}

static void put_sets(json_t *config, const struct container *c)
{
	for (size_t i = 0; i < c->expose.n; i++)
		json_put(set_of(config, "ExposedPorts"), c->expose.v[i], json_object());
	vec_each(v, &c->volumes)
		if (v->anonymous)
			json_put(set_of(config, "Volumes"), v->target, json_object());
}

static void put_health(json_t *config, const struct health_config *health)
{
	if (!health->enabled)
		return;
	json_put(config, "Healthcheck",
		 json_pack("{s:o, s:I, s:I, s:I, s:I, s:i}", "Test", json_from_strv(&health->test),
			   "Interval", (json_int_t)health->interval, "Timeout",
			   (json_int_t)health->timeout, "StartPeriod",
			   (json_int_t)health->start_period, "StartInterval",
			   (json_int_t)health->start_interval, "Retries", health->retries));
}

static void put_history(json_t *doc, const struct container *c,
			const struct commit_options *options)
{
	char now[RFC3339_TEXT];
	json_t *history = json_object_get(doc, "history");
	cleanup_free char *command = strv_join(&c->command, " ");
	if (!json_is_array(history)) {
		history = json_array();
		json_put(doc, "history", history);
	}
	json_t *step = json_object();
	format_rfc3339(now_wall(), now);
	json_put_str(step, "created", now);
	json_put_str(step, "created_by", command);
	json_put_str(step, "author", options->author);
	json_put_str(step, "comment", options->message);
	json_array_append_new(history, step);
	json_put_str(doc, "created", now);
	json_put_str(doc, "author", options->author);
	json_put_str(doc, "comment", options->message);
}

static int make_config(const struct container *c, const struct spec *spec, const struct image *base,
		       const struct commit_options *options, json_t **ret, struct err *err)
{
	cleanup_json json_t *doc = json_deep_copy(base->config.raw);
	const json_t *service = json_object_get(c->config, "service");
	json_t *config = json_object_get(doc, "config");
	if (!json_is_object(config)) {
		config = json_object();
		json_put(doc, "config", config);
	}
	put_env(config, spec, base, service);
	put_command(config, service);
	put_sets(config, c);
	put_health(config, &c->health);
	json_put_str(config, "WorkingDir", json_str(service, "working_dir", NULL));
	json_put_str(config, "StopSignal", json_str(service, "stop_signal", NULL));
	json_put_str(config, "User", spec->process.user);
	if (json_object_size(c->labels))
		json_put(config, "Labels", json_incref(c->labels));
	put_history(doc, c, options);
	for (size_t i = 0; options->changes && i < options->changes->n; i++) {
		int r = image_config_change(doc, options->changes->v[i], err);
		if (r < 0)
			return r;
	}
	*ret = ptr_take(doc);
	return 0;
}

/* --- layer --- */

static int open_upper(const struct engine_paths *paths, const struct container *c, struct err *err)
{
	cleanup_free char *dir = state_container_dir(paths, c->project, c->id);
	cleanup_free char *upper = path_join(dir, "upper");
	return fs_open(AT_FDCWD, upper, O_RDONLY | O_DIRECTORY, 0, err);
}

static int add_layer(const struct engine_paths *paths, struct image_store *store,
		     const struct container *c, struct image_layers *layers, struct err *err)
{
	cleanup_fd int upper = open_upper(paths, c, err);
	struct image_layer layer = { 0 };
	uint64_t entries = 0;
	if (upper < 0)
		return upper;
	int r = image_layer_pack(store, upper, &layer, &entries, err);
	if (r == 0)
		r = image_layer_move(store,
				     layers->items.n ? &layers->items.v[layers->items.n - 1] : NULL,
				     &layer, err);
	if (r == 0)
		vec_push(&layers->items, layer);
	return r;
}

int engine_commit(const struct engine_paths *paths, struct image_store *store,
		  const struct container *c, const struct commit_options *options, char **ret_id,
		  struct err *err)
{
	cleanup_image struct image base = { 0 };
	cleanup_spec struct spec spec = { 0 };
	cleanup_json json_t *config = NULL;
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_fd int hold = FD_NONE;
	cleanup_strv struct strv names = { 0 };
	struct image_layers layers = { 0 };
	int r = options->name ? image_ref_parse(options->name, &ref, err) : 0;
	if (r == 0)
		r = state_spec_load(paths, c, &spec, err);
	if (r == 0)
		r = image_hold(store, &hold, err);
	if (r == 0)
		r = image_find(store, c->image_id, &base, err);
	/* A wrong change is found before the work. */
	if (r == 0)
		r = make_config(c, &spec, &base, options, &config, err);
	if (r == 0)
		r = image_layers_load(store, &base, &layers, err);
	if (r == 0)
		r = add_layer(paths, store, c, &layers, err);
	if (options->name)
		strv_add(&names, options->name);
	const struct image_recipe recipe = { .config = config, .layers = &layers, .names = &names };
	if (r == 0)
		r = image_assemble(store, &recipe, ret_id, NULL, err);
	vec_done(&layers.items);
	return r;
}

/* --- export --- */

int engine_export(const struct engine_paths *paths, const struct container *c, int fd,
		  struct err *err)
{
	cleanup_spec struct spec spec = { 0 };
	cleanup_fd int root = FD_NONE;
	int r = state_spec_load(paths, c, &spec, err);
	if (r == 0)
		r = runtime_view_root(&spec, &root, err);
	return r < 0 ? r : image_tree_pack(root, fd, err);
}

#include "build/commit.h"

#include "base/fs.h"

#include <fcntl.h>

/* --- layers --- */

/* The layer as it was unpacked or made before is packed again; its bytes must be the same. */
static int restore_blob(struct image_store *store, const struct image_layer *layer, struct err *err)
{
	cleanup_free char *dir = image_layer_dir(store, layer);
	cleanup_fd int fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	struct image_layer again;
	int r;

	if (fd < 0)
		return fd;
	r = image_layer_pack(store, fd, &again, NULL, err);
	if (r == 0 && !str_eq(again.blob, layer->blob))
		return err_new(err, ERR_INPUT, EBADMSG,
			       "layer '%.19s' is not what it was; build with --no-cache",
			       layer->diff_id);
	return r;
}

/* A snapshot that nobody has committed yet. -ENOENT with an empty err: it is not there. */
static int pack_snapshot(const struct depot *depot, struct image_store *store,
			 const struct stack_layer *l, const struct image_layer *below,
			 struct image_layer *ret, struct err *err)
{
	cleanup_free char *dir = xasprintf("%s/snapshots/%s", depot->root, l->snapshot);
	cleanup_free char *diff = path_join(dir, "diff");
	cleanup_fd int fd = open(diff, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_cache_entry struct cache_entry e = { 0 }, before = { 0 };
	uint64_t entries = 0;
	int r;

	if (!l->snapshot[0] || fd < 0)
		return -ENOENT;
	if (cache_load_any(depot, l->key, &e) == 0 && e.before[0] &&
	    cache_load_any(depot, e.before, &before) < 0)
		before.layer.chain[0] = '\0'; /* it is gone: all is packed anew */
	r = image_layer_pack_again(store, fd, &before.layer, ret, &entries, err);
	return r < 0 ? r : image_layer_adopt(store, dir, below, ret, entries, err);
}

static int note_layer(const struct depot *depot, struct image_store *store,
		      const struct stack_layer *l, const struct image_layer *layer, struct err *err)
{
	cleanup_cache_entry struct cache_entry e = { 0 };

	if (cache_load_any(depot, l->key, &e) < 0 || !str_eq(e.snapshot, l->snapshot))
		return 0; /* somebody has made the step anew meanwhile */
	e.snapshot[0] = '\0';
	e.layer = *layer;
	(void)store;
	return cache_save(depot, &e, err);
}

/* A layer of an image already, on the same ones: nothing is to be done. */
static bool is_committed(struct image_store *store, const struct stack_layer *l,
			 const struct image_layer *below)
{
	char chain[IMAGE_DIGEST];

	if (l->snapshot[0] || !l->image.chain[0])
		return false;
	image_chain(below, l->image.diff_id, chain);
	return str_eq(chain, l->image.chain) && image_layer_there(store, &l->image);
}

/* The step's lock is held: two builds may commit the same step. */
static int commit_layer(const struct depot *depot, struct image_store *store,
			const struct stack_layer *l, const struct image_layer *below,
			struct image_layer *ret, struct err *err)
{
	cleanup_cache_entry struct cache_entry e = { 0 };
	int r = pack_snapshot(depot, store, l, below, ret, err);

	if (r == 0)
		return note_layer(depot, store, l, ret, err);
	if (r != -ENOENT || err->no)
		return r;
	/* It is a layer of the image store already. */
	*ret = l->image;
	if (!ret->chain[0] && cache_load_any(depot, l->key, &e) == 0)
		*ret = e.layer;
	if (!ret->chain[0])
		return err_not_found(err, "the files of a step are gone; build again");
	return image_layer_move(store, below, ret, err);
}

int commit_layers(const struct depot *depot, struct image_store *store, const struct stack *stack,
		  struct image_layers *ret, void (*said)(void *data, const char *text), void *data,
		  struct err *err)
{
	vec_each(l, &stack->layers) {
		const struct image_layer *below =
			ret->items.n ? &ret->items.v[ret->items.n - 1] : NULL;
		struct image_layer layer = l->image;
		bool done = !l->key[0] || is_committed(store, l, below);
		int lock = FD_NONE, r = 0;

		if (!done) {
			r = depot_step_lock(depot, l->key, &lock, err);
			if (r == 0)
				r = commit_layer(depot, store, l, below, &layer, err);
			depot_step_done(depot, l->key, lock);
		}
		if (r == 0 && !done && !image_layer_there(store, &layer))
			r = restore_blob(store, &layer, err);
		if (r < 0)
			return r;
		if (l->snapshot[0] && said)
			said(data, layer.diff_id);
		vec_push(&ret->items, layer);
	}
	return 0;
}

/* --- the image --- */

/* "[TYPE[,TYPE]:]NAME=VALUE": without a type it is the manifest's. */
json_t *commit_annotations(const struct build_options *options, bool index)
{
	json_t *j = json_object();

	for (size_t i = 0; i < options->annotations.n; i++) {
		const char *text = options->annotations.v[i];
		size_t name = strcspn(text, "="), type = strcspn(text, ":");
		cleanup_free char *key = NULL, *types = xstrdup("manifest");

		if (type < name) {
			free(types);
			types = xstrndup(text, type);
			text += type + 1;
			name -= type + 1;
		}
		key = xstrndup(text, name);
		if (strstr(types, index ? "index" : "manifest") && text[name])
			json_put_str(j, key, text + name + 1);
	}
	return j;
}

int commit_image(const struct build_options *o, json_t *doc, const struct image_layers *layers,
		 char **ret_id, char **ret_manifest, struct err *err)
{
	cleanup_json json_t *annotations = commit_annotations(o, false);
	struct image_recipe recipe = {
		.config = doc,
		.layers = layers,
		.names = &o->tags,
		.annotations = annotations,
	};
	json_t *config = json_object_get(doc, "config");

	if (o->labels.n) {
		json_t *labels = json_object_get(config, "Labels");

		if (!json_is_object(labels)) {
			labels = json_object();
			json_put(config, "Labels", labels);
		}
		for (size_t i = 0; i < o->labels.n; i++) {
			size_t len = strcspn(o->labels.v[i], "=");
			cleanup_free char *name = xstrndup(o->labels.v[i], len);

			json_put_str(labels, name,
				     o->labels.v[i][len] ? o->labels.v[i] + len + 1 : "");
		}
	}
	return image_assemble(o->store, &recipe, ret_id, ret_manifest, err);
}

/* Layers that were made here, and the image that stands on them. */
#include "image/assemble.h"

#include "base/difference.h"
#include "base/fs.h"
#include "base/log.h"
#include "image/old-archive.h"
#include "image/store.h"

#include <fcntl.h>

_Static_assert((int)IMAGE_DIGEST == (int)DIGEST_TEXT, "two names for one size");

#define PLAIN_TAR "application/vnd.oci.image.layer.v1.tar"

int image_hold(struct image_store *store, int *ret_fd, struct err *err)
{
	return image__lock(store, IMAGE_LOCK_SHARED, ret_fd, err);
}

const char *image_architecture(void)
{
	return image__machine();
}

/* What Docker's manifests call a layer, in the words of OCI's. */
static const char *oci_type(const char *type)
{
	if (!type)
		return PLAIN_TAR;
	if (!str_starts(type, "application/vnd.docker."))
		return type;
	return str_ends(type, "gzip")	? PLAIN_TAR "+gzip"
	       : str_ends(type, "zstd") ? PLAIN_TAR "+zstd"
					: PLAIN_TAR;
}

int image_layers_load(struct image_store *store, const struct image *image,
		      struct image_layers *ret, struct err *err)
{
	cleanup_manifest struct manifest m = { 0 };
	const struct strv *diff_ids = &image->config.diff_ids;
	int r = image__manifest_load(store, image->manifest, &m, err);

	if (r < 0)
		return r;
	if (m.layers.n != diff_ids->n)
		return err_input(err, "the manifest has %zu layers, the config %zu", m.layers.n,
				 diff_ids->n);
	for (size_t i = 0; i < diff_ids->n; i++) {
		const char *below = i ? ret->items.v[i - 1].chain : NULL;
		struct image_layer layer = { .blob_size = m.layers.v[i].size };

		memcpy(layer.diff_id, diff_ids->v[i], DIGEST_TEXT);
		memcpy(layer.blob, m.layers.v[i].digest, DIGEST_TEXT);
		snprintf(layer.media_type, sizeof(layer.media_type), "%s",
			 oci_type(m.layers.v[i].media_type));
		image__chain(below, layer.diff_id, layer.chain);
		vec_push(&ret->items, layer);
	}
	return 0;
}

static int add_packed(void *data, const void *bytes, size_t len, struct err *err)
{
	/* Asked once more when the archive is closed after a failure. */
	return err->no ? -err->no : image__blob_add(data, bytes, len, err);
}

static int pack_with(struct image_store *store, int root, const struct pack_old *old,
		     struct image_layer *ret, uint64_t *ret_entries, struct err *err)
{
	cleanup(pack_tree_done) struct pack_tree tree = PACK_TREE_NONE;
	cleanup_blob struct blob_writer w = BLOB_WRITER_NONE;
	struct image_layer layer = { .media_type = PLAIN_TAR };
	struct pack_sink sink = { add_packed, &w };
	int r = pack_tree_open(root, &tree, err);

	if (r == 0)
		r = image__blob_begin(store, &w, err);
	if (r == 0)
		r = image__pack(&tree, old, &sink, ret_entries, err);
	if (r < 0)
		return r;
	layer.blob_size = w.size;
	r = image__blob_commit(&w, NULL, layer.blob, err);
	if (r < 0)
		return r;
	memcpy(layer.diff_id, layer.blob, DIGEST_TEXT);
	*ret = layer;
	return 0;
}

int image_layer_pack(struct image_store *store, int root, struct image_layer *ret,
		     uint64_t *ret_entries, struct err *err)
{
	return pack_with(store, root, NULL, ret, ret_entries, err);
}

/* With what the old layer has; whatever is wrong with that, without. */
int image_layer_pack_again(struct image_store *store, int root, const struct image_layer *old,
			   struct image_layer *ret, uint64_t *ret_entries, struct err *err)
{
	cleanup(old_archive_free_cleanup) struct old_archive *archive = NULL;
	cleanup_free char *dir = old && old->chain[0] ? image_layer_dir(store, old) : NULL;
	cleanup_fd int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : FD_NONE;
	cleanup(pack_tree_done) struct pack_tree tree = PACK_TREE_NONE;
	cleanup_err struct err why = ERR_INIT;

	/* Compressed archives have other bytes. */
	if (fd >= 0 && str_eq(old->blob, old->diff_id) && pack_tree_open(fd, &tree, &why) == 0 &&
	    old_archive_open(store, old->blob, &archive, &why) == 0) {
		struct pack_old from = { tree, archive };
		int r = pack_with(store, root, &from, ret, ret_entries, &why);

		if (r != -EBADMSG)
			return r < 0 ? err_move(err, &why) : 0;
	}
	if (why.no)
		debug("%s", why.msg);
	return pack_with(store, root, NULL, ret, ret_entries, err);
}

int image_layer_adopt(struct image_store *store, const char *dir, const struct image_layer *below,
		      struct image_layer *layer, uint64_t entries, struct err *err)
{
	cleanup_fd int fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_json json_t *record = json_object();
	cleanup_free char *base = NULL;
	int r;

	if (fd < 0)
		return fd;
	image__chain(below ? below->chain : NULL, layer->diff_id, layer->chain);
	json_put_str(record, "diff_id", layer->diff_id);
	json_put(record, "size", json_integer((json_int_t)layer->blob_size));
	json_put(record, "entries", json_integer((json_int_t)entries));
	r = json_write(fd, "layer.json", record, 0600, 0, err);
	base = difference_base_name(fd, ".");
	if (r == 0 && base && !image__layer_stands_on(store, base, below ? below->chain : NULL))
		r = image__layer_unpack(store, layer->blob, layer->diff_id, layer->chain, NULL,
					err);
	if (r == 0)
		r = image__layer_name(store, AT_FDCWD, dir, layer->chain, err);
	if (r == 0)
		return fs_remove_tree(AT_FDCWD, dir, err); /* the same is there already */
	if (r > 0)
		r = base ? difference_note(fd, "..", base, err) : 0;
	return r;
}

int image_layer_move(struct image_store *store, const struct image_layer *below,
		     struct image_layer *layer, struct err *err)
{
	char chain[DIGEST_TEXT];
	int r;

	image__chain(below ? below->chain : NULL, layer->diff_id, chain);
	if (str_eq(chain, layer->chain))
		return 0;
	r = image__layer_unpack(store, layer->blob, layer->diff_id, chain, NULL, err);
	if (r == 0)
		memcpy(layer->chain, chain, sizeof(chain));
	return r;
}

int image_config_change(json_t *doc, const char *line, struct err *err)
{
	return image__change(doc, line, err);
}

bool image_layer_there(struct image_store *store, const struct image_layer *layer)
{
	return image__layer_has(store, layer->chain) && image__blob_has(store, layer->blob);
}

void image_chain(const struct image_layer *below, const char *diff_id, char ret[IMAGE_DIGEST])
{
	image__chain(below ? below->chain : NULL, diff_id, ret);
}

char *image_layer_dir(struct image_store *store, const struct image_layer *layer)
{
	return image__layer_path(store, layer->chain);
}

/* A build that changed nothing does not wait for the disk. */
static bool points_at(struct image_store *store, const struct image_ref *ref, const char *manifest)
{
	struct ref_entry entry = { 0 };
	struct err missing = ERR_INIT;
	int r = image__ref_read(store, ref, &entry, &missing);

	err_done(&missing);
	free(entry.name);
	return r == 0 && str_eq(entry.manifest, manifest) && !entry.remote[0];
}

static int put_names(struct image_store *store, const struct strv *names, const char *manifest,
		     struct err *err)
{
	if (!names->n)
		return image__ref_keep(store, manifest, err);
	for (size_t i = 0; i < names->n; i++) {
		cleanup_image_ref struct image_ref ref = { 0 };
		int r = image_ref_parse(names->v[i], &ref, err);

		if (r == 0 && ref.digest)
			r = err_input(err, "'%s': an image is named with a tag, not with a digest",
				      names->v[i]);
		if (r == 0 && !points_at(store, &ref, manifest))
			r = image__ref_write(store, &ref, manifest, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int image_assemble(struct image_store *store, const struct image_recipe *recipe, char **ret_id,
		   char **ret_manifest, struct err *err)
{
	const struct image_layers *layers = recipe->layers;
	VEC(struct manifest_layer) list = { 0 };
	json_t *diff_ids = json_array();
	char digest[DIGEST_TEXT], manifest[DIGEST_TEXT];
	int r;

	if (layers->items.n > IMAGE_LAYERS_MAX)
		r = err_input(err, "the image has %zu layers, at most %d are supported",
			      layers->items.n, IMAGE_LAYERS_MAX);
	else
		r = 0;
	vec_each(l, &layers->items) {
		struct manifest_layer *m = vec_add(&list);

		json_array_append_new(diff_ids, json_string(l->diff_id));
		memcpy(m->digest, l->blob, DIGEST_TEXT);
		m->media_type = l->media_type;
		m->size = l->blob_size;
	}
	json_put(recipe->config, "rootfs",
		 json_pack("{s:s,s:o}", "type", "layers", "diff_ids", diff_ids));
	if (r == 0)
		r = image__blob_put_json(store, recipe->config, digest, NULL, err);
	if (r == 0)
		r = image__manifest_make(store, digest, list.v, list.n, recipe->annotations,
					 manifest, err);
	if (r == 0)
		r = put_names(store, recipe->names, manifest, err);
	vec_done(&list);
	if (r < 0)
		return r;
	*ret_id = xstrdup(digest);
	if (ret_manifest)
		*ret_manifest = xstrdup(manifest);
	return 0;
}

static int write_packed(void *data, const void *bytes, size_t len, struct err *err)
{
	int r = fs_write_all(*(const int *)data, bytes, len);

	return r < 0 ? err_sys(err, -r, "write the archive") : 0;
}

int image_tree_pack(int root, int fd, struct err *err)
{
	struct pack_sink sink = { write_packed, &fd };
	struct pack_tree tree = { root, FD_NONE };
	uint64_t entries;

	return image__pack(&tree, NULL, &sink, &entries, err);
}

/* Finding images in the store, and naming them. */
#include "image/store.h"

void image_done(struct image *image)
{
	free(image->id);
	free(image->manifest);
	image__config_done(&image->config);
	strv_done(&image->layers);
	strv_done(&image->names);
	*image = (struct image){ 0 };
}

/* --- by manifest --- */

static int add_layers(struct image_store *store, const struct manifest *m, bool unpack,
		      const struct image_progress *progress, struct image *image, struct err *err)
{
	const struct strv *diff_ids = &image->config.diff_ids;
	char chain[DIGEST_TEXT];

	if (m->layers.n != diff_ids->n)
		return err_input(err, "the manifest has %zu layers, the config %zu", m->layers.n,
				 diff_ids->n);
	for (size_t i = 0; i < diff_ids->n; i++) {
		image__chain(i ? chain : NULL, diff_ids->v[i], chain);
		if (unpack) {
			int r = image__layer_unpack(store, m->layers.v[i].digest, diff_ids->v[i],
						    chain, progress, err);
			if (r < 0)
				return r;
		}
		strv_take(&image->layers, image__layer_path(store, chain));
		image->size += image__layer_size(store, chain);
	}
	return 0;
}

int image__load_manifest(struct image_store *store, const char *manifest, bool unpack,
			 const struct image_progress *progress, struct image *ret, struct err *err)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_json json_t *doc = NULL;
	cleanup_image struct image image = { 0 };
	int r = image__manifest_load(store, manifest, &m, err);

	if (r < 0)
		return r;
	r = image__blob_json(store, m.config, &doc, err);
	if (r < 0)
		return r;
	r = image__config_decode(doc, &image.config, err);
	if (r < 0)
		return r;
	image.id = xstrdup(m.config);
	image.manifest = xstrdup(manifest);
	r = add_layers(store, &m, unpack, progress, &image, err);
	if (r < 0)
		return r;
	*ret = image;
	image = (struct image){ 0 };
	return 0;
}

/* --- by name --- */

enum { ID_PREFIX_MIN = 4, ID_PREFIX_MAX = 64 };

static bool could_be_id(const char *name)
{
	size_t len = strlen(name);

	return len >= ID_PREFIX_MIN && len <= ID_PREFIX_MAX &&
	       strspn(name, "0123456789abcdef") == len;
}

/* By the beginning of the id (the config's digest); several images with one id are one image. */
static int resolve_id(struct image_store *store, const char *prefix, const char *name,
		      char ret[DIGEST_TEXT], struct err *err)
{
	cleanup_refs struct ref_list list = { 0 };
	char found[DIGEST_TEXT] = "";
	int r = image__refs_list(store, &list, err);

	if (r < 0)
		return r;
	vec_each(item, &list.items) {
		cleanup_manifest struct manifest m = { 0 };
		struct err damaged = ERR_INIT; /* another image's trouble is not this one's */

		if (image__manifest_load(store, item->manifest, &m, &damaged) < 0) {
			err_done(&damaged);
			continue;
		}
		if (!str_starts(image__hex(m.config), prefix))
			continue;
		if (found[0] && !str_eq(found, m.config))
			return err_input(err, "image id '%s' is not unique; give more digits",
					 prefix);
		memcpy(found, m.config, DIGEST_TEXT);
		memcpy(ret, item->manifest, DIGEST_TEXT);
	}
	if (!found[0])
		return err_not_found(err, "image '%s' is not in the store", name);
	return 0;
}

int image__resolve(struct image_store *store, const char *name, char ret_manifest[DIGEST_TEXT],
		   bool *ret_ref, struct err *err)
{
	cleanup_image_ref struct image_ref ref = { 0 };
	struct ref_entry entry = { 0 };
	struct err not_ref = ERR_INIT;
	int r;

	*ret_ref = false;
	if (image__digest_ok(name))
		return resolve_id(store, image__hex(name), name, ret_manifest, err);
	r = image_ref_parse(name, &ref, &not_ref);
	if (r == 0)
		r = image__ref_read(store, &ref, &entry, &not_ref);
	if (r == 0) {
		free(entry.name);
		memcpy(ret_manifest, entry.manifest, DIGEST_TEXT);
		*ret_ref = true;
		return 0;
	}
	if (could_be_id(name)) {
		err_done(&not_ref);
		return resolve_id(store, name, name, ret_manifest, err);
	}
	return err_move(err, &not_ref);
}

static int add_names(struct image_store *store, struct image *image, struct err *err)
{
	cleanup_refs struct ref_list list = { 0 };
	int r = image__refs_list(store, &list, err);

	if (r < 0)
		return r;
	vec_each(item, &list.items)
		if (item->name && str_eq(item->manifest, image->manifest))
			strv_add(&image->names, item->name);
	strv_sort(&image->names);
	return 0;
}

int image_find(struct image_store *store, const char *name, struct image *ret, struct err *err)
{
	cleanup_image struct image image = { 0 };
	cleanup_fd int lock = FD_NONE;
	char manifest[DIGEST_TEXT];
	bool is_ref;
	int r = image__lock(store, IMAGE_LOCK_SHARED, &lock, err);

	if (r < 0)
		return r;
	r = image__resolve(store, name, manifest, &is_ref, err);
	if (r < 0)
		return r;
	r = image__load_manifest(store, manifest, true, NULL, &image, err);
	if (r < 0)
		return err_wrap(err, "image '%s'", name);
	r = add_names(store, &image, err);
	if (r < 0)
		return r;
	*ret = image;
	image = (struct image){ 0 };
	return 0;
}

int image_id(struct image_store *store, const char *name, char **ret_id, nsec_t *ret_when,
	     struct err *err)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_image_ref struct image_ref ref = { 0 };
	struct err ignored = ERR_INIT;
	char manifest[DIGEST_TEXT];
	bool is_ref;
	int r = image__resolve(store, name, manifest, &is_ref, err);

	if (r == 0)
		r = image__manifest_load(store, manifest, &m, err);
	if (r < 0)
		return r;
	*ret_id = xstrdup(m.config);
	if (ret_when && is_ref && image_ref_parse(name, &ref, &ignored) == 0)
		*ret_when = image__ref_time(store, &ref);
	return 0;
}

int image_tag(struct image_store *store, const char *source, const char *target, struct err *err)
{
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_fd int lock = FD_NONE;
	char manifest[DIGEST_TEXT], index[DIGEST_TEXT];
	bool is_ref;
	int r = image_ref_parse(target, &ref, err);

	if (r < 0)
		return r;
	if (ref.digest)
		return err_input(err,
				 "'%s': an image is tagged with a name and a tag, not with a "
				 "digest",
				 target);
	r = image__lock(store, IMAGE_LOCK_SHARED, &lock, err);
	if (r < 0)
		return r;
	r = image__resolve(store, source, manifest, &is_ref, err);
	if (r == 0)
		r = image__index_of(store, source, index, err);
	return r < 0 ? r : image__ref_write(store, &ref, manifest, index, err);
}

/* --- list --- */

void image_list_done(struct image_list *list)
{
	vec_each(item, &list->items) {
		free(item->name);
		free(item->id);
		free(item->manifest);
		json_decref(item->labels);
	}
	vec_done(&list->items);
}

static int by_name(const void *a, const void *b)
{
	const struct image_info *x = a, *y = b;

	if (!x->name || !y->name)
		return (y->name != NULL) - (x->name != NULL);
	return strcmp(x->name, y->name);
}

int image_list(struct image_store *store, struct image_list *ret, struct err *err)
{
	cleanup_refs struct ref_list refs = { 0 };
	cleanup(image_list_done) struct image_list list = { 0 };
	int r = image__refs_list(store, &refs, err);

	if (r < 0)
		return r;
	vec_each(item, &refs.items) {
		cleanup_image struct image image = { 0 };
		struct err damaged = ERR_INIT;

		/* A damaged image is listed with what is known of it, so that it can be removed. */
		if (image__load_manifest(store, item->manifest, false, NULL, &image, &damaged) < 0)
			err_done(&damaged);
		vec_push(&list.items,
			 (struct image_info){
				 .name = ptr_take(item->name),
				 .id = image.id ? ptr_take(image.id) : xstrdup(item->manifest),
				 .manifest = xstrdup(item->manifest),
				 .created = image.config.created,
				 .size = image.size,
				 .labels = json_incref(image.config.labels),
			 });
	}
	if (list.items.n)
		qsort(list.items.v, list.items.n, sizeof(*list.items.v), by_name);
	*ret = list;
	list = (struct image_list){ 0 };
	return 0;
}

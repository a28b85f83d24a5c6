/* Images of several platforms under one name. */
#include "image/assemble.h"
#include "image/store.h"

#define INDEX_TYPE    "application/vnd.oci.image.index.v1+json"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"

static json_t *platform_of(const struct image_config *c)
{
	json_t *j = json_object();

	json_put_str(j, "architecture", c->architecture);
	json_put_str(j, "os", str_empty(c->os) ? "linux" : c->os);
	if (!str_empty(c->variant))
		json_put_str(j, "variant", c->variant);
	return j;
}

/* One image's descriptor for the index. */
static int describe(struct image_store *store, const char *id, char manifest[DIGEST_TEXT],
		    bool *ret_native, json_t **ret, struct err *err)
{
	cleanup_image struct image image = { 0 };
	cleanup_free char *own = xasprintf("linux/%s", image__machine());
	cleanup_fd int fd = FD_NONE;
	uint64_t size;
	bool is_ref;
	int r = image__resolve(store, id, manifest, &is_ref, err);

	if (r == 0)
		r = image__load_manifest(store, manifest, false, NULL, &image, err);
	if (r < 0)
		return r;
	fd = image__blob_open(store, manifest, &size, err);
	if (fd < 0)
		return fd;
	*ret_native = image_platform_is(&image.config, own);
	*ret = json_pack("{s:s,s:s,s:I,s:o}", "mediaType", MANIFEST_TYPE, "digest", manifest,
			 "size", (json_int_t)size, "platform", platform_of(&image.config));
	return 0;
}

int image_index_assemble(struct image_store *store, const struct strv *ids,
			 const struct strv *names, const json_t *annotations, char **ret_digest,
			 char **ret_native, struct err *err)
{
	cleanup_json json_t *index = json_object();
	json_t *list = json_array();
	char digest[DIGEST_TEXT], chosen[DIGEST_TEXT] = "";
	size_t native = 0;
	int r = 0;

	json_put(index, "schemaVersion", json_integer(2));
	json_put_str(index, "mediaType", INDEX_TYPE);
	json_put(index, "manifests", list);
	if (json_object_size(annotations))
		json_put(index, "annotations", json_deep_copy(annotations));
	for (size_t i = 0; i < ids->n; i++) {
		char manifest[DIGEST_TEXT];
		json_t *item = NULL;
		bool fits = false;

		r = describe(store, ids->v[i], manifest, &fits, &item, err);
		if (r < 0)
			return r;
		json_array_append_new(list, item);
		if (!chosen[0] || fits) {
			native = i;
			memcpy(chosen, manifest, DIGEST_TEXT);
		}
	}
	r = image__blob_put_json(store, index, digest, NULL, err);
	for (size_t i = 0; r == 0 && i < names->n; i++) {
		cleanup_image_ref struct image_ref ref = { 0 };

		r = image_ref_parse(names->v[i], &ref, err);
		if (r == 0)
			r = image__ref_write(store, &ref, chosen, digest, err);
	}
	/* The parts are kept by the name of the whole. */
	for (size_t i = 0; r == 0 && names->n && i < json_array_size(list); i++)
		r = image__ref_unkeep(store, json_str(json_array_get(list, i), "digest", ""), err);
	if (r < 0)
		return r;
	*ret_digest = xstrdup(digest);
	*ret_native = xstrdup(ids->v[native]);
	return 0;
}

int image_find_for(struct image_store *store, const char *name, const char *platform,
		   struct image *ret, struct err *err)
{
	cleanup_image struct image image = { 0 };
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_json json_t *doc = NULL;
	struct ref_entry entry = { 0 };
	struct err none = ERR_INIT;
	const json_t *item = NULL;
	int r = image_find(store, name, &image, err);

	if (r < 0)
		return r;
	if (image_platform_is(&image.config, platform)) {
		*ret = image;
		image = (struct image){ 0 };
		return 0;
	}
	/* Another one of the index that the name stands for may be here, too. */
	r = image_ref_parse(name, &ref, &none);
	if (r == 0)
		r = image__ref_read(store, &ref, &entry, &none);
	free(entry.name);
	if (r == 0 && entry.remote[0])
		r = image__blob_json(store, entry.remote, &doc, &none);
	if (r == 0 && doc && image__is_index(doc))
		r = image__index_choose(doc, platform, &item, &none);
	if (r == 0 && item && !image__is_attestation(item))
		r = image__load_manifest(store, json_str(item, "digest", ""), true, NULL, ret,
					 &none);
	err_done(&none);
	return r == 0 && item ? 0
			      : err_not_found(err, "image '%s' for '%s' is not in the store", name,
					      platform);
}

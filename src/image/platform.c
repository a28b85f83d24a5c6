/* Platforms as images name them, and indexes: one name for an image of several platforms. */
#include "image/assemble.h"
#include "image/store.h"

#include <ctype.h>

#define INDEX_TYPE    "application/vnd.oci.image.index.v1+json"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"

/* --- names --- */

static const struct {
	const char *written, *arch, *variant;
} aliases[] = {
	{ "x86_64", "amd64", NULL },  { "x86-64", "amd64", NULL },
	{ "aarch64", "arm64", NULL }, { "armhf", "arm", "v7" },
	{ "armel", "arm", "v6" },     { "i386", "386", NULL },
	{ "i686", "386", NULL },      { "loongarch64", "loong64", NULL },
};

static const char *const architectures[] = { "386",	 "amd64",   "arm",     "arm64", "loong64",
					     "mips64le", "ppc64le", "riscv64", "s390x", "wasm" };

static bool is_architecture(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (str_eq(text, architectures[i]))
			return true;
	return false;
}

static bool is_word(const char *text)
{
	enum { WORD_MAX = 32 };

	if (!*text || strlen(text) > WORD_MAX)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._-", *text))
			return false;
	return true;
}

int image_platform(const char *text, char **ret, struct err *err)
{
	cleanup_strv struct strv parts = strv_split(text, '/');
	const char *os, *arch, *variant;
	bool words = parts.n >= 1 && parts.n <= 3;

	if (str_eq(text, "local")) {
		*ret = xasprintf("linux/%s", image__machine());
		return 0;
	}
	for (size_t i = 0; i < parts.n; i++) {
		words = words && is_word(parts.v[i]);
		for (char *c = parts.v[i]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
	os = parts.n > 1 ? parts.v[0] : "linux";
	arch = parts.n > 1 ? parts.v[1] : parts.n ? parts.v[0] : "";
	variant = parts.n > 2 ? parts.v[2] : NULL;
	if (parts.n == 1 && str_eq(arch, "linux"))
		arch = image__machine();
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (str_eq(arch, aliases[i].written)) {
			arch = aliases[i].arch;
			variant = variant ? variant : aliases[i].variant;
		}
	if (!words || !is_architecture(arch))
		return err_input(err, "\"%.64s\": unknown operating system or architecture", text);
	/* What is the same without being said. */
	if (str_eq(arch, "arm") && !variant)
		variant = "v7";
	if (variant && ((str_eq(arch, "arm64") && str_eq(variant, "v8")) ||
			(str_eq(arch, "amd64") && str_eq(variant, "v1"))))
		variant = NULL;
	*ret = xasprintf("%s/%s%s%s", os, arch, variant ? "/" : "", variant ? variant : "");
	return 0;
}

bool image_platform_is(const struct image_config *config, const char *platform)
{
	cleanup_strv struct strv parts = strv_split(platform, '/');

	/* An image that does not say what it is for is for everybody. */
	if (str_empty(config->architecture))
		return true;
	return parts.n > 1 && str_eq(config->architecture, parts.v[1]) &&
	       (str_empty(config->os) || str_eq(config->os, parts.v[0])) &&
	       (parts.n < 3 || str_empty(config->variant) || str_eq(config->variant, parts.v[2]));
}

/* --- indexes --- */

static bool is_attestation(const json_t *item)
{
	return str_eq(json_str(json_object_get(item, "platform"), "os", ""), "unknown");
}

int image__index_parts(struct image_store *store, const char *index, struct strv *ret_manifests,
		       bool *ret_whole, struct err *err)
{
	cleanup_json json_t *doc = NULL;
	const json_t *item;
	size_t i;
	int r;

	*ret_whole = false;
	if (!*index || !image__blob_has(store, index))
		return 0;
	r = image__blob_json(store, index, &doc, err);
	if (r < 0 || !image__is_index(doc))
		return r;
	*ret_whole = true;
	json_array_foreach(json_object_get(doc, "manifests"), i, item) {
		const char *digest = json_str(item, "digest", "");

		if (image__digest_ok(digest) && image__blob_has(store, digest))
			strv_add(ret_manifests, digest);
		else
			*ret_whole = false;
	}
	return 0;
}

int image__index_of(struct image_store *store, const char *name, char ret[DIGEST_TEXT],
		    struct err *err)
{
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_strv struct strv parts = { 0 };
	struct ref_entry entry = { 0 };
	struct err none = ERR_INIT; /* an id, or not there: then there is no index */
	bool whole = false;
	int r = image_ref_parse(name, &ref, &none);

	ret[0] = '\0';
	if (r == 0)
		r = image__ref_read(store, &ref, &entry, &none);
	free(entry.name);
	err_done(&none);
	if (r < 0)
		return 0;
	r = image__index_parts(store, entry.remote, &parts, &whole, err);
	if (r == 0 && whole)
		memcpy(ret, entry.remote, DIGEST_TEXT);
	return r;
}

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
	if (r == 0 && item && !is_attestation(item))
		r = image__load_manifest(store, json_str(item, "digest", ""), true, NULL, ret,
					 &none);
	err_done(&none);
	return r == 0 && item ? 0
			      : err_not_found(err, "image '%s' for '%s' is not in the store", name,
					      platform);
}

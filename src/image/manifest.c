/* Manifests and indexes, of OCI and of Docker (schema 2), which differ in media types only. */
#include "image/store.h"

#include <sys/utsname.h>

#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE   "application/vnd.oci.image.config.v1+json"
enum { INDEX_ENTRIES_MAX = 1000 };

void image__manifest_done(struct manifest *m)
{
	vec_each(layer, &m->layers)
		free(layer->media_type);
	vec_done(&m->layers);
	json_decref(m->raw);
	*m = (struct manifest){ 0 };
}

static int decode_descriptor(const json_t *j, char digest[DIGEST_TEXT], uint64_t *size,
			     struct err *err)
{
	const char *text = json_str(j, "digest", "");
	int64_t n = json_int(j, "size", -1);

	if (!image__digest_ok(text))
		return err_input(err, "the manifest has a bad digest '%.80s'; only sha256 is known",
				 text);
	if (n < 0)
		return err_input(err, "the manifest has no size for '%s'", text);
	memcpy(digest, text, DIGEST_TEXT);
	*size = (uint64_t)n;
	return 0;
}

int image__manifest_decode(json_t *doc, struct manifest *ret, struct err *err)
{
	cleanup_manifest struct manifest m = { .raw = json_incref(doc) };
	const json_t *layers = json_object_get(doc, "layers"), *item;
	size_t i;
	int r;

	if (json_int(doc, "schemaVersion", 0) == 1)
		return err_unsupported(err, "the image has a manifest of Docker's schema 1, which "
					    "is no longer in use; push it again");
	if (!json_is_array(layers) || json_array_size(layers) > IMAGE_LAYERS_MAX)
		return err_input(err, "the manifest has no list of at most %d layers",
				 IMAGE_LAYERS_MAX);
	r = decode_descriptor(json_object_get(doc, "config"), m.config, &m.config_size, err);
	if (r < 0)
		return r;
	json_array_foreach(layers, i, item) {
		struct manifest_layer layer = { 0 };

		r = decode_descriptor(item, layer.digest, &layer.size, err);
		if (r < 0)
			return r;
		layer.media_type = xstrdup(json_str(item, "mediaType", ""));
		vec_push(&m.layers, layer);
	}
	*ret = m;
	m = (struct manifest){ 0 };
	return 0;
}

int image__manifest_load(struct image_store *store, const char *digest, struct manifest *ret,
			 struct err *err)
{
	cleanup_json json_t *doc = NULL;
	int r = image__blob_json(store, digest, &doc, err);

	if (r < 0)
		return r;
	r = image__manifest_decode(doc, ret, err);
	if (r == 0)
		memcpy(ret->digest, digest, DIGEST_TEXT);
	return r;
}

static json_t *descriptor(const char *type, const char *digest, uint64_t size)
{
	json_t *j = json_object();

	json_put_str(j, "mediaType", type);
	json_put_str(j, "digest", digest);
	json_put(j, "size", json_integer((json_int_t)size));
	return j;
}

int image__manifest_make(struct image_store *store, const char *config,
			 const struct manifest_layer *layers, size_t count,
			 const json_t *annotations, char ret_digest[DIGEST_TEXT], struct err *err)
{
	cleanup_json json_t *doc = json_object();
	cleanup_fd int fd = FD_NONE;
	json_t *list = json_array();
	uint64_t size;

	json_put(doc, "schemaVersion", json_integer(2));
	json_put_str(doc, "mediaType", MANIFEST_TYPE);
	json_put(doc, "layers", list);
	if (json_object_size(annotations))
		json_put(doc, "annotations", json_deep_copy(annotations));
	fd = image__blob_open(store, config, &size, err);
	if (fd < 0)
		return fd;
	json_put(doc, "config", descriptor(CONFIG_TYPE, config, size));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(
			list, descriptor(layers[i].media_type, layers[i].digest, layers[i].size));
	return image__blob_put_json(store, doc, ret_digest, NULL, err);
}

bool image__is_index(const json_t *doc)
{
	return json_is_array(json_object_get(doc, "manifests"));
}

const char *image__machine(void)
{
	static const struct {
		const char *kernel, *oci;
	} machines[] = {
		{ "x86_64", "amd64" },	  { "aarch64", "arm64" }, { "armv7l", "arm" },
		{ "armv6l", "arm" },	  { "i686", "386" },	  { "ppc64le", "ppc64le" },
		{ "riscv64", "riscv64" }, { "s390x", "s390x" },	  { "loongarch64", "loong64" },
	};
	struct utsname u;

	if (uname(&u) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
			if (str_eq(u.machine, machines[i].kernel))
				return machines[i].oci;
	return "amd64";
}

/* Whether a descriptor's platform is the wanted one; without a variant asked for, any will do. */
static bool platform_fits(const json_t *descriptor_, const char *os, const char *arch,
			  const char *variant)
{
	const json_t *p = json_object_get(descriptor_, "platform");

	return str_eq(json_str(p, "os", ""), os) && str_eq(json_str(p, "architecture", ""), arch) &&
	       (!variant || str_eq(json_str(p, "variant", ""), variant));
}

static int no_platform(const json_t *manifests, const char *wanted, struct err *err)
{
	cleanup_strv struct strv have = { 0 };
	cleanup_free char *list = NULL;
	const json_t *item;
	size_t i;

	json_array_foreach(manifests, i, item) {
		const json_t *p = json_object_get(item, "platform");
		const char *os = json_str(p, "os", "unknown");

		if (!str_eq(os, "unknown")) /* attestations */
			strv_addf(&have, "%.32s/%.32s", os, json_str(p, "architecture", "?"));
	}
	list = strv_join(&have, ", ");
	return err_not_found(err, "the image has no '%s'; it has: %s", wanted,
			     have.n ? list : "nothing");
}

int image__index_choose(const json_t *doc, const char *platform, const json_t **ret,
			struct err *err)
{
	const json_t *manifests = json_object_get(doc, "manifests"), *item;
	cleanup_free char *own = xasprintf("linux/%s", image__machine());
	const char *wanted = platform ? platform : own;
	cleanup_strv struct strv parts = strv_split(wanted, '/');
	size_t i;

	if (json_array_size(manifests) > INDEX_ENTRIES_MAX)
		return err_input(err, "the image index has more than %d entries",
				 INDEX_ENTRIES_MAX);
	if (parts.n < 2 || parts.n > 3)
		return err_input(err, "platform '%.64s' is not 'os/architecture[/variant]'",
				 wanted);
	json_array_foreach(manifests, i, item) {
		if (!platform_fits(item, parts.v[0], parts.v[1], parts.n == 3 ? parts.v[2] : NULL))
			continue;
		*ret = item;
		return 0;
	}
	/* An index of one image that does not say what it is for. */
	item = json_array_get(manifests, 0);
	if (json_array_size(manifests) == 1 && !json_object_get(item, "platform") && !platform) {
		*ret = item;
		return 0;
	}
	return no_platform(manifests, wanted, err);
}

/* Platforms as images name them, and indexes: one name for an image of several platforms. */
#include "image/assemble.h"
#include "image/store.h"

#include <ctype.h>

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

bool image__is_attestation(const json_t *item)
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

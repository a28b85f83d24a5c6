/* What registries and archives say: references, challenges, manifests, indexes, configs, and lines
 * of --change. */
#include "image/http.h"
#include "image/store.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that was taken survives being written and read again, and cannot leave the refs directory.
 */
static void reference(const char *text)
{
	cleanup_image_ref struct image_ref ref = { 0 }, again = { 0 };
	cleanup_err struct err err = ERR_INIT;
	if (image_ref_parse(text, &ref, &err) < 0)
		return;
	cleanup_free char *full = image_ref_full(&ref), *familiar = image_ref_familiar(&ref);
	assert(image_ref_parse(familiar, &again, &err) == 0);
	cleanup_free char *full_again = image_ref_full(&again);
	assert(strcmp(full, full_again) == 0);
	/* a tag may hold two dots, a path component may not be them */
	assert(!strstr(full, "/../") && !str_ends(full, "/..") && full[0] != '/' && full[0] != '.');
}

static void document(json_t *doc)
{
	cleanup_manifest struct manifest m = { 0 };
	struct image image = { 0 };
	cleanup_err struct err err = ERR_INIT;
	const json_t *chosen;
	if (image__manifest_decode(doc, &m, &err) == 0)
		assert(image__digest_ok(m.config) && m.layers.n <= IMAGE_LAYERS_MAX);
	err_done(&err);
	if (image__is_index(doc))
		(void)image__index_choose(doc, NULL, &chosen, &err);
	err_done(&err);
	if (image__config_decode(doc, &image.config, &err) == 0) {
		for (size_t i = 0; i < image.config.diff_ids.n; i++)
			assert(image__digest_ok(image.config.diff_ids.v[i]));
		image.id = xstrdup("sha256:");
		image.manifest = xstrdup("sha256:");
		json_decref(image_inspect(&image));
	}
	image_done(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(image__challenge_done) struct challenge challenge = { 0 };
	cleanup_json json_t *doc = NULL, *config = json_object();
	cleanup_err struct err err = ERR_INIT;
	if (size > 64 << 10)
		return 0;
	cleanup_free char *text = xstrndup((const char *)data, size);
	reference(text);
	if (image__challenge_parse(text, &challenge, &err) == 0)
		assert(!challenge.bearer || challenge.realm);
	err_done(&err);
	if (image__change(config, text, &err) < 0)
		assert(err.msg);
	err_done(&err);
	if (json_parse((const char *)data, size, "input", &doc, &err) == 0)
		document(doc);
	return 0;
}

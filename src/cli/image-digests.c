#include "cli/image-digests.h"

#include "image/image.h"

/* The digest of the manifest in our own store; NULL when it is not there. */
static char *stored_digest(struct cli *cli, const char *name)
{
	cleanup(image_store_free_cleanup) struct image_store *store = NULL;
	cleanup_err struct err ignored = ERR_INIT;
	struct image_list list = { 0 };
	char *digest = NULL;
	if (cli_image_store(cli, &store, &ignored) < 0 || image_list(store, &list, &ignored) < 0)
		return NULL;
	vec_each(e, &list.items)
		if (!digest && str_eq(e->name, name))
			digest = xstrdup(e->manifest);
	image_list_done(&list);
	return digest;
}

static int resolve(struct cli *cli, const char *name, char **ret_name, struct err *err)
{
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_err struct err asked = ERR_INIT;
	int r = image_ref_parse(name, &ref, err);
	if (r < 0)
		return r;
	if (!ref.digest) {
		r = image_remote_digest(name, NULL, &ref.digest, &asked);
		if (r < 0) {
			cleanup_free char *familiar = image_ref_familiar(&ref);
			ref.digest = stored_digest(cli, familiar);
		}
		if (!ref.digest)
			return err_new(err, asked.kind, asked.no, "the digest of image '%s': %s",
				       name, asked.msg);
	}
	*ret_name = image_ref_full(&ref);
	return 0;
}

int image_digests_resolve(struct cli *cli, json_t *document, struct err *err)
{
	const char *name;
	json_t *service;
	json_object_foreach(json_object_get(document, "services"), name, service) {
		const char *image = json_str(service, "image", NULL);
		cleanup_free char *resolved = NULL;
		if (!image)
			continue;
		int r = resolve(cli, image, &resolved, err);
		if (r < 0)
			return r;
		json_object_set_new(service, "image", json_string(resolved));
	}
	return 0;
}

json_t *image_digests_only(const json_t *document)
{
	json_t *services = json_object(), *service, *only = json_object();
	const char *name;
	json_object_foreach(json_object_get(document, "services"), name, service) {
		json_t *one = json_object(), *image = json_object_get(service, "image");
		if (image)
			json_object_set(one, "image", image);
		json_object_set_new(services, name, one);
	}
	json_object_set_new(only, "services", services);
	return only;
}

/* Documents for people and programs: what `docker image inspect` and `docker history` print. */
#include "image/store.h"

static json_t *root_fs(const struct image *image)
{
	json_t *j = json_object();

	json_put_str(j, "Type", "layers");
	json_put(j, "Layers", json_from_strv(&image->config.diff_ids));
	return j;
}

/* Names with a tag, or those with a digest. */
static json_t *names_with(const struct image *image, char separator)
{
	json_t *list = json_array();

	for (size_t i = 0; i < image->names.n; i++)
		if ((strchr(image->names.v[i], '@') != NULL) == (separator == '@'))
			json_array_append_new(list, json_string(image->names.v[i]));
	return list;
}

static json_t *graph_driver(const struct image *image)
{
	json_t *j = json_object(), *data = json_object();

	json_put_str(j, "Name", "overlay");
	json_put(j, "Data", data);
	if (image->layers.n)
		json_put_str(data, "UpperDir", image->layers.v[image->layers.n - 1]);
	return j;
}

json_t *image_inspect(const struct image *image)
{
	const json_t *raw = image->config.raw;
	json_t *config = json_object_get(raw, "config"), *j = json_object();
	char buf[RFC3339_TEXT];

	json_put_str(j, "Id", image->id);
	json_put(j, "RepoTags", names_with(image, ':'));
	json_put(j, "RepoDigests", names_with(image, '@'));
	json_put_str(j, "Parent", "");
	json_put_str(j, "Comment", json_str(raw, "comment", ""));
	json_put_str(j, "Created", format_rfc3339(image->config.created, buf));
	json_put_str(j, "Author", image->config.author ? image->config.author : "");
	json_put(j, "Config", config ? json_incref(config) : json_object());
	json_put_str(j, "Architecture",
		     image->config.architecture ? image->config.architecture : "");
	json_put_str(j, "Variant", image->config.variant);
	json_put_str(j, "Os", image->config.os ? image->config.os : "");
	json_put(j, "Size", json_integer((json_int_t)image->size));
	json_put(j, "GraphDriver", graph_driver(image));
	json_put(j, "RootFS", root_fs(image));
	json_put(j, "Metadata", json_object());
	json_put(j, "Descriptor", json_pack("{s:s}", "digest", image->manifest));
	return j;
}

json_t *image_history(struct image_store *store, const struct image *image)
{
	const json_t *history = json_object_get(image->config.raw, "history"), *item;
	json_t *list = json_array();
	char chain[DIGEST_TEXT] = "";
	size_t layer = 0, i;

	json_array_foreach(history, i, item) {
		json_t *j = json_object();
		uint64_t size = 0;

		if (!json_flag(item, "empty_layer", false) && layer < image->config.diff_ids.n) {
			image__chain(layer ? chain : NULL, image->config.diff_ids.v[layer], chain);
			size = image__layer_size(store, chain);
			layer++;
		}
		json_put_str(j, "Id", i + 1 == json_array_size(history) ? image->id : "<missing>");
		json_put_str(j, "Created", json_str(item, "created", ""));
		json_put_str(j, "CreatedBy", json_str(item, "created_by", ""));
		json_put(j, "Size", json_integer((json_int_t)size));
		json_put_str(j, "Comment", json_str(item, "comment", ""));
		json_array_insert_new(list, 0, j); /* the newest first */
	}
	return list;
}

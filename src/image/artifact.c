#include "image/artifact.h"

#include "base/fs.h"
#include "image/http.h"
#include "image/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#define INDEX_TYPE    "application/vnd.oci.image.index.v1+json"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define ACCEPTED                                                                                   \
	INDEX_TYPE ", " MANIFEST_TYPE                                                              \
		   ", application/vnd.docker.distribution.manifest.list.v2+json, "                 \
		   "application/vnd.docker.distribution.manifest.v2+json"

enum { BLOBS_MAX = 4000 };

void image_artifact_done(struct image_artifact *a)
{
	json_decref(a->config);
	json_decref(a->layers);
	free(a->type);
	*a = (struct image_artifact){ 0 };
}

/* --- reading --- */

/* Where documents come from, while it is open. */
struct source {
	const struct image_place *place;
	struct http *http; /* or */
	int dir;
	struct image_ref ref;
};
#define SOURCE_NONE ((struct source){ .dir = FD_NONE })

static void source_done(struct source *s)
{
	image__http_free(s->http);
	fd_close(s->dir);
	image_ref_done(&s->ref);
}

static int open_source(const struct image_place *place, struct source *s, struct err *err)
{
	cleanup_free char *scope = NULL;
	int r;

	s->place = place;
	if (place->dir) {
		s->dir = fs_open(AT_FDCWD, place->dir, O_RDONLY | O_DIRECTORY, 0, err);
		return s->dir < 0 ? s->dir : 0;
	}
	r = image_ref_parse(place->name, &s->ref, err);
	if (r == 0)
		r = image__http_open(s->ref.registry, &s->http, err);
	if (r < 0)
		return r;
	scope = xasprintf("repository:%s:pull", s->ref.repository);
	image__http_scope(s->http, scope);
	return 0;
}

static int check_digest(const struct str *text, const char *digest, struct err *err)
{
	char own[DIGEST_TEXT] = "sha256:";

	hash_hex(str_text(text), text->len, own + strlen(own));
	return str_eq(own, digest) ? 0
				   : err_new(err, ERR_NETWORK, EBADMSG,
					     "'%.19s' is there with other content", digest);
}

static int get_http(struct source *s, const char *path, const char *what, struct str *ret,
		    struct err *err)
{
	cleanup_http_response struct http_response response = { 0 };
	struct http_request q = { .method = "GET",
				  .path = path,
				  .accept = ACCEPTED,
				  .body_fd = FD_NONE,
				  .max = IMAGE_JSON_MAX };
	int r = image__http_do(s->http, &q, &response, err);

	if (r < 0)
		return r;
	if (response.status == 404)
		return err_not_found(err, "'%s' is not there", what);
	if (response.status != 200)
		return image__http_fail(&response, err, what);
	str_addn(ret, str_text(&response.body), response.body.len);
	return 0;
}

static int get_blob(struct source *s, const char *digest, struct str *ret, struct err *err)
{
	cleanup_free char *path = NULL;
	int r;

	if (!image__digest_ok(digest))
		return err_input(err, "bad digest '%.80s'", digest);
	if (s->http) {
		path = xasprintf("/v2/%s/blobs/%s", s->ref.repository, digest);
		r = get_http(s, path, digest, ret, err);
	} else {
		path = xasprintf("blobs/sha256/%s", image__hex(digest));
		cleanup_fd int fd = fs_open_beneath(s->dir, path, O_RDONLY, 0, err);

		r = fd < 0 ? fd : fs_read_fd(fd, path, IMAGE_JSON_MAX, ret, err);
	}
	return r < 0 ? r : check_digest(ret, digest, err);
}

/* The descriptor in index.json that has the place's name. */
static const char *find_local(const json_t *index, const char *tag)
{
	const json_t *list = json_object_get(index, "manifests"), *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *name = json_str(json_object_get(item, "annotations"),
					    "org.opencontainers.image.ref.name", "");

		if (str_eq(name, tag) || str_eq(json_str(item, "digest", ""), tag))
			return json_str(item, "digest", "");
	}
	return NULL;
}

static int get_manifest(struct source *s, const char *which, json_t **ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_json json_t *doc = NULL;
	const json_t *chosen = NULL;
	int r;

	if (image__digest_ok(which) && !s->http) {
		r = get_blob(s, which, &text, err);
	} else {
		cleanup_free char *path =
			xasprintf("/v2/%s/manifests/%s", s->ref.repository, which);

		r = get_http(s, path, s->place->name, &text, err);
		if (r == 0 && image__digest_ok(which))
			r = check_digest(&text, which, err);
	}
	if (r == 0)
		r = json_parse(str_text(&text), text.len, "manifest", &doc, err);
	if (r == 0 && image__is_index(doc)) {
		r = image__index_choose(doc, NULL, &chosen, err);
		if (r < 0)
			return r;
		/* One level: a part that is an index again has no config and is refused below. */
		cleanup_str struct str inner = STR_INIT;
		const char *digest = json_str(chosen, "digest", "");
		cleanup_free char *path =
			xasprintf("/v2/%s/manifests/%s", s->ref.repository, digest);

		if (!image__digest_ok(digest))
			return err_input(err, "the index has a bad digest '%.80s'", digest);
		r = s->http ? get_http(s, path, digest, &inner, err)
			    : get_blob(s, digest, &inner, err);
		if (r == 0)
			r = check_digest(&inner, digest, err);
		if (r == 0)
			r = json_parse(str_text(&inner), inner.len, "manifest", ret, err);
		return r;
	}
	if (r == 0)
		*ret = json_incref(doc);
	return r;
}

static int get_local_manifest(struct source *s, json_t **ret, struct err *err)
{
	const char *tag = s->place->tag ? s->place->tag : "latest", *digest;
	cleanup_json json_t *index = NULL;
	int r = json_read(s->dir, "index.json", IMAGE_JSON_MAX, &index, err);

	if (r < 0)
		return r;
	digest = find_local(index, tag);
	return digest ? get_manifest(s, digest, ret, err)
		      : err_not_found(err, "'%s' has no '%s'", s->place->dir, tag);
}

int image_artifact_get(const struct image_place *place, struct image_artifact *ret, struct err *err)
{
	cleanup(source_done) struct source s = SOURCE_NONE;
	cleanup_str struct str text = STR_INIT;
	cleanup_json json_t *manifest = NULL, *config = NULL;
	const json_t *layers;
	int r = open_source(place, &s, err);

	if (r == 0)
		r = s.http ? get_manifest(&s, s.ref.digest ? s.ref.digest : s.ref.tag, &manifest,
					  err)
			   : get_local_manifest(&s, &manifest, err);
	if (r < 0)
		return r;
	layers = json_object_get(manifest, "layers");
	if (!json_is_array(layers) || json_array_size(layers) > BLOBS_MAX)
		return err_input(err, "the manifest has no list of layers");
	r = get_blob(&s, json_str(json_object_get(manifest, "config"), "digest", ""), &text, err);
	if (r == 0)
		r = json_parse(str_text(&text), text.len, "config", &config, err);
	if (r < 0)
		return r;
	ret->config = ptr_take(config);
	ret->layers = json_incref((json_t *)layers);
	ret->type = xstrdup(json_str(json_object_get(manifest, "config"), "mediaType", ""));
	return 0;
}

/* --- blobs --- */

static int copy_local(struct source *s, const char *digest, struct blob_writer *w, struct err *err)
{
	cleanup_free char *path = xasprintf("blobs/sha256/%s", image__hex(digest));
	cleanup_free char *buf = xmalloc(IMAGE_COPY_CHUNK);
	cleanup_fd int fd = fs_open_beneath(s->dir, path, O_RDONLY, 0, err);
	ssize_t n;
	int r = fd < 0 ? fd : 0;

	while (r == 0 && (n = read(fd, buf, IMAGE_COPY_CHUNK)) != 0)
		r = n < 0 ? err_sys(err, errno, "read '%s'", path)
			  : image__blob_add(w, buf, (size_t)n, err);
	return r;
}

static int copy_http(struct source *s, const char *digest, uint64_t size, struct blob_writer *w,
		     struct err *err)
{
	cleanup_free char *path = xasprintf("/v2/%s/blobs/%s", s->ref.repository, digest);
	cleanup_free char *buf = xmalloc(IMAGE_COPY_CHUNK);
	cleanup(image__http_stream_free_cleanup) struct http_stream *stream = NULL;
	ssize_t n = 0;
	int r = image__http_stream(s->http, path, 0, size, &stream, err);

	while (r == 0 && (n = image__http_read(stream, buf, IMAGE_COPY_CHUNK, err)) > 0)
		r = image__blob_add(w, buf, (size_t)n, err);
	return r < 0 ? r : n < 0 ? (int)n : 0;
}

int image_artifact_fetch(struct image_store *store, const struct image_place *place,
			 const char *digest, uint64_t size, struct err *err)
{
	cleanup(source_done) struct source s = SOURCE_NONE;
	cleanup_blob struct blob_writer w = BLOB_WRITER_NONE;
	int r;

	if (!image__digest_ok(digest))
		return err_input(err, "bad digest '%.80s'", digest);
	if (image__blob_has(store, digest))
		return 0;
	r = open_source(place, &s, err);
	if (r == 0)
		r = image__blob_begin(store, &w, err);
	if (r == 0)
		r = s.http ? copy_http(&s, digest, size, &w, err) : copy_local(&s, digest, &w, err);
	return r < 0 ? r : image__blob_commit(&w, digest, NULL, err);
}

int image_layer_place(struct image_store *store, const struct image_layer *below,
		      struct image_layer *layer, struct err *err)
{
	image__chain(below ? below->chain : NULL, layer->diff_id, layer->chain);
	return image__layer_unpack(store, layer->blob, layer->diff_id, layer->chain, NULL, err);
}

/* --- writing --- */

static int make_manifest(struct image_store *store, const char *type, json_t *config,
			 const struct image_layers *blobs, char ret_digest[DIGEST_TEXT],
			 uint64_t *ret_size, struct err *err)
{
	cleanup_json json_t *doc = NULL;
	json_t *list = json_array();
	char digest[DIGEST_TEXT];
	uint64_t size;
	int r = image__blob_put_json(store, config, digest, &size, err);

	vec_each(b, &blobs->items)
		json_array_append_new(list, json_pack("{s:s,s:s,s:I}", "mediaType", b->media_type,
						      "digest", b->blob, "size",
						      (json_int_t)b->blob_size));
	doc = json_pack("{s:i,s:s,s:s,s:{s:s,s:s,s:I},s:o}", "schemaVersion", 2, "mediaType",
			MANIFEST_TYPE, "artifactType", type, "config", "mediaType", type, "digest",
			digest, "size", (json_int_t)size, "layers", list);
	return r < 0 ? r : image__blob_put_json(store, doc, ret_digest, ret_size, err);
}

/* Into index.json, in place of what had the name before. */
static int name_local(int dir, const char *tag, const char *digest, uint64_t size, struct err *err)
{
	cleanup_json json_t *index = NULL;
	json_t *list;
	struct err none = ERR_INIT; /* a new layout, or a damaged one */
	size_t i;

	if (json_read(dir, "index.json", IMAGE_JSON_MAX, &index, &none) < 0) {
		err_done(&none);
		index = json_pack("{s:i,s:s,s:[]}", "schemaVersion", 2, "mediaType", INDEX_TYPE,
				  "manifests");
	}
	list = json_object_get(index, "manifests");
	if (!json_is_array(list)) {
		list = json_array();
		json_put(index, "manifests", list);
	}
	for (i = json_array_size(list); i-- > 0;)
		if (str_eq(json_str(json_object_get(json_array_get(list, i), "annotations"),
				    "org.opencontainers.image.ref.name", ""),
			   tag))
			json_array_remove(list, i);
	json_array_append_new(list,
			      json_pack("{s:s,s:s,s:I,s:{s:s}}", "mediaType", MANIFEST_TYPE,
					"digest", digest, "size", (json_int_t)size, "annotations",
					"org.opencontainers.image.ref.name", tag));
	return json_write(dir, "index.json", index, 0644, 0, err);
}

int image_artifact_put(struct image_store *store, const struct image_place *place, const char *type,
		       json_t *config, const struct image_layers *blobs, struct err *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	cleanup_fd int dir = FD_NONE;
	char digest[DIGEST_TEXT];
	uint64_t size;
	int r = make_manifest(store, type, config, blobs, digest, &size, err);

	if (r < 0)
		return r;
	if (!place->dir)
		return image__push_manifest(store, place->name, digest, err);
	dir = fs_opendirs(AT_FDCWD, place->dir, 0755, err);
	if (dir < 0)
		return dir;
	r = image__save_manifest(store, digest, dir, err);
	if (r == 0)
		r = fs_write_atomic(dir, "oci-layout", layout, sizeof(layout) - 1, 0644, 0, err);
	return r < 0 ? r : name_local(dir, place->tag ? place->tag : "latest", digest, size, err);
}

/* Pushing: what the registry lacks, each blob once; blobs that another repository of the same
 * registry has are mounted instead of sent. The manifest comes last, so that a tag never names what
 * is not there. */
#include "base/fs.h"
#include "image/http.h"
#include "image/store.h"

struct push {
	struct image_store *store;
	struct http *http;
	struct image_ref ref;
	const struct image_pull *options;
	struct ref_list others; /* where a blob may be mounted from */
};

static void push_done(struct push *p)
{
	image__http_free(p->http);
	image_ref_done(&p->ref);
	image__refs_done(&p->others);
}

static void tell(struct push *p, const char *what, const char *phase, uint64_t size)
{
	const struct image_progress *progress = &p->options->progress;

	if (progress->fn)
		progress->fn(progress->data, what, phase, size, size);
}

/* Whether the manifest has the blob. */
static bool uses_blob(struct image_store *store, const char *manifest, const char *digest)
{
	cleanup_manifest struct manifest m = { 0 };
	struct err damaged = ERR_INIT;

	if (image__manifest_load(store, manifest, &m, &damaged) < 0) {
		err_done(&damaged);
		return false;
	}
	vec_each(layer, &m.layers)
		if (str_eq(layer->digest, digest))
			return true;
	return false;
}

/* Another repository of the registry that has the blob, as far as the store knows. Owned, or NULL.
 */
static char *mount_source(struct push *p, const char *digest)
{
	vec_each(item, &p->others.items) {
		cleanup_image_ref struct image_ref ref = { 0 };
		struct err ignored = ERR_INIT;

		if (!item->name || image_ref_parse(item->name, &ref, &ignored) < 0) {
			err_done(&ignored);
			continue;
		}
		if (str_eq(ref.registry, p->ref.registry) &&
		    !str_eq(ref.repository, p->ref.repository) &&
		    uses_blob(p->store, item->manifest, digest))
			return xstrdup(ref.repository);
	}
	return NULL;
}

static int has_blob(struct push *p, const char *digest, struct err *err)
{
	cleanup_free char *path = xasprintf("/v2/%s/blobs/%s", p->ref.repository, digest);
	cleanup_http_response struct http_response response = { 0 };
	struct http_request q = {
		.method = "HEAD", .path = path, .body_fd = FD_NONE, .max = 65536
	};
	int r = image__http_do(p->http, &q, &response, err);

	return r < 0 ? r : response.status == 200;
}

static int send_blob(struct push *p, const char *digest, const char *location, struct err *err)
{
	cleanup_http_response struct http_response response = { 0 };
	cleanup_free char *url =
		xasprintf("%s%cdigest=%s", location, strchr(location, '?') ? '&' : '?', digest);
	cleanup_fd int fd = FD_NONE;
	struct http_request q = { .method = "PUT",
				  .path = url,
				  .max = 65536,
				  .content_type = "application/octet-stream" };
	int r;

	fd = image__blob_open(p->store, digest, &q.body_size, err);
	if (fd < 0)
		return fd;
	q.body_fd = fd;
	r = image__http_do(p->http, &q, &response, err);
	if (r == 0 && response.status != 201)
		r = image__http_fail(&response, err, digest);
	return r;
}

static int push_blob(struct push *p, const char *digest, uint64_t size, struct err *err)
{
	cleanup_free char *from = mount_source(p, digest);
	cleanup_free char *path = NULL;
	cleanup_http_response struct http_response response = { 0 };
	struct http_request q = { .method = "POST", .body_fd = FD_NONE, .max = 65536 };
	int r = has_blob(p, digest, err);

	if (r < 0)
		return r;
	if (r) {
		tell(p, digest, "Layer already exists", size);
		return 0;
	}
	path = from ? xasprintf("/v2/%s/blobs/uploads/?mount=%s&from=%s", p->ref.repository, digest,
				from)
		    : xasprintf("/v2/%s/blobs/uploads/", p->ref.repository);
	q.path = path;
	r = image__http_do(p->http, &q, &response, err);
	if (r < 0)
		return r;
	if (response.status == 201) {
		tell(p, digest, "Mounted", size);
		return 0;
	}
	if (response.status != 202 || !response.location)
		return image__http_fail(&response, err, digest);
	tell(p, digest, "Pushing", size);
	r = send_blob(p, digest, response.location, err);
	if (r == 0)
		tell(p, digest, "Pushed", size);
	return r;
}

/* A manifest or an index; `which`: the tag, or its digest for one that only an index names. */
static int put_document(struct push *p, const char *digest, const char *which, const char *type,
			struct err *err)
{
	cleanup_free char *path = xasprintf("/v2/%s/manifests/%s", p->ref.repository, which);
	cleanup_http_response struct http_response response = { 0 };
	cleanup_fd int fd = FD_NONE;
	struct http_request q = {
		.method = "PUT",
		.path = path,
		.content_type = type,
		.max = 65536,
	};
	int r;

	fd = image__blob_open(p->store, digest, &q.body_size, err);
	if (fd < 0)
		return fd;
	q.body_fd = fd;
	r = image__http_do(p->http, &q, &response, err);
	if (r == 0 && response.status != 201)
		r = image__http_fail(&response, err, "the manifest");
	return r;
}

static int push_image(struct push *p, const char *digest, const char *which, struct err *err)
{
	cleanup_manifest struct manifest m = { 0 };
	int r = image__manifest_load(p->store, digest, &m, err);

	vec_each(layer, &m.layers) {
		if (r < 0)
			break;
		r = push_blob(p, layer->digest, layer->size, err);
	}
	if (r == 0)
		r = push_blob(p, m.config, m.config_size, err);
	if (r < 0)
		return r;
	return put_document(
		p, digest, which,
		json_str(m.raw, "mediaType", "application/vnd.oci.image.manifest.v1+json"), err);
}

/* All platforms of a name, then the index. */
static int push_index(struct push *p, const char *index, struct err *err)
{
	cleanup_json json_t *doc = NULL;
	cleanup_strv struct strv parts = { 0 };
	bool whole;
	int r = image__blob_json(p->store, index, &doc, err);

	if (r == 0)
		r = image__index_parts(p->store, index, &parts, &whole, err);
	for (size_t i = 0; r == 0 && i < parts.n; i++)
		r = push_image(p, parts.v[i], parts.v[i], err);
	if (r < 0)
		return r;
	return put_document(p, index, p->ref.tag,
			    json_str(doc, "mediaType", "application/vnd.oci.image.index.v1+json"),
			    err);
}

static int push_all(struct push *p, const char *name, char **ret_digest, struct err *err)
{
	char digest[DIGEST_TEXT], index[DIGEST_TEXT];
	bool is_ref;
	int r = image__resolve(p->store, name, digest, &is_ref, err);

	if (r == 0)
		r = image__index_of(p->store, name, index, err);
	if (r == 0)
		r = image__refs_list(p->store, &p->others, err);
	if (r == 0)
		r = index[0] ? push_index(p, index, err) : push_image(p, digest, p->ref.tag, err);
	if (r == 0 && ret_digest)
		*ret_digest = xstrdup(index[0] ? index : digest);
	return r;
}

/* Opens the registry of the name. */
static int push_begin(struct push *p, const char *name, int *ret_lock, struct err *err)
{
	cleanup_free char *scope = NULL;
	int r = image_ref_parse(name, &p->ref, err);

	if (r == 0 && !p->ref.tag)
		r = err_input(err, "'%s': push wants a name with a tag", name);
	if (r == 0)
		r = image__lock(p->store, IMAGE_LOCK_SHARED, ret_lock, err);
	if (r == 0)
		r = image__http_open(p->ref.registry, &p->http, err);
	if (r < 0)
		return r;
	scope = xasprintf("repository:%s:pull,push", p->ref.repository);
	image__http_scope(p->http, scope);
	return 0;
}

static const struct image_pull no_options;

int image_push(struct image_store *store, const char *name, const struct image_pull *options,
	       char **ret_digest, struct err *err)
{
	cleanup(push_done) struct push p = { .store = store,
					     .options = options ? options : &no_options };
	cleanup_fd int lock = FD_NONE;
	int r = push_begin(&p, name, &lock, err);

	if (r == 0)
		r = push_all(&p, name, ret_digest, err);
	return r < 0 ? err_wrap(err, "push '%s'", name) : 0;
}

int image__push_manifest(struct image_store *store, const char *name, const char *digest,
			 struct err *err)
{
	cleanup(push_done) struct push p = { .store = store, .options = &no_options };
	cleanup_fd int lock = FD_NONE;
	int r = push_begin(&p, name, &lock, err);

	if (r == 0)
		r = image__refs_list(store, &p.others, err);
	if (r == 0)
		r = push_image(&p, digest, p.ref.tag, err);
	return r < 0 ? err_wrap(err, "push '%s'", name) : 0;
}

/* Pulling: the manifest, the config, then the layers, each in a process of its own that downloads,
 * inflates and unpacks at once. A download that is cut off stays in blobs/tmp/part-<digest> and the
 * next pull goes on from there; nothing gets a name before every byte has been checked. */
#include "base/fs.h"
#include "base/log.h"
#include "image/crew.h"
#include "image/http.h"
#include "image/inflate.h"
#include "image/registries.h"
#include "image/store.h"

#define MANIFEST_TYPES                                                                             \
	"application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "    \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                              \
	"application/vnd.docker.distribution.manifest.v2+json"

enum {
	PULL_WORKERS = 4, /* layers at once; the wire is kept busy while some wait for the disk */
	PULL_TELL_EVERY = 1 << 20,
};

struct pull {
	struct image_store *store;
	struct http *http;
	struct image_ref ref;
	char *repository; /* what it is called where we ask */
	const struct image_pull *options;
};

static void pull_done(struct pull *p)
{
	image__http_free(p->http);
	image_ref_done(&p->ref);
	free(p->repository);
}

/* --- documents --- */

static const char *which_of(const struct image_ref *ref)
{
	return ref->digest ? ref->digest : ref->tag;
}

static int get_manifest(struct pull *p, const char *which, const char *method,
			struct http_response *ret, struct err *err)
{
	cleanup_free char *path = xasprintf("/v2/%s/manifests/%s", p->repository, which);
	cleanup_free char *name = image_ref_familiar(&p->ref);
	cleanup_http_response struct http_response response = { 0 };
	struct http_request q = { .method = method,
				  .path = path,
				  .accept = MANIFEST_TYPES,
				  .body_fd = FD_NONE,
				  .max = IMAGE_JSON_MAX };
	int r = image__http_do(p->http, &q, &response, err);

	if (r < 0)
		return r;
	if (response.status == 404)
		return err_not_found(err, "image '%s' is not in its registry", name);
	if (response.status != 200)
		return image__http_fail(&response, err, name);
	*ret = response;
	response = (struct http_response){ 0 };
	return 0;
}

/* Fetches, checks and stores a manifest or an index. */
static int fetch_document(struct pull *p, const char *which, char ret_digest[DIGEST_TEXT],
			  json_t **ret, struct err *err)
{
	cleanup_http_response struct http_response response = { 0 };
	char digest[DIGEST_TEXT] = "sha256:";
	int r = get_manifest(p, which, "GET", &response, err);

	if (r < 0)
		return r;
	hash_hex(str_text(&response.body), response.body.len, digest + strlen(digest));
	if (image__digest_ok(which) && !str_eq(which, digest))
		return err_new(err, ERR_NETWORK, EBADMSG,
			       "the registry answers '%s' with the content of '%s'", which, digest);
	r = json_parse(str_text(&response.body), response.body.len, "manifest", ret, err);
	if (r < 0)
		return r;
	memcpy(ret_digest, digest, DIGEST_TEXT);
	return image__blob_put(p->store, str_text(&response.body), response.body.len, NULL, err);
}

/* A whole blob in memory: the config. */
static int fetch_config(struct pull *p, const struct manifest *m, struct err *err)
{
	cleanup_free char *path = xasprintf("/v2/%s/blobs/%s", p->repository, m->config);
	cleanup_http_response struct http_response response = { 0 };
	cleanup_blob struct blob_writer w = BLOB_WRITER_NONE;
	struct http_request q = {
		.method = "GET", .path = path, .body_fd = FD_NONE, .max = IMAGE_JSON_MAX
	};
	cleanup_json json_t *here = NULL;
	int r;

	if (image__blob_json(p->store, m->config, &here, err) == 0)
		return 0;
	err_done(err); /* not there, or damaged */
	r = image__http_do(p->http, &q, &response, err);
	if (r == 0 && response.status != 200)
		r = image__http_fail(&response, err, "the image's config");
	if (r == 0)
		r = image__blob_begin(p->store, &w, err);
	if (r == 0)
		r = image__blob_add(&w, str_text(&response.body), response.body.len, err);
	return r < 0 ? r : image__blob_commit(&w, m->config, NULL, err);
}

/* The manifest for the platform; *ret_top is what the registry's tag stands for. */
static int fetch_manifest(struct pull *p, struct manifest *ret, char ret_top[DIGEST_TEXT],
			  struct err *err)
{
	const char *which = which_of(&p->ref);
	cleanup_json json_t *doc = NULL, *inner = NULL;
	char digest[DIGEST_TEXT];
	const json_t *chosen;
	int r = fetch_document(p, which, digest, &doc, err);

	if (r < 0)
		return r;
	memcpy(ret_top, digest, DIGEST_TEXT);
	if (image__is_index(doc)) {
		const char *wanted;

		r = image__index_choose(doc, p->options->platform, &chosen, err);
		if (r < 0)
			return r;
		wanted = json_str(chosen, "digest", "");
		if (!image__digest_ok(wanted))
			return err_input(err, "the index has a bad digest '%.80s'", wanted);
		r = fetch_document(p, wanted, digest, &inner, err);
		if (r < 0)
			return r;
	}
	r = image__manifest_decode(inner ? inner : doc, ret, err);
	if (r == 0)
		memcpy(ret->digest, digest, DIGEST_TEXT);
	return r;
}

/* --- a layer, in its own process --- */

struct download {
	struct http_stream *stream;
	struct blob_writer blob;
	uint64_t there, size, told;
	struct crew_voice *voice;
};

static void tell(struct download *d)
{
	d->told = d->blob.size;
	image__crew_tell(d->voice, "Downloading", d->blob.size, d->size);
}

static ssize_t read_download(void *data, void *buf, size_t size, struct err *err)
{
	struct download *d = data;
	ssize_t n;
	int r;

	if (d->blob.size < d->there)
		return image__blob_replay(&d->blob, buf, size, err);
	if (d->blob.size == d->size)
		return 0;
	n = image__http_read(d->stream, buf, size, err);
	if (n <= 0)
		return n;
	if ((uint64_t)n > d->size - d->blob.size)
		return err_input(err, "the registry sends more than the %llu bytes of the blob",
				 (unsigned long long)d->size);
	r = image__blob_add(&d->blob, buf, (size_t)n, err);
	if (r < 0)
		return r;
	if (d->blob.size - d->told >= PULL_TELL_EVERY || d->blob.size == d->size)
		tell(d);
	return n;
}

static int drain_download(struct download *d, struct err *err)
{
	cleanup_free char *buf = xmalloc(IMAGE_COPY_CHUNK);
	ssize_t n;

	while ((n = read_download(d, buf, IMAGE_COPY_CHUNK, err)) > 0)
		;
	return n < 0 ? (int)n : 0;
}

struct layer_job {
	const struct manifest_layer *layer;
	const char *diff_id;
	char chain[DIGEST_TEXT];
};

struct layer_jobs {
	struct pull *pull;
	struct layer_job v[IMAGE_LAYERS_MAX];
};

static int fetch_layer(struct pull *p, const struct layer_job *job, struct download *d,
		       struct err *err)
{
	cleanup_free char *path = xasprintf("/v2/%s/blobs/%s", p->repository, job->layer->digest);
	cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
	struct unpack_source source = { read_download, d };
	struct unpack_result result;
	bool unpack = !image__layer_has(p->store, job->chain);
	int r = image__blob_resume(p->store, job->layer->digest, &d->blob, &d->there, err);

	if (r < 0)
		return r;
	if (d->there > d->size) { /* not of this blob */
		d->blob.keep = false;
		return err_new(err, ERR_NETWORK, ESPIPE, "what was downloaded before is too long");
	}
	if (d->there < d->size)
		r = image__http_stream(p->http, path, d->there, d->size, &d->stream, err);
	if (r == 0 && unpack)
		r = image__layer_begin(p->store, &w, err);
	if (r == 0)
		r = unpack ? image__unpack(p->store, w.root, &source, NULL, &result, err)
			   : drain_download(d, err);
	if (r == 0)
		r = image__blob_commit(&d->blob, job->layer->digest, NULL, err);
	if (r == 0 && unpack && !str_eq(result.diff_id, job->diff_id))
		return err_new(err, ERR_INPUT, EUCLEAN,
			       "layer '%.19s': its content is '%s', but the image says '%s'",
			       job->layer->digest, result.diff_id, job->diff_id);
	if (r == 0 && unpack)
		r = image__layer_commit(&w, job->chain, &result, err);
	/* What arrived wrong is not gone on with; what stopped is. */
	if (r < 0 && (err->kind == ERR_INPUT || r == -ESPIPE))
		d->blob.keep = false;
	return r;
}

static int fetch_layer_once(struct pull *p, const struct layer_job *job, struct crew_voice *voice,
			    struct err *err)
{
	struct download d = { .blob = BLOB_WRITER_NONE, .size = job->layer->size, .voice = voice };
	int r = fetch_layer(p, job, &d, err);

	image__http_stream_free(d.stream);
	image__blob_done(&d.blob);
	return r;
}

/* In a worker: connections of its own. */
static void enter_worker(void *data)
{
	struct layer_jobs *jobs = data;

	jobs->pull->http = image__http_clone(jobs->pull->http);
}

static int layer_work(void *data, size_t i, struct crew_voice *voice, void *result, struct err *err)
{
	struct layer_jobs *jobs = data;
	const struct layer_job *job = &jobs->v[i];
	struct pull *p = jobs->pull;
	int r;

	(void)result;
	if (image__blob_has(p->store, job->layer->digest))
		return image__layer_unpack(p->store, job->layer->digest, job->diff_id, job->chain,
					   NULL, err);
	r = fetch_layer_once(p, job, voice, err);
	/* Once more from the start: an old piece may have been of no use, or bits have flipped. */
	if (r == -ESPIPE || (r < 0 && err->kind == ERR_INPUT && r != -EUCLEAN)) {
		err_done(err);
		r = fetch_layer_once(p, job, voice, err);
	}
	return r < 0 ? err_wrap(err, "layer '%.19s'", job->layer->digest) : 0;
}

/* --- all layers --- */

static void layer_told(void *data, size_t i, const char *phase, uint64_t done, uint64_t total)
{
	const struct layer_jobs *jobs = data;
	const struct image_progress *progress = &jobs->pull->options->progress;

	if (progress->fn)
		progress->fn(progress->data, jobs->v[i].layer->digest, phase, done, total);
}

static void layer_done(void *data, size_t i, const void *result)
{
	const struct layer_jobs *jobs = data;
	uint64_t size = jobs->v[i].layer->size;

	(void)result;
	layer_told(data, i, "Pull complete", size, size);
}

static int fetch_layers(struct pull *p, const struct manifest *m, const struct image_config *c,
			struct err *err)
{
	struct layer_jobs jobs = { .pull = p };
	struct crew crew = { .at_once = PULL_WORKERS,
			     .data = &jobs,
			     .enter = enter_worker,
			     .work = layer_work,
			     .told = layer_told,
			     .done = layer_done };
	char chain[DIGEST_TEXT];

	if (c->diff_ids.n != m->layers.n)
		return err_input(err, "the manifest has %zu layers, the config %zu", m->layers.n,
				 c->diff_ids.n);
	for (size_t i = 0; i < m->layers.n; i++) {
		struct layer_job *job = &jobs.v[crew.count];
		bool twice = false;

		image__chain(i ? chain : NULL, c->diff_ids.v[i], chain);
		/* The same bytes twice in one image: the second time they are only unpacked. */
		for (size_t k = 0; k < i; k++)
			twice = twice || str_eq(m->layers.v[k].digest, m->layers.v[i].digest);
		if (twice || (image__blob_has(p->store, m->layers.v[i].digest) &&
			      image__layer_has(p->store, chain))) {
			if (p->options->progress.fn)
				p->options->progress.fn(p->options->progress.data,
							m->layers.v[i].digest, "Already exists",
							m->layers.v[i].size, m->layers.v[i].size);
			continue;
		}
		*job = (struct layer_job){ .layer = &m->layers.v[i], .diff_id = c->diff_ids.v[i] };
		memcpy(job->chain, chain, DIGEST_TEXT);
		crew.count++;
	}
	if (crew.count)
		image__inflate_prepare();
	return image__crew_run(&crew, err);
}

static int pull_all(struct pull *p, void *data, struct err *err)
{
	char **ret_id = data;
	cleanup_manifest struct manifest m = { 0 };
	cleanup_json json_t *doc = NULL;
	struct image_config config = { 0 };
	cleanup_image struct image image = { 0 };
	char top[DIGEST_TEXT];
	int r = fetch_manifest(p, &m, top, err);

	if (r == 0)
		r = fetch_config(p, &m, err);
	if (r == 0)
		r = image__blob_json(p->store, m.config, &doc, err);
	if (r == 0)
		r = image__config_decode(doc, &config, err);
	if (r < 0)
		return r;
	r = fetch_layers(p, &m, &config, err);
	image__config_done(&config);
	if (r == 0)
		r = image__load_manifest(p->store, m.digest, true, NULL, &image, err);
	if (r == 0 && p->options->keep_name && image__ref_time(p->store, &p->ref))
		r = image__ref_keep(p->store, m.digest, err);
	else if (r == 0)
		r = image__ref_write(p->store, &p->ref, m.digest,
				     str_eq(top, m.digest) ? NULL : top, err);
	if (r == 0 && ret_id)
		*ret_id = xstrdup(m.config);
	return r;
}

/* A connection to the registry of the reference, or to a mirror of it, instead of one that was
 * there. */
static int connect_to(struct pull *p, const char *mirror, struct err *err)
{
	cleanup_free char *scope = NULL;
	int r;

	image__http_free(ptr_take(p->http));
	free(ptr_take(p->repository));
	r = mirror ? image__http_open_mirror(mirror, &p->http, err)
		   : image__http_open(p->ref.registry, &p->http, err);
	if (r < 0)
		return r;
	p->repository = image__http_repository(p->http, p->ref.repository);
	scope = xasprintf("repository:%s:pull", p->repository);
	image__http_scope(p->http, scope);
	return 0;
}

/* Whether another place may have what this one has not, or has damaged. */
static bool elsewhere(const struct err *err)
{
	return err->kind == ERR_NETWORK || err->kind == ERR_NOT_FOUND ||
	       err->kind == ERR_PERMISSION || err->kind == ERR_INPUT;
}

/* Does the work at each mirror in turn, and at the registry itself last; its word counts. What one
 * of them has given already stays. */
static int everywhere(struct pull *p, int (*work)(struct pull *p, void *data, struct err *err),
		      void *data, struct err *err)
{
	cleanup_registry_settings struct registry_settings settings = { 0 };
	int r = image__registry_settings(p->ref.registry, &settings, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < settings.mirrors.n; i++) {
		r = connect_to(p, settings.mirrors.v[i], err);
		if (r == 0)
			r = work(p, data, err);
		if (r == 0 || !elsewhere(err))
			return r;
		debug("mirror %s: %s", settings.mirrors.v[i], err->msg);
		err_done(err);
	}
	r = connect_to(p, NULL, err);
	return r < 0 ? r : work(p, data, err);
}

int image_pull(struct image_store *store, const char *name, const struct image_pull *options,
	       char **ret_id, struct err *err)
{
	static const struct image_pull none = { 0 };
	cleanup(pull_done) struct pull p = { .store = store, .options = options ? options : &none };
	cleanup_fd int lock = FD_NONE;
	int r = image_ref_parse(name, &p.ref, err);

	if (r == 0)
		r = image__lock(store, IMAGE_LOCK_SHARED, &lock, err);
	if (r == 0)
		r = everywhere(&p, pull_all, ret_id, err);
	return r < 0 ? err_wrap(err, "pull '%s'", name) : 0;
}

static int ask_digest(struct pull *p, void *data, struct err *err)
{
	cleanup_http_response struct http_response response = { 0 };
	char digest[DIGEST_TEXT] = "sha256:", **ret_digest = data;
	int r = get_manifest(p, which_of(&p->ref), "HEAD", &response, err);

	if (r < 0)
		return r;
	if (response.digest && image__digest_ok(response.digest)) {
		*ret_digest = xstrdup(response.digest);
		return 0;
	}
	/* A registry that does not say so in the header: from the bytes. */
	image__http_response_done(&response);
	r = get_manifest(p, which_of(&p->ref), "GET", &response, err);
	if (r < 0)
		return r;
	hash_hex(str_text(&response.body), response.body.len, digest + strlen(digest));
	*ret_digest = xstrdup(digest);
	return 0;
}

int image_remote_digest(const char *name, const char *platform, char **ret_digest, struct err *err)
{
	cleanup(pull_done) struct pull p = { 0 };
	int r = image_ref_parse(name, &p.ref, err);

	(void)platform; /* the tag's own digest is the same for every platform */
	return r < 0 ? r : everywhere(&p, ask_digest, ret_digest, err);
}

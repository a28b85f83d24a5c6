/* Pushing: what the registry lacks, each blob once; blobs that another repository of the same
 * registry has are mounted instead of sent. The manifest comes last, so that a tag never names what
 * is not there.
 *
 * Layers that are plain tars here (built, or loaded from an archive) are compressed on their way,
 * as with Docker; the manifest that goes along is one for the compressed ones. What they became is
 * noted at the plain blob, so that the next push need not make them to know that they are there. */
#include "base/fs.h"
#include "base/parse.h"
#include "image/compress.h"
#include "image/crew.h"
#include "image/http.h"
#include "image/store.h"

#include <sys/xattr.h>

#define PACKED_XATTR "user.stave.gzip" /* "sha256:... SIZE" of the blob, compressed */
enum {
	PUSH_WORKERS = 4,
	PUSH_TRIES = 4,
	PACKED_NOTE_MAX = DIGEST_TEXT + 24,
	PUSH_TELL_EVERY = 1 << 20
};

struct push {
	struct image_store *store;
	struct http *http;
	struct image_ref ref;
	const struct image_pull *options;
	struct crew_voice *voice; /* in a worker */
	bool exact;		  /* nothing is compressed: a config names the blobs */
	struct ref_list others;	  /* where a blob may be mounted from */
};

static void push_done(struct push *p)
{
	image__http_free(p->http);
	image_ref_done(&p->ref);
	image__refs_done(&p->others);
}

static void tell(struct push *p, const char *what, const char *phase, uint64_t done, uint64_t size)
{
	const struct image_progress *progress = &p->options->progress;

	if (p->voice)
		image__crew_tell(p->voice, phase, done, size);
	else if (progress->fn)
		progress->fn(progress->data, what, phase, done, size);
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

/* Asks for an upload, and, with a digest, for a mount of the blob from the repository `from` (both
 * may be NULL). 1: it is mounted; 0: *ret_location is where to send it. Owned. */
static int begin_upload(struct push *p, const char *digest, const char *from, char **ret_location,
			struct err *err)
{
	cleanup_free char *path = from ? xasprintf("/v2/%s/blobs/uploads/?mount=%s&from=%s",
						   p->ref.repository, digest, from)
				       : xasprintf("/v2/%s/blobs/uploads/", p->ref.repository);
	cleanup_http_response struct http_response response = { 0 };
	struct http_request q = {
		.method = "POST", .path = path, .body_fd = FD_NONE, .max = 65536
	};
	int r = image__http_do(p->http, &q, &response, err);

	if (r < 0)
		return r;
	if (response.status == 201)
		return 1;
	if (response.status != 202 || !response.location)
		return image__http_fail(&response, err, "an upload");
	*ret_location = ptr_take(response.location);
	return 0;
}

/* What is sent to `location` (nothing more, with FD_NONE) is the blob `digest`. */
static int end_upload(struct push *p, const char *location, const char *digest, int fd,
		      uint64_t size, struct err *err)
{
	cleanup_http_response struct http_response response = { 0 };
	cleanup_free char *url =
		xasprintf("%s%cdigest=%s", location, strchr(location, '?') ? '&' : '?', digest);
	struct http_request q = { .method = "PUT",
				  .path = url,
				  .max = 65536,
				  .body = fd < 0 ? "" : NULL,
				  .body_fd = fd,
				  .body_size = size,
				  .content_type = "application/octet-stream" };
	int r = image__http_do(p->http, &q, &response, err);

	if (r == 0 && response.status != 201)
		r = image__http_fail(&response, err, digest);
	return r;
}

/* A blob as it is. */
static int push_blob(struct push *p, const char *digest, uint64_t size, struct err *err)
{
	cleanup_free char *from = NULL, *location = NULL;
	cleanup_fd int fd = FD_NONE;
	int r = has_blob(p, digest, err);

	if (r < 0)
		return r;
	if (r) {
		tell(p, digest, "Layer already exists", size, size);
		return 0;
	}
	from = mount_source(p, digest);
	r = begin_upload(p, digest, from, &location, err);
	if (r > 0)
		tell(p, digest, "Mounted", size, size);
	if (r != 0)
		return r < 0 ? r : 0;
	fd = image__blob_open(p->store, digest, &size, err);
	if (fd < 0)
		return fd;
	tell(p, digest, "Pushing", 0, size);
	r = end_upload(p, location, digest, fd, size, err);
	if (r == 0)
		tell(p, digest, "Pushed", size, size);
	return r;
}

/* --- compressed on the way --- */

/* What a plain blob is when it is compressed. */
struct packed {
	char digest[DIGEST_TEXT];
	uint64_t size;
};

static bool read_note(int fd, struct packed *ret)
{
	char text[PACKED_NOTE_MAX + 1];
	ssize_t n = fgetxattr(fd, PACKED_XATTR, text, PACKED_NOTE_MAX);
	char *space;
	int64_t size;

	if (n <= 0)
		return false;
	text[n] = '\0';
	space = strchr(text, ' ');
	if (!space || parse_i64(space + 1, 1, INT64_MAX, &size) < 0)
		return false;
	*space = '\0';
	if (!image__digest_ok(text))
		return false;
	memcpy(ret->digest, text, DIGEST_TEXT);
	ret->size = (uint64_t)size;
	return true;
}

/* A file system without attributes: the next push makes it again. */
static void write_note(int fd, const struct packed *packed)
{
	char text[PACKED_NOTE_MAX];

	snprintf(text, sizeof(text), "%s %llu", packed->digest, (unsigned long long)packed->size);
	(void)fsetxattr(fd, PACKED_XATTR, text, strlen(text), 0);
}

struct sending {
	struct push *p;
	struct compress *c;
	const char *digest; /* of the plain blob */
	uint64_t size, told;
	struct err fault; /* of a callback */
};

static ssize_t send_some(void *data, void *buf, size_t size)
{
	struct sending *s = data;
	ssize_t n = image__compress_read(s->c, buf, size, &s->fault);
	uint64_t taken = image__compress_taken(s->c);

	if (taken - s->told >= PUSH_TELL_EVERY) {
		s->told = taken;
		tell(s->p, s->digest, "Pushing", taken, s->size);
	}
	return n;
}

static int send_again(void *data)
{
	struct sending *s = data;

	s->told = 0;
	return image__compress_rewind(s->c, &s->fault);
}

/* The compressed bytes to `location`; *ret_location is where to say that this was all. Owned. */
static int send_packed(struct sending *s, const char *location, char **ret_location,
		       struct err *err)
{
	cleanup_http_response struct http_response response = { 0 };
	struct http_body body = { .read = send_some, .rewind = send_again, .data = s };
	struct http_request q = { .method = "PATCH",
				  .path = location,
				  .body_fd = FD_NONE,
				  .stream = &body,
				  .max = 65536,
				  .content_type = "application/octet-stream" };
	int r = image__http_do(s->p->http, &q, &response, err);

	if (s->fault.kind) {
		err_done(err);
		return err_move(err, &s->fault);
	}
	if (r == 0 && (response.status != 202 || !response.location))
		r = image__http_fail(&response, err, s->digest);
	if (r == 0)
		*ret_location = ptr_take(response.location);
	return r;
}

static int try_packed(struct push *p, const char *digest, int fd, uint64_t size, char **location,
		      struct packed *ret, struct err *err)
{
	cleanup(image__compress_free_cleanup) struct compress *c = NULL;
	cleanup_free char *sent = NULL;
	char plain[DIGEST_TEXT];
	struct sending s = { .p = p, .digest = digest, .size = size };
	int r = image__compress_open(fd, &c, err);

	s.c = c;
	if (r == 0 && !*location)
		r = begin_upload(p, NULL, NULL, location, err);
	if (r == 0)
		r = send_packed(&s, *location, &sent, err);
	if (r < 0)
		return r;
	image__compress_end(c, plain, ret->digest, &ret->size);
	if (!str_eq(plain, digest))
		return err_new(err, ERR_INPUT, EBADMSG,
			       "blob '%s' is damaged: its content has digest '%s'", digest, plain);
	return end_upload(p, sent, ret->digest, FD_NONE, 0, err);
}

/* A layer that is a plain tar here; *ret: what it is there. */
static int push_packed(struct push *p, const char *digest, struct packed *ret, struct err *err)
{
	cleanup_free char *from = NULL, *location = NULL;
	cleanup_fd int fd = FD_NONE;
	uint64_t size;
	bool known;
	int r;

	fd = image__blob_open(p->store, digest, &size, err);
	if (fd < 0)
		return fd;
	known = read_note(fd, ret);
	r = known ? has_blob(p, ret->digest, err) : 0;
	if (r > 0)
		tell(p, digest, "Layer already exists", size, size);
	if (r != 0)
		return r < 0 ? r : 0;
	from = known ? mount_source(p, digest) : NULL;
	r = begin_upload(p, ret->digest, from, &location, err);
	if (r > 0)
		tell(p, digest, "Mounted", size, size);
	if (r != 0)
		return r < 0 ? r : 0;
	tell(p, digest, "Pushing", 0, size);
	/* A broken upload is begun again: the server has forgotten, or has some of it. */
	for (int attempt = 0;; attempt++) {
		r = try_packed(p, digest, fd, size, &location, ret, err);
		if (r == 0 || err->kind != ERR_NETWORK || attempt + 1 == PUSH_TRIES)
			break;
		err_done(err);
		free(ptr_take(location));
		image__http_pause(attempt);
	}
	if (r < 0)
		return r;
	write_note(fd, ret);
	tell(p, digest, "Pushed", size, size);
	return 0;
}

/* --- documents --- */

/* A manifest or an index. `which`: the tag; NULL: its digest, for one that only an index names. */
static int put_document(struct push *p, const char *text, size_t len, const char *which,
			const char *type, char ret_digest[DIGEST_TEXT], struct err *err)
{
	char digest[DIGEST_TEXT] = "sha256:";
	cleanup_free char *path = NULL;
	cleanup_http_response struct http_response response = { 0 };
	struct http_request q = { .method = "PUT",
				  .content_type = type,
				  .body = text,
				  .body_fd = FD_NONE,
				  .body_size = len,
				  .max = 65536 };
	int r;

	hash_hex(text, len, digest + strlen(digest));
	path = xasprintf("/v2/%s/manifests/%s", p->ref.repository, which ? which : digest);
	q.path = path;
	r = image__http_do(p->http, &q, &response, err);
	if (r == 0 && response.status != 201)
		r = image__http_fail(&response, err, "the manifest");
	if (r == 0)
		memcpy(ret_digest, digest, DIGEST_TEXT);
	return r;
}

/* The document `digest` of the store, byte by byte, or, when it had to change, what it is now. */
static int put_stored(struct push *p, const char *digest, const json_t *changed, const char *which,
		      const char *type, char ret_digest[DIGEST_TEXT], uint64_t *ret_size,
		      struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_fd int fd = FD_NONE;
	int r;

	if (changed) {
		cleanup_free char *now = json_text(changed);

		str_add(&text, now);
	} else {
		fd = image__blob_open(p->store, digest, NULL, err);
		r = fd < 0 ? fd : fs_read_fd(fd, digest, IMAGE_JSON_MAX, &text, err);
		if (r < 0)
			return r;
	}
	*ret_size = text.len;
	return put_document(p, str_text(&text), text.len, which, type, ret_digest, err);
}

/* The media type of a plain layer when it is gzip; NULL: it is not plain. Owned. */
static char *packed_type(const char *type)
{
	if (str_ends(type, ".tar"))
		return xasprintf("%s%s", type, strstr(type, "docker") ? ".gzip" : "+gzip");
	return NULL;
}

/* The descriptor says what was sent instead. */
static void redirect(json_t *descriptor, const char *digest, uint64_t size)
{
	json_put_str(descriptor, "digest", digest);
	json_put(descriptor, "size", json_integer((json_int_t)size));
}

/* The layers of an image, each content once. */
struct layers {
	struct push *push;
	const struct manifest *m;
	size_t which[IMAGE_LAYERS_MAX]; /* of a piece of work: the layer */
	size_t piece[IMAGE_LAYERS_MAX]; /* of a layer: the piece of work */
	struct packed
		packed[IMAGE_LAYERS_MAX]; /* of a piece: what it became; no digest: as it was */
};

static void enter_worker(void *data)
{
	struct layers *l = data;

	l->push->http = image__http_clone(l->push->http);
}

static int push_layer(void *data, size_t i, struct crew_voice *voice, void *result, struct err *err)
{
	struct layers *l = data;
	const struct manifest_layer *layer = &l->m->layers.v[l->which[i]];
	cleanup_free char *type = l->push->exact ? NULL : packed_type(layer->media_type);

	l->push->voice = voice;
	return type ? push_packed(l->push, layer->digest, result, err)
		    : push_blob(l->push, layer->digest, layer->size, err);
}

static void layer_told(void *data, size_t i, const char *phase, uint64_t done, uint64_t size)
{
	struct layers *l = data;

	tell(l->push, l->m->layers.v[l->which[i]].digest, phase, done, size);
}

static void layer_done(void *data, size_t i, const void *result)
{
	struct layers *l = data;

	memcpy(&l->packed[i], result, sizeof(l->packed[i]));
}

static int push_layers(struct layers *l, struct err *err)
{
	struct crew crew = { .at_once = PUSH_WORKERS,
			     .data = l,
			     .enter = enter_worker,
			     .work = push_layer,
			     .told = layer_told,
			     .done = layer_done };

	_Static_assert(sizeof(struct packed) <= CREW_RESULT_MAX, "fits into a worker's answer");
	for (size_t i = 0; i < l->m->layers.n; i++) {
		size_t k = 0;

		while (k < crew.count &&
		       !str_eq(l->m->layers.v[l->which[k]].digest, l->m->layers.v[i].digest))
			k++;
		l->piece[i] = k;
		if (k == crew.count)
			l->which[crew.count++] = i;
	}
	return image__crew_run(&crew, err);
}

/* The manifest as it has to be for what was sent; NULL: as it is. New reference. */
static json_t *packed_manifest(const struct layers *l)
{
	json_t *changed = NULL;

	for (size_t i = 0; i < l->m->layers.n; i++) {
		const struct packed *packed = &l->packed[l->piece[i]];
		cleanup_free char *type = packed_type(l->m->layers.v[i].media_type);
		json_t *item;

		if (!packed->digest[0] || !type)
			continue;
		if (!changed)
			changed = json_deep_copy(l->m->raw);
		item = json_array_get(json_object_get(changed, "layers"), i);
		redirect(item, packed->digest, packed->size);
		json_put_str(item, "mediaType", type);
	}
	return changed;
}

static int push_image(struct push *p, const char *digest, const char *which,
		      char ret_digest[DIGEST_TEXT], uint64_t *ret_size, struct err *err)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_json json_t *changed = NULL;
	struct layers layers = { .push = p, .m = &m };
	int r = image__manifest_load(p->store, digest, &m, err);

	/* The config first: its connection asks for what all need, a token. */
	if (r == 0)
		r = push_blob(p, m.config, m.config_size, err);
	if (r == 0)
		r = push_layers(&layers, err);
	if (r < 0)
		return r;
	changed = packed_manifest(&layers);
	return put_stored(
		p, digest, changed, which,
		json_str(m.raw, "mediaType", "application/vnd.oci.image.manifest.v1+json"),
		ret_digest, ret_size, err);
}

/* All platforms of a name, then the index. */
static int push_index(struct push *p, const char *index, char ret_digest[DIGEST_TEXT],
		      struct err *err)
{
	cleanup_json json_t *doc = NULL;
	cleanup_strv struct strv parts = { 0 };
	uint64_t size;
	bool whole, changed = false;
	int r = image__blob_json(p->store, index, &doc, err);

	if (r == 0)
		r = image__index_parts(p->store, index, &parts, &whole, err);
	for (size_t i = 0; r == 0 && i < parts.n; i++) {
		char sent[DIGEST_TEXT];
		json_t *item;
		size_t k;

		r = push_image(p, parts.v[i], NULL, sent, &size, err);
		if (r < 0 || str_eq(sent, parts.v[i]))
			continue;
		changed = true;
		json_array_foreach(json_object_get(doc, "manifests"), k, item)
			if (str_eq(json_str(item, "digest", ""), parts.v[i]))
				redirect(item, sent, size);
	}
	if (r < 0)
		return r;
	return put_stored(p, index, changed ? doc : NULL, p->ref.tag,
			  json_str(doc, "mediaType", "application/vnd.oci.image.index.v1+json"),
			  ret_digest, &size, err);
}

static int push_all(struct push *p, const char *name, char **ret_digest, struct err *err)
{
	char digest[DIGEST_TEXT], index[DIGEST_TEXT], sent[DIGEST_TEXT];
	uint64_t size;
	bool is_ref;
	int r = image__resolve(p->store, name, digest, &is_ref, err);

	if (r == 0)
		r = image__index_of(p->store, name, index, err);
	if (r == 0)
		r = image__refs_list(p->store, &p->others, err);
	if (r == 0)
		r = index[0] ? push_index(p, index, sent, err)
			     : push_image(p, digest, p->ref.tag, sent, &size, err);
	if (r == 0 && ret_digest)
		*ret_digest = xstrdup(sent);
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
	cleanup(push_done) struct push p = { .store = store,
					     .options = &no_options,
					     .exact = true };
	cleanup_fd int lock = FD_NONE;
	char sent[DIGEST_TEXT];
	uint64_t size;
	int r = push_begin(&p, name, &lock, err);

	if (r == 0)
		r = image__refs_list(store, &p.others, err);
	if (r == 0)
		r = push_image(&p, digest, p.ref.tag, sent, &size, err);
	return r < 0 ? err_wrap(err, "push '%s'", name) : 0;
}

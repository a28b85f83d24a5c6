/* Archives that `docker load` reads and that are OCI layouts too: blobs below blobs/sha256,
 * index.json and oci-layout for OCI, manifest.json for Docker. Entries carry no times, so that the
 * same images give the same bytes. */
#include "base/fs.h"
#include "base/map.h"
#include "image/store.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

struct save {
	struct image_store *store;
	struct archive *a; /* or */
	int dir;	   /* an OCI layout; FD_NONE: none */
	struct map done;   /* hex of the blobs that are in the archive */
	json_t *index, *docker;
};

static int write_failed(struct archive *a, struct err *err)
{
	int no = archive_errno(a);

	return err_sys(err, no > 0 ? no : EIO, "write the archive");
}

static int begin_entry(struct save *s, const char *name, uint64_t size, struct err *err)
{
	struct archive_entry *e = archive_entry_new();
	int r;

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_mtime(e, 0, 0);
	r = archive_write_header(s->a, e);
	archive_entry_free(e);
	return r < ARCHIVE_WARN ? write_failed(s->a, err) : 0;
}

static int write_text(struct save *s, const char *name, const char *text, struct err *err)
{
	int r;

	if (s->dir >= 0)
		return fs_write_atomic(s->dir, name, text, strlen(text), 0644, 0, err);
	r = begin_entry(s, name, strlen(text), err);
	if (r == 0 && archive_write_data(s->a, text, strlen(text)) < 0)
		r = write_failed(s->a, err);
	return r;
}

static int write_json(struct save *s, const char *name, const json_t *j, struct err *err)
{
	cleanup_free char *text = json_text(j);

	return write_text(s, name, text, err);
}

/* A blob of the layout has its name when it is whole, also when another one was there before. */
static int copy_blob(struct save *s, const char *name, int from, struct err *err)
{
	cleanup_free char *temp = xasprintf("%s.tmp", name), *buf = xmalloc(IMAGE_COPY_CHUNK);
	cleanup_fd int to = fs_open(s->dir, temp, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
	ssize_t n;

	if (to < 0)
		return to;
	while ((n = read(from, buf, IMAGE_COPY_CHUNK)) > 0) {
		int r = fs_write_all(to, buf, (size_t)n);

		if (r < 0)
			return err_sys(err, -r, "write '%s'", name);
	}
	if (n < 0 || renameat(s->dir, temp, s->dir, name) < 0)
		return err_sys(err, errno, "write '%s'", name);
	return 0;
}

static int write_blob(struct save *s, const char *digest, struct err *err)
{
	cleanup_free char *name = xasprintf("blobs/sha256/%s", image__hex(digest));
	cleanup_free char *buf = NULL;
	cleanup_fd int fd = FD_NONE;
	uint64_t size;
	ssize_t n;
	int r;

	if (map_has(&s->done, digest))
		return 0;
	map_set(&s->done, digest, s);
	fd = image__blob_open(s->store, digest, &size, err);
	if (fd < 0)
		return fd;
	if (s->dir >= 0)
		return copy_blob(s, name, fd, err);
	r = begin_entry(s, name, size, err);
	if (r < 0)
		return r;
	buf = xmalloc(IMAGE_COPY_CHUNK);
	while ((n = read(fd, buf, IMAGE_COPY_CHUNK)) > 0)
		if (archive_write_data(s->a, buf, (size_t)n) < 0)
			return write_failed(s->a, err);
	return n < 0 ? err_sys(err, errno, "read blob '%s'", digest) : 0;
}

static json_t *index_entry(const char *type, const char *digest, uint64_t size,
			   const struct image_ref *ref)
{
	json_t *j = json_object();

	json_put_str(j, "mediaType", type);
	json_put_str(j, "digest", digest);
	json_put(j, "size", json_integer((json_int_t)size));
	if (ref) {
		cleanup_free char *full = image_ref_full(ref);
		json_t *notes = json_object();

		json_put_str(notes, "io.containerd.image.name", full);
		json_put_str(notes, "org.opencontainers.image.ref.name", ref->tag);
		json_put(j, "annotations", notes);
	}
	return j;
}

/* The image's entry in manifest.json; made at its first name. Borrowed. */
static json_t *docker_entry(struct save *s, const struct manifest *m)
{
	cleanup_free char *config = xasprintf("blobs/sha256/%s", image__hex(m->config));
	json_t *entry, *layers = json_array();
	size_t i;

	json_array_foreach(s->docker, i, entry)
		if (str_eq(json_str(entry, "Config", ""), config)) {
			json_decref(layers);
			return entry;
		}
	entry = json_object();
	json_put_str(entry, "Config", config);
	json_put(entry, "RepoTags", json_array());
	json_put(entry, "Layers", layers);
	vec_each(layer, &m->layers) {
		cleanup_free char *path = xasprintf("blobs/sha256/%s", image__hex(layer->digest));

		json_array_append_new(layers, json_string(path));
	}
	json_array_append_new(s->docker, entry);
	return entry;
}

/* A manifest with all it names. */
static int write_manifest(struct save *s, const char *digest, struct manifest *ret, struct err *err)
{
	int r = image__manifest_load(s->store, digest, ret, err);

	if (r == 0)
		r = write_blob(s, digest, err);
	if (r == 0)
		r = write_blob(s, ret->config, err);
	vec_each(layer, &ret->layers) {
		if (r == 0)
			r = write_blob(s, layer->digest, err);
	}
	return r;
}

/* The index of several platforms, with those that do not run here. */
static int write_index(struct save *s, const char *index, struct err *err)
{
	cleanup_strv struct strv parts = { 0 };
	bool whole;
	int r = image__index_parts(s->store, index, &parts, &whole, err);

	for (size_t i = 0; r == 0 && i < parts.n; i++) {
		cleanup_manifest struct manifest m = { 0 };

		r = write_manifest(s, parts.v[i], &m, err);
	}
	return r < 0 ? r : write_blob(s, index, err);
}

static int add_image(struct save *s, const char *name, struct err *err)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_fd int fd = FD_NONE;
	char digest[DIGEST_TEXT], index[DIGEST_TEXT];
	const char *type, *top;
	json_t *entry;
	uint64_t size;
	bool is_ref;
	int r = image__resolve(s->store, name, digest, &is_ref, err);

	if (r == 0 && is_ref)
		r = image_ref_parse(name, &ref, err);
	if (r == 0)
		r = write_manifest(s, digest, &m, err);
	if (r == 0)
		r = image__index_of(s->store, name, index, err);
	if (r == 0 && index[0])
		r = write_index(s, index, err);
	if (r < 0)
		return r;
	top = index[0] ? index : digest;
	type = index[0]
		       ? INDEX_TYPE
		       : json_str(m.raw, "mediaType", "application/vnd.oci.image.manifest.v1+json");
	fd = image__blob_open(s->store, top, &size, err);
	if (fd < 0)
		return fd;
	entry = docker_entry(s, &m);
	json_array_append_new(s->index, index_entry(type, top, size, ref.tag ? &ref : NULL));
	if (ref.tag) {
		cleanup_free char *familiar = image_ref_familiar(&ref);

		json_array_append_new(json_object_get(entry, "RepoTags"), json_string(familiar));
	}
	return 0;
}

static void save_done(struct save *s)
{
	if (s->a)
		archive_write_free(s->a);
	map_done(&s->done);
	json_decref(s->index);
	json_decref(s->docker);
}

/* Images, then the documents that name them. */
static int save_all(struct save *s, const struct strv *names, struct err *err)
{
	cleanup_json json_t *index = NULL;
	int r = 0;

	for (size_t i = 0; i < names->n && r == 0; i++)
		r = add_image(s, names->v[i], err);
	if (r < 0)
		return r;
	index = json_pack("{s:i,s:s,s:O}", "schemaVersion", 2, "mediaType", INDEX_TYPE, "manifests",
			  s->index);
	r = write_json(s, "index.json", index, err);
	if (r == 0 && s->dir < 0)
		r = write_json(s, "manifest.json", s->docker, err);
	if (r == 0)
		r = write_text(s, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", err);
	return r;
}

int image_save(struct image_store *store, const struct strv *names, int fd, struct err *err)
{
	cleanup(save_done) struct save s = { .store = store,
					     .a = archive_write_new(),
					     .dir = FD_NONE,
					     .index = json_array(),
					     .docker = json_array() };
	cleanup_fd int lock = FD_NONE;
	int r = image__lock(store, IMAGE_LOCK_SHARED, &lock, err);

	/* A name that is not there is said before the first byte: there is no half archive. */
	for (size_t i = 0; r == 0 && i < names->n; i++) {
		char digest[DIGEST_TEXT];
		bool is_ref;

		r = image__resolve(store, names->v[i], digest, &is_ref, err);
	}
	if (r < 0)
		return r;
	if (!s.a)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for an archive writer");
	archive_write_set_format_pax_restricted(s.a); /* plain ustar up to 8 GiB a blob */
	if (archive_write_open_fd(s.a, fd) < ARCHIVE_WARN)
		return write_failed(s.a, err);
	r = save_all(&s, names, err);
	if (r == 0 && archive_write_close(s.a) < ARCHIVE_WARN)
		r = write_failed(s.a, err);
	return r;
}

int image_save_layout(struct image_store *store, const struct strv *names, const char *dir,
		      struct err *err)
{
	cleanup_fd int fd = fs_opendirs(AT_FDCWD, dir, 0755, err), lock = FD_NONE;
	cleanup(save_done) struct save s = {
		.store = store, .dir = fd, .index = json_array(), .docker = json_array()
	};
	int r = fd < 0 ? fd : image__lock(store, IMAGE_LOCK_SHARED, &lock, err);

	if (r == 0)
		r = fs_mkdirs(fd, "blobs/sha256", 0755, err);
	return r < 0 ? r : save_all(&s, names, err);
}

int image__save_manifest(struct image_store *store, const char *digest, int dir, struct err *err)
{
	cleanup(save_done) struct save s = { .store = store, .dir = dir };
	cleanup_manifest struct manifest m = { 0 };
	int r = fs_mkdirs(dir, "blobs/sha256", 0755, err);

	return r < 0 ? r : write_manifest(&s, digest, &m, err);
}

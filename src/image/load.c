/* Loading archives: `docker save` of every age, OCI archives, OCI layout directories. What kind it
 * is stands in files that may come last (manifest.json, index.json), and a pipe cannot be read
 * twice: so every file of an archive becomes a blob on the way, and then the documents are read. A
 * file that no document mentions is garbage like any other blob without a reference.
 *
 * index.json is preferred to manifest.json: with it manifests keep their digests. */
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "image/store.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
	LOAD_FILES_MAX = 20000,
	LOAD_NAME_MAX = 1024,
	LOAD_LINKS_MAX = 8, /* a symlink to a symlink to ... */
	LOAD_DEPTH_MAX = 8, /* directories below a layout; indexes in indexes */
	LOAD_IMAGES_MAX = 1000,
};

/* A file of the archive: a blob, or a link to another one. */
struct load_file {
	char digest[DIGEST_TEXT];
	uint64_t size;
	char *link;
};

struct load {
	struct image_store *store;
	const struct image_progress *progress;
	struct map files; /* name -> struct load_file */
	struct strv *names;
	size_t images;
};

static void load_file_free(void *p)
{
	struct load_file *f = p;

	free(f->link);
	free(f);
}

static const struct load_file *find_file(const struct load *l, const char *name)
{
	cleanup_free char *at = path_join("/", name);

	for (int i = 0; i < LOAD_LINKS_MAX; i++) {
		const struct load_file *f = map_get(&l->files, at + 1);
		cleanup_free char *dir = NULL;
		char *next;

		if (!f || !f->link)
			return f;
		dir = path_dir(at);
		next = path_join(dir, f->link);
		free(at);
		at = next;
	}
	return NULL;
}

static int add_file(struct load *l, const char *name, struct load_file *file, struct err *err)
{
	cleanup_free char *clean = path_join("/", name);

	if (l->files.live >= LOAD_FILES_MAX)
		return err_input(err, "the archive has more than %d files", LOAD_FILES_MAX);
	map_set(&l->files, clean + 1, file);
	return 0;
}

/* blobs/sha256/<hex> must be what its name says. */
static const char *expected_digest(const char *name, char buf[DIGEST_TEXT])
{
	cleanup_free char *clean = path_join("/", name);
	const char *hex = str_after(clean, "/blobs/sha256/");

	if (!hex || strlen(hex) != 64)
		return NULL;
	snprintf(buf, DIGEST_TEXT, "sha256:%s", hex);
	return image__digest_ok(buf) ? buf : NULL;
}

/* --- from an archive --- */

struct load_archive {
	struct archive *a;
	int fd;
	uint64_t done, total;
	char *buf;
	struct load *load;
};

static void archive_done(struct load_archive *la)
{
	if (la->a)
		archive_read_free(la->a);
	free(la->buf);
}

static la_ssize_t read_fd(struct archive *a, void *data, const void **ret)
{
	struct load_archive *la = data;
	const struct image_progress *p = la->load->progress;
	ssize_t n;

	do
		n = read(la->fd, la->buf, IMAGE_COPY_CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(a, errno, "%s", strerror(errno));
	else
		la->done += (uint64_t)n;
	if (p && p->fn && n >= 0)
		p->fn(p->data, "archive", "loading", la->done, la->total);
	*ret = la->buf;
	return n;
}

static int archive_failed(struct archive *a, struct err *err)
{
	const char *text = archive_error_string(a);

	return err_new(err, ERR_INPUT, archive_errno(a) > 0 ? archive_errno(a) : EINVAL,
		       "the archive is damaged or not a tar: %s", text ? text : "unknown");
}

static int store_entry(struct load *l, struct archive *a, const char *name, struct err *err)
{
	cleanup_blob struct blob_writer w = BLOB_WRITER_NONE;
	struct load_file *file;
	char digest[DIGEST_TEXT], expect[DIGEST_TEXT];
	int r = image__blob_begin(l->store, &w, err);

	while (r == 0) {
		const void *data;
		size_t len;
		la_int64_t offset;
		int s = archive_read_data_block(a, &data, &len, &offset);

		if (s == ARCHIVE_EOF)
			break;
		if (s < ARCHIVE_WARN)
			return archive_failed(a, err);
		if ((uint64_t)offset != w.size)
			return err_input(err,
					 "'%s' is a sparse file, which no archive of an image "
					 "has",
					 name);
		r = image__blob_add(&w, data, len, err);
	}
	if (r == 0)
		r = image__blob_commit(&w, expected_digest(name, expect), digest, err);
	if (r < 0)
		return r;
	file = new0(struct load_file);
	memcpy(file->digest, digest, DIGEST_TEXT);
	file->size = w.size;
	r = add_file(l, name, file, err);
	if (r < 0)
		load_file_free(file);
	return r;
}

static int store_link(struct load *l, const char *name, const char *target, bool hard,
		      struct err *err)
{
	struct load_file *file;
	int r;

	if (strlen(target) > LOAD_NAME_MAX)
		return err_input(err, "a link of the archive is too long");
	file = new0(struct load_file);
	file->link = hard ? xasprintf("/%s", target) : xstrdup(target);
	r = add_file(l, name, file, err);
	if (r < 0)
		load_file_free(file);
	return r;
}

static int read_entry(struct load *l, struct archive *a, struct archive_entry *e, struct err *err)
{
	const char *name = archive_entry_pathname(e);
	const char *hard = archive_entry_hardlink(e), *soft = archive_entry_symlink(e);

	if (!name || strlen(name) > LOAD_NAME_MAX)
		return err_input(err, "a name in the archive cannot be read or is too long");
	if (hard || soft)
		return store_link(l, name, hard ? hard : soft, hard != NULL, err);
	if (archive_entry_filetype(e) == AE_IFREG)
		return store_entry(l, a, name, err);
	return 0;
}

static int read_archive(struct load *l, int fd, struct err *err)
{
	cleanup(archive_done) struct load_archive la = {
		.a = archive_read_new(), .fd = fd, .buf = xmalloc(IMAGE_COPY_CHUNK), .load = l
	};
	struct archive_entry *e;
	struct stat st;
	int r;

	if (!la.a)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for an archive reader");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		la.total = (uint64_t)st.st_size;
	archive_read_support_filter_gzip(la.a);
	archive_read_support_filter_zstd(la.a);
	archive_read_support_filter_bzip2(la.a);
	archive_read_support_filter_xz(la.a);
	archive_read_support_format_tar(la.a);
	archive_read_support_format_gnutar(la.a);
	if (archive_read_open(la.a, &la, NULL, read_fd, NULL) < ARCHIVE_WARN)
		return archive_failed(la.a, err);
	while ((r = archive_read_next_header(la.a, &e)) != ARCHIVE_EOF) {
		if (r < ARCHIVE_WARN)
			return archive_failed(la.a, err);
		r = read_entry(l, la.a, e, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- from a directory --- */

static int copy_file(struct load *l, int dir, const char *path, struct err *err)
{
	cleanup_blob struct blob_writer w = BLOB_WRITER_NONE;
	cleanup_free char *buf = xmalloc(IMAGE_COPY_CHUNK);
	cleanup_fd int fd = fs_open_beneath(dir, path, O_RDONLY, 0, err);
	char digest[DIGEST_TEXT], expect[DIGEST_TEXT];
	struct load_file *file;
	struct stat st;
	ssize_t n = 0;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_input(err, "'%s' is not a regular file", path);
	r = image__blob_begin(l->store, &w, err);
	while (r == 0 && (n = read(fd, buf, IMAGE_COPY_CHUNK)) > 0)
		r = image__blob_add(&w, buf, (size_t)n, err);
	if (n < 0)
		return err_sys(err, errno, "read '%s'", path);
	if (r == 0)
		r = image__blob_commit(&w, expected_digest(path, expect), digest, err);
	if (r < 0)
		return r;
	file = new0(struct load_file);
	memcpy(file->digest, digest, DIGEST_TEXT);
	file->size = w.size;
	r = add_file(l, path, file, err);
	if (r < 0)
		load_file_free(file);
	return r;
}

static int read_directory(struct load *l, int dir, struct err *err)
{
	static const char *const documents[] = { "index.json", "manifest.json", "oci-layout" };
	cleanup_strv struct strv names = { 0 };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(documents) && r == 0; i++)
		if (fs_exists(dir, documents[i]))
			r = copy_file(l, dir, documents[i], err);
	if (r < 0)
		return r;
	r = fs_list(dir, "blobs/sha256", &names, err);
	if (r == -ENOENT) {
		err_done(err);
		return err_input(err, "the directory is not an OCI image layout");
	}
	for (size_t i = 0; i < names.n && r == 0; i++) {
		cleanup_free char *path = xasprintf("blobs/sha256/%s", names.v[i]);

		r = copy_file(l, dir, path, err);
	}
	return r;
}

/* --- the documents --- */

static int document(struct load *l, const char *name, json_t **ret, struct err *err)
{
	const struct load_file *f = find_file(l, name);

	if (!f)
		return err_not_found(err, "the archive has no '%.128s'", name);
	return image__blob_json(l->store, f->digest, ret, err);
}

/* A manifest that is in the store with all it names becomes an image: unpacked, and named when
 * there is a name. index: what the name stands for where that is more than this image, or NULL. */
static int add_image(struct load *l, const char *manifest, const char *index,
		     const struct strv *tags, struct err *err)
{
	cleanup_image struct image image = { 0 };
	int r;

	if (l->images++ >= LOAD_IMAGES_MAX)
		return err_input(err, "the archive has more than %d images", LOAD_IMAGES_MAX);
	r = image__load_manifest(l->store, manifest, true, l->progress, &image, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < tags->n; i++) {
		cleanup_image_ref struct image_ref ref = { 0 };

		r = image_ref_parse(tags->v[i], &ref, err);
		if (r == 0)
			r = image__ref_write(l->store, &ref, manifest, index, err);
		if (r < 0)
			return r;
		cleanup_free char *familiar = image_ref_familiar(&ref);

		if (!strv_has(l->names, familiar))
			strv_add(l->names, familiar);
	}
	if (tags->n)
		return 0;
	strv_add(l->names, image.id);
	return image__ref_keep(l->store, manifest, err);
}

/* One image of a manifest.json: {"Config": path, "RepoTags": [...], "Layers": [path, ...]}. */
static int add_docker_image(struct load *l, const json_t *entry, struct err *err)
{
	cleanup_strv struct strv tags = { 0 }, layers = { 0 };
	VEC(struct manifest_layer) blobs = { 0 };
	const struct load_file *config = find_file(l, json_str(entry, "Config", ""));
	char manifest[DIGEST_TEXT];
	int r = 0;

	if (!config)
		return err_input(err, "the archive has no config '%.128s'",
				 json_str(entry, "Config", ""));
	json_strv(entry, "RepoTags", &tags);
	json_strv(entry, "Layers", &layers);
	if (layers.n > IMAGE_LAYERS_MAX)
		return err_input(err, "an image of the archive has %zu layers", layers.n);
	for (size_t i = 0; i < layers.n && r == 0; i++) {
		const struct load_file *f = find_file(l, layers.v[i]);

		if (!f) {
			r = err_input(err, "the archive has no layer '%.128s'", layers.v[i]);
			break;
		}
		vec_push(&blobs,
			 (struct manifest_layer){
				 .media_type = (char *)"application/vnd.oci.image.layer.v1.tar",
				 .size = f->size });
		memcpy(blobs.v[i].digest, f->digest, DIGEST_TEXT);
	}
	if (r == 0)
		r = image__manifest_make(l->store, config->digest, blobs.v, blobs.n, NULL, manifest,
					 err);
	if (r == 0)
		r = add_image(l, manifest, NULL, &tags, err);
	vec_done(&blobs);
	return r;
}

static int add_docker(struct load *l, const json_t *doc, struct err *err)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(doc, i, entry) {
		int r = add_docker_image(l, entry, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What manifest.json calls the image with this config. */
static void docker_tags(struct load *l, const json_t *docker, const char *config, struct strv *tags)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(docker, i, entry) {
		const struct load_file *f = find_file(l, json_str(entry, "Config", ""));

		if (f && str_eq(f->digest, config))
			json_strv(entry, "RepoTags", tags);
	}
}

/* Annotations name an image: containerd's whole reference, or OCI's, which may be a tag alone. */
static void annotated_name(const json_t *descriptor, struct strv *tags)
{
	const json_t *notes = json_object_get(descriptor, "annotations");
	const char *name = json_str(notes, "io.containerd.image.name", NULL);
	cleanup_image_ref struct image_ref ref = { 0 };
	struct err bad = ERR_INIT;

	if (!name)
		name = json_str(notes, "org.opencontainers.image.ref.name", NULL);
	if (!name)
		return;
	if (image_ref_parse(name, &ref, &bad) < 0)
		err_done(&bad); /* a free text: the image is loaded without a name */
	else
		strv_add(tags, name);
}

/* What an index descriptor stands for on this machine, digest of a manifest. */
static int choose_manifest(struct load *l, const char *digest, const char *platform, int depth,
			   char ret[DIGEST_TEXT], struct err *err)
{
	cleanup_json json_t *doc = NULL;
	const json_t *chosen = NULL;
	int r;

	if (!image__digest_ok(digest))
		return err_input(err, "index.json has a bad digest '%.80s'", digest);
	r = image__blob_json(l->store, digest, &doc, err);
	if (r < 0)
		return r;
	if (!image__is_index(doc)) {
		memcpy(ret, digest, DIGEST_TEXT);
		return 0;
	}
	if (depth >= LOAD_DEPTH_MAX)
		return err_input(err, "indexes are nested too deeply");
	r = image__index_choose(doc, platform, &chosen, err);
	return r < 0 ? r
		     : choose_manifest(l, json_str(chosen, "digest", ""), platform, depth + 1, ret,
				       err);
}

static int add_oci(struct load *l, const json_t *index, const json_t *docker, struct err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(index, "manifests"), i, item) {
		cleanup_strv struct strv tags = { 0 };
		cleanup_manifest struct manifest m = { 0 };
		char digest[DIGEST_TEXT];
		const char *top = json_str(item, "digest", "");
		int r = choose_manifest(l, top, NULL, 0, digest, err);

		if (r == 0)
			r = image__manifest_load(l->store, digest, &m, err);
		if (r < 0)
			return r;
		annotated_name(item, &tags);
		if (!tags.n)
			docker_tags(l, docker, m.config, &tags);
		r = add_image(l, digest, str_eq(top, digest) ? NULL : top, &tags, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_images(struct load *l, struct err *err)
{
	cleanup_json json_t *index = NULL, *docker = NULL;
	int r = 0;

	if (find_file(l, "manifest.json") && (r = document(l, "manifest.json", &docker, err)) < 0)
		return r;
	if (find_file(l, "index.json") && (r = document(l, "index.json", &index, err)) < 0)
		return r;
	if (json_array_size(json_object_get(index, "manifests")))
		return add_oci(l, index, docker, err);
	if (json_array_size(docker))
		return add_docker(l, docker, err);
	return err_input(err, "the archive has no image: neither manifest.json (docker save) nor "
			      "index.json (OCI); a root file system is loaded with 'image import'");
}

int image_load(struct image_store *store, int fd, const struct image_progress *progress,
	       struct strv *ret_names, struct err *err)
{
	cleanup_map struct map files = MAP_INIT_FREE(load_file_free);
	cleanup_strv struct strv names = { 0 };
	struct load l = { .store = store, .progress = progress, .files = files, .names = &names };
	cleanup_fd int lock = FD_NONE;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "look at the archive");
	r = image__lock(store, IMAGE_LOCK_SHARED, &lock, err);
	if (r < 0)
		return r;
	r = S_ISDIR(st.st_mode) ? read_directory(&l, fd, err) : read_archive(&l, fd, err);
	if (r == 0)
		r = add_images(&l, err);
	files = l.files; /* for the cleanup */
	if (r < 0)
		return err_wrap(err, "load");
	if (ret_names)
		strv_copy(ret_names, &names);
	return 0;
}

/* --- one image of a layout --- */

/* The descriptor with this tag or digest; without either the only one, or the one called "latest".
 */
static int find_in_layout(const json_t *index, const char *which, const json_t **ret,
			  struct err *err)
{
	const json_t *list = json_object_get(index, "manifests"), *item, *latest = NULL;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *name = json_str(json_object_get(item, "annotations"),
					    "org.opencontainers.image.ref.name", "");
		const char *wanted = which ? which : "latest";
		/* Some write the whole reference there. */
		const char *tag = strrchr(name, ':');

		if (str_eq(json_str(item, "digest", ""), wanted) || str_eq(name, wanted) ||
		    (tag && str_eq(tag + 1, wanted)))
			latest = item;
	}
	if (!latest && !which && json_array_size(list) == 1)
		latest = json_array_get(list, 0);
	if (!latest)
		return err_not_found(err, "the OCI layout has no image '%s'",
				     which ? which : "latest");
	*ret = latest;
	return 0;
}

int image_load_layout(struct image_store *store, int fd, const char *which, const char *platform,
		      char **ret_id, struct err *err)
{
	cleanup_map struct map files = MAP_INIT_FREE(load_file_free);
	cleanup_strv struct strv names = { 0 };
	struct load l = { .store = store, .files = files, .names = &names };
	cleanup_fd int lock = FD_NONE;
	cleanup_json json_t *index = NULL;
	const json_t *item = NULL;
	char digest[DIGEST_TEXT];
	struct strv none = { 0 };
	int r = image__lock(store, IMAGE_LOCK_SHARED, &lock, err);

	if (r < 0)
		return r;
	r = read_directory(&l, fd, err);
	if (r == 0)
		r = document(&l, "index.json", &index, err);
	if (r == 0)
		r = find_in_layout(index, which, &item, err);
	if (r == 0)
		r = choose_manifest(&l, json_str(item, "digest", ""), platform, 0, digest, err);
	if (r == 0)
		r = add_image(&l, digest, NULL, &none, err);
	files = l.files; /* for the cleanup */
	if (r < 0)
		return err_wrap(err, "load");
	*ret_id = xstrdup(names.v[0]);
	return 0;
}

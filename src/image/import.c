/* A root file system tar becomes an image of one layer. The archive is read once, as it comes: the
 * bytes go into the blob (hashed), through the inflater (hashed again: the layer's identity) and
 * into files. */
#include "base/fs.h"
#include "image/store.h"

#include <sys/stat.h>

struct import {
	int fd;
	struct blob_writer blob;
	uint64_t told, total;
	const struct image_progress *progress;
	unsigned char magic[6]; /* the first bytes: which compression */
};

static ssize_t read_import(void *data, void *buf, size_t size, struct err *err)
{
	enum { TELL_EVERY = 1 << 20 };
	struct import *in = data;
	ssize_t n;
	int r;

	do
		n = read(in->fd, buf, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "read the archive");
	if (in->blob.size < sizeof(in->magic))
		memcpy(in->magic + in->blob.size, buf,
		       (size_t)n < sizeof(in->magic) - in->blob.size
			       ? (size_t)n
			       : sizeof(in->magic) - in->blob.size);
	r = n ? image__blob_add(&in->blob, buf, (size_t)n, err) : 0;
	if (r < 0)
		return r;
	if (in->progress && in->progress->fn && (in->blob.size - in->told >= TELL_EVERY || !n)) {
		in->told = in->blob.size;
		in->progress->fn(in->progress->data, "layer", "importing", in->blob.size,
				 in->total);
	}
	return n;
}

/* The media type is what other programs go by; OCI has one for gzip and one for zstd. Others are
 * legal in our store, where the bytes decide. */
static const char *layer_type(const unsigned char magic[6])
{
	if (magic[0] == 0x1f && magic[1] == 0x8b)
		return "application/vnd.oci.image.layer.v1.tar+gzip";
	if (memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0)
		return "application/vnd.oci.image.layer.v1.tar+zstd";
	if (memcmp(magic,
		   "\xfd"
		   "7zXZ",
		   6) == 0)
		return "application/vnd.oci.image.layer.v1.tar+xz";
	if (memcmp(magic, "BZh", 3) == 0)
		return "application/vnd.oci.image.layer.v1.tar+bzip2";
	return "application/vnd.oci.image.layer.v1.tar";
}

static int put_platform(json_t *doc, const char *text, struct err *err)
{
	cleanup_free char *whole = NULL;
	cleanup_strv struct strv parts = { 0 };
	int r = image_platform(text ? text : "local", &whole, err);

	if (r < 0)
		return r;
	parts = strv_split(whole, '/');
	json_put_str(doc, "architecture", parts.n > 1 ? parts.v[1] : image__machine());
	json_put_str(doc, "os", parts.v[0]);
	if (parts.n > 2)
		json_put_str(doc, "variant", parts.v[2]);
	return 0;
}

static json_t *make_config(const struct image_import *options, const char *diff_id, struct err *err)
{
	const struct strv *changes = options->changes;
	const char *message = options->message;
	cleanup_json json_t *doc = json_object();
	char buf[RFC3339_TEXT];
	const char *now = format_rfc3339(now_wall(), buf);

	if (put_platform(doc, options->platform, err) < 0)
		return NULL;
	json_put_str(doc, "created", now);
	json_put(doc, "config", json_object());
	for (size_t i = 0; changes && i < changes->n; i++)
		if (image__change(doc, changes->v[i], err) < 0)
			return NULL;
	json_put(doc, "rootfs", json_pack("{s:s,s:[s]}", "type", "layers", "diff_ids", diff_id));
	json_put(doc, "history",
		 json_pack("[{s:s,s:s}]", "created", now, "comment",
			   message && str_utf8(message, strlen(message), false)
				   ? message
				   : "Imported from a tar archive"));
	return ptr_take(doc);
}

static int finish(struct image_store *store, struct import *in, struct layer_writer *layer,
		  const struct unpack_result *result, const struct image_ref *ref,
		  const struct image_import *options, char **ret_id, struct err *err)
{
	struct manifest_layer blob = { .media_type = (char *)layer_type(in->magic),
				       .size = in->blob.size };
	cleanup_json json_t *config = make_config(options, result->diff_id, err);
	char id[DIGEST_TEXT], manifest[DIGEST_TEXT];
	int r;

	if (!config)
		return -err->no;
	r = image__blob_commit(&in->blob, NULL, blob.digest, err);
	if (r == 0)
		r = image__layer_commit(layer, result->diff_id, result, err);
	if (r == 0)
		r = image__blob_put_json(store, config, id, NULL, err);
	if (r == 0)
		r = image__manifest_make(store, id, &blob, 1, NULL, manifest, err);
	if (r == 0)
		r = ref ? image__ref_write(store, ref, manifest, NULL, err)
			: image__ref_keep(store, manifest, err);
	if (r == 0 && ret_id)
		*ret_id = xstrdup(id);
	return r;
}

int image_import(struct image_store *store, int fd, const char *name,
		 const struct image_import *options, char **ret_id, struct err *err)
{
	cleanup_image_ref struct image_ref ref = { 0 };
	cleanup_layer struct layer_writer layer = LAYER_WRITER_NONE;
	cleanup_fd int lock = FD_NONE;
	cleanup_json json_t *trial = NULL;
	struct import in = { .fd = fd, .blob = BLOB_WRITER_NONE, .progress = &options->progress };
	struct unpack_source source = { read_import, &in };
	struct unpack_result result;
	struct stat st;
	int r = name ? image_ref_parse(name, &ref, err) : 0;

	if (r < 0)
		return r;
	/* A wrong change is found before the work, not after it. */
	trial = make_config(options, "", err);
	if (!trial)
		return -err->no;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		in.total = (uint64_t)st.st_size;
	r = image__lock(store, IMAGE_LOCK_SHARED, &lock, err);
	if (r == 0)
		r = image__layer_begin(store, &layer, err);
	if (r == 0)
		r = image__blob_begin(store, &in.blob, err);
	if (r == 0)
		r = image__unpack(store, layer.root, &source, NULL, &result, err);
	if (r == 0)
		r = finish(store, &in, &layer, &result, name ? &ref : NULL, options, ret_id, err);
	else
		err_wrap(err, "import");
	image__blob_done(&in.blob);
	return r;
}

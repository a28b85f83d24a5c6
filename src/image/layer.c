/* Unpacked layers. layers/<chain id>/ holds diff/, the tree, and layer.json, what is known about
 * it; the directory is made under a temporary name and renamed, so that what has a chain id is
 * whole. Images share layers by chain id: the same layer on other parents is unpacked again,
 * because nothing else tells whether its whiteouts mean the same. */
#include "base/difference.h"
#include "base/fs.h"
#include "image/store.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { LAYER_RECORD_MAX = 65536 };

void image__chain(const char *parent, const char *diff_id, char ret[DIGEST_TEXT])
{
	cleanup_free char *text = NULL;
	char hex[SHA256_HEX];

	if (!parent) {
		memmove(ret, diff_id, DIGEST_TEXT);
		return;
	}
	text = xasprintf("%s %s", parent, diff_id);
	hash_hex(text, strlen(text), hex);
	memcpy(ret, "sha256:", sizeof("sha256:"));
	memcpy(ret + strlen("sha256:"), hex, sizeof(hex));
}

bool image__layer_has(struct image_store *store, const char *chain)
{
	return difference_complete(store->layers, image__hex(chain));
}

char *image__layer_path(struct image_store *store, const char *chain)
{
	return xasprintf("%s/layers/%s/diff", store->root, image__hex(chain));
}

/* NULL: not unpacked. */
static json_t *read_record(struct image_store *store, const char *hex)
{
	cleanup_free char *path = xasprintf("%s/layer.json", hex);
	cleanup_err struct err ignored = ERR_INIT;
	json_t *j = NULL;

	(void)json_read(store->layers, path, LAYER_RECORD_MAX, &j, &ignored);
	return j;
}

uint64_t image__layer_size(struct image_store *store, const char *chain)
{
	cleanup_json json_t *j = read_record(store, image__hex(chain));
	int64_t size = json_int(j, "size", 0);

	return size > 0 ? (uint64_t)size : 0;
}

bool image__layer_stands_on(struct image_store *store, const char *hex, const char *below)
{
	cleanup_json json_t *j = read_record(store, hex);
	char diff_id[DIGEST_TEXT], chain[DIGEST_TEXT];

	snprintf(diff_id, sizeof(diff_id), "%s", json_str(j, "diff_id", ""));
	if (strlen(diff_id) != DIGEST_TEXT - 1)
		return false;
	image__chain(below, diff_id, chain);
	return str_eq(image__hex(chain), hex);
}

int image__layer_begin(struct image_store *store, struct layer_writer *ret, struct err *err)
{
	cleanup_layer struct layer_writer w = { store, "tmp-", FD_NONE, FD_NONE };

	int r = image__unsynced_mark(store, err);

	if (r < 0)
		return r;
	hex_random(w.temp + strlen(w.temp), 24);
	if (mkdirat(store->layers, w.temp, 0700) < 0)
		return err_sys(err, errno, "make a layer in '%s'", store->root);
	w.dir = fs_open(store->layers, w.temp, O_RDONLY | O_DIRECTORY, 0, err);
	if (w.dir < 0)
		return w.dir;
	/* The mode that a root directory has when the archive does not mention it. */
	if (mkdirat(w.dir, "diff", 0755) < 0 || fchmodat(w.dir, "diff", 0755, 0) < 0)
		return err_sys(err, errno, "make a layer in '%s'", store->root);
	w.root = fs_open(w.dir, "diff", O_RDONLY | O_DIRECTORY, 0, err);
	if (w.root < 0)
		return w.root;
	*ret = w;
	w = LAYER_WRITER_NONE;
	w.temp[0] = '\0';
	return 0;
}

int image__layer_name(struct image_store *store, int dir, const char *name, const char *chain,
		      struct err *err)
{
	const char *hex = image__hex(chain);
	cleanup_free char *aside = xasprintf("tmp-gone-%s", hex);
	int r;

	if (renameat(dir, name, store->layers, hex) == 0)
		return 1;
	if (errno != EEXIST && errno != ENOTEMPTY)
		return err_sys(err, errno, "store layer '%s'", chain);
	if (difference_complete(store->layers, hex))
		return 0; /* the same, made by somebody else meanwhile */
	/* A difference whose base is gone. */
	if (renameat(store->layers, hex, store->layers, aside) < 0)
		return err_sys(err, errno, "set layer '%s' aside", chain);
	if (renameat(dir, name, store->layers, hex) < 0)
		return err_sys(err, errno, "store layer '%s'", chain);
	r = fs_remove_tree(store->layers, aside, err);
	return r < 0 ? r : 1;
}

int image__layer_commit(struct layer_writer *w, const char *chain,
			const struct unpack_result *result, struct err *err)
{
	cleanup_json json_t *j = json_object();
	int r;

	json_put_str(j, "diff_id", result->diff_id);
	json_put(j, "size", json_integer((json_int_t)result->size));
	json_put(j, "entries", json_integer((json_int_t)result->entries));
	r = json_write(w->dir, "layer.json", j, 0600, 0, err);
	if (r < 0)
		return r;
	r = image__layer_name(w->store, w->store->layers, w->temp, chain, err);
	if (r > 0)
		w->temp[0] = '\0';
	return r < 0 ? r : 0;
}

void image__layer_done(struct layer_writer *w)
{
	struct err ignored = ERR_INIT; /* a leftover is removed by the next collection */

	w->root = fd_close(w->root);
	w->dir = fd_close(w->dir);
	if (w->store && w->temp[0] && fs_remove_tree(w->store->layers, w->temp, &ignored) < 0)
		err_done(&ignored);
	w->temp[0] = '\0';
}

/* --- from a blob --- */

struct blob_reader {
	int fd;
	uint64_t done, total, told;
	const char *digest;
	const struct image_progress *progress;
};

static ssize_t read_blob(void *data, void *buf, size_t size, struct err *err)
{
	enum { TELL_EVERY = 1 << 20 };
	struct blob_reader *b = data;
	ssize_t n;

	do
		n = read(b->fd, buf, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "read blob '%s'", b->digest);
	b->done += (uint64_t)n;
	if (b->progress && b->progress->fn && (b->done - b->told >= TELL_EVERY || !n)) {
		b->told = b->done;
		b->progress->fn(b->progress->data, b->digest, "unpacking", b->done, b->total);
	}
	return n;
}

int image__layer_from_blob(struct image_store *store, struct layer_writer *w, const char *blob,
			   const char *diff_id, const struct image_progress *progress,
			   struct unpack_result *ret, struct err *err)
{
	struct blob_reader reader = { .digest = blob, .progress = progress };
	struct unpack_source source = { read_blob, &reader };
	cleanup_fd int fd = image__blob_open(store, blob, &reader.total, err);
	int r;

	if (fd < 0)
		return fd;
	reader.fd = fd;
	r = image__unpack(store, w->root, &source, NULL, ret, err);
	if (r < 0)
		return err_wrap(err, "unpack layer '%.19s'", blob);
	if (!str_eq(ret->diff_id, diff_id))
		return err_new(err, ERR_INPUT, EBADMSG,
			       "layer '%.19s': its content is '%s', but the image says '%s'", blob,
			       ret->diff_id, diff_id);
	return 0;
}

int image__layer_unpack(struct image_store *store, const char *blob, const char *diff_id,
			const char *chain, const struct image_progress *progress, struct err *err)
{
	cleanup_layer struct layer_writer w = LAYER_WRITER_NONE;
	struct unpack_result result;
	int r;

	if (image__layer_has(store, chain))
		return 0;
	r = image__layer_begin(store, &w, err);
	if (r == 0)
		r = image__layer_from_blob(store, &w, blob, diff_id, progress, &result, err);
	return r < 0 ? r : image__layer_commit(&w, chain, &result, err);
}

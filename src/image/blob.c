/* Blobs: bytes named by their SHA-256. They are hashed while they are written and get their name
 * only when they are whole. */
#include "base/fs.h"
#include "image/blob-disk.h"
#include "image/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SPACE_CHECK_EVERY ((uint64_t)64 << 20)

int image__blob_begin(struct image_store *store, struct blob_writer *ret, struct err *err)
{
	struct blob_writer w = { .store = store, .fd = FD_NONE, .temp = "blob-" };

	int r = image__unsynced_mark(store, err);

	if (r < 0)
		return r;
	hex_random(w.temp + strlen(w.temp), 24);
	w.fd = fs_open(store->tmp, w.temp, O_RDWR | O_CREAT | O_EXCL, 0600, err);
	if (w.fd < 0)
		return w.fd;
	w.hash = hash_new();
	*ret = w;
	return 0;
}

int image__blob_resume(struct image_store *store, const char *digest, struct blob_writer *ret,
		       uint64_t *ret_there, struct err *err)
{
	struct blob_writer w = { .store = store, .fd = FD_NONE, .keep = true };
	struct stat st, named;
	int r = image__unsynced_mark(store, err);

	if (r < 0)
		return r;
	snprintf(w.temp, sizeof(w.temp), "part-%s", image__hex(digest));
	w.fd = fs_open(store->tmp, w.temp, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, err);
	if (w.fd < 0)
		return w.fd;
	/* Another process downloads the same: then this one does so for itself. The name may have
	 * been taken away (committed) between the open and the lock. */
	if (flock(w.fd, LOCK_EX | LOCK_NB) < 0 || fstat(w.fd, &st) < 0 ||
	    fstatat(store->tmp, w.temp, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_ino != named.st_ino) {
		fd_close(w.fd);
		*ret_there = 0;
		return image__blob_begin(store, ret, err);
	}
	st.st_size -= st.st_size % DISK_BLOCK;
	if (ftruncate(w.fd, st.st_size) < 0) {
		r = err_sys(err, errno, "go on with what was downloaded before");
		image__blob_done(&w);
		return r;
	}
	w.hash = hash_new();
	w.disk = image__blob_disk_new(w.fd, w.hash, (uint64_t)st.st_size);
	*ret_there = (uint64_t)st.st_size;
	*ret = w;
	return 0;
}

ssize_t image__blob_replay(struct blob_writer *w, void *buf, size_t size, struct err *err)
{
	ssize_t n = pread(w->fd, buf, size, (off_t)w->size);

	if (n < 0)
		return err_sys(err, errno, "read what was downloaded before");
	hash_add(w->hash, buf, (size_t)n);
	w->size += (uint64_t)n;
	return n;
}

int image__blob_add(struct blob_writer *w, const void *data, size_t len, struct err *err)
{
	int r = w->disk ? image__blob_disk_add(w->disk, data, len) : fs_write_all(w->fd, data, len);

	if (r < 0)
		return err_sys(err, -r, "write to the image store '%s'", w->store->root);
	if (!w->disk)
		hash_add(w->hash, data, len);
	w->size += len;
	if (w->size - w->checked >= SPACE_CHECK_EVERY) {
		w->checked = w->size;
		return image__check_space(w->store, err);
	}
	return 0;
}

int image__blob_commit(struct blob_writer *w, const char *expect, char ret_digest[DIGEST_TEXT],
		       struct err *err)
{
	char digest[DIGEST_TEXT] = "sha256:";
	int r = w->disk ? image__blob_disk_end(w->disk) : 0;

	if (r < 0)
		return err_sys(err, -r, "write to the image store '%s'", w->store->root);
	hash_end(w->hash, digest + strlen(digest));
	if (expect && !str_eq(expect, digest))
		return err_new(err, ERR_INPUT, EBADMSG, "the content of '%s' has digest '%s'",
			       expect, digest);
	if (fchmod(w->fd, 0400) < 0 ||
	    renameat(w->store->tmp, w->temp, w->store->blobs, image__hex(digest)) < 0)
		return err_sys(err, errno, "store blob '%s'", digest);
	w->temp[0] = '\0';
	if (ret_digest)
		memcpy(ret_digest, digest, DIGEST_TEXT);
	return 0;
}

void image__blob_done(struct blob_writer *w)
{
	if (w->fd >= 0 && w->temp[0] && !w->keep)
		(void)unlinkat(w->store->tmp, w->temp, 0); /* else the next collection does it */
	else if (w->fd >= 0 && w->temp[0])
		(void)(w->disk &&
		       image__blob_disk_end(w->disk)); /* what is lost is fetched again */
	image__blob_disk_free(ptr_take(w->disk));
	w->fd = fd_close(w->fd);
	hash_free(w->hash);
	w->hash = NULL;
}

int image__blob_put(struct image_store *store, const void *data, size_t len,
		    char ret_digest[DIGEST_TEXT], struct err *err)
{
	cleanup_blob struct blob_writer w = BLOB_WRITER_NONE;
	char digest[DIGEST_TEXT] = "sha256:";
	bool good = false;
	int r;

	/* One that is there is left alone, unless it is damaged: then this is the cure. */
	hash_hex(data, len, digest + strlen(digest));
	if (image__blob_has(store, digest)) {
		r = image__blob_check(store, image__hex(digest), &good, err);
		if (r == 0 && good && ret_digest)
			memcpy(ret_digest, digest, DIGEST_TEXT);
		if (r < 0 || good)
			return r;
	}
	r = image__blob_begin(store, &w, err);
	if (r < 0)
		return r;
	r = image__blob_add(&w, data, len, err);
	return r < 0 ? r : image__blob_commit(&w, NULL, ret_digest, err);
}

int image__blob_put_json(struct image_store *store, const json_t *j, char ret_digest[DIGEST_TEXT],
			 uint64_t *ret_size, struct err *err)
{
	cleanup_free char *text = json_text(j);
	size_t len = strlen(text);

	if (len > IMAGE_JSON_MAX)
		return err_input(err, "an image document of %zu bytes is too large", len);
	if (ret_size)
		*ret_size = len;
	return image__blob_put(store, text, len, ret_digest, err);
}

int image__blob_check(struct image_store *store, const char *hex, bool *ret_good, struct err *err)
{
	cleanup_fd int fd = fs_open(store->blobs, hex, O_RDONLY | O_NOFOLLOW, 0, err);
	cleanup(hash_free_cleanup) struct hash *hash = hash_new();
	cleanup_free char *buf = xmalloc(IMAGE_COPY_CHUNK);
	char actual[SHA256_HEX];
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = read(fd, buf, IMAGE_COPY_CHUNK)) > 0)
		hash_add(hash, buf, (size_t)n);
	hash_end(hash, actual);
	/* A blob that cannot be read to its end is damaged, too. */
	*ret_good = n == 0 && str_eq(actual, hex);
	return 0;
}

bool image__blob_has(struct image_store *store, const char *digest)
{
	return fs_exists(store->blobs, image__hex(digest));
}

int image__blob_open(struct image_store *store, const char *digest, uint64_t *ret_size,
		     struct err *err)
{
	cleanup_fd int fd = FD_NONE;
	struct stat st;

	fd = openat(store->blobs, image__hex(digest), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_not_found(err, "blob '%s' is not in the image store", digest);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open blob '%s'", digest);
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return fd_take(fd);
}

int image__blob_json(struct image_store *store, const char *digest, json_t **ret, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_fd int fd = FD_NONE;
	char actual[DIGEST_TEXT] = "sha256:";
	int r;

	fd = image__blob_open(store, digest, NULL, err);
	if (fd < 0)
		return fd;
	r = fs_read_fd(fd, digest, IMAGE_JSON_MAX, &text, err);
	if (r < 0)
		return r;
	hash_hex(str_text(&text), text.len, actual + strlen(actual));
	if (!str_eq(actual, digest))
		return err_new(err, ERR_INPUT, EBADMSG,
			       "blob '%s' is damaged: its content has digest '%s'", digest, actual);
	return json_parse(str_text(&text), text.len, digest, ret, err);
}

/* A tar stream, compressed or not, becomes a directory. The stream is hostile: every name is
 * cleaned by the letter, its parent is opened beneath the layer's root by the kernel (openat2), and
 * the last component is never followed. The bytes are inflated and hashed on their way
 * (tar-stream.c), and given to libarchive, which knows the formats. Nothing is read twice. */
#include "image/unpack.h"

#include "base/fs.h"
#include "base/log.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>

enum {
	UNPACK_HEADER_MAX =
		16 << 20, /* tar bytes between two entries: names, attributes, sparse maps */
};
#define UNPACK_ENTRIES ((uint64_t)1000000)   /* ten times the largest images seen */
#define UNPACK_BYTES   ((uint64_t)256 << 30) /* of the tar stream */

static void unpack_done(struct unpack *u)
{
	if (u->tar)
		archive_read_free(u->tar);
	image__tar_stream_free(u->in);
	free(u->direct.block);
	err_done(&u->fault);
	free(u->parent_path);
	fd_close(u->parent_fd);
	vec_each(dir, &u->dirs)
		free(dir->path);
	vec_done(&u->dirs);
}

/* --- the stream --- */

static la_ssize_t read_inflated(struct archive *a, void *data, const void **ret)
{
	struct unpack *u = data;
	ssize_t len = image__tar_stream_read(u->in, ret, &u->fault);

	(void)a; /* what is wrong is in u->fault */
	if (len <= 0)
		return len;
	u->stream += (uint64_t)len;
	if (u->stream > u->max_bytes) {
		err_input(&u->fault, "more than %llu bytes", (unsigned long long)u->max_bytes);
		return -1;
	}
	if (u->stream - u->header_start > UNPACK_HEADER_MAX) {
		err_input(&u->fault, "the header of an entry is larger than %d bytes",
			  UNPACK_HEADER_MAX);
		return -1;
	}
	return len;
}

static int open_stream(struct unpack *u, struct err *err)
{
	int r = image__tar_stream_open(u->source, &u->in, err);

	if (r < 0)
		return r;
	u->tar = archive_read_new();
	if (!u->tar)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for an archive reader");
	archive_read_support_format_tar(u->tar);
	archive_read_support_format_gnutar(u->tar);
	archive_read_support_format_empty(u->tar);
	if (archive_read_open(u->tar, u, NULL, read_inflated, NULL) < ARCHIVE_WARN)
		return image__unpack_failed(u, u->tar, err);
	return 0;
}

/* The digests are of all bytes, also of those behind the end of the tar. */
static int drain(struct unpack *u, struct err *err)
{
	const void *data;
	la_ssize_t n;

	do {
		u->header_start = u->stream;
		n = read_inflated(u->tar, u, &data);
	} while (n > 0);
	return n < 0 ? image__unpack_failed(u, u->tar, err) : 0;
}

static void set_dir_times(struct unpack *u)
{
	for (size_t i = u->dirs.n; i-- > 0;) {
		struct timespec ts[2] = { u->dirs.v[i].mtime, u->dirs.v[i].mtime };
		struct err gone = ERR_INIT; /* replaced by a later entry */
		int fd = image__unpack_open(u, u->dirs.v[i].path,
					    O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &gone);

		if (fd >= 0)
			(void)futimens(fd, ts);
		fd_close(fd);
		err_done(&gone);
	}
}

static int unpack_all(struct unpack *u, struct err *err)
{
	struct archive_entry *ae;
	int r = open_stream(u, err);

	if (r < 0)
		return r;
	for (;;) {
		/* What an entry did not want (the body of a hard link) is passed over as data, so
		 * that the bound on headers counts headers. */
		do {
			const void *data;
			size_t len;
			la_int64_t offset;

			u->header_start = u->stream;
			r = u->entries ? archive_read_data_block(u->tar, &data, &len, &offset)
				       : ARCHIVE_EOF;
		} while (r == ARCHIVE_OK || r == ARCHIVE_WARN);
		if (r == ARCHIVE_FATAL)
			return image__unpack_failed(u, u->tar, err);
		u->header_start = u->stream;
		r = archive_read_next_header(u->tar, &ae);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return image__unpack_failed(u, u->tar, err);
		if (r == ARCHIVE_WARN)
			debug("archive: %s", archive_error_string(u->tar));
		r = image__unpack_entry(u, ae, err);
		if (r < 0)
			return r;
	}
	set_dir_times(u);
	return drain(u, err);
}

int image__unpack(struct image_store *store, int root, const struct unpack_source *source,
		  const struct unpack_limits *limits, struct unpack_result *ret, struct err *err)
{
	cleanup(unpack_done) struct unpack u = {
		.store = store,
		.source = source,
		.root = root,
		.parent_fd = FD_NONE,
		.max_entries = limits && limits->entries ? limits->entries : UNPACK_ENTRIES,
		.max_bytes = limits && limits->bytes ? limits->bytes : UNPACK_BYTES,
	};
	/* libarchive converts names between the archive's UTF-8 and the thread's character set:
	 * make that UTF-8 too, whatever the user's is. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), old = (locale_t)0;
	int r;

	if (utf8)
		old = uselocale(utf8);
	r = unpack_all(&u, err);
	if (utf8) {
		uselocale(old);
		freelocale(utf8);
	}
	if (r < 0)
		return r;
	memcpy(ret->diff_id, "sha256:", sizeof("sha256:"));
	image__tar_stream_digest(u.in, ret->diff_id + strlen("sha256:"));
	ret->size = u.size;
	ret->entries = u.entries;
	return 0;
}

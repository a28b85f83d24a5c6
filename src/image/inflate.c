#include "image/inflate.h"

#include "image/igzip.h"

#include <archive.h>
#include <archive_entry.h>

struct inflate {
	const struct unpack_source *source;
	unsigned char *buf; /* of the source */
	size_t len;	    /* bytes in buf that nobody has taken yet, from `at` on */
	const unsigned char *at;
	bool ended; /* the source has */
	struct err fault;

	struct archive *archive;   /* or */
	const unsigned char *part; /* of it, that did not fit: part_len bytes */
	size_t part_len;
	struct igzip *igzip;
};

void image__inflate_free(struct inflate *in)
{
	if (!in)
		return;
	if (in->archive)
		archive_read_free(in->archive);
	image__igzip_free(in->igzip);
	err_done(&in->fault);
	free(in->buf);
	free(in);
}

/* More of the source, when all that was there is taken. */
static int refill(struct inflate *in, struct err *err)
{
	ssize_t n;

	if (in->len || in->ended)
		return 0;
	n = in->source->read(in->source->data, in->buf, IMAGE_COPY_CHUNK, err);
	if (n < 0)
		return (int)n;
	in->at = in->buf;
	in->len = (size_t)n;
	in->ended = n == 0;
	return 0;
}

static int damaged(struct err *err, int no, const char *text)
{
	return err_new(err, ERR_INPUT, no > 0 ? no : EINVAL,
		       "the archive is damaged or not a tar: %s", text ? text : "unknown");
}

/* --- through libarchive, which is used here for its filters alone --- */

static la_ssize_t read_source(struct archive *a, void *data, const void **ret)
{
	struct inflate *in = data;
	int r = refill(in, &in->fault);
	size_t n = in->len;

	if (r < 0) {
		archive_set_error(a, -r, "read error");
		return -1;
	}
	*ret = in->at;
	in->len = 0;
	return (la_ssize_t)n;
}

static int archive_failed(struct inflate *in, struct err *err)
{
	if (in->fault.kind)
		return err_move(err, &in->fault);
	return damaged(err, archive_errno(in->archive), archive_error_string(in->archive));
}

static int open_archive(struct inflate *in, struct err *err)
{
	struct archive_entry *ignored;

	in->archive = archive_read_new();
	if (!in->archive)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for an archive reader");
	/* By name: "all" would include filters that run other programs. */
	archive_read_support_filter_gzip(in->archive);
	archive_read_support_filter_zstd(in->archive);
	archive_read_support_filter_bzip2(in->archive);
	archive_read_support_filter_xz(in->archive);
	archive_read_support_format_raw(in->archive);
	archive_read_support_format_empty(in->archive);
	if (archive_read_open(in->archive, in, NULL, read_source, NULL) < ARCHIVE_WARN ||
	    archive_read_next_header(in->archive, &ignored) < ARCHIVE_WARN)
		return archive_failed(in, err);
	return 0;
}

/* Some bytes, at most `size`; 0 at the end. */
static ssize_t some_archive(struct inflate *in, unsigned char *out, size_t size, struct err *err)
{
	la_int64_t offset;
	const void *data;
	int r = ARCHIVE_OK;

	while ((r == ARCHIVE_OK || r == ARCHIVE_WARN) && in->part_len == 0) {
		r = archive_read_data_block(in->archive, &data, &in->part_len, &offset);
		in->part = data;
	}
	if (r == ARCHIVE_EOF)
		return 0;
	if (r < ARCHIVE_WARN)
		return archive_failed(in, err);
	size = in->part_len < size ? in->part_len : size;
	memcpy(out, in->part, size);
	in->part += size;
	in->part_len -= size;
	return (ssize_t)size;
}

/* --- gzip --- */

static ssize_t some_igzip(struct inflate *in, unsigned char *out, size_t size, struct err *err)
{
	for (;;) {
		bool between = false;
		int r = refill(in, err);

		if (r < 0)
			return r;
		r = image__igzip_run(in->igzip, &in->at, &in->len, out, size, &between);
		if (r < 0)
			return damaged(err, EBADMSG, "what gzip says of it does not fit");
		if (r > 0)
			return r;
		if (in->ended && !in->len)
			return between ? 0 : damaged(err, EPIPE, "gzip data that ends too early");
	}
}

/* --- either --- */

int image__inflate_open(const struct unpack_source *source, struct inflate **ret, struct err *err)
{
	cleanup(image__inflate_free_cleanup) struct inflate *in = new0(struct inflate);
	int r;

	in->source = source;
	in->buf = xmalloc(IMAGE_COPY_CHUNK);
	r = refill(in, err);
	if (r < 0)
		return r;
	if (in->len >= 3 && memcmp(in->at, "\x1f\x8b\x08", 3) == 0)
		in->igzip = image__igzip_new();
	if (!in->igzip)
		r = open_archive(in, err);
	if (r == 0)
		*ret = ptr_take(in);
	return r;
}

ssize_t image__inflate_fill(struct inflate *in, void *out, size_t size, struct err *err)
{
	size_t filled = 0;

	while (filled < size) {
		unsigned char *at = (unsigned char *)out + filled;
		ssize_t n = in->igzip ? some_igzip(in, at, size - filled, err)
				      : some_archive(in, at, size - filled, err);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		filled += (size_t)n;
	}
	return (ssize_t)filled;
}

int image__inflate_drain(struct inflate *in, struct err *err)
{
	int r;

	do {
		in->len = 0;
		r = refill(in, err);
	} while (r == 0 && !in->ended);
	return r;
}

void image__inflate_prepare(void)
{
	hash_free(hash_new());
	archive_read_free(archive_read_new());
	image__igzip_free(image__igzip_new());
}

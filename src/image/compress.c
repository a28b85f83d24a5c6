#include "image/compress.h"

#include "image/igzip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <unistd.h>

struct compress {
	int fd;
	uint64_t taken, size; /* plain bytes read; compressed bytes given */
	struct hash *plain, *packed;
	unsigned char *in;
	size_t in_len;
	const unsigned char *at; /* of the bytes of `in` that the compressor has not taken */
	bool ended;		 /* the file has */

	struct igzip_out *igzip; /* or */
	struct archive *archive;
	struct str out; /* what came out of it, from out_at on */
	size_t out_at;
	bool closed;
};

static void stop(struct compress *c)
{
	hash_free(c->plain);
	hash_free(c->packed);
	image__igzip_out_free(c->igzip);
	if (c->archive)
		archive_write_free(c->archive);
	str_done(&c->out);
	c->plain = c->packed = NULL;
	c->igzip = NULL;
	c->archive = NULL;
}

void image__compress_free(struct compress *c)
{
	if (!c)
		return;
	stop(c);
	free(c->in);
	free(c);
}

/* --- through libarchive, for its filter alone --- */

static la_ssize_t take_output(struct archive *a, void *data, const void *bytes, size_t len)
{
	struct compress *c = data;

	(void)a;
	str_addn(&c->out, bytes, len);
	return (la_ssize_t)len;
}

static int archive_failed(struct compress *c, struct err *err)
{
	const char *text = archive_error_string(c->archive);

	return err_new(err, ERR_INTERNAL, EIO, "compress: %s", text ? text : "unknown");
}

static int open_archive(struct compress *c, struct err *err)
{
	struct archive_entry *e;
	int r;

	c->archive = archive_write_new();
	if (!c->archive)
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory for a compressor");
	archive_write_set_format_raw(c->archive);
	archive_write_add_filter_gzip(c->archive);
	archive_write_set_bytes_in_last_block(c->archive, 1);
	(void)archive_write_set_options(c->archive, "gzip:!timestamp");
	e = archive_entry_new();
	archive_entry_set_filetype(e, AE_IFREG);
	r = archive_write_open(c->archive, c, NULL, take_output, NULL) < ARCHIVE_WARN ||
			    archive_write_header(c->archive, e) < ARCHIVE_WARN
		    ? archive_failed(c, err)
		    : 0;
	archive_entry_free(e);
	return r;
}

static ssize_t run_archive(struct compress *c, void *buf, size_t size, struct err *err)
{
	size_t have = c->out.len - c->out_at, n;

	if (!have) {
		str_clear(&c->out);
		c->out_at = 0;
		if (c->in_len && archive_write_data(c->archive, c->at, c->in_len) < 0)
			return archive_failed(c, err);
		c->in_len = 0;
		if (c->ended && !c->closed && archive_write_close(c->archive) < ARCHIVE_WARN)
			return archive_failed(c, err);
		c->closed = c->ended;
		have = c->out.len;
	}
	n = have < size ? have : size;
	memcpy(buf, str_text(&c->out) + c->out_at, n);
	c->out_at += n;
	return (ssize_t)n;
}

/* --- either --- */

static int start(struct compress *c, struct err *err)
{
	stop(c);
	c->taken = c->size = 0;
	c->in_len = 0;
	c->ended = c->closed = false;
	c->out_at = 0;
	c->plain = hash_new();
	c->packed = hash_new();
	if (lseek(c->fd, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "read a blob again");
	c->igzip = image__igzip_out_new();
	return c->igzip ? 0 : open_archive(c, err);
}

int image__compress_open(int fd, struct compress **ret, struct err *err)
{
	cleanup(image__compress_free_cleanup) struct compress *c = new0(struct compress);
	int r;

	c->fd = fd;
	c->in = xmalloc(IMAGE_COPY_CHUNK);
	r = start(c, err);
	if (r == 0)
		*ret = ptr_take(c);
	return r;
}

int image__compress_rewind(struct compress *c, struct err *err)
{
	return c->taken ? start(c, err) : 0;
}

static int refill(struct compress *c, struct err *err)
{
	ssize_t n;

	if (c->in_len || c->ended)
		return 0;
	do
		n = read(c->fd, c->in, IMAGE_COPY_CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "read a blob");
	hash_add(c->plain, c->in, (size_t)n);
	c->taken += (uint64_t)n;
	c->at = c->in;
	c->in_len = (size_t)n;
	c->ended = n == 0;
	return 0;
}

ssize_t image__compress_read(struct compress *c, void *buf, size_t size, struct err *err)
{
	ssize_t n;

	do {
		bool over = c->ended && !c->in_len;
		int r = refill(c, err);

		if (r < 0)
			return r;
		n = c->igzip ? image__igzip_out_run(c->igzip, &c->at, &c->in_len, c->ended, buf,
						    size)
			     : run_archive(c, buf, size, err);
		if (n == 0 && over)
			break;
	} while (n == 0);
	if (n < 0)
		return n;
	hash_add(c->packed, buf, (size_t)n);
	c->size += (uint64_t)n;
	return n;
}

uint64_t image__compress_taken(const struct compress *c)
{
	return c->taken;
}

void image__compress_end(struct compress *c, char ret_plain[DIGEST_TEXT], char ret[DIGEST_TEXT],
			 uint64_t *ret_size)
{
	memcpy(ret_plain, "sha256:", sizeof("sha256:"));
	hash_end(c->plain, ret_plain + strlen("sha256:"));
	memcpy(ret, "sha256:", sizeof("sha256:"));
	hash_end(c->packed, ret + strlen("sha256:"));
	*ret_size = c->size;
}

#include "base/fs.h"
#include "base/hash.h"
#include "volume/seal-format.h"

#include <zstd.h>

enum { SEAL_LEVEL = 3 };

struct seal_writer {
	int fd;
	bool encrypt;
	crypto_secretstream_xchacha20poly1305_state stream;
	struct hash *hash;
	ZSTD_CCtx *zstd;
	unsigned char piece[SEAL_CHUNK]; /* waits to be full */
	size_t len;
	unsigned char sealed[SEAL_CHUNK + SEAL_TAG];
	unsigned char packed[SEAL_CHUNK];
};

void seal_writer_free(struct seal_writer *w)
{
	if (!w)
		return;
	hash_free(w->hash);
	ZSTD_freeCCtx(w->zstd);
	if (w->encrypt)
		sodium_memzero(&w->stream, sizeof(w->stream));
	free(w);
}

static int put_fd(struct seal_writer *w, const void *data, size_t len, struct err *err)
{
	int r = fs_write_all(w->fd, data, len);

	return r < 0 ? err_sys(err, -r, "write the backup") : 0;
}

static int flush(struct seal_writer *w, bool last, struct err *err)
{
	size_t len = w->len;

	w->len = 0;
	if (!w->encrypt)
		return put_fd(w, w->piece, len, err);
	(void)crypto_secretstream_xchacha20poly1305_push(
		&w->stream, w->sealed, NULL, w->piece, len, (const unsigned char *)SEAL_ENCRYPTED,
		strlen(SEAL_ENCRYPTED), last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0);
	return put_fd(w, w->sealed, len + SEAL_TAG, err);
}

/* What is in the file, or in its encrypted pieces. A full piece waits until it is not the last. */
static int put(struct seal_writer *w, const void *data, size_t len, struct err *err)
{
	const unsigned char *from = data;
	int r = 0;

	hash_add(w->hash, data, len);
	while (r == 0 && len > 0) {
		size_t n = SEAL_CHUNK - w->len < len ? SEAL_CHUNK - w->len : len;

		memcpy(w->piece + w->len, from, n);
		w->len += n;
		from += n;
		len -= n;
		if (w->len == SEAL_CHUNK && len > 0)
			r = flush(w, false, err);
	}
	return r;
}

static int start_encryption(struct seal_writer *w, const struct backup_key *key, struct err *err)
{
	unsigned char header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
	int r;

	if (sodium_init() < 0)
		return err_new(err, ERR_INTERNAL, EIO, "libsodium cannot be used");
	w->encrypt = true;
	(void)crypto_secretstream_xchacha20poly1305_init_push(&w->stream, header, key->bytes);
	r = put_fd(w, SEAL_ENCRYPTED, strlen(SEAL_ENCRYPTED), err);
	return r < 0 ? r : put_fd(w, header, sizeof(header), err);
}

static int put_manifest(struct seal_writer *w, const json_t *manifest, struct err *err)
{
	cleanup_free char *text = json_text(manifest);
	cleanup_str struct str frame = STR_INIT;
	unsigned char head[SEAL_FRAME];

	if (strlen(text) > SEAL_MANIFEST_MAX)
		return err_input(err, "the volume's labels and options are too long for a backup");
	seal__frame(head, strlen(SEAL_MAGIC) + strlen(text));
	str_addn(&frame, head, sizeof(head));
	str_add(&frame, SEAL_MAGIC);
	str_add(&frame, text);
	return put(w, frame.data, frame.len, err);
}

int seal_writer_open(int fd, const struct backup_key *key, const json_t *manifest,
		     struct seal_writer **ret, struct err *err)
{
	cleanup(seal_writer_free_cleanup) struct seal_writer *w = new0(struct seal_writer);
	int r = 0;

	w->fd = fd;
	w->hash = hash_new();
	w->zstd = ZSTD_createCCtx();
	if (!w->zstd ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, SEAL_LEVEL)))
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory to compress");
	if (key)
		r = start_encryption(w, key, err);
	if (r == 0)
		r = put_manifest(w, manifest, err);
	if (r == 0)
		*ret = ptr_take(w);
	return r;
}

static int compress(struct seal_writer *w, const void *data, size_t len, ZSTD_EndDirective end,
		    struct err *err)
{
	ZSTD_inBuffer in = { data, len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { w->packed, sizeof(w->packed), 0 };
		int r;

		left = ZSTD_compressStream2(w->zstd, &out, &in, end);
		if (ZSTD_isError(left))
			return err_new(err, ERR_INTERNAL, EIO, "compress: %s",
				       ZSTD_getErrorName(left));
		r = put(w, w->packed, out.pos, err);
		if (r < 0)
			return r;
	} while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
	return 0;
}

int seal_write(struct seal_writer *w, const void *data, size_t len, struct err *err)
{
	return compress(w, data, len, ZSTD_e_continue, err);
}

int seal_writer_end(struct seal_writer *w, uint64_t entries, uint64_t bytes, struct err *err)
{
	unsigned char mark[SEAL_END];
	char hex[SHA256_HEX];
	int r = compress(w, NULL, 0, ZSTD_e_end, err);

	if (r < 0)
		return r;
	hash_end(w->hash, hex);
	hash_free(w->hash);
	w->hash = hash_new(); /* of the end mark, of nobody's interest */
	seal__end_mark(mark, entries, bytes, hex);
	r = put(w, mark, sizeof(mark), err);
	return r < 0 ? r : flush(w, true, err);
}

/* Reading holds back as many bytes as the end mark has: what is behind them at the end of the file
 * is the mark. It is not parsed but made again from what was seen, and compared. */
#include "base/fs.h"
#include "base/hash.h"
#include "volume/seal-format.h"

#include <stdio.h>
#include <zstd.h>

enum { SEAL_WINDOW_LOG = 24 }; /* most memory a hostile file can make the decoder take: 16 MiB */

struct seal_reader {
	int fd;
	bool encrypted, final; /* final: the last piece has been seen */
	bool opened;	       /* a piece was decrypted: the key is right */
	crypto_secretstream_xchacha20poly1305_state stream;
	struct hash *hash;
	ZSTD_DCtx *zstd;
	bool in_frame; /* of zstd: it has begun and not ended */
	bool full;     /* the decoder may have more to give without more to take */
	unsigned char sealed[SEAL_CHUNK + SEAL_TAG];
	unsigned char held[SEAL_END + SEAL_CHUNK]; /* from `start` to `len` is not handed out */
	size_t start, len;
	const unsigned char *next; /* given by pull(), not yet inflated */
	size_t next_len;
	unsigned char plain[2 * SEAL_CHUNK];
};

void seal__end_mark(unsigned char mark[SEAL_END], uint64_t entries, uint64_t bytes, const char *hex)
{
	char text[SEAL_END_TEXT + 1];

	snprintf(text, sizeof(text),
		 "stave-volume-end\nentries %020llu\nbytes %020llu\nsha256 %s\n",
		 (unsigned long long)entries, (unsigned long long)bytes, hex);
	seal__frame(mark, SEAL_END_TEXT);
	memcpy(mark + SEAL_FRAME, text, SEAL_END_TEXT);
}

void seal_reader_free(struct seal_reader *r)
{
	if (!r)
		return;
	hash_free(r->hash);
	ZSTD_freeDCtx(r->zstd);
	if (r->encrypted)
		sodium_memzero(&r->stream, sizeof(r->stream));
	free(r);
}

static int damaged(struct err *err, const char *how)
{
	return err_new(err, ERR_INPUT, EBADMSG, "the backup is damaged: %s", how);
}

/* Until `len` bytes or the end of the file. */
static ssize_t read_full(int fd, void *data, size_t len, struct err *err)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(fd, (char *)data + have, len - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read the backup");
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static ssize_t read_sealed(struct seal_reader *r, unsigned char *to, struct err *err)
{
	ssize_t n = read_full(r->fd, r->sealed, sizeof(r->sealed), err);
	unsigned long long len = 0;
	unsigned char tag = 0;

	if (n < 0)
		return n;
	if (n == 0)
		return r->final ? 0 : damaged(err, "it ends too early");
	if (r->final)
		return damaged(err, "something is behind its end");
	if (n < SEAL_TAG ||
	    crypto_secretstream_xchacha20poly1305_pull(
		    &r->stream, to, &len, &tag, r->sealed, (unsigned long long)n,
		    (const unsigned char *)SEAL_ENCRYPTED, strlen(SEAL_ENCRYPTED)) < 0)
		return r->opened ? damaged(err, "a piece of it was changed or cut")
				 : err_new(err, ERR_INPUT, EBADMSG,
					   "the key is not the one it was made with, or the backup "
					   "is damaged");
	r->opened = true;
	r->final = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
	return (ssize_t)len;
}

/* The next bytes before the end mark: 0 at the end of the file, when the mark alone is left. */
static ssize_t pull(struct seal_reader *r, const unsigned char **ret, struct err *err)
{
	if (r->start > 0) {
		memmove(r->held, r->held + r->start, r->len - r->start);
		r->len -= r->start;
		r->start = 0;
	}
	while (r->len <= SEAL_END) {
		unsigned char *to = r->held + r->len;
		ssize_t n = r->encrypted ? read_sealed(r, to, err)
					 : read_full(r->fd, to, SEAL_CHUNK, err);

		if (n < 0)
			return n;
		if (n == 0 && r->len < SEAL_END)
			return damaged(err, "it ends too early");
		if (n == 0 && r->encrypted && !r->final)
			return damaged(err, "it ends too early");
		if (n == 0)
			return 0;
		r->len += (size_t)n;
	}
	r->start = r->len - SEAL_END;
	*ret = r->held;
	hash_add(r->hash, r->held, r->start);
	return (ssize_t)r->start;
}

static int fill(struct seal_reader *r, struct err *err)
{
	ssize_t n = pull(r, &r->next, err);

	r->next_len = n > 0 ? (size_t)n : 0;
	return n < 0 ? (int)n : n > 0;
}

/* Exactly `len` bytes before the tar. */
static int take(struct seal_reader *r, void *to, size_t len, struct err *err)
{
	while (len > 0) {
		size_t n = r->next_len < len ? r->next_len : len;
		int more;

		if (n > 0)
			memcpy(to, r->next, n);
		to = (char *)to + n;
		len -= n;
		r->next += n;
		r->next_len -= n;
		if (len == 0)
			break;
		more = fill(r, err);
		if (more < 0)
			return more;
		if (!more)
			return damaged(err, "it ends too early");
	}
	return 0;
}

static int read_manifest(struct seal_reader *r, json_t **ret, struct err *err)
{
	unsigned char head[SEAL_FRAME], expected[SEAL_FRAME];
	char magic[sizeof(SEAL_MAGIC)] = "";
	cleanup_free char *text = NULL;
	cleanup_json json_t *manifest = NULL;
	size_t len = 0;
	int res = take(r, head, sizeof(head), err);

	for (int i = 0; i < 4; i++)
		len |= (size_t)head[4 + i] << (8 * i);
	seal__frame(expected, len);
	if (res == 0 && memcmp(head, expected, sizeof(head)) == 0 && len > strlen(SEAL_MAGIC))
		res = take(r, magic, strlen(SEAL_MAGIC), err);
	if (res < 0)
		return res;
	if (strcmp(magic, SEAL_MAGIC) != 0)
		return err_input(err, "it is not a backup of a volume by this version of stave");
	len -= strlen(SEAL_MAGIC);
	if (len > SEAL_MANIFEST_MAX)
		return damaged(err, "its manifest is too long");
	text = xmalloc(len + 1);
	res = take(r, text, len, err);
	if (res < 0)
		return res;
	text[len] = '\0';
	res = json_parse(text, len, "manifest", &manifest, err);
	if (res == 0 && !json_is_object(manifest))
		return damaged(err, "its manifest is not an object");
	if (res == 0)
		*ret = ptr_take(manifest);
	return res;
}

/* Plain or encrypted: the first bytes say it. */
static int open_seal(struct seal_reader *r, const struct backup_key *key, struct err *err)
{
	unsigned char header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
	size_t len = strlen(SEAL_ENCRYPTED);
	ssize_t n = read_full(r->fd, r->held, len, err);

	if (n < 0)
		return (int)n;
	r->len = (size_t)n;
	if ((size_t)n < len || memcmp(r->held, SEAL_ENCRYPTED, len) != 0)
		return key && (size_t)n == len
			       ? err_usage(err, "the backup is not encrypted: leave the key out")
			       : 0;
	if (!key)
		return err_usage(err, "the backup is encrypted: give its --key-file");
	r->len = 0;
	n = read_full(r->fd, header, sizeof(header), err);
	if (n < 0)
		return (int)n;
	if (n != sizeof(header))
		return damaged(err, "it ends too early");
	if (sodium_init() < 0)
		return err_new(err, ERR_INTERNAL, EIO, "libsodium cannot be used");
	r->encrypted = true;
	if (crypto_secretstream_xchacha20poly1305_init_pull(&r->stream, header, key->bytes) < 0)
		return damaged(err, "its head is not valid");
	return 0;
}

int seal_reader_open(int fd, const struct backup_key *key, struct seal_reader **ret,
		     json_t **ret_manifest, bool *ret_encrypted, struct err *err)
{
	cleanup(seal_reader_free_cleanup) struct seal_reader *r = new0(struct seal_reader);
	int res;

	r->fd = fd;
	r->hash = hash_new();
	r->zstd = ZSTD_createDCtx();
	if (!r->zstd ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax, SEAL_WINDOW_LOG)))
		return err_new(err, ERR_INTERNAL, ENOMEM, "no memory to decompress");
	res = open_seal(r, key, err);
	if (res == 0)
		res = read_manifest(r, ret_manifest, err);
	if (res < 0)
		return res;
	if (ret_encrypted)
		*ret_encrypted = r->encrypted;
	*ret = ptr_take(r);
	return 0;
}

ssize_t seal_read(struct seal_reader *r, const void **ret, struct err *err)
{
	ZSTD_outBuffer out = { r->plain, sizeof(r->plain), 0 };

	while (out.pos == 0) {
		ZSTD_inBuffer in;
		size_t left;

		if (r->next_len == 0 && !(r->in_frame && r->full)) {
			int more = fill(r, err);

			if (more < 0)
				return more;
			if (!more)
				return r->in_frame ? damaged(err, "it ends too early") : 0;
		}
		in = (ZSTD_inBuffer){ r->next, r->next_len, 0 };
		left = ZSTD_decompressStream(r->zstd, &out, &in);
		if (ZSTD_isError(left))
			return damaged(err, ZSTD_getErrorName(left));
		r->in_frame = left > 0;
		r->full = out.pos == out.size;
		r->next += in.pos;
		r->next_len -= in.pos;
	}
	*ret = r->plain;
	return (ssize_t)out.pos;
}

int seal_reader_end(struct seal_reader *r, uint64_t entries, uint64_t bytes, struct err *err)
{
	unsigned char mark[SEAL_END];
	char hex[SHA256_HEX];
	const void *ignored;
	ssize_t n;

	do
		n = seal_read(r, &ignored, err);
	while (n > 0);
	if (n < 0)
		return (int)n;
	hash_end(r->hash, hex);
	seal__end_mark(mark, entries, bytes, hex);
	if (r->len - r->start != SEAL_END || memcmp(mark, r->held + r->start, SEAL_END) != 0)
		return damaged(err, "its checksum does not match");
	return 0;
}

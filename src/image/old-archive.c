#include "image/old-archive.h"

#include "base/fs.h"

enum {
	BLOCK = 512,
	EXTRA_MAX = 1 << 20, /* of an entry's pax records: more is not ours */
	NAME_AT = 0,
	NAME_MAX_LEN = 100,
	SIZE_AT = 124,
	SIZE_LEN = 12,
	TYPE_AT = 156,
	PREFIX_AT = 345,
	PREFIX_MAX_LEN = 155,
};

struct old_archive {
	int fd;
	const char *name; /* owned, as what follows */
	struct hash *hash;
	char *buf;
	size_t at, len;	 /* in buf */
	struct str head; /* all headers of the entry */
	struct str path;
	char type;
	uint64_t left; /* content and padding that were not read yet */
	bool ended;    /* the blocks of zeros were met */
};

static int damaged(const struct old_archive *old, struct err *err)
{
	return err_new(err, ERR_INPUT, EBADMSG, "blob '%s' is not the archive of a layer",
		       old->name);
}

int old_archive_open(struct image_store *store, const char *blob, struct old_archive **ret,
		     struct err *err)
{
	int fd = image__blob_open(store, blob, NULL, err);
	struct old_archive *old;

	if (fd < 0)
		return fd;
	old = new0(struct old_archive);
	old->fd = fd;
	old->name = xstrdup(blob);
	old->hash = hash_new();
	old->buf = xmalloc(IMAGE_COPY_CHUNK);
	old->head = STR_INIT_MAX(EXTRA_MAX + 4 * BLOCK);
	old->path = STR_INIT_MAX(EXTRA_MAX);
	*ret = old;
	return 0;
}

void old_archive_free(struct old_archive *old)
{
	if (!old)
		return;
	fd_close(old->fd);
	hash_free(old->hash);
	str_done(&old->head);
	str_done(&old->path);
	free((char *)old->name);
	free(old->buf);
	free(old);
}

/* --- bytes --- */

/* 0: the end. */
static int fill(struct old_archive *old, struct err *err)
{
	ssize_t n;

	do
		n = read(old->fd, old->buf, IMAGE_COPY_CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "read blob '%s'", old->name);
	hash_add(old->hash, old->buf, (size_t)n);
	old->at = 0;
	old->len = (size_t)n;
	return n > 0;
}

/* The next `size` bytes, to the sink or (NULL) to nobody. */
static int pass(struct old_archive *old, uint64_t size, const struct pack_sink *sink,
		struct err *err)
{
	while (size) {
		size_t n = old->len - old->at;
		int r = 0;

		if (!n) {
			r = fill(old, err);
			if (r <= 0)
				return r < 0 ? r : damaged(old, err);
			continue;
		}
		if (n > size)
			n = (size_t)size;
		if (sink)
			r = sink->add(sink->data, old->buf + old->at, n, err);
		if (r < 0)
			return r;
		old->at += n;
		size -= n;
	}
	return 0;
}

static int keep(void *data, const void *bytes, size_t len, struct err *err)
{
	(void)err;
	str_addn(data, bytes, len);
	return 0;
}

/* --- headers --- */

static uint64_t padded(uint64_t size)
{
	return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* Octal digits; sizes that need another form are in a pax record, too, and not ours to take. */
static bool parse_octal(const char *at, size_t len, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	while (i < len && at[i] >= '0' && at[i] <= '7')
		n = n * 8 + (uint64_t)(at[i++] - '0');
	*ret = n;
	return i > 0 && (i == len || at[i] == ' ' || at[i] == '\0');
}

/* "<length> <key>=<value>\n", one after the other. */
static bool parse_records(struct old_archive *old, const char *text, size_t size,
			  uint64_t *ret_size)
{
	for (size_t at = 0, len; at < size; at += len) {
		const char *space = memchr(text + at, ' ', size - at), *value;

		len = 0;
		for (const char *c = text + at; space && c < space && *c >= '0' && *c <= '9'; c++)
			len = len * 10 + (size_t)(*c - '0');
		if (!space || len > size - at || len < (size_t)(space - text - (ssize_t)at) + 4)
			return false;
		space++;
		if (strncmp(space, "path=", 5) == 0) {
			value = space + 5;
			str_clear(&old->path);
			str_addn(&old->path, value, (size_t)(text + at + len - 1 - value));
		} else if (strncmp(space, "size=", 5) == 0) {
			*ret_size = 0;
			for (value = space + 5; *value >= '0' && *value <= '9'; value++)
				*ret_size = *ret_size * 10 + (uint64_t)(*value - '0');
		}
	}
	return true;
}

static void set_path(struct old_archive *old, const char *block)
{
	const char *prefix = block + PREFIX_AT, *name = block + NAME_AT;

	if (*prefix) {
		str_addn(&old->path, prefix, strnlen(prefix, PREFIX_MAX_LEN));
		str_addc(&old->path, '/');
	}
	str_addn(&old->path, name, strnlen(name, NAME_MAX_LEN));
}

static int next_block(struct old_archive *old, struct err *err)
{
	struct pack_sink sink = { keep, &old->head };

	return pass(old, BLOCK, &sink, err);
}

/* The headers of the next entry: a block, and before it perhaps one with records. */
static int next_entry(struct old_archive *old, struct err *err)
{
	struct pack_sink sink = { keep, &old->head };
	uint64_t size, extra = 0, whole = UINT64_MAX;
	const char *block;
	int r = pass(old, old->left, NULL, err);

	old->left = 0;
	str_clear(&old->head);
	str_clear(&old->path);
	if (r == 0)
		r = next_block(old, err);
	if (r == 0 && old->head.data[TYPE_AT] == 'x') {
		if (!parse_octal(old->head.data + SIZE_AT, SIZE_LEN, &extra) || extra > EXTRA_MAX)
			return damaged(old, err);
		r = pass(old, padded(extra), &sink, err);
		if (r == 0 && !parse_records(old, old->head.data + BLOCK, (size_t)extra, &whole))
			return damaged(old, err);
		if (r == 0)
			r = next_block(old, err);
	}
	if (r < 0)
		return r;
	block = old->head.data + old->head.len - BLOCK;
	old->ended = !block[NAME_AT];
	if (old->ended)
		return 0;
	old->type = block[TYPE_AT];
	if (!parse_octal(block + SIZE_AT, SIZE_LEN, &size) || !strchr("0123456", old->type))
		return damaged(old, err);
	if (!old->path.len)
		set_path(old, block);
	old->left = old->type == '0' ? padded(whole != UINT64_MAX ? whole : size) : 0;
	return 0;
}

/* --- entries --- */

int old_archive_find(struct old_archive *old, const char *path, struct err *err)
{
	while (!old->ended) {
		int r = next_entry(old, err);

		if (r < 0)
			return r;
		if (!old->ended && str_eq(str_text(&old->path), path))
			return 0;
	}
	return damaged(old, err);
}

bool old_archive_is_link(const struct old_archive *old)
{
	return old->type == '1';
}

int old_archive_copy(struct old_archive *old, const struct pack_sink *sink, struct err *err)
{
	int r = sink->add(sink->data, old->head.data, old->head.len, err);
	uint64_t size = old->left;

	old->left = 0;
	return r < 0 ? r : pass(old, size, sink, err);
}

int old_archive_end(struct old_archive *old, struct err *err)
{
	char digest[DIGEST_TEXT] = "sha256:";
	int r;

	do
		r = fill(old, err);
	while (r > 0);
	if (r < 0)
		return r;
	hash_end(old->hash, digest + strlen(digest));
	return str_eq(digest, old->name) ? 0 : damaged(old, err);
}

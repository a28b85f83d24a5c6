/* The files of one log. The writer renames `log` to `log.1` when it is full, so a file is known by
 * its inode: at the end of one, the next is what stands after it in the directory now. */
#include "engine/log-file.h"

#include "base/fs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CHUNK = 64 << 10,
	LINE_MAX_BYTES = 1 << 20, /* a json-file line with every byte escaped is far below */
	FILES_MAX = 1000,
	STAMP = 30,	    /* "2026-11-21T04:25:44.123456789Z" */
	TAG_AT = STAMP + 8, /* " stdout " */
};
/* What a json-file line ends with; the stamp stands between the two. */
#define JSON_MIDDLE "\",\"stream\":\"stdout\",\"time\":\""
enum { JSON_END = sizeof(JSON_MIDDLE) - 1 + STAMP + 2 };

struct part { /* one open file */
	int fd;
	ino_t inode;
	off_t size;
};
struct parts {
	VEC(struct part) v; /* oldest first */
};

struct log_file {
	char *path; /* of the newest, ".../log" */
	struct parts parts;
	size_t at; /* the part being read */
	char *buf;
	size_t start, end, cap; /* unread bytes are buf[start..end) */
	char stamp[STAMP + 1];	/* of the last line, and what it means: batches share one */
	nsec_t stamp_time;
	json_t *json; /* holds the text of the last line */
};

static void close_parts(struct parts *parts)
{
	vec_each(p, &parts->v)
		fd_close(p->fd);
	vec_done(&parts->v);
}

static int open_part(const char *path, struct part *ret)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fd_close(fd);
		return -EINVAL;
	}
	*ret = (struct part){ .fd = fd, .inode = st.st_ino, .size = st.st_size };
	return 0;
}

static bool has_inode(const struct parts *parts, ino_t inode)
{
	vec_each(p, &parts->v)
		if (p->inode == inode)
			return true;
	return false;
}

static bool there(const char *path, int number)
{
	cleanup_free char *name = xasprintf("%s.%d", path, number);
	return access(name, F_OK) == 0;
}

/* Newest first while opening, so that a rotation in between shows as the same file twice, or as a
 * number that is missing before others; then again from the start. A number can also be missing for
 * good, after a crash. */
static int open_parts_once(const char *path, struct parts *ret, bool *hole)
{
	*hole = false;
	for (int i = 0; i < FILES_MAX; i++) {
		struct part part;
		cleanup_free char *name = i ? xasprintf("%s.%d", path, i) : xstrdup(path);
		int r = open_part(name, &part);
		if (r == -ENOENT && i > 0 && !there(path, i + 1))
			break;
		if (r == -ENOENT) { /* 0: just being rotated, or not there yet */
			*hole |= i > 0;
			continue;
		}
		if (r < 0)
			return r;
		bool twice = has_inode(ret, part.inode);
		vec_push(&ret->v, part);
		if (twice)
			return -EAGAIN;
	}
	for (size_t i = 0; i < ret->v.n / 2; i++) {
		struct part swap = ret->v.v[i];
		ret->v.v[i] = ret->v.v[ret->v.n - 1 - i];
		ret->v.v[ret->v.n - 1 - i] = swap;
	}
	return 0;
}

static int open_parts(const char *path, struct parts *ret)
{
	enum { TRIES = 50 };
	bool hole = true;
	int r = -EAGAIN;
	for (int i = 0; i < TRIES && (r == -EAGAIN || (r == 0 && hole)); i++) {
		close_parts(ret);
		r = open_parts_once(path, ret, &hole);
	}
	return r;
}

/* --- the last N lines --- */

/* Whether the record in bytes [start, end) of the file ends a line. */
static bool ends_line(int fd, off_t start, off_t end)
{
	char first, tag = 'F';
	if (pread(fd, &first, 1, start) != 1)
		return true;
	if (first != '{')
		return pread(fd, &tag, 1, start + TAG_AT) != 1 || tag != 'P';
	char escaped[2];
	return pread(fd, escaped, 2, end - JSON_END - 2) != 2 || memcmp(escaped, "\\n", 2) == 0;
}

/* Looks backwards for the end of the line before the last *tail ones; counts *tail down, below zero
 * when it is found. The offset to begin at; 0 when the whole file belongs to them. What stands
 * after the last newline is no line yet. */
static off_t tail_offset(const struct part *part, int64_t *tail)
{
	cleanup_free char *chunk = xmalloc(CHUNK);
	off_t end = -1; /* the newline of the record that is looked at */
	for (off_t high = part->size, low; high > 0; high = low) {
		low = high > CHUNK ? high - CHUNK : 0;
		ssize_t n = pread(part->fd, chunk, (size_t)(high - low), low);
		if (n < high - low)
			return 0;
		for (ssize_t i = n - 1; i >= 0; i--) {
			if (chunk[i] != '\n')
				continue;
			if (end >= 0 && ends_line(part->fd, low + i + 1, end) && --*tail < 0)
				return end + 1;
			end = low + i;
		}
	}
	if (end >= 0 && ends_line(part->fd, 0, end) && --*tail < 0)
		return end + 1;
	return 0;
}

static void seek_tail(struct log_file *f, int64_t tail)
{
	for (size_t i = f->parts.v.n; i > 0; i--) {
		struct part *part = &f->parts.v.v[i - 1];
		off_t offset = tail_offset(part, &tail);
		if (tail < 0) {
			f->at = i - 1;
			(void)lseek(part->fd, offset, SEEK_SET);
			return;
		}
	}
}

/* --- */

int log_file__open(const char *slot_dir, int64_t tail, struct log_file **ret, struct err *err)
{
	struct log_file *f = new0(struct log_file);
	f->path = xasprintf("%s/log", slot_dir);
	int r = open_parts(f->path, &f->parts);
	if (r < 0) {
		r = err_sys(err, -r, "open '%s'", f->path);
		log_file__free(f);
		return r;
	}
	if (tail >= 0)
		seek_tail(f, tail);
	*ret = f;
	return 0;
}

void log_file__free(struct log_file *f)
{
	if (!f)
		return;
	close_parts(&f->parts);
	json_decref(f->json);
	free(f->buf);
	free(f->path);
	free(f);
}

/* Goes on in the next part; looks for new ones after the last. 1: there is one; 0: there is none.
 */
static int next_part(struct log_file *f)
{
	if (f->at + 1 < f->parts.v.n) {
		f->at++;
		return 1;
	}
	struct stat st;
	bool have = f->parts.v.n > 0;
	const ino_t inode = have ? f->parts.v.v[f->at].inode : 0;
	if (stat(f->path, &st) < 0 || (have && st.st_ino == inode))
		return 0;
	struct parts now = { 0 };
	int r = open_parts(f->path, &now);
	if (r < 0) {
		close_parts(&now);
		return r == -EAGAIN ? 0 : r;
	}
	size_t at = 0; /* all of them, when the one we read is gone */
	for (size_t i = 0; have && i < now.v.n; i++) {
		if (now.v.v[i].inode == inode)
			at = i + 1;
	}
	/* What was written between our last read and the rename still stands in the old file. */
	if (have && at > 0 && at < now.v.n) {
		off_t pos = lseek(f->parts.v.v[f->at].fd, 0, SEEK_CUR);
		if (pos < now.v.v[at - 1].size) {
			at--;
			(void)lseek(now.v.v[at].fd, pos, SEEK_SET);
		}
	}
	if (at >= now.v.n) {
		close_parts(&now);
		return 0;
	}
	close_parts(&f->parts);
	f->parts = now;
	f->at = at;
	return 1;
}

/* More bytes behind buf[end]. 0: none now. */
static int fill(struct log_file *f)
{
	if (f->start > 0) {
		memmove(f->buf, f->buf + f->start, f->end - f->start);
		f->end -= f->start;
		f->start = 0;
	}
	if (f->cap - f->end < CHUNK) {
		f->cap = f->cap ? f->cap * 2 : 2 * CHUNK;
		f->buf = xreallocarray(f->buf, f->cap, 1);
	}
	for (;;) {
		ssize_t n = 0;
		if (f->parts.v.n)
			n = read(f->parts.v.v[f->at].fd, f->buf + f->end, f->cap - f->end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n > 0) {
			f->end += (size_t)n;
			return 1;
		}
		int r = next_part(f);
		if (r <= 0)
			return r;
		f->end = f->start; /* a torn end of the old file is nobody's line */
	}
}

static int parse_stamp(struct log_file *f, const char *text, size_t len, nsec_t *ret)
{
	if (len < STAMP)
		return -EINVAL;
	if (memcmp(f->stamp, text, STAMP) != 0) {
		memcpy(f->stamp, text, STAMP);
		if (parse_rfc3339(f->stamp, &f->stamp_time) < 0) {
			f->stamp[0] = '\0';
			return -EINVAL;
		}
	}
	*ret = f->stamp_time;
	return 0;
}

static int parse_cri(struct log_file *f, const char *text, size_t len, struct log_line *ret)
{
	if (len < TAG_AT + 2 || parse_stamp(f, text, len, &ret->time) < 0)
		return -EINVAL;
	if (memcmp(text + STAMP, " std", 4) != 0 || text[TAG_AT + 1] != ' ')
		return -EINVAL;
	ret->stream = text[STAMP + 4] == 'e' ? LOG_STDERR : LOG_STDOUT;
	ret->partial = text[TAG_AT] == 'P';
	ret->text = text + TAG_AT + 2;
	ret->len = len - TAG_AT - 2;
	return 0;
}

static int parse_json(struct log_file *f, const char *text, size_t len, struct log_line *ret)
{
	json_decref(f->json);
	f->json = json_loadb(text, len, 0, NULL);
	const char *stamp = json_str(f->json, "time", "");
	const json_t *log = json_object_get(f->json, "log");
	if (!json_is_string(log) || parse_rfc3339(stamp, &ret->time) < 0)
		return -EINVAL;
	ret->stream = str_eq(json_str(f->json, "stream", ""), "stderr") ? LOG_STDERR : LOG_STDOUT;
	ret->text = json_string_value(log);
	ret->len = json_string_length(log);
	ret->partial = ret->len == 0 || ret->text[ret->len - 1] != '\n';
	ret->len -= !ret->partial;
	return 0;
}

int log_file__next(struct log_file *f, struct log_line *ret)
{
	for (;;) {
		char *line = f->buf + f->start;
		char *newline = f->end > f->start ? memchr(line, '\n', f->end - f->start) : NULL;
		if (!newline) {
			if (f->end - f->start > LINE_MAX_BYTES)
				f->start = f->end; /* nothing that we wrote */
			int r = fill(f);
			if (r <= 0)
				return r;
			continue;
		}
		size_t len = (size_t)(newline - line);
		f->start += len + 1;
		int r = len && *line == '{' ? parse_json(f, line, len, ret)
					    : parse_cri(f, line, len, ret);
		if (r == 0)
			return 1; /* what cannot be read (a torn line) is passed over */
	}
}

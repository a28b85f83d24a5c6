/* The writing half of the logs. All output of all containers of a project passes here, so the cost
 * per line is a search for its end and two copies; time is asked for once a call, and whole batches
 * go to the file with one write. */
#include "engine/log.h"

#include "base/fs.h"
#include "base/parse.h"

#include <fcntl.h>
#include <sys/stat.h>

enum {
	LINE_MAX_BYTES = 16 << 10, /* containerd's and Docker's limit for one record */
	BATCH = 128 << 10,	   /* a file is not written in larger pieces */
	FILES_MAX = 1000,
};
#define MAX_SIZE_DEFAULT ((uint64_t)10 << 20)

struct log_writer {
	char *dir, *path;
	int fd;
	uint64_t size; /* of the file */
	struct log_limits limits;
	struct str batch; /* formatted lines that are not written yet */
	struct {
		char *held; /* the beginning of a line, LINE_MAX_BYTES; NULL: none */
		size_t len;
		bool open; /* the last record written was a P: an F has to follow */
	} streams[2];
	char stamp[RFC3339_TEXT];
};

int log_limits_parse(const json_t *logging, struct log_limits *ret, struct err *err)
{
	struct log_limits limits = { .max_size = MAX_SIZE_DEFAULT, .max_files = 3 };
	const char *driver = json_str(logging, "driver", "");
	const json_t *options = json_object_get(logging, "options");
	const char *size = json_str(options, "max-size", NULL);
	const char *files = json_str(options, "max-file", NULL);

	limits.none = str_eq(driver, "none");
	limits.json_file = str_eq(driver, "json-file");
	if (size && !str_eq(size, "-1") &&
	    (parse_size(size, &limits.max_size) < 0 || limits.max_size == 0))
		return err_input(err, "logging option max-size: '%s' is not a size", size);
	if (files && parse_int(files, 1, FILES_MAX, &limits.max_files) < 0)
		return err_input(err, "logging option max-file: '%s' is not a number of files",
				 files);
	*ret = limits;
	return 0;
}

/* CRI, as long as the file is new or has to be continued: opens, and ends a torn last line. */
static int open_file(struct log_writer *w, int flags)
{
	struct stat st;
	char last = '\n';
	w->fd = open(w->path, O_RDWR | O_APPEND | O_CLOEXEC | flags, 0640);
	if (w->fd < 0)
		return -errno;
	if (fstat(w->fd, &st) < 0)
		return -errno;
	w->size = (uint64_t)st.st_size;
	if (st.st_size > 0 && pread(w->fd, &last, 1, st.st_size - 1) == 1 && last != '\n' &&
	    write(w->fd, "\n", 1) == 1)
		w->size++;
	return 0;
}

int log_writer_open(const char *slot_dir, const struct log_limits *limits, struct log_writer **ret,
		    struct err *err)
{
	cleanup(log_writer_free_cleanup) struct log_writer *w = new0(struct log_writer);
	w->fd = FD_NONE;
	w->limits = *limits;
	w->dir = xstrdup(slot_dir);
	w->path = xasprintf("%s/log", slot_dir);
	if (!limits->none) {
		int r = open_file(w, 0);
		if (r < 0 && r != -ENOENT)
			return err_sys(err, -r, "open '%s'", w->path);
	}
	*ret = ptr_take(w);
	return 0;
}

void log_writer_free(struct log_writer *w)
{
	if (!w)
		return;
	if (!w->limits.none)
		(void)log_end(w); /* nobody is left to hear of a full disk */
	fd_close(w->fd);
	str_done(&w->batch);
	for (size_t i = 0; i < ARRAY_SIZE(w->streams); i++)
		free(w->streams[i].held);
	free(w->dir);
	free(w->path);
	free(w);
}

void log_writer_limits(struct log_writer *w, const struct log_limits *limits)
{
	w->limits = *limits;
}

/* log.1 becomes log.2, and so on; the last one goes. The new file is open only when all is well:
 * until then the old one is written on. */
static int rotate(struct log_writer *w)
{
	cleanup_free char *from = NULL;
	for (int i = w->limits.max_files - 1; i > 0; i--) {
		cleanup_free char *to = xasprintf("%s.%d", w->path, i);
		free(from);
		from = i > 1 ? xasprintf("%s.%d", w->path, i - 1) : xstrdup(w->path);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	if (w->limits.max_files == 1 && unlink(w->path) < 0 && errno != ENOENT)
		return -errno;
	int old = w->fd;
	int r = open_file(w, O_CREAT);
	if (r < 0) {
		fd_close(w->fd == old ? FD_NONE : w->fd);
		w->fd = old;
		return r;
	}
	fd_close(old);
	return 0;
}

/* With the first line: a container that says nothing has no log. */
static int make_file(struct log_writer *w)
{
	cleanup_err struct err ignored = ERR_INIT;
	int r = fs_mkdirs(AT_FDCWD, w->dir, 0700, &ignored);
	return r < 0 ? r : open_file(w, O_CREAT);
}

/* Writes the batch. A write that is cut short by a full disk is taken back whole. */
static int write_batch(struct log_writer *w)
{
	int r = 0;
	size_t len = w->batch.len;
	if (len == 0)
		return 0;
	if (w->fd < 0 && (r = make_file(w)) < 0) {
		str_clear(&w->batch);
		return r;
	}
	if (w->size > 0 && w->size + len > w->limits.max_size)
		r = rotate(w);
	int written = fs_write_all(w->fd, w->batch.data, len);
	if (written < 0)
		(void)!ftruncate(w->fd, (off_t)w->size);
	else
		w->size += len;
	str_clear(&w->batch);
	return written < 0 ? written : r;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Docker's json-file. Bytes that are not UTF-8 become U+FFFD, as there. */
static void add_json_text(struct str *out, const char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];
		for (n = 0; i + n < len && is_plain((unsigned char)text[i + n]); n++)
			;
		if (n > 0) {
			str_addn(out, text + i, n);
			continue;
		}
		n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		if (c == '"' || c == '\\') {
			char pair[2] = { '\\', (char)c };
			str_addn(out, pair, 2);
		} else if (n > 1 && i + n <= len && str_utf8(text + i, n, false)) {
			str_addn(out, text + i, n);
		} else if (n > 1) {
			str_add(out, "\\ufffd");
			n = 1;
		} else {
			str_addf(out, "\\u%04x", c);
		}
	}
}

/* The line is in two pieces, the held beginning and the rest, so that it is copied once. */
static void add_json_line(struct log_writer *w, enum log_stream stream, const char *head,
			  size_t head_len, const char *text, size_t len, bool whole)
{
	str_add(&w->batch, "{\"log\":\"");
	add_json_text(&w->batch, head, head_len);
	add_json_text(&w->batch, text, len);
	str_add(&w->batch, whole ? "\\n\",\"stream\":\"" : "\",\"stream\":\"");
	str_add(&w->batch, stream == LOG_STDERR ? "stderr" : "stdout");
	str_add(&w->batch, "\",\"time\":\"");
	str_add(&w->batch, w->stamp);
	str_add(&w->batch, "\"}\n");
}

static void add_cri_line(struct log_writer *w, enum log_stream stream, const char *head,
			 size_t head_len, const char *text, size_t len, bool whole)
{
	static const char *const middles[2][2] = {
		[LOG_STDOUT] = { " stdout P ", " stdout F " },
		[LOG_STDERR] = { " stderr P ", " stderr F " },
	};
	enum { MIDDLE = 10 };
	size_t stamp = strlen(w->stamp);
	char *to = str_room(&w->batch, stamp + MIDDLE + head_len + len + 1);
	if (!to)
		return; /* a batch never comes near its bound */
	memcpy(to, w->stamp, stamp);
	memcpy(to + stamp, middles[stream][whole], MIDDLE);
	to += stamp + MIDDLE;
	memcpy(to, head, head_len);
	memcpy(to + head_len, text, len);
	to[head_len + len] = '\n';
	str_grew(&w->batch, stamp + MIDDLE + head_len + len + 1);
}

static int add_line(struct log_writer *w, enum log_stream stream, const char *text, size_t len,
		    bool whole)
{
	cleanup_free char *held = ptr_take(w->streams[stream].held);
	const char *head = held ? held : "";
	size_t head_len = w->streams[stream].len;
	(w->limits.json_file ? add_json_line : add_cri_line)(w, stream, head, head_len, text, len,
							     whole);
	w->streams[stream].len = 0;
	w->streams[stream].open = !whole;
	size_t most = w->limits.max_size < BATCH ? w->limits.max_size : BATCH;
	return w->batch.len >= most ? write_batch(w) : 0;
}

/* Two of these buffers in every writer, most of them never used, were most of what a supervisor
 * had in memory. */
static void hold(struct log_writer *w, enum log_stream stream, const char *data, size_t len)
{
	if (!w->streams[stream].held)
		w->streams[stream].held = xmalloc(LINE_MAX_BYTES);
	memcpy(w->streams[stream].held + w->streams[stream].len, data, len);
	w->streams[stream].len += len;
}

int log_write(struct log_writer *w, enum log_stream stream, const char *data, size_t len)
{
	int r = 0;
	if (w->limits.none)
		return 0;
	format_rfc3339(now_wall(), w->stamp);
	while (len > 0) {
		size_t room = LINE_MAX_BYTES - w->streams[stream].len;
		const char *end = memchr(data, '\n', len < room + 1 ? len : room + 1);
		size_t take = end ? (size_t)(end - data) : len < room ? len : room;
		int one = 0;
		if (end || take == room) {
			one = add_line(w, stream, data, take, end != NULL);
		} else {
			hold(w, stream, data, take);
		}
		r = r < 0 ? r : one;
		data += take + (end != NULL);
		len -= take + (end != NULL);
	}
	int last = write_batch(w);
	return r < 0 ? r : last;
}

static int write_held(struct log_writer *w, bool whole)
{
	int r = 0;
	if (w->limits.none)
		return 0;
	format_rfc3339(now_wall(), w->stamp);
	for (int stream = LOG_STDOUT; stream <= LOG_STDERR; stream++) {
		/* A P part needs its F, even an empty one. */
		if (w->streams[stream].len == 0 && !(whole && w->streams[stream].open))
			continue;
		int one = add_line(w, (enum log_stream)stream, "", 0, whole);
		r = r < 0 ? r : one;
	}
	int last = write_batch(w);
	return r < 0 ? r : last;
}

int log_flush(struct log_writer *w)
{
	return write_held(w, false);
}

int log_end(struct log_writer *w)
{
	return write_held(w, true);
}

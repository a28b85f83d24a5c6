/* A container's one file, container.jsonl: a line of JSON for what was created, a line for what
 * runs (the spec), and then one for each change of how it is, of which the last whole one counts.
 *
 * A file for each, rewritten at each change, would be easier; but making a file is the dearest
 * thing that a start asks of a disk's file system, and a container changes three times until it
 * runs. The file is made whole and renamed, changes are appended, and when they have grown long it
 * is made anew. A writer that is killed leaves a line without an end, which is none. */
#include "engine/container-file.h"

#include "base/fs.h"
#include "base/log.h"

#include <fcntl.h>
#include <sys/stat.h>

enum {
	FILE_MAX = 256 << 20, /* a spec holds environment and secrets */
	CHANGES_MAX = 64 << 10,
	CHANGES_RESERVED = 8 << 10, /* some twenty of them can be told on a full disk */
	RECORD_MODE = 0600,	    /* environments hold passwords */
};

void container_file_done(struct container_file *f)
{
	free(f->path);
	str_done(&f->text);
}

static char *file_path(const char *dir)
{
	return xasprintf("%s/" CONTAINER_FILE, dir);
}

/* The next whole line from *at on; {NULL, 0} when there is none. */
static struct text_line next_line(const struct container_file *f, size_t *at)
{
	const char *begin = str_text(&f->text) + *at;
	const char *end = memchr(begin, '\n', f->text.len - *at);
	if (!end)
		return (struct text_line){ 0 };
	struct text_line line = { begin, (size_t)(end - begin) };
	*at += line.len + 1;
	return line;
}

int container_file__read(const char *dir, struct container_file *ret, struct err *err)
{
	cleanup(container_file_done) struct container_file f = { .path = file_path(dir) };
	size_t at = 0;
	int r = fs_read(AT_FDCWD, f.path, FILE_MAX, &f.text, err);
	if (r < 0)
		return r;
	f.record = next_line(&f, &at);
	f.spec = next_line(&f, &at);
	f.changes = f.text.len - at;
	for (struct text_line line = next_line(&f, &at); line.text; line = next_line(&f, &at))
		f.state = line;
	if (!f.state.text)
		return err_input(err, "%s: not a whole record; remove its directory", f.path);
	*ret = f;
	f = (struct container_file){ 0 };
	return 0;
}

int container_file__parse(const struct container_file *f, struct text_line line, json_t **ret,
			  struct err *err)
{
	return json_parse(line.text, line.len, f->path, ret, err);
}

static int write_lines(const char *path, const struct text_line lines[3], struct err *err)
{
	cleanup_str struct str text = STR_INIT_MAX(FILE_MAX);
	for (size_t i = 0; i < 3; i++) {
		str_addn(&text, lines[i].text, lines[i].len);
		str_addc(&text, '\n');
	}
	if (str_overflowed(&text))
		return err_input(err, "'%s' would be larger than %d bytes", path, FILE_MAX);
	return fs_write_atomic(AT_FDCWD, path, str_text(&text), text.len, RECORD_MODE, 0, err);
}

/* Room behind its end: that a container started, stopped or was killed is to be known also where a
 * full disk takes nothing new. */
static int reserve(const char *path, struct err *err)
{
	struct stat st;
	cleanup_fd int fd = fs_open(AT_FDCWD, path, O_WRONLY, 0, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 &&
	    fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, st.st_size + CHANGES_RESERVED) < 0 &&
	    (errno == ENOSPC || errno == EDQUOT))
		return err_sys(err, errno, "reserve room in '%s'", path);
	return 0; /* some file systems cannot */
}

int container_file__write(const char *dir, const json_t *record, const json_t *spec,
			  const json_t *state, struct err *err)
{
	cleanup_free char *path = file_path(dir);
	const json_t *const documents[] = { record, spec, state };
	struct text_line lines[3];
	char *texts[3];
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		texts[i] = json_text(documents[i]);
		lines[i] = (struct text_line){ texts[i], strlen(texts[i]) };
	}
	int r = write_lines(path, lines, err);
	if (r == 0)
		r = reserve(path, err);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	return r;
}

/* 1: it is in the file; 0: the file has to be made anew. */
static int append(const char *path, const struct text_line *line, struct err *err)
{
	cleanup_fd int fd = fs_open(AT_FDCWD, path, O_RDWR, 0, err);
	char last = 0;
	if (fd < 0)
		return fd;
	off_t end = lseek(fd, 0, SEEK_END);
	if (end <= 0 || pread(fd, &last, 1, end - 1) != 1 || last != '\n')
		return 0; /* a writer was killed in the middle of a line */
	cleanup_str struct str whole = STR_INIT_MAX(FILE_MAX);
	str_addn(&whole, line->text, line->len);
	str_addc(&whole, '\n');
	int r = fs_write_all(fd, str_text(&whole), whole.len);
	if (r == 0)
		return 1;
	if (ftruncate(fd, end) < 0)
		debug("shorten '%s' again: %s", path, strerror(errno)); /* it is made anew then */
	return err_sys(err, -r, "write '%s'", path);
}

/* Without any more room: over all the changes that were told, with spaces up to the end of the
 * file. Killed in the middle of it, or read meanwhile, the last line is the one before. */
static int overwrite(const char *dir, const struct text_line *line, struct err *err)
{
	cleanup(container_file_done) struct container_file f = { 0 };
	int r = container_file__read(dir, &f, err);
	if (r < 0)
		return r;
	if (line->len + 1 > f.changes)
		return err_sys(err, ENOSPC, "write '%s'", f.path);
	cleanup_fd int fd = fs_open(AT_FDCWD, f.path, O_WRONLY, 0, err);
	if (fd < 0)
		return fd;
	cleanup_free char *whole = xmalloc(f.changes);
	memset(whole, ' ', f.changes);
	memcpy(whole, line->text, line->len);
	whole[f.changes - 1] = '\n';
	ssize_t n = pwrite(fd, whole, f.changes, (off_t)(f.text.len - f.changes));
	if (n == (ssize_t)f.changes)
		return 0;
	return err_sys(err, n < 0 ? errno : ENOSPC, "write '%s'", f.path);
}

int container_file__append(const char *dir, const json_t *state, size_t *changes, struct err *err)
{
	cleanup_free char *path = file_path(dir), *text = json_text(state);
	struct text_line line = { text, strlen(text) };
	int r = 0;
	if (*changes + line.len < CHANGES_MAX)
		r = append(path, &line, err);
	if (r == -ENOSPC || r == -EDQUOT) {
		err_done(err);
		return overwrite(dir, &line, err);
	}
	if (r < 0)
		return r;
	*changes += line.len + 1;
	if (r > 0)
		return 0;
	cleanup(container_file_done) struct container_file f = { 0 };
	r = container_file__read(dir, &f, err);
	if (r < 0)
		return r;
	r = write_lines(path, (const struct text_line[]){ f.record, f.spec, line }, err);
	if (r == -ENOSPC || r == -EDQUOT) {
		err_done(err);
		return overwrite(dir, &line, err);
	}
	*changes = line.len + 1;
	return r;
}

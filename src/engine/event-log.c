#include "engine/event-log.h"

#include "base/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_BYTES = 256 << 10, /* some 500 events; two such files are kept */
	EVENT_BYTES = 16 << 10, /* a container's labels are in it, and may be many */
	READ_BYTES = FILE_BYTES + EVENT_BYTES,
};

static char *log_path(const struct engine_paths *paths, const char *project, bool older)
{
	return state__project_path(paths, project, older ? "events.1" : "events");
}

void event_log_add(const struct engine_paths *paths, const char *project, const json_t *event)
{
	cleanup_free char *path = log_path(paths, project, false);
	cleanup_free char *text = json_text(event);
	struct stat st;
	size_t len = strlen(text);
	if (len >= EVENT_BYTES)
		return;
	cleanup_fd int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) /* the project is being removed */
		return;
	text[len] = '\n'; /* over the terminator: one write, one line */
	(void)fs_write_all(fd, text, len + 1);
	text[len] = '\0';
	if (fstat(fd, &st) < 0 || st.st_size < FILE_BYTES)
		return;
	cleanup_free char *older = log_path(paths, project, true);
	(void)rename(path, older);
}

struct reading {
	nsec_t since, until;
	int (*fn)(const json_t *event, void *data);
	void *data;
};

static int read_line(const struct reading *reading, const char *line, size_t len)
{
	cleanup_err struct err no_event = ERR_INIT;
	cleanup_json json_t *event = NULL;
	if (!len || json_parse(line, len, "event", &event, &no_event) < 0)
		return 0; /* cut short by a crash */
	nsec_t when = json_int(event, "time", 0);
	if (when < reading->since || (reading->until && when >= reading->until))
		return 0;
	return reading->fn(event, reading->data);
}

static int read_file(const struct reading *reading, const char *path, struct err *err)
{
	cleanup_str struct str text = STR_INIT;
	int r = fs_read(AT_FDCWD, path, READ_BYTES, &text, err);
	if (r == -ENOENT) {
		err_done(err);
		return 0;
	}
	const char *line = str_text(&text), *end;
	for (; r == 0 && (end = strchr(line, '\n')); line = end + 1)
		r = read_line(reading, line, (size_t)(end - line));
	return r;
}

int event_log_read(const struct engine_paths *paths, const char *project, nsec_t since,
		   nsec_t until, int (*fn)(const json_t *event, void *data), void *data,
		   struct err *err)
{
	const struct reading reading = { .since = since, .until = until, .fn = fn, .data = data };
	cleanup_free char *older = log_path(paths, project, true);
	cleanup_free char *newer = log_path(paths, project, false);
	int r = read_file(&reading, older, err);
	return r == 0 ? read_file(&reading, newer, err) : r;
}

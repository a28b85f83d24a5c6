#include "cli/filewatch.h"

#include "base/fs.h"
#include "base/map.h"
#include "base/time.h"
#include "base/vec.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	QUIET_MS = 100,	   /* a pause that ends a batch: a save is several changes */
	LONGEST_MS = 1000, /* and the longest that a batch waits for one */
	DEPTH_MAX = 100,
	CHANGES = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO,
};

struct filewatch {
	int fd;
	bool (*wants_dir)(void *data, const char *path);
	void *data;
	VEC(struct watched {
		int wd;
		char *path; /* owned */
	})
	dirs;
	struct strv roots;
	struct map changed; /* path -> itself, of the batch */
	struct strv order;
};

int filewatch_new(bool (*wants_dir)(void *data, const char *path), void *data,
		  struct filewatch **ret, struct err *err)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return err_sys(err, errno, "watch files (fs.inotify.max_user_instances)");
	struct filewatch *w = new0(struct filewatch);
	*w = (struct filewatch){ .fd = fd, .wants_dir = wants_dir, .data = data };
	*ret = w;
	return 0;
}

void filewatch_free(struct filewatch *w)
{
	if (!w)
		return;
	fd_close(w->fd);
	vec_each(dir, &w->dirs)
		free(dir->path);
	vec_done(&w->dirs);
	strv_done(&w->roots);
	strv_done(&w->order);
	map_done(&w->changed);
	free(w);
}

static void note(struct filewatch *w, const char *path)
{
	if (map_has(&w->changed, path))
		return;
	map_set(&w->changed, path, w);
	strv_add(&w->order, path);
}

static void remember(struct filewatch *w, int wd, const char *path)
{
	vec_each(dir, &w->dirs) {
		if (dir->wd != wd)
			continue;
		free(dir->path); /* renamed within what is watched */
		dir->path = xstrdup(path);
		return;
	}
	vec_push(&w->dirs, (struct watched){ .wd = wd, .path = xstrdup(path) });
}

static int watch_one(struct filewatch *w, const char *path, struct err *err)
{
	int wd = inotify_add_watch(w->fd, path, CHANGES | IN_ONLYDIR | IN_DONT_FOLLOW);
	if (wd >= 0) {
		remember(w, wd, path);
		return 0;
	}
	if (errno == ENOSPC)
		return err_sys(
			err, errno,
			"watch '%s': more directories than fs.inotify.max_user_watches allows",
			path);
	/* gone again, or no directory */
	return errno == ENOENT || errno == ENOTDIR || errno == EACCES
		       ? 1
		       : err_sys(err, errno, "watch '%s'", path);
}

/* The directory is watched before it is read, so that nothing is made in between unseen. `tell`:
 * what is in it is new. */
static int watch_tree(struct filewatch *w, const char *path, bool tell, unsigned depth,
		      struct err *err)
{
	if (depth > DEPTH_MAX || !w->wants_dir(w->data, path))
		return 0;
	int r = watch_one(w, path, err);
	if (r != 0)
		return r < 0 ? r : 0;
	DIR *dir = opendir(path);
	if (!dir)
		return 0;
	const struct dirent *e;
	while (r == 0 && (e = readdir(dir))) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		cleanup_free char *below = path_join(path, e->d_name);
		if (lstat(below, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			r = watch_tree(w, below, tell, depth + 1, err);
		else if (tell)
			note(w, below);
	}
	closedir(dir);
	return r;
}

int filewatch_add(struct filewatch *w, const char *path, struct err *err)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return err_sys(err, errno, "watch '%s'", path);
	strv_add(&w->roots, path);
	if (S_ISDIR(st.st_mode))
		return watch_tree(w, path, false, 0, err);
	/* Editors put a new file in the place of the old one. */
	cleanup_free char *dir = path_dir(path);
	int r = watch_one(w, dir, err);
	return r > 0 ? err_not_found(err, "no such directory: '%s'", dir) : r;
}

static const char *dir_of(const struct filewatch *w, int wd)
{
	vec_each(dir, &w->dirs)
		if (dir->wd == wd)
			return dir->path;
	return NULL;
}

static void forget(struct filewatch *w, int wd)
{
	for (size_t i = 0; i < w->dirs.n; i++) {
		if (w->dirs.v[i].wd != wd)
			continue;
		free(w->dirs.v[i].path);
		vec_remove(&w->dirs, i);
		return;
	}
}

static int take_event(struct filewatch *w, const struct inotify_event *e, struct err *err)
{
	int r = 0;
	if (e->mask & IN_Q_OVERFLOW) {
		for (size_t i = 0; r == 0 && i < w->roots.n; i++)
			r = watch_tree(w, w->roots.v[i], true, 0, err);
		return r;
	}
	if (e->mask & IN_IGNORED) {
		forget(w, e->wd);
		return 0;
	}
	const char *dir = dir_of(w, e->wd);
	if (!dir || !e->len)
		return 0;
	cleanup_free char *path = path_join(dir, e->name);
	if ((e->mask & IN_ISDIR) && (e->mask & (IN_CREATE | IN_MOVED_TO)))
		return watch_tree(w, path, true, 0, err);
	if (!(e->mask & IN_ISDIR) || (e->mask & (IN_DELETE | IN_MOVED_FROM)))
		note(w, path);
	return 0;
}

static int take_events(struct filewatch *w, struct err *err)
{
	_Alignas(struct inotify_event) char buf[64 << 10];
	ssize_t n = read(w->fd, buf, sizeof(buf));
	if (n < 0)
		return errno == EAGAIN ? 0 : err_sys(err, errno, "watch files");
	int r = 0;
	for (ssize_t at = 0; r == 0 && at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);
		r = take_event(w, e, err);
		at += (ssize_t)sizeof(*e) + e->len;
	}
	return r;
}

int filewatch_wait(struct filewatch *w, int stop_fd, struct strv *ret, struct err *err)
{
	struct pollfd fds[] = { { .fd = w->fd, .events = POLLIN },
				{ .fd = stop_fd, .events = POLLIN } };
	nsec_t first = 0;
	int r = 0;
	for (;;) {
		nsec_t left = first ? first + LONGEST_MS * NSEC_PER_MSEC - now_mono() : 0;
		int wait = !first ? -1 : left <= 0 ? 0 : QUIET_MS;
		int n = poll(fds, ARRAY_SIZE(fds), wait);
		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "wait for changes");
		if (n > 0 && fds[1].revents) {
			strv_done(&w->order);
			break;
		}
		if (n > 0)
			r = take_events(w, err);
		if (r < 0)
			return r;
		if (n == 0 || (first && left <= 0))
			break;
		if (!first && w->order.n)
			first = now_mono();
	}
	strv_copy(ret, &w->order);
	strv_done(&w->order);
	map_done(&w->changed);
	return 0;
}

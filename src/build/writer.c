/* Finding places in a root file system, and content. writer-copy.c copies trees. */
#include "build/writer.h"

#include "base/fs.h"
#include "build/tree-private.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

enum { CHUNK = 128 << 10, RANGE_MAX = 1 << 30, SMALL_MAX = 32 << 10 };

int writer_follow(const struct writer *w, const char *path, char **ret, struct err *err)
{
	struct tree root = { .fd = w->root, .name = "the image" };

	return tree__follow(&root, path, ret, err);
}

bool writer_stat(const struct writer *w, const char *path, struct stat *ret)
{
	cleanup_err struct err ignored = ERR_INIT; /* what cannot be opened is not there */
	cleanup_fd int fd =
		fs_open_beneath(w->root, *path ? path : ".", O_PATH | O_NOFOLLOW, 0, &ignored);

	/* The last component may be a link itself: that is something, too. */
	if (fd < 0 && fd != -ELOOP)
		return false;
	if (fd >= 0)
		return fstat(fd, ret) == 0;
	cleanup_free char *dir = path_dir(path);
	err_done(&ignored);
	cleanup_fd int parent = fs_open_beneath(w->root, dir, O_PATH | O_DIRECTORY, 0, &ignored);
	return parent >= 0 && fstatat(parent, path_base(path), ret, AT_SYMLINK_NOFOLLOW) == 0;
}

void writer_times(const struct writer *w, int fd, const char *name, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (w->has_epoch)
		times[0] = times[1] = (struct timespec){ .tv_sec = w->epoch };
	/* A file system that cannot keep a time loses it: no reason to fail. */
	if (name)
		(void)utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW);
	else
		(void)futimens(fd, times);
}

int writer_mkdirs(const struct writer *w, const char *path, struct err *err)
{
	cleanup_fd int at = fs_open_beneath(w->root, ".", O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_free char *copy = xstrdup(path);
	char *rest = copy;

	if (at < 0)
		return at;
	for (char *name; (name = strsep(&rest, "/"));) {
		if (!*name)
			continue;
		bool made = mkdirat(at, name, 0755) == 0;
		if (!made && errno != EEXIST)
			return err_sys(err, errno, "make the directory '/%s'", path);
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return err_new(err, ERR_INPUT, errno,
				       "'%s' of '/%s' is there and is not a directory", name, path);
		fd_close(at);
		at = next;
		if (!made)
			continue;
		struct stat now = { 0 };
		clock_gettime(CLOCK_REALTIME, &now.st_mtim);
		now.st_atim = now.st_mtim;
		if (fchown(at, w->has_owner ? w->uid : 0, w->has_owner ? w->gid : 0) < 0 ||
		    fchmod(at, mode_of_directory(w->mode)) < 0)
			return err_sys(err, errno, "make the directory '/%s'", path);
		writer_times(w, at, NULL, &now);
	}
	return 0;
}

int writer_check_name(const char *name, struct err *err)
{
	if (!str_starts(name, ".wh."))
		return 0;
	return err_input(err,
			 "'%s' cannot be in an image: names that begin with '.wh.' mean deletions "
			 "in a layer",
			 name);
}

/* --- content --- */

static int copy_range(int from, int to, off_t start, off_t end, const char *what, struct err *err)
{
	off_t in = start, out = start;

	while (in < end) {
		size_t want = end - in > RANGE_MAX ? RANGE_MAX : (size_t)(end - in);
		ssize_t n = copy_file_range(from, &in, to, &out, want, 0);
		if (n == 0)
			return 0; /* it became shorter */
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 &&
		    (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
			break;
		if (n < 0)
			return err_sys(err, errno, "write '%s'", what);
	}
	if (in >= end)
		return 0;
	cleanup_free char *buf = xmalloc(CHUNK);
	while (in < end) {
		size_t want = end - in > CHUNK ? CHUNK : (size_t)(end - in);
		ssize_t n = pread(from, buf, want, in);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read '%s'", what);
		ssize_t written = pwrite(to, buf, (size_t)n, in);
		if (written < 0 && errno != EINTR)
			return err_sys(err, errno, "write '%s'", what);
		in += written > 0 ? written : 0;
	}
	return 0;
}

/* A small file in one go: cheaper than asking the file system to share it. */
static int copy_small(int from, int to, size_t size, const char *what, struct err *err)
{
	char buf[SMALL_MAX];
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(from, buf + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, errno, "read '%s'", what);
		if (got == 0)
			break; /* it became shorter */
		n += (size_t)got;
	}
	int r = fs_write_all(to, buf, n);
	return r < 0 ? err_sys(err, -r, "write '%s'", what) : 0;
}

int writer_content(int from, int to, const struct stat *st, const char *what, struct err *err)
{
	off_t at = 0, end = st->st_size;
	bool holes = (uint64_t)st->st_blocks * 512 < (uint64_t)end;

	if (!end)
		return 0;
	if (end <= SMALL_MAX && !holes)
		return copy_small(from, to, (size_t)end, what, err);
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	if (!holes)
		return copy_range(from, to, 0, end, what, err);
	while (at < end) {
		off_t data = lseek(from, at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break; /* only a hole is left */
		if (data < 0) {
			data = at;
			hole = end;
		} else {
			hole = lseek(from, data, SEEK_HOLE);
		}
		if (hole < 0 || hole > end)
			hole = end;
		if ((r = copy_range(from, to, data, hole, what, err)) < 0)
			return r;
		at = hole;
	}
	if (ftruncate(to, end) < 0)
		return err_sys(err, errno, "write '%s'", what);
	return 0;
}

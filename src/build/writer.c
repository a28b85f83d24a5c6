/* Copying trees into a root file system. */
#include "build/writer.h"

#include "base/fs.h"
#include "base/map.h"
#include "base/vec.h"
#include "build/tree-private.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

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

static void set_times(const struct writer *w, int fd, const char *name, const struct stat *st)
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
		set_times(w, at, NULL, &now);
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
		if (pwrite(to, buf, (size_t)n, in) != n)
			return err_sys(err, errno ? errno : ENOSPC, "write '%s'", what);
		in += n;
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

/* --- entries --- */

/* A directory that is being filled; its times are set when it is left. */
struct open_dir {
	char *path; /* as the entries' path */
	int fd;
	bool times;
	bool fresh; /* was made by this copy: nothing is in its way */
	struct stat st;
};

struct copying {
	const struct writer *w;
	const struct tree *tree;
	const char *target;
	VEC(struct open_dir) dirs;
	struct map links; /* "device:inode" -> where its first name went, below the root */
};

static void leave(struct copying *c)
{
	struct open_dir *d = &c->dirs.v[--c->dirs.n];

	if (d->times)
		set_times(c->w, d->fd, NULL, &d->st);
	fd_close(d->fd);
	free(d->path);
}

static bool holds(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	return !len || (strncmp(dir, path, len) == 0 && path[len] == '/');
}

static char *target_path(const struct copying *c, const char *path)
{
	if (!*path)
		return xstrdup(c->target);
	return xasprintf("%s%s%s", c->target, *c->target ? "/" : "", path);
}

/* The open directory that the entry goes into. */
static int enter_parent(struct copying *c, const char *path, int *ret, struct err *err)
{
	cleanup_free char *full = target_path(c, path);
	cleanup_free char *dir = path_dir(full);

	while (c->dirs.n && !holds(c->dirs.v[c->dirs.n - 1].path, path))
		leave(c);
	if (!c->dirs.n) {
		/* A file that is copied by itself. */
		int fd = fs_open_beneath(c->w->root, dir, O_RDONLY | O_DIRECTORY, 0, err);
		if (fd < 0)
			return fd;
		vec_push(&c->dirs, (struct open_dir){ .path = xstrdup(""), .fd = fd });
	}
	*ret = c->dirs.v[c->dirs.n - 1].fd;
	return 0;
}

static int set_xattr(void *data, const char *name, const void *value, size_t len, struct err *err)
{
	int fd = *(int *)data;

	/* Not every file system has every kind; what matters of them is a capability. */
	if (fsetxattr(fd, name, value, len, 0) == 0 || str_starts(name, "user."))
		return 0;
	return err_sys(err, errno, "set the attribute '%s'", name);
}

static mode_t permissions(const struct writer *w, mode_t mode)
{
	return w->mode ? mode_apply(w->mode, mode) : mode & 07777;
}

static void owner(const struct copying *c, const struct stat *st, uid_t *uid, gid_t *gid)
{
	const struct writer *w = c->w;

	*uid = w->has_owner ? w->uid : c->tree->keep_owner ? st->st_uid : 0;
	*gid = w->has_owner ? w->gid : c->tree->keep_owner ? st->st_gid : 0;
}

/* Owner, permissions, attributes; in this order: each can take away the one before. */
static int set_info(struct copying *c, int fd, int from, const struct tree_entry *e,
		    struct err *err)
{
	uid_t uid;
	gid_t gid;
	int r;

	owner(c, &e->st, &uid, &gid);
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, permissions(c->w, e->st.st_mode)) < 0)
		return err_sys(err, errno, "set the owner and mode of '/%s'", e->full);
	if (from >= 0 && (r = tree__xattrs(from, e->full, set_xattr, &fd, err)) < 0)
		return r;
	return 0;
}

/* Makes room for something that is no directory. */
static int clear_place(int dir, const char *name, const char *target, struct err *err)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR || errno == EPERM)
		return err_new(err, ERR_INPUT, EISDIR,
			       "cannot replace the directory '/%s' with a file", target);
	return err_sys(err, errno, "replace '/%s'", target);
}

static int copy_file(struct copying *c, const struct tree_entry *e, int dir, const char *name,
		     const char *target, struct err *err)
{
	cleanup_free char *key = xasprintf("%llu:%llu", (unsigned long long)e->st.st_dev,
					   (unsigned long long)e->st.st_ino);
	const char *first = e->st.st_nlink > 1 ? map_get(&c->links, key) : NULL;
	struct stat st;
	int r;

	if (first) {
		cleanup_free char *first_dir = path_dir(first);
		cleanup_fd int at =
			fs_open_beneath(c->w->root, first_dir, O_PATH | O_DIRECTORY, 0, err);
		if (at < 0)
			return at;
		if (linkat(at, path_base(first), dir, name, 0) == 0)
			return 0;
		/* Too many links, or replaced since: a copy of its own. */
	}
	cleanup_fd int from = fs_open_beneath(e->dir, e->name, O_RDONLY | O_NOCTTY, 0, err);
	if (from < 0)
		return from;
	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return err_input(err, "'%s' in %s changed while it was read", e->full,
				 c->tree->name);
	cleanup_fd int to =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(err, errno, "write '/%s'", target);
	if ((r = writer_content(from, to, &st, target, err)) < 0 ||
	    (r = set_info(c, to, from, e, err)) < 0)
		return r;
	set_times(c->w, to, NULL, &e->st);
	if (e->st.st_nlink > 1)
		map_set(&c->links, key, xstrdup(target));
	return 0;
}

static int copy_link(struct copying *c, const struct tree_entry *e, int dir, const char *name,
		     const char *target, struct err *err)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(e->dir, e->name, text, sizeof(text) - 1);
	uid_t uid;
	gid_t gid;

	if (n < 0)
		return err_sys(err, errno, "read the link '%s'", e->full);
	text[n] = 0;
	owner(c, &e->st, &uid, &gid);
	if (symlinkat(text, dir, name) < 0 ||
	    fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "make the link '/%s'", target);
	set_times(c->w, dir, name, &e->st);
	return 0;
}

static int copy_special(struct copying *c, const struct tree_entry *e, int dir, const char *name,
			const char *target, struct err *err)
{
	uid_t uid;
	gid_t gid;

	if (S_ISCHR(e->st.st_mode) && e->st.st_rdev == 0)
		return err_input(err,
				 "'%s' is the character device 0:0, which means a deletion in a "
				 "layer",
				 e->full);
	owner(c, &e->st, &uid, &gid);
	if (mknodat(dir, name, (e->st.st_mode & S_IFMT) | 0600, e->st.st_rdev) < 0 ||
	    fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, name, permissions(c->w, e->st.st_mode), 0) < 0)
		return err_sys(err, errno, "make '/%s'", target);
	set_times(c->w, dir, name, &e->st);
	return 0;
}

/* Makes the directory, or takes the one that is there; stays in it. */
static int copy_dir(struct copying *c, const struct tree_entry *e, int dir, const char *name,
		    const char *target, struct err *err)
{
	bool made = mkdirat(dir, name, 0700) == 0;
	int r;

	if (!made && errno != EEXIST)
		return err_sys(err, errno, "make the directory '/%s'", target);
	cleanup_fd int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_new(err, ERR_INPUT, ENOTDIR,
			       "cannot copy the directory '%s' to '/%s': something that is not a "
			       "directory is there",
			       e->full, target);
	/* One that is only here for something below it leaves what is there as it is. */
	bool set = made || !e->late;
	if (set) {
		cleanup_fd int from =
			fs_open_beneath(e->dir, e->name, O_RDONLY | O_DIRECTORY, 0, err);
		if (from < 0)
			return from;
		if ((r = set_info(c, fd, from, e, err)) < 0)
			return r;
	}
	vec_push(&c->dirs, (struct open_dir){ xstrdup(e->path), fd_take(fd), set, .st = e->st });
	return 0;
}

static int copy_entry(void *data, const struct tree_entry *e, struct err *err)
{
	struct copying *c = data;
	cleanup_free char *target = target_path(c, e->path);
	const char *name = path_base(target);
	int dir, r;

	if (!*e->path && S_ISDIR(e->st.st_mode)) {
		/* The directory whose content is copied: the target is there. */
		int fd = fs_open_beneath(c->w->root, *target ? target : ".", O_RDONLY | O_DIRECTORY,
					 0, err);
		if (fd < 0)
			return fd;
		vec_push(&c->dirs, (struct open_dir){ .path = xstrdup(""), .fd = fd });
		return 0;
	}
	if (S_ISSOCK(e->st.st_mode))
		return 0; /* nothing that an image could hold */
	if ((r = writer_check_name(name, err)) < 0 || (r = enter_parent(c, e->path, &dir, err)) < 0)
		return r;
	if (S_ISDIR(e->st.st_mode))
		return copy_dir(c, e, dir, name, target, err);
	if (!c->dirs.v[c->dirs.n - 1].fresh && (r = clear_place(dir, name, target, err)) < 0)
		return r;
	if (S_ISREG(e->st.st_mode))
		return copy_file(c, e, dir, name, target, err);
	if (S_ISLNK(e->st.st_mode))
		return copy_link(c, e, dir, name, target, err);
	return copy_special(c, e, dir, name, target, err);
}

int writer_copy(const struct writer *w, const struct tree *tree, const char *path,
		const struct ignore *exclude, const char *include, const char *target,
		struct err *err)
{
	struct copying c = { .w = w, .tree = tree, .target = target, .links = MAP_INIT_FREE(free) };
	struct tree_walk walk = { copy_entry, &c, exclude, include };
	int r = tree_walk(tree, path, &walk, err);

	while (c.dirs.n)
		leave(&c);
	vec_done(&c.dirs);
	map_done(&c.links);
	return r;
}

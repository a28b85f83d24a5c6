#include "runtime/copyup.h"

#include "base/fs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Directories nested deeper than any image's; each level holds two descriptors. */
enum { DEPTH_MAX = 200, XATTR_NAMES_MAX = 64 << 10, XATTR_VALUE_MAX = 64 << 10 };

static int copy_dir(int from, int to, dev_t device, int depth, struct err *err);

static int copy_owner(int to, const struct stat *st, const char *name, struct err *err)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(to, st->st_uid, st->st_gid) < 0)
		return err_sys(err, errno, "give '%s' its owner", name);
	if (fchmod(to, st->st_mode & 07777) < 0)
		return err_sys(err, errno, "give '%s' its mode", name);
	if (futimens(to, times) < 0)
		return err_sys(err, errno, "give '%s' its times", name);
	return 0;
}

/* Attributes that the target does not take (another file system, another security module) are left
 * behind, as cp does. */
static void copy_xattrs(int from, int to)
{
	cleanup_free char *names = NULL;
	cleanup_free char *value = NULL;
	ssize_t size = flistxattr(from, NULL, 0);

	if (size <= 0 || size > XATTR_NAMES_MAX)
		return;
	names = xmalloc((size_t)size);
	value = xmalloc(XATTR_VALUE_MAX);
	size = flistxattr(from, names, (size_t)size);
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
		if (str_starts(names + at, "user.overlay."))
			continue;
		ssize_t len = fgetxattr(from, names + at, value, XATTR_VALUE_MAX);
		if (len >= 0)
			(void)fsetxattr(to, names + at, value, (size_t)len, 0);
	}
}

static int copy_bytes(int from, int to)
{
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	for (;;) {
		ssize_t n = sendfile(to, from, NULL, 1 << 30);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
	}
}

static int copy_file(int dir, int to_dir, const char *name, struct err *err)
{
	cleanup_fd int from = fs_open_beneath(dir, name, O_RDONLY, 0, err);
	cleanup_fd int to = FD_NONE;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if ((to = fs_open(to_dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600, err)) < 0)
		return to;
	if (fstat(from, &st) < 0)
		return err_sys(err, errno, "look at '%s'", name);
	if ((r = copy_bytes(from, to)) < 0)
		return err_sys(err, -r, "copy '%s'", name);
	copy_xattrs(from, to);
	return copy_owner(to, &st, name, err);
}

static int copy_symlink(int dir, int to_dir, const char *name, const struct stat *st,
			struct err *err)
{
	char target[4096];
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);

	if (len < 0)
		return err_sys(err, errno, "read the link '%s'", name);
	target[len] = 0;
	if (symlinkat(target, to_dir, name) < 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "make the link '%s'", name);
	(void)utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW); /* cosmetic */
	return 0;
}

static int copy_subdir(int dir, int to_dir, const char *name, dev_t device, int depth,
		       struct err *err)
{
	cleanup_fd int from = fs_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_fd int to = FD_NONE;
	struct stat st;

	if (from < 0)
		return from;
	if (mkdirat(to_dir, name, 0700) < 0)
		return err_sys(err, errno, "make the directory '%s'", name);
	if ((to = fs_open_beneath(to_dir, name, O_RDONLY | O_DIRECTORY, 0, err)) < 0)
		return to;
	if (fstat(from, &st) < 0)
		return err_sys(err, errno, "look at '%s'", name);
	int r = st.st_dev == device ? copy_dir(from, to, device, depth + 1, err) : 0;
	if (r < 0)
		return r;
	copy_xattrs(from, to);
	return copy_owner(to, &st, name, err);
}

static int copy_entry(int dir, int to_dir, const char *name, dev_t device, int depth,
		      struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "look at '%s'", name);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG: return copy_file(dir, to_dir, name, err);
	case S_IFDIR: return copy_subdir(dir, to_dir, name, device, depth, err);
	case S_IFLNK: return copy_symlink(dir, to_dir, name, &st, err);
	case S_IFIFO:
		if (mkfifoat(to_dir, name, st.st_mode & 0777) < 0)
			return err_sys(err, errno, "make the FIFO '%s'", name);
		return 0;
	default: return 0; /* sockets mean nothing without their process; devices are not allowed */
	}
}

static int copy_dir(int from, int to, dev_t device, int depth, struct err *err)
{
	cleanup_strv struct strv names = { 0 };
	int r = fs_list(from, ".", &names, err);

	if (r < 0)
		return r;
	if (depth > DEPTH_MAX)
		return err_input(err, "directories are nested more than %d deep", DEPTH_MAX);
	for (size_t i = 0; i < names.n; i++)
		if ((r = copy_entry(from, to, names.v[i], device, depth, err)) < 0)
			return r;
	return 0;
}

int runtime__copy_up(int from_path, int to_path, struct err *err)
{
	cleanup_fd int from = fs_open(from_path, ".", O_RDONLY | O_DIRECTORY, 0, err);
	cleanup_fd int to = FD_NONE;
	cleanup_strv struct strv names = { 0 };
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if ((to = fs_open(to_path, ".", O_RDONLY | O_DIRECTORY, 0, err)) < 0)
		return to;
	if ((r = fs_list(to, ".", &names, err)) < 0)
		return r;
	if (names.n || fstat(from, &st) < 0)
		return 0;
	if ((r = copy_dir(from, to, st.st_dev, 0, err)) < 0)
		return r;
	return copy_owner(to, &st, ".", err);
}

/* Mount targets: every path is resolved beneath the container's root by the kernel (openat2 with
 * RESOLVE_IN_ROOT), also while parts of it are made, so that a symlink in the image leads nowhere
 * else (CVE-2021-30465 class). */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"

enum { DEPTH_MAX = 256 };

static int open_in_root(int root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return fs_openat2(root, path, &how);
}

static int make_last(int parent, const char *name, bool is_dir)
{
	if (is_dir)
		return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	int fd = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	close(fd);
	return 0;
}

static int target_open(int root, const char *path, bool make, bool is_dir, int depth)
{
	int fd = open_in_root(root, path);

	if (fd != -ENOENT || !make || depth > DEPTH_MAX)
		return fd;
	cleanup_free char *parent_path = path_dir(path);
	cleanup_fd int parent = target_open(root, parent_path, true, true, depth + 1);
	if (parent < 0)
		return parent;
	int r = make_last(parent, path_base(path), is_dir);
	return r < 0 ? r : open_in_root(root, path);
}

int runtime__target_open(int root, const char *path, bool make, bool is_dir, struct err *err)
{
	int fd = target_open(root, path, make, is_dir, 0);
	struct stat st;

	if (fd < 0)
		return err_sys(err, -fd, "open the mount point '%s'", path);
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) != is_dir) {
		close(fd);
		return err_new(
			err, ERR_INPUT, is_dir ? ENOTDIR : EISDIR,
			"the mount point '%s' is %sa directory in the image, what is mounted "
			"is %s",
			path, is_dir ? "not " : "", is_dir ? "one" : "not");
	}
	return fd;
}

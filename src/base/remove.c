/* fs_remove_tree: removing a whole tree as root is the most dangerous thing stave does, so it has
 * a file of its own.
 *
 * A mount under the tree (a bind mount of /dev left by something that crashed) must stay whole.
 * Device numbers cannot tell: a bind mount of the same file system has the same one. So every
 * directory is opened by openat2 with RESOLVE_NO_XDEV, which the kernel answers with EXDEV at any
 * mount point, without a race between looking and entering; the numbers are compared as well.
 *
 * Depth: one descriptor per level down to LEVELS. What is deeper is renamed up into the top
 * directory and found there on the next pass, so neither stack nor descriptors grow. */
#include "base/fs.h"
#include "base/hash.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
	LEVELS = 28,
	LARGE_BLOCKS =
		8 << 11, /* of 512 bytes: giving back what a larger file holds takes its time */
};

struct removal {
	int top;	       /* the outermost directory */
	uint64_t mount;	       /* its mount */
	uint32_t major, minor; /* its device */
	unsigned long moved;   /* names given to what was renamed up */
	char nonce[9];
	const char *path; /* what the caller asked for, for messages */
	bool limited;	  /* fs_remove_tree_some */
	unsigned left;	  /* names it may still take away */
};

/* Not an error: there is more than this call is to do. Nothing else here fails with it. */
enum { MORE = EINPROGRESS };

static int open_inside(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	return fs_openat2(dirfd, name, &how);
}

static int identify(int fd, struct removal *ret)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &st) < 0)
		return -errno;
	ret->mount = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
	ret->major = st.stx_dev_major;
	ret->minor = st.stx_dev_minor;
	return 0;
}

/* The directory `name` when it is on the same mount as the top one; -EXDEV when not. */
static int enter(const struct removal *rm, int dirfd, const char *name)
{
	struct removal here;
	cleanup_fd int fd = open_inside(dirfd, name);
	if (fd < 0)
		return fd;
	int r = identify(fd, &here);
	if (r < 0)
		return r;
	if (here.mount != rm->mount || here.major != rm->major || here.minor != rm->minor)
		return -EXDEV;
	return fd_take(fd);
}

static int report(const struct removal *rm, int no, const char *name, struct err *err)
{
	/* A file with something mounted on it cannot be unlinked: EBUSY. */
	if (no == EXDEV || no == EBUSY)
		return err_new(err, ERR_CONFLICT, EXDEV,
			       "remove '%s': something is mounted on '%s' in it; unmount it first",
			       rm->path, name);
	return err_sys(err, no, "remove '%s': '%s'", rm->path, name);
}

/* Whether removing one more name is too much for a limited removal. */
static bool is_too_much(struct removal *rm, int dirfd, const struct dirent *entry)
{
	struct stat st;
	if (!rm->limited)
		return false;
	if (rm->left == 0)
		return true;
	rm->left--;
	return entry->d_type == DT_REG &&
	       fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_blocks > LARGE_BLOCKS;
}

static int remove_content(struct removal *rm, int dirfd, int level, struct err *err);

static int remove_directory(struct removal *rm, int dirfd, const char *name, int level,
			    struct err *err)
{
	/* Empty ones need not be opened. */
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return report(rm, errno, name, err);
	if (level == LEVELS) {
		char moved[64];
		snprintf(moved, sizeof(moved), ".tmp-%s-%lu", rm->nonce, rm->moved++);
		if (renameat(dirfd, name, rm->top, moved) < 0)
			return report(rm, errno, name, err);
		return 0;
	}
	cleanup_fd int fd = enter(rm, dirfd, name);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return report(rm, -fd, name, err);
	int r = remove_content(rm, fd, level + 1, err);
	if (r < 0)
		return r;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return report(rm, errno, name, err);
	return 0;
}

static int remove_entry(struct removal *rm, int dirfd, const struct dirent *entry, int level,
			struct err *err)
{
	if (entry->d_type == DT_DIR)
		return remove_directory(rm, dirfd, entry->d_name, level, err);
	if (unlinkat(dirfd, entry->d_name, 0) == 0 || errno == ENOENT)
		return 0;
	/* The type is not known everywhere (DT_UNKNOWN), and may have changed. */
	if (errno == EISDIR || errno == EPERM) {
		struct stat st;
		int no = errno;
		if (fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			return remove_directory(rm, dirfd, entry->d_name, level, err);
		return report(rm, no, entry->d_name, err);
	}
	return report(rm, errno, entry->d_name, err);
}

/* Empties the directory. Reading goes on behind removed entries, which Linux's file systems may
 * skip or, at the top, refill: so it is read until a pass finds nothing. */
static int remove_content(struct removal *rm, int dirfd, int level, struct err *err)
{
	int copy = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	cleanup_dir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		int no = errno;
		fd_close(copy);
		return err_sys(err, no, "remove '%s'", rm->path);
	}
	for (bool found = true; found;) {
		struct dirent *entry;
		found = false;
		rewinddir(dir);
		while (errno = 0, (entry = readdir(dir))) {
			if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
				continue;
			found = true;
			if (is_too_much(rm, dirfd, entry))
				return -MORE;
			int r = remove_entry(rm, dirfd, entry, level, err);
			if (r < 0)
				return r;
		}
		if (errno)
			return err_sys(err, errno, "remove '%s': read directory", rm->path);
	}
	return 0;
}

static int remove_tree(struct removal *rm, int dirfd, struct err *err)
{
	const char *path = rm->path;
	cleanup_free char *clean = path_clean(path);
	cleanup_free char *dir = path_dir(clean);
	const char *name = path_base(clean);
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_input(err, "remove '%s': not a name in a directory", path);

	cleanup_fd int parent = openat(dirfd, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "remove '%s'", path);
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	/* EISDIR on Linux, EPERM by POSIX and some file systems. */
	if (errno != EISDIR && errno != EPERM)
		return report(rm, errno, name, err);
	cleanup_fd int top = open_inside(parent, name);
	if (top == -ENOENT)
		return 0;
	if (top < 0)
		return report(rm, top == -ENOTDIR || top == -ELOOP ? EPERM : -top, name, err);

	int r = identify(top, rm);
	if (r < 0)
		return err_sys(err, -r, "remove '%s'", path);
	rm->top = top;
	hex_random(rm->nonce, 8);
	r = remove_content(rm, top, 0, err);
	if (r < 0)
		return r;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return report(rm, errno, name, err);
	return 0;
}

int fs_remove_tree(int dirfd, const char *path, struct err *err)
{
	struct removal rm = { .path = path };
	return remove_tree(&rm, dirfd, err);
}

int fs_remove_tree_some(int dirfd, const char *path, unsigned names, struct err *err)
{
	struct removal rm = { .path = path, .limited = true, .left = names };
	int r = remove_tree(&rm, dirfd, err);
	return r == -MORE ? 1 : r;
}

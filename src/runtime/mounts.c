/* The user's mounts: binds, volumes, tmpfs, secrets. Sources come as detached trees from the
 * privileged side, with their flags and id mapping set; targets are resolved beneath the root. */
#include "runtime/copyup.h"
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"

#include <linux/magic.h>
#include <sys/vfs.h>

unsigned runtime__mount_attributes(const struct spec_mount *m)
{
	return (m->readonly ? MOUNT_ATTR_RDONLY : 0) | (m->nosuid ? MOUNT_ATTR_NOSUID : 0) |
	       (m->nodev ? MOUNT_ATTR_NODEV : 0) | (m->noexec ? MOUNT_ATTR_NOEXEC : 0);
}

/* A symlink of the image may lead a harmless target into /proc or /sys, where a mount could hide
 * what protects the container. */
static int refuse_kernelfs(const struct launch *l, int target, const char *path, struct err *err)
{
	struct statfs fs;

	if (fstatfs(target, &fs) < 0)
		return err_sys(err, errno, "look at the mount point '%s'", path);
	if (fs.f_type == PROC_SUPER_MAGIC || (fs.f_type == SYSFS_MAGIC && !l->spec->privileged))
		return err_new(err, ERR_INPUT, EPERM,
			       "the mount point '%s' is inside the kernel's %s file system", path,
			       fs.f_type == PROC_SUPER_MAGIC ? "proc" : "sysfs");
	return 0;
}

static int open_target(const struct launch *l, const char *path, bool is_dir, struct err *err)
{
	int fd = runtime__target_open(l->root, path, true, is_dir, err);

	if (fd < 0)
		return fd;
	int r = refuse_kernelfs(l, fd, path, err);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int attach(const struct launch *l, int tree, const struct spec_mount *m, bool is_dir,
		  struct err *err)
{
	cleanup_fd int target = open_target(l, m->target, is_dir, err);

	if (target < 0)
		return target;
	int r = sys_move_mount(tree, target);
	return r < 0 ? err_sys(err, -r, "mount '%s'", m->target) : 0;
}

/* A volume that is still empty takes what the image has at its target. It is made read-only only
 * then. */
static int make_volume(const struct launch *l, const struct launch_mount *lm, struct err *err)
{
	const struct spec_mount *m = lm->mount;
	int r;

	if (m->copy_up && lm->is_dir) {
		struct mount_attr attr = { .attr_set = runtime__mount_attributes(m) };
		cleanup_fd int target = open_target(l, m->target, true, err);
		if (target < 0)
			return target;
		if ((r = runtime__copy_up(target, lm->fd, err)) < 0)
			return err_wrap(err, "fill the volume at '%s' from the image", m->target);
		r = sys_mount_setattr(lm->fd, "", AT_EMPTY_PATH, &attr);
		if (r < 0)
			return err_sys(err, -r, "set the flags of '%s'", m->target);
	}
	return attach(l, lm->fd, m, lm->is_dir, err);
}

static int make_tmpfs(const struct launch *l, const struct spec_mount *m, struct err *err)
{
	char mode[24], size[40], uid[24], gid[24];
	const char *const options[] = {
		"source=tmpfs", mode, uid, gid, m->size ? size : NULL, NULL
	};

	snprintf(mode, sizeof(mode), "mode=%o", m->mode ? m->mode & 07777 : 01777);
	snprintf(size, sizeof(size), "size=%llu", (unsigned long long)m->size);
	snprintf(uid, sizeof(uid), "uid=%u", m->uid);
	snprintf(gid, sizeof(gid), "gid=%u", m->gid);
	cleanup_fd int tree =
		runtime__fs_mount("tmpfs", runtime__mount_attributes(m), options, err);
	return tree < 0 ? tree : attach(l, tree, m, true, err);
}

static int make_mqueue(const struct launch *l, const struct spec_mount *m, struct err *err)
{
	cleanup_fd int tree = runtime__fs_mount("mqueue",
						runtime__mount_attributes(m) | MOUNT_ATTR_NOSUID |
							MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
						NULL, err);

	return tree < 0 ? tree : attach(l, tree, m, true, err);
}

static int write_file(int dir, const char *name, const struct spec_file *f, struct err *err)
{
	cleanup_fd int fd = fs_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
	int r;

	if (fd < 0)
		return fd;
	if ((r = fs_write_all(fd, f->data, f->len)) < 0)
		return err_sys(err, -r, "write '%s'", f->target);
	if (fchown(fd, f->uid, f->gid) < 0)
		return err_sys(err, errno, "give '%s' to %u:%u", f->target, f->uid, f->gid);
	if (fchmod(fd, f->mode & 07777) < 0)
		return err_sys(err, errno, "set the mode of '%s'", f->target);
	return 0;
}

static int bind_file(const struct launch *l, int dir, const char *name, const struct spec_file *f,
		     bool readonly, struct err *err)
{
	struct mount_attr attr = { .attr_set = (readonly ? MOUNT_ATTR_RDONLY : 0) |
					       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					       MOUNT_ATTR_NOEXEC };
	cleanup_fd int tree = sys_open_tree(dir, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r;

	if (tree < 0)
		return err_sys(err, -tree, "open '%s'", f->target);
	if ((r = sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr)) < 0)
		return err_sys(err, -r, "set the flags of '%s'", f->target);
	cleanup_fd int target = open_target(l, f->target, false, err);
	if (target < 0)
		return target;
	r = sys_move_mount(tree, target);
	return r < 0 ? err_sys(err, -r, "mount '%s'", f->target) : 0;
}

/* Secrets and configs: a tmpfs that nothing else can name, kept out of swap where the kernel can
 * (6.4), each of its files bound to its own place. It is attached in the private directory (the
 * working directory of these stages) because older kernels do not copy mounts that are attached
 * nowhere. */
static int make_files(const struct launch *l, const struct spec_mount *m, size_t index,
		      struct err *err)
{
	static const char *const options[] = { "mode=0755", "noswap", NULL };
	static const char *const without_noswap[] = { "mode=0755", NULL };
	char dir[24], name[24];
	cleanup_fd int tmpfs = runtime__fs_mount("tmpfs", 0, options, err);
	int r;

	if (tmpfs == -EINVAL) {
		err_done(err);
		tmpfs = runtime__fs_mount("tmpfs", 0, without_noswap, err);
	}
	if (tmpfs < 0)
		return tmpfs;
	snprintf(dir, sizeof(dir), "f%zu", index);
	if (mkdir(dir, 0700) < 0)
		return err_sys(err, errno, "make a mount point");
	if ((r = sys_move_mount_at(tmpfs, AT_FDCWD, dir)) < 0)
		return err_sys(err, -r, "attach the files");
	for (size_t i = 0; i < m->files.n; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		if ((r = write_file(tmpfs, name, &m->files.v[i], err)) < 0 ||
		    (r = bind_file(l, tmpfs, name, &m->files.v[i], true, err)) < 0)
			return r;
	}
	return 0;
}

/* Our own files lie in the private directory itself: it stays, unreachable but for them. In the
 * writable layer they would be files and a directory more on disk for every container. */
static int make_own(const struct launch *l, const struct spec_mount *m, size_t index,
		    struct err *err)
{
	for (size_t i = 0; i < m->files.n; i++) {
		char name[48];
		int r;
		snprintf(name, sizeof(name), "o%zu-%zu", index, i);
		if ((r = write_file(AT_FDCWD, name, &m->files.v[i], err)) < 0 ||
		    (r = bind_file(l, AT_FDCWD, name, &m->files.v[i], m->readonly, err)) < 0) {
			if (r != -EROFS)
				return r;
			err_done(err); /* the user's own /etc, read-only: it is as he has it */
		}
	}
	return 0;
}

/* An overlay of its own, mounted by the container: its files have the owners they have inside. */
static int make_overlay(const struct launch *l, const struct launch_mount *lm, size_t index,
			struct err *err)
{
	const struct spec_mount *m = lm->mount;
	struct mount_attr attr = { .attr_set = runtime__mount_attributes(m) };
	char name[24], prefix[28];
	struct stat st;
	int r;

	snprintf(name, sizeof(name), "v%zu", index);
	snprintf(prefix, sizeof(prefix), "%s/", name);
	if (mkdir(name, 0700) < 0)
		return err_sys(err, errno, "make a mount point");
	cleanup_fd int base = fs_open(AT_FDCWD, name, O_PATH | O_DIRECTORY, 0, err);
	if (base < 0)
		return base;
	if ((r = runtime__overlay_mount(lm->layers.v, lm->layers.n, lm->fd, base, prefix, err)) < 0)
		return err_wrap(err, "mount '%s'", m->target);
	cleanup_fd int root = fs_open(base, "r", O_PATH | O_DIRECTORY, 0, err);
	if (root < 0)
		return root;
	cleanup_fd int part = fs_open_in_root(root, m->subpath ? m->subpath : ".", O_PATH, 0, err);
	if (part < 0)
		return err_wrap(err, "the source of the mount '%s'", m->target);
	cleanup_fd int tree =
		sys_open_tree(part, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree < 0)
		return err_sys(err, -tree, "open the source of '%s'", m->target);
	if ((r = sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr)) < 0)
		return err_sys(err, -r, "set the flags of '%s'", m->target);
	if (fstat(tree, &st) < 0)
		return err_sys(err, errno, "look at the source of '%s'", m->target);
	return attach(l, tree, m, S_ISDIR(st.st_mode), err);
}

int runtime__mounts_make(struct launch *l, struct err *err)
{
	for (size_t i = 0; i < l->mounts.n; i++) {
		const struct launch_mount *lm = &l->mounts.v[i];
		const struct spec_mount *m = lm->mount;
		int r = 0;

		switch (m->type) {
		case SPEC_MOUNT_BIND: r = attach(l, lm->fd, m, lm->is_dir, err); break;
		case SPEC_MOUNT_VOLUME: r = make_volume(l, lm, err); break;
		case SPEC_MOUNT_TMPFS: r = make_tmpfs(l, m, err); break;
		case SPEC_MOUNT_MQUEUE: r = make_mqueue(l, m, err); break;
		case SPEC_MOUNT_FILES: r = make_files(l, m, i, err); break;
		case SPEC_MOUNT_OWN: r = make_own(l, m, i, err); break;
		case SPEC_MOUNT_OVERLAY: r = make_overlay(l, lm, i, err); break;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

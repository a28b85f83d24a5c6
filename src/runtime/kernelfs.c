/* The kernel's own file systems in every container: proc, sysfs, cgroup, and what is below /dev. */
#include "runtime/cgroup.h"
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"

#define NOTHING (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

#define SHM_DEFAULT ((uint64_t)64 << 20)

/* Opens a directory right below `dir`, making it when missing. A symlink in its place is refused:
 * an image whose /proc leads elsewhere would have its masks elsewhere too (CVE-2019-19921). */
static int own_dir(int dir, const char *name, struct err *err)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST && errno != EROFS)
		return err_sys(err, errno, "make the directory '%s'", name);
	int fd = fs_openat2(dir, name, &how);
	return fd < 0 ? err_sys(err, -fd, "open '/%s' of the image as a plain directory", name)
		      : fd;
}

/* Takes the detached mount. */
static int attach(int mounted, int dir, const char *name, struct err *err)
{
	cleanup_fd int fd = mounted;
	cleanup_fd int target = FD_NONE;

	if (fd < 0)
		return fd;
	if ((target = own_dir(dir, name, err)) < 0)
		return target;
	int r = sys_move_mount(fd, target);
	return r < 0 ? err_sys(err, -r, "attach '%s'", name) : 0;
}

static int make_proc(struct launch *l, struct err *err)
{
	int fd = runtime__fs_mount("proc", NOTHING, NULL, err);

	if (fd == -EPERM && l->user_ns) {
		err_done(err);
		return err_unsupported(err, "the kernel refuses a new /proc in a user namespace; "
					    "parts of the host's /proc are covered (stave itself "
					    "in a container?)");
	}
	return attach(fd, l->root, "proc", err);
}

/* A network namespace that belongs to another user namespace refuses a sysfs of its own: the
 * host's is bound then, read-only. */
static int bound_sysfs(struct err *err)
{
	struct mount_attr attr = { .attr_set = NOTHING | MOUNT_ATTR_RDONLY };
	int fd =
		sys_open_tree(AT_FDCWD, "/sys", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	int r;

	if (fd < 0)
		return err_sys(err, -fd, "bind /sys");
	if ((r = sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr)) < 0) {
		close(fd);
		return err_sys(err, -r, "make /sys read-only");
	}
	return fd;
}

static int make_cgroup_v1(const struct spec *spec, const struct cgroup_host *host, int cgroup,
			  unsigned attributes, struct err *err)
{
	for (size_t i = 0; i < host->hierarchies.n; i++) {
		const struct cgroup_hierarchy *h = &host->hierarchies.v[i];
		if (!runtime__cgroup_uses(spec, h))
			continue;
		cleanup_strv struct strv options = strv_split(h->option, ',');
		int fd = runtime__fs_mount("cgroup", attributes, (const char *const *)options.v,
					   err);
		int r = attach(fd, cgroup, h->name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_cgroup(struct launch *l, int sys, struct err *err)
{
	static const char *const options[] = { "mode=0755", NULL };
	const struct cgroup_host *host = runtime__cgroup_host();
	unsigned attributes = NOTHING | (l->spec->privileged ? 0 : MOUNT_ATTR_RDONLY);
	int r;

	if (!host->available || !l->new_cgroup)
		return 0;
	cleanup_fd int fs =
		fs_openat2(sys, "fs", &(struct open_how){ .flags = O_PATH | O_CLOEXEC });
	if (fs < 0)
		return 0; /* a kernel without control groups */
	if (host->v2)
		return attach(runtime__fs_mount("cgroup2", attributes, NULL, err), fs, "cgroup",
			      err);
	cleanup_fd int tmpfs = runtime__fs_mount("tmpfs", NOTHING, options, err);
	if (tmpfs < 0)
		return tmpfs;
	cleanup_fd int copy = fcntl(tmpfs, F_DUPFD_CLOEXEC, 3);
	if ((r = attach(fd_take(copy), fs, "cgroup", err)) < 0 ||
	    (r = make_cgroup_v1(l->spec, host, tmpfs, attributes, err)) < 0)
		return r;
	struct mount_attr attr = { .attr_set = attributes };
	r = sys_mount_setattr(tmpfs, "", AT_EMPTY_PATH, &attr);
	return r < 0 ? err_sys(err, -r, "make /sys/fs/cgroup read-only") : 0;
}

static int make_sys(struct launch *l, struct err *err)
{
	unsigned attributes = NOTHING | (l->spec->privileged ? 0 : MOUNT_ATTR_RDONLY);
	int fd = runtime__fs_mount("sysfs", attributes, NULL, err);

	if (fd == -EPERM) {
		err_done(err);
		fd = bound_sysfs(err);
	}
	if (fd < 0)
		return fd;
	cleanup_fd int sys = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int r = attach(fd, l->root, "sys", err);
	return r < 0 ? r : make_cgroup(l, sys, err);
}

static int make_shm(struct launch *l, int dev, struct err *err)
{
	char size[40];
	const char *const options[] = { "mode=1777", size, NULL };

	if (l->shm >= 0)
		return attach(fd_take(l->shm), dev, "shm", err);
	snprintf(size, sizeof(size), "size=%llu",
		 (unsigned long long)(l->spec->shm_size ? l->spec->shm_size : SHM_DEFAULT));
	return attach(runtime__fs_mount("tmpfs", NOTHING, options, err), dev, "shm", err);
}

static int make_mqueue(struct launch *l, int dev, struct err *err)
{
	int fd = runtime__fs_mount("mqueue", NOTHING, NULL, err);

	/* A joined IPC namespace may belong to a user namespace that we are not root of; and the
	 * kernel may be built without message queues. */
	if (fd == -ENODEV || (fd == -EPERM && !l->new_ipc)) {
		err_done(err);
		return 0;
	}
	return attach(fd, dev, "mqueue", err);
}

static int make_dev(struct launch *l, struct err *err)
{
	static const char *const options[] = { "mode=0755", "size=65536k", NULL };
	static const char *const pts_options[] = { "newinstance", "ptmxmode=0666", "mode=0620",
						   "gid=5", NULL };
	bool made = l->dev >= 0;
	cleanup_fd int tmpfs = made ? fd_take(l->dev)
				    : runtime__fs_mount("tmpfs",
							MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC |
								MOUNT_ATTR_STRICTATIME,
							options, err);
	int r;

	if (tmpfs < 0)
		return tmpfs;
	if ((r = attach(fcntl(tmpfs, F_DUPFD_CLOEXEC, 3), l->root, "dev", err)) < 0)
		return r;
	if (l->devpts < 0)
		l->devpts = runtime__fs_mount("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
					      pts_options, err);
	if ((r = attach(fd_take(l->devpts), tmpfs, "pts", err)) < 0 ||
	    (r = make_shm(l, tmpfs, err)) < 0 || (r = make_mqueue(l, tmpfs, err)) < 0)
		return r;
	return runtime__devices_defaults(l, tmpfs, made, err);
}

int runtime__kernelfs_make(struct launch *l, struct err *err)
{
	int r;

	if ((r = make_proc(l, err)) < 0 || (r = make_sys(l, err)) < 0)
		return r;
	/* The user's own /dev (privileged containers bind the host's) is not to be filled. */
	vec_each(m, &l->mounts)
		if (str_eq(m->mount->target, "/dev"))
			return 0;
	return make_dev(l, err);
}

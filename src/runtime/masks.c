/* What of /proc and /sys a container does not see, or may not change. Docker's lists, and more. */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"

static const char *const masked[] = {
	/* as Docker */
	"proc/acpi",
	"proc/asound",
	"proc/interrupts",
	"proc/kcore",
	"proc/keys",
	"proc/latency_stats",
	"proc/sched_debug",
	"proc/scsi",
	"proc/timer_list",
	"proc/timer_stats",
	"sys/devices/virtual/powercap",
	"sys/firmware",
	/* above it: kernel addresses, memory layout, allocator statistics of the whole machine */
	"proc/iomem",
	"proc/kallsyms",
	"proc/kpagecgroup",
	"proc/kpagecount",
	"proc/kpageflags",
	"proc/pagetypeinfo",
	"proc/slabinfo",
	"proc/vmallocinfo",
	"sys/kernel/notes",
	"sys/kernel/vmcoreinfo",
};

static const char *const readonly[] = {
	"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
};

static int open_plain(int root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	return fs_openat2(root, path, &how);
}

/* A copy of the container's /dev/null (or of the empty directory `e` in the private one) over the
 * file (or directory). What the kernel does not have needs no mask. */
static int mask(const struct launch *l, const char *path, struct err *err)
{
	cleanup_fd int target = open_plain(l->root, path);
	struct stat st;
	int r;

	if (target < 0)
		return target == -ENOENT ? 0 : err_sys(err, -target, "open '/%s'", path);
	if (fstat(target, &st) < 0)
		return err_sys(err, errno, "look at '/%s'", path);
	cleanup_fd int cover =
		S_ISDIR(st.st_mode)
			? sys_open_tree(AT_FDCWD, "e", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
			: sys_open_tree(l->root, "dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (cover < 0)
		return err_sys(err, -cover, "open the cover of '/%s'", path);
	if ((r = sys_move_mount(cover, target)) < 0)
		return err_sys(err, -r, "cover '/%s'", path);
	return 0;
}

static int make_readonly(const struct launch *l, const char *path, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	cleanup_fd int target = open_plain(l->root, path);
	int r;

	if (target < 0)
		return target == -ENOENT ? 0 : err_sys(err, -target, "open '/%s'", path);
	cleanup_fd int copy =
		sys_open_tree(l->root, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (copy < 0)
		return err_sys(err, -copy, "bind '/%s'", path);
	if ((r = sys_mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr)) < 0 ||
	    (r = sys_move_mount(copy, target)) < 0)
		return err_sys(err, -r, "make '/%s' read-only", path);
	return 0;
}

/* An empty, read-only tmpfs in the private directory, which all masked directories share. */
static int make_cover(struct err *err)
{
	static const char *const options[] = { "mode=0755", "size=4k", NULL };
	cleanup_fd int tmpfs = runtime__fs_mount("tmpfs",
						 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
							 MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
						 options, err);
	int r;

	if (tmpfs < 0)
		return tmpfs;
	if (mkdir("e", 0700) < 0)
		return err_sys(err, errno, "make a mount point");
	r = sys_move_mount_at(tmpfs, AT_FDCWD, "e");
	return r < 0 ? err_sys(err, -r, "attach the cover") : 0;
}

int runtime__masks_make(struct launch *l, struct err *err)
{
	int r;

	if (l->spec->privileged || l->spec->unmask_paths)
		return 0;
	if ((r = make_cover(err)) < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(masked); i++)
		if ((r = mask(l, masked[i], err)) < 0)
			return r;
	for (size_t i = 0; i < ARRAY_SIZE(readonly); i++)
		if ((r = make_readonly(l, readonly[i], err)) < 0)
			return r;
	return 0;
}

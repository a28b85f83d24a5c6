/* Whether this kernel, and a file system, can do what the runtime needs. */
#include "runtime/cgroup.h"
#include "runtime/launch.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

#include "base/fs.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum { FILESYSTEMS_MAX = 64 << 10 };

/* Each call is made with arguments that only a kernel that has it can complain about: ENOSYS is the
 * one answer that matters. */
static const struct {
	long number;
	const char *name, *since;
} calls[] = {
	{ SYS_clone3, "clone3", "5.3" },
	{ SYS_openat2, "openat2", "5.6" },
	{ SYS_open_tree, "open_tree", "5.2" },
	{ SYS_move_mount, "move_mount", "5.2" },
	{ SYS_fsopen, "fsopen", "5.2" },
	{ SYS_fsconfig, "fsconfig", "5.2" },
	{ SYS_fsmount, "fsmount", "5.2" },
	{ SYS_close_range, "close_range", "5.9" },
	{ SYS_mount_setattr, "mount_setattr", "5.12" },
	{ SYS_pidfd_open, "pidfd_open", "5.3" },
	{ SYS_pidfd_send_signal, "pidfd_send_signal", "5.1" },
};

static const struct {
	const char *path, *name, *since;
} files[] = {
	{ "/proc/self/ns/user", "user namespaces (CONFIG_USER_NS)", "3.8" },
	{ "/proc/self/ns/pid", "PID namespaces (CONFIG_PID_NS)", "3.8" },
	{ "/proc/self/ns/net", "network namespaces (CONFIG_NET_NS)", "3.0" },
	{ "/proc/self/ns/ipc", "IPC namespaces (CONFIG_IPC_NS)", "3.0" },
	{ "/proc/self/ns/uts", "UTS namespaces (CONFIG_UTS_NS)", "3.0" },
	{ "/proc/self/ns/cgroup", "cgroup namespaces (CONFIG_CGROUPS)", "4.6" },
};

/* Asking for the file system itself loads its module, but letting go of it again waits for all
 * readers in the kernel: milliseconds, on a busy machine many. */
static int check_overlay(struct err *err)
{
	cleanup_str struct str known = STR_INIT;
	cleanup_err struct err ignored = ERR_INIT;

	if (fs_read(AT_FDCWD, "/proc/filesystems", FILESYSTEMS_MAX, &known, &ignored) == 0 &&
	    strstr(str_text(&known), "\toverlay\n"))
		return 0;
	int fs = sys_fsopen("overlay");
	if (fs == -ENODEV)
		return err_unsupported(err,
				       "the kernel has no overlayfs (CONFIG_OVERLAY_FS; module "
				       "'overlay')");
	fd_close(fs);
	return 0;
}

int runtime_check_kernel(struct err *err)
{
	if (geteuid() != 0)
		return err_new(err, ERR_PERMISSION, EPERM,
			       "containers need root rights: run stave as root (sudo stave ...)");
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (syscall(calls[i].number, -1, NULL, ~0ul, ~0ul, ~0ul, ~0ul) < 0 &&
		    errno == ENOSYS)
			return err_unsupported(err, "the kernel has no %s (Linux %s or newer)",
					       calls[i].name, calls[i].since);
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (access(files[i].path, F_OK) < 0)
			return err_unsupported(err, "the kernel has no %s (Linux %s or newer)",
					       files[i].name, files[i].since);
	if (!runtime__cgroup_host()->available)
		return err_unsupported(
			err, "no control groups are mounted at /sys/fs/cgroup: nothing would "
			     "keep a container to its devices and limits");
	return check_overlay(err);
}

int runtime_binfmt_open(void)
{
	static const char mounted[] = "/proc/sys/fs/binfmt_misc";
	cleanup_err struct err ignored = ERR_INIT;
	int fd = open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && faccessat(fd, "status", F_OK, 0) == 0)
		return fd;
	fd_close(fd);
	fd = runtime__fs_mount("binfmt_misc", 0, NULL, &ignored);
	if (fd < 0)
		return fd;
	cleanup_fd int tree = fd; /* it names the mount; reading needs more */
	fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A user namespace that maps something, made for the question and kept for the next one. */
static int probe_namespace(void)
{
	static int fd = FD_NONE;
	const struct spec_idmap map = { .base = 100000, .count = 65536 };
	struct runtime_namespaces ns;
	cleanup_err struct err err = ERR_INIT;

	if (fd < 0 && runtime_namespaces_new(&map, false, &ns, &err) == 0)
		fd = ns.user;
	return fd;
}

bool runtime_can_idmap(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int user = probe_namespace();
	cleanup_fd int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (user < 0 || tree < 0)
		return false;
	attr.userns_fd = (uint64_t)user;
	return sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attr) == 0;
}

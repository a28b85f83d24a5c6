/* For this room only: the system calls that the C library does not wrap (or not everywhere), under
 * sys_ names. All return what the kernel's wrapper would, or negative errno; errno is not set. */
#ifndef STAVE_RUNTIME_SYS_H
#define STAVE_RUNTIME_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> cannot both be included with every C library: these are what
 * is needed of the former. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
int umount2(const char *target, int flags);

static inline int sys__result(long r)
{
	return r < 0 ? -errno : (int)r;
}

/* A descriptor of a copy of the mount (or, with AT_RECURSIVE, the tree) at path, attached nowhere.
 */
static inline int sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return sys__result(syscall(SYS_open_tree, dirfd, path, flags));
}

static inline int sys_mount_setattr(int dirfd, const char *path, unsigned flags,
				    const struct mount_attr *attr)
{
	return sys__result(syscall(SYS_mount_setattr, dirfd, path, flags, attr, sizeof(*attr)));
}

/* Attaches the detached mount `fd` on what the descriptor `target` stands for. */
static inline int sys_move_mount(int fd, int target)
{
	return sys__result(syscall(SYS_move_mount, fd, "", target, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

static inline int sys_move_mount_at(int fd, int dirfd, const char *path)
{
	return sys__result(syscall(SYS_move_mount, fd, "", dirfd, path, MOVE_MOUNT_F_EMPTY_PATH));
}

static inline int sys_fsopen(const char *type)
{
	return sys__result(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}

static inline int sys_fsconfig(int fs, unsigned command, const char *key, const void *value,
			       int aux)
{
	return sys__result(syscall(SYS_fsconfig, fs, command, key, value, aux));
}

static inline int sys_fsmount(int fs, unsigned attributes)
{
	return sys__result(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return sys__result(syscall(SYS_pivot_root, new_root, put_old));
}

static inline int sys_clone3(struct clone_args *args)
{
	return sys__result(syscall(SYS_clone3, args, sizeof(*args)));
}

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return sys__result(syscall(SYS_close_range, first, last, flags));
}

/* The libc wrappers of these change every thread (by a signal); a process between clone and exec
 * has only itself. */
static inline int sys_setresuid(uid_t uid)
{
	return sys__result(syscall(SYS_setresuid, uid, uid, uid));
}

static inline int sys_setresgid(gid_t gid)
{
	return sys__result(syscall(SYS_setresgid, gid, gid, gid));
}

static inline int sys_setgroups(size_t n, const gid_t *groups)
{
	return sys__result(syscall(SYS_setgroups, n, groups));
}

#endif

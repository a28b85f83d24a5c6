/* A slot's user and network namespace: made once, by a helper that does nothing but exist until the
 * maps are written and the descriptors are open. */
#include "runtime/runtime.h"
#include "runtime/sys.h"

#include "base/fs.h"

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int write_map(pid_t pid, const char *file, const struct spec_idmap *map, struct err *err)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	snprintf(text, sizeof(text), "0 %u %u\n", map->base, map->count);
	return fs_poke(AT_FDCWD, path, text, err);
}

static int open_ns(pid_t pid, const char *name, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	return fs_open(AT_FDCWD, path, O_RDONLY, 0, err);
}

static int loopback_up(struct err *err)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(err, errno, "bring up the loopback interface");
	return 0;
}

/* What Docker sets in every network namespace: anyone in the container may bind low ports and open
 * ping sockets. Older kernels lack one or the other; nothing depends on them. */
static void set_defaults(const struct spec_idmap *map)
{
	cleanup_err struct err ignored = ERR_INIT;
	cleanup_err struct err ignored_too = ERR_INIT;
	char range[32];

	snprintf(range, sizeof(range), "%u %u", map->count ? map->base : 0,
		 map->count ? map->base + map->count - 1 : 2147483647u);
	(void)fs_poke(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", range, &ignored);
	(void)fs_poke(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", &ignored_too);
}

/* Visits the new network namespace; the caller's own is the same again after. */
static int prepare_net(int net, const struct spec_idmap *map, struct err *err)
{
	cleanup_fd int home = fs_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0, err);
	int r;

	if (home < 0)
		return home;
	if (setns(net, CLONE_NEWNET) < 0)
		return err_sys(err, errno, "enter the new network namespace");
	r = loopback_up(err);
	set_defaults(map);
	if (setns(home, CLONE_NEWNET) < 0)
		abort(); /* going on in a container's network would be worse */
	return r;
}

static int open_all(pid_t pid, const struct spec_idmap *map, bool net,
		    struct runtime_namespaces *ns, struct err *err)
{
	int r;

	if (map->count) {
		if ((r = write_map(pid, "uid_map", map, err)) < 0 ||
		    (r = write_map(pid, "gid_map", map, err)) < 0)
			return r;
		if ((ns->user = open_ns(pid, "user", err)) < 0)
			return ns->user;
	}
	if (!net)
		return 0;
	if ((ns->net = open_ns(pid, "net", err)) < 0)
		return ns->net;
	return prepare_net(ns->net, map, err);
}

/* With its parent, if that is killed meanwhile. */
static int only_exist(void *parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != *(const pid_t *)parent)
		_exit(1);
	while (pause() < 0) /* until SIGKILL: everything else is blocked */
		;
	return 0;
}

/* The kernel refuses a user namespace to a process in a chroot. Entering its own mount namespace
 * again takes the helper (not us) out of it; it says over a pipe when it has the new namespaces. */
static pid_t clone_outside_chroot(int flags)
{
	struct clone_args args = { 0 };
	int done[2];
	char byte;

	if (pipe2(done, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = sys_clone3(&args);
	if (pid == 0) {
		int mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
		if (mnt < 0 || setns(mnt, CLONE_NEWNS) < 0 || unshare(flags) < 0 ||
		    write(done[1], "", 1) < 0)
			_exit(1);
		while (pause() < 0)
			;
	}
	close(done[1]);
	ssize_t n = pid > 0 ? read(done[0], &byte, 1) : 1;
	close(done[0]);
	if (n == 1)
		return pid;
	(void)waitpid(pid, NULL, __WALL);
	return -EPERM;
}

int runtime_namespaces_new(const struct spec_idmap *map, bool net, struct runtime_namespaces *ret,
			   struct err *err)
{
	struct runtime_namespaces ns = RUNTIME_NAMESPACES_NONE;
	int flags = (map->count ? CLONE_NEWUSER : 0) | (net ? CLONE_NEWNET : 0);
	enum { STACK_SIZE = 16384 };
	cleanup_free char *stack = xmalloc(STACK_SIZE); /* until the helper is gone */
	pid_t self = getpid();
	sigset_t all, before;
	int r;

	if (!flags) {
		*ret = ns;
		return 0;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	/* It shares our memory, and changes none of it. */
	pid_t pid = clone(only_exist, stack + STACK_SIZE, flags | CLONE_VM, &self);
	if (pid < 0)
		pid = errno == EPERM ? clone_outside_chroot(flags) : -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return err_sys(err, -pid, "make a user and network namespace");
	r = open_all(pid, map, net, &ns, err);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	if (r < 0) {
		fd_close(ns.user);
		fd_close(ns.net);
		return r;
	}
	*ret = ns;
	return 0;
}

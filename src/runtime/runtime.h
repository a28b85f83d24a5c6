/* Run a spec. Called by the supervisor (start, health checks), by `stave exec` and `stave top`
 * (exec, pids), never by a container.
 *
 * Starting a container, in order:
 *	runtime_protect(...)                     once, first in main() of who enters containers
 *	runtime_namespaces_new(&map, true, &ns)  of the slot; the keeper holds them, net/ attaches
 *	runtime_start(&spec, &start, &child)     returns as soon as the first process exists:
 *	                                         watch child.status_fd for EPOLLIN
 *	runtime_start_result(child.status_fd)    0: the program runs; else what failed, worded
 *	... the reaper learns the exit status ...
 *	runtime_cleanup(&spec)                   cgroup; mounts vanish with the namespace
 *
 * The process tree: with RUNTIME_CLONE_PARENT the container's first process is a child of the
 * caller's parent (the keeper), which must be a child subreaper (prctl PR_SET_CHILD_SUBREAPER);
 * else of the caller. The keeper sees no other process of ours. Nothing here waits for a container
 * except where it says so. */
#ifndef STAVE_RUNTIME_RUNTIME_H
#define STAVE_RUNTIME_RUNTIME_H

#include "runtime/spec.h"

/* Re-executes the running program from a sealed memfd, so that nothing that enters a container can
 * reach the binary on disk through /proc/self/exe (CVE-2019-5736 class). Returns 0 at once when it
 * already runs from one. argv (NULL: what it was started with) and environment are kept; comm stays
 * "stave". Needed by whoever calls runtime_start or runtime_exec for a container without a user
 * namespace: there the container's root is the host's, and may write to our file. */
int runtime_protect(char **argv, struct err *err);

/* Checks the kernel for what the runtime needs (clone3, openat2, mount_setattr with idmap, overlay
 * in user namespaces, ...) and names the missing feature with the kernel version that has it.
 * Cheap; called once by `up`. */
int runtime_check_kernel(struct err *err);
/* The kernel's registry of interpreters (binfmt_misc), also where nobody has it mounted: a
 * descriptor of its directory, or negative errno (-ENODEV: the kernel has none). */
int runtime_binfmt_open(void);
/* Whether the file system of `path` can be idmapped (false: run without a user namespace, with a
 * warning). */
bool runtime_can_idmap(const char *path);
/* Makes, once for all containers, the directory of what every container needs in its root and an
 * image may lack: the places of /proc, /sys, /dev and of our files in /etc. As the lowest of a
 * spec's layers it spares every container from making them in its writable layer. */
int runtime_mountpoints_make(const char *path, struct err *err);

struct runtime_namespaces {
	int user; /* FD_NONE when the map's count is 0 */
	int net;  /* FD_NONE when not asked for */
};
#define RUNTIME_NAMESPACES_NONE ((struct runtime_namespaces){ .user = FD_NONE, .net = FD_NONE })
/* Makes a user namespace with the map and a network namespace owned by it (loopback up).
 * Descriptors are the caller's. */
int runtime_namespaces_new(const struct spec_idmap *map, bool net, struct runtime_namespaces *ret,
			   struct err *err);

enum { RUNTIME_CLONE_PARENT = 1u << 0 };

struct runtime_start {
	unsigned flags;
	pid_t reaper;		      /* with CLONE_PARENT: whose child it is to be; 0: the caller's
					 parent's, else an ancestor of the caller's that is a subreaper */
	struct runtime_namespaces ns; /* borrowed; .net FD_NONE: the host's network */
	int stdio[3];		      /* borrowed; with process.tty not used; FD_NONE: /dev/null */
};

struct runtime_child {
	pid_t pid;	     /* on the host */
	int pidfd;	     /* owned */
	uint64_t start_time; /* as proc_start_time() */
	int status_fd; /* owned; becomes readable when the set-up has failed, or at the exec */
	int console;   /* owned pty master when process.tty, else FD_NONE */
};
#define RUNTIME_CHILD_NONE                                                                         \
	((struct runtime_child){                                                                   \
		.pid = -1, .pidfd = FD_NONE, .status_fd = FD_NONE, .console = FD_NONE })
void runtime_child_done(struct runtime_child *child); /* closes, does not kill */

/* Creates the cgroup, clones, and lets the child set itself up. On failure nothing is left behind.
 */
int runtime_start(const struct spec *spec, const struct runtime_start *start,
		  struct runtime_child *ret, struct err *err);
/* Reads the outcome; blocks until there is one when called before status_fd is readable. Does not
 * close it. 0: the program was executed. Failure: kind CONTAINER with the worded stage; err.no
 * ENOENT (command not found: exit 127) or EACCES (not executable: 126) tell those two apart. The
 * dead child is still the reaper's. */
int runtime_start_result(int status_fd, struct err *err);

/* Joins all namespaces, the root, the cgroup, seccomp and capabilities of a running container and
 * runs `process` there. `spec` is the container's, pid and start_time its first process's. The same
 * child struct and result call as for a start. */
struct runtime_exec {
	unsigned flags;
	pid_t pid;
	uint64_t start_time;
	const struct spec_process *process;
	bool privileged; /* all capabilities */
	int stdio[3];
};
int runtime_exec(const struct spec *spec, const struct runtime_exec *exec,
		 struct runtime_child *ret, struct err *err);

/* Every process of the container gets the signal (cgroup.kill on v2, freeze, signal, thaw on v1).
 */
int runtime_kill_all(const struct spec *spec, int signo, struct err *err);
int runtime_pause(const struct spec *spec, bool pause, struct err *err);
bool runtime_paused(const struct spec *spec);
/* Applies resources of a running container live. */
int runtime_update(const struct spec *spec, struct err *err);
/* Host pids of all processes in the container, sorted. */
struct runtime_pids {
	VEC(pid_t) pids;
};
int runtime_pids(const struct spec *spec, struct runtime_pids *ret, struct err *err);
struct runtime_stats {
	uint64_t cpu_ns, memory, memory_limit, memory_peak, pids, pids_limit, blk_read, blk_write;
	uint64_t oom_kills;
};
int runtime_stats(const struct spec *spec, struct runtime_stats *ret, struct err *err);
/* A descriptor that becomes ready (`events`, for epoll) when the kernel kills, or is about to kill,
 * a process of the container for want of memory. The container runs. fd is the caller's. */
struct runtime_oom_watch {
	int fd;
	uint32_t events;
};
int runtime_oom_watch(const struct spec *spec, struct runtime_oom_watch *ret, struct err *err);
void runtime_oom_clear(const struct runtime_oom_watch *watch); /* not ready, until the next one */
uint64_t runtime_oom_kills(const struct spec *spec);	       /* so far; 0 also when unknown */
/* Removes the cgroup (killing what is still in it). Missing is success. */
int runtime_cleanup(const struct spec *spec, struct err *err);

/* Whether a signal can have an effect on the first process: the kernel drops signals that PID 1 of
 * a PID namespace neither handles nor blocks (/proc/PID/status SigCgt, SigBlk). SIGKILL and SIGSTOP
 * always can. */
bool runtime_signal_works(pid_t pid, int signo);

/* Opens a path inside a running container's mount namespace and root (for cp): O_PATH|O_DIRECTORY
 * descriptor of its root. Safe when stave itself runs in a chroot. */
int runtime_open_root(pid_t pid, uint64_t start_time, int *ret_fd, struct err *err);
/* For a container that is not running: mounts its root (overlay, without the user namespace) as a
 * detached mount and returns a descriptor of it. Closing the descriptor unmounts. */
int runtime_mount_root(const struct spec *spec, int *ret_fd, struct err *err);
/* The same for reading alone, of a container that runs or not: what its image and its writable
 * layer hold, and nothing of what is mounted in it. */
int runtime_view_root(const struct spec *spec, int *ret_fd, struct err *err);

#endif

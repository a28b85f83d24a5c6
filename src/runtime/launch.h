/* For this room only: what the privileged side (start.c, exec.c) prepares, and what the
 * container's first process (child.c) then works through.
 *
 *	privileged side          intermediate (enter.c)           child (child.c)
 *	opens, idmaps, cgroup
 *	        ------ clone ------>  cgroup, rlimits
 *	                              user, network namespace
 *	                              uid 0 there
 *	                              ------ clone3 ------>       stages, in the order of enum stage
 *	pid, pidfd  <----------------  exits                      exec, or a report over `status`
 *
 * The child is a full copy of the caller: it may allocate, and uses struct err like everybody. */
#ifndef STAVE_RUNTIME_LAUNCH_H
#define STAVE_RUNTIME_LAUNCH_H

#include "runtime/runtime.h"

#include <linux/filter.h>
#include <sys/resource.h>

/* What the child does, in this order; the text says what failed. */
#define STAGES(X)                                                                                  \
	X(ENTER, "enter the namespaces")                                                           \
	X(CONSOLE, "make the console")                                                             \
	X(ROOT, "mount the root file system")                                                      \
	X(KERNELFS, "mount the kernel's file systems")                                             \
	X(MOUNTS, "mount")                                                                         \
	X(DEVICES, "make the devices")                                                             \
	X(SYSCTLS, "set the sysctls")                                                              \
	X(MASKS, "mask paths")                                                                     \
	X(PIVOT, "change the root directory")                                                      \
	X(HOSTNAME, "set the host name")                                                           \
	X(INIT, "start the init process")                                                          \
	X(STDIO, "set up standard input and output")                                               \
	X(USER, "find the user")                                                                   \
	X(CWD, "change to the working directory")                                                  \
	X(SECURITY, "set capabilities and seccomp")                                                \
	X(EXEC, "run the command")

enum stage {
#define X(name, text) STAGE_##name,
	STAGES(X)
#undef X
		STAGE_MAX_
};
const char *runtime__stage_text(enum stage stage);

/* What goes over the status pipe when a stage fails; one write, less than PIPE_BUF. */
struct report {
	int32_t stage, kind, no;
	char text[1000];
};

struct launch_mount {
	const struct spec_mount *mount;
	int fd;		 /* detached tree of the source; FD_NONE for tmpfs, mqueue and files */
	VEC(int) layers; /* overlay: detached trees, bottom first; fd is what takes the writes */
	bool is_dir;
};

struct launch_device {
	const char *target; /* path inside; borrowed from the spec */
	int fd;		    /* detached tree of the node */
	bool is_dir;
};

struct cgroup;

struct launch {
	const struct spec *spec;
	const struct spec_process *process; /* the spec's, or exec's */
	bool exec;			    /* joins a container instead of making one */
	uid_t uid_base; /* host id of the container's root, with a user namespace */
	bool user_ns;	/* the child has a user namespace of its own */
	bool net_ns;	/* ... and a network namespace (sysfs can be mounted) */
	bool new_pid, new_ipc, new_uts, new_cgroup;

	VEC(int) layers; /* detached trees, bottom first */
	int upper;	 /* detached tree of spec->dir */
	int rootfs;	 /* detached tree, with no layers */
	int dev;	 /* detached, finished /dev; FD_NONE: the child makes one */
	int shm; /* detached tree of another container's /dev/shm, with a joined IPC namespace */
	VEC(struct launch_mount) mounts;
	VEC(struct launch_device) devices;

	int stdio[3];	    /* borrowed; FD_NONE: /dev/null */
	int status;	    /* write end */
	int console_socket; /* where the child sends the pty master; FD_NONE without a tty */
	const struct sock_fprog *seccomp; /* NULL: none */
	uint64_t caps;

	/* used by the child only */
	int root;    /* O_PATH of the new root, before the pivot */
	int devpts;  /* detached, when the console is made before /dev */
	int console; /* pty slave */
	struct strv env;
	uid_t uid;
	gid_t gid;
	VEC(gid_t) groups;
};
void runtime__launch_init(struct launch *l);
void runtime__launch_done(struct launch *l);

/* The child: works through its stages and executes the program. Never returns. */
_Noreturn void runtime__child(void *launch);

/* Refuses what no spec may say (spec-check.c). */
int runtime__spec_check(const struct spec *s, struct err *err);

/* --- helpers with namespaces of their own (helper.c) --- */

/* Runs fn in a process that shares only the descriptor table with the caller, made with the clone
 * flags (CLONE_NEWNS), and waits for it. A descriptor that fn returns is the caller's. fn's error
 * comes back in err. */
int runtime__helper(uint64_t clone_flags, int (*fn)(void *data, struct err *err), void *data,
		    struct err *err);

/* --- the intermediate (enter.c) --- */

enum { ENTER_FDS_MAX = 8 };

struct enter {
	bool clone_parent;	     /* the child is to be a child of the caller's parent */
	pid_t reaper;		     /* ... or of this one */
	const struct cgroup *cgroup; /* joined first; NULL: the caller's */
	VEC(struct spec_rlimit) rlimits;
	bool has_oom_score_adj;
	int oom_score_adj;
	struct enter_ns {     /* entered in this order; a user namespace makes us its root */
		int fd, type; /* type: CLONE_NEW*, or several with a pidfd */
	} ns[ENTER_FDS_MAX];
	size_t ns_count;
	uint64_t clone_flags;
	void (*child)(void *data);
	void *data;
};
/* Makes the intermediate, waits for it (a fraction of a millisecond), gives the child's pid and a
 * pidfd (owned). */
int runtime__enter(const struct enter *e, pid_t *ret_pid, int *ret_pidfd, struct err *err);

/* Makes status pipe and console socket, enters, fills *ret (start.c; exec.c too). */
int runtime__launch_run(struct launch *l, struct enter *e, struct runtime_child *ret,
			struct err *err);

/* Opens layers, writable layer, or plain root, idmapped with `user` unless it is FD_NONE (start.c).
 */
int runtime__launch_root(struct launch *l, int user, struct err *err);

/* --- the child's stages, by file --- */

int runtime__console_make(struct launch *l, struct err *err); /* console.c */
int runtime__rootfs_mount(struct launch *l, struct err *err); /* rootfs.c */
/* Attaches layers and `upper` (a directory with upper/ and work/) in the directory `base`, which is
 * the working directory's `prefix` ("" or "name/"), and mounts the overlay of them on its `r`. */
int runtime__overlay_mount(const int *layers, size_t count, int upper, int base, const char *prefix,
			   struct err *err);
int runtime__rootfs_pivot(struct launch *l, struct err *err);	/* rootfs.c */
int runtime__kernelfs_make(struct launch *l, struct err *err);	/* kernelfs.c */
int runtime__mounts_make(struct launch *l, struct err *err);	/* mounts.c */
int runtime__devices_attach(struct launch *l, struct err *err); /* devices.c */
int runtime__masks_make(struct launch *l, struct err *err);	/* masks.c */
int runtime__stdio_set(struct launch *l, struct err *err);	/* console.c */
int runtime__init_start(struct launch *l, struct err *err);	/* init.c */
int runtime__user_find(struct launch *l, struct err *err); /* user.c: fills uid, gid, groups, env */
int runtime__security_set(struct launch *l, struct err *err); /* security.c */
/* For the init process, which starts the program and stays: the container's capabilities and
 * filter. It keeps CAP_KILL: the program may be another user's. */
int runtime__security_set_init(const struct launch *l, struct err *err);
int runtime__limits_set(const struct launch *l, struct err *err);

/* Docker's default nodes and links in the container's own /dev, unless they are made already, and
 * the console (devices.c). */
int runtime__devices_defaults(struct launch *l, int dev, bool made, struct err *err);
/* By the privileged side: a detached /dev with the nodes and links, the user's devices below /dev
 * (all of the host's for a privileged spec), idmapped; FD_NONE without an error when the kernel
 * cannot do that. */
int runtime__dev_prepare(const struct spec *spec, int user, struct err *err);
/* The path below /dev of a device's target; NULL when it is elsewhere. */
const char *runtime__device_below_dev(const struct spec_device *d);
/* The flags of a mount as MOUNT_ATTR_* (mounts.c). */
unsigned runtime__mount_attributes(const struct spec_mount *m);

/* The caller's end: waits for the pty master; FD_NONE when the child ended without one. */
int runtime__console_receive(int socket);
/* Gives an anonymous pipe to a user of the container (both ids, or the group as it is: -1), so that
 * /dev/stdout can be opened again there. Files, sockets and the user's own terminal are left alone.
 */
void runtime__stdio_give(int fd, uid_t uid, gid_t gid);

/* --- helpers for mounting, by the child --- */

/* Opens `path` beneath root as an O_PATH descriptor; with make, creates what is missing: a
 * directory, or (is_dir false) an empty file; its parents are directories. */
int runtime__target_open(int root, const char *path, bool make, bool is_dir, struct err *err);
/* Makes a detached mount of a new file system; options: "key=value" or "flag", NULL-terminated. */
int runtime__fs_mount(const char *type, unsigned attributes, const char *const options[],
		      struct err *err);

#endif

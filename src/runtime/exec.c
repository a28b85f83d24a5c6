/* A further process in a running container: the same intermediate and child as for a start, but
 * every namespace is entered and none is made. The mount namespace brings its own root with it,
 * which the container's first process has pivoted to: a chroot that stave runs in does not matter.
 */
#include "runtime/caps.h"
#include "runtime/cgroup.h"
#include "runtime/launch.h"
#include "runtime/seccomp.h"

#include "base/fs.h"
#include "base/proc.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* In the order in which they are entered: with the host's rights first, because those that a
 * container shares with another (ipc: service:x) may belong to different user namespaces; the mount
 * namespace, entered last, takes /proc away. */
static const struct {
	const char *name;
	int type;
} namespaces[] = {
	{ "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },	{ "net", CLONE_NEWNET },
	{ "pid", CLONE_NEWPID }, { "cgroup", CLONE_NEWCGROUP }, { "user", CLONE_NEWUSER },
	{ "mnt", CLONE_NEWNS },
};

/* The pid is still the process that the caller means. */
static int check_alive(pid_t pid, uint64_t start_time, struct err *err)
{
	if (start_time && proc_start_time(pid) != start_time)
		return err_new(err, ERR_NOT_FOUND, ESRCH, "the container is not running");
	return 0;
}

static int same_namespace(int fd, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/self/ns/%s", name);
	struct stat ours, theirs;

	return stat(path, &ours) == 0 && fstat(fd, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
	       ours.st_dev == theirs.st_dev;
}

/* Descriptors of the namespaces that differ from ours; a shared one needs no entering, and entering
 * one's own user namespace again is refused. */
static int open_namespaces(struct launch *l, struct enter *e, pid_t pid, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		cleanup_free char *path = xasprintf("/proc/%d/ns/%s", pid, namespaces[i].name);
		cleanup_fd int fd = fs_open(AT_FDCWD, path, O_RDONLY, 0, err);
		if (fd < 0)
			return fd;
		if (same_namespace(fd, namespaces[i].name))
			continue;
		if (namespaces[i].type == CLONE_NEWUSER)
			l->user_ns = true;
		e->ns[e->ns_count++] =
			(struct enter_ns){ .fd = fd_take(fd), .type = namespaces[i].type };
	}
	return 0;
}

static int prepare(struct launch *l, struct enter *e, const struct spec *spec,
		   const struct runtime_exec *exec, struct cgroup **cgroup, struct err *err)
{
	int r;

	if (!exec->process->args.n || str_empty(exec->process->args.v[0]))
		return err_usage(err, "there is no command to run");
	if ((r = open_namespaces(l, e, exec->pid, err)) < 0)
		return r;
	/* After opening: what was opened belongs to the process that was meant. */
	if ((r = check_alive(exec->pid, exec->start_time, err)) < 0)
		return r;
	*cgroup = runtime__cgroup_new(spec, NULL);
	if ((r = runtime__cgroup_open(*cgroup, err)) < 0)
		return r;
	e->cgroup = *cgroup;
	e->rlimits.v = exec->process->rlimits.v;
	e->rlimits.n = exec->process->rlimits.n;
	e->has_oom_score_adj = exec->process->has_oom_score_adj;
	e->oom_score_adj = exec->process->oom_score_adj;
	for (int i = 0; l->user_ns && i < 3; i++)
		runtime__stdio_give(exec->stdio[i], l->uid_base, l->uid_base);
	return runtime__seccomp_load(spec, l->caps, &l->seccomp, err);
}

int runtime_exec(const struct spec *spec, const struct runtime_exec *exec,
		 struct runtime_child *ret, struct err *err)
{
	struct launch l;
	struct enter e = { .clone_parent = exec->flags & RUNTIME_CLONE_PARENT };
	struct cgroup *cgroup = NULL;
	int r;

	runtime__launch_init(&l);
	l.spec = spec;
	l.process = exec->process;
	l.exec = true;
	l.uid_base = spec->idmap.base;
	l.caps = exec->privileged ? caps_all() : exec->process->caps;
	for (int i = 0; i < 3; i++)
		l.stdio[i] = exec->stdio[i];
	r = prepare(&l, &e, spec, exec, &cgroup, err);
	if (r == 0)
		r = runtime__launch_run(&l, &e, ret, err);
	for (size_t i = 0; i < e.ns_count; i++)
		fd_close(e.ns[i].fd);
	runtime__cgroup_free(cgroup);
	runtime__launch_done(&l);
	return r;
}

/* "NSpid:\t812\t1": its numbers from the outermost namespace to its own. With pid: host or a shared
 * PID namespace it is a process like others. */
static bool is_first_of_namespace(const char *status)
{
	static const char key[] = "\nNSpid:\t";
	const char *at = strstr(status, key);
	if (!at)
		return true;
	at += sizeof(key) - 1;
	const char *end = at + strcspn(at, "\n");
	while (end > at && end[-1] != '\t')
		end--;
	return end[0] == '1' && (end[1] == '\n' || end[1] == '\0');
}

bool runtime_signal_works(pid_t pid, int signo)
{
	static const char *const keys[] = { "SigCgt:\t", "SigBlk:\t" };
	cleanup_free char *dir = xasprintf("/proc/%d", pid);
	cleanup_str struct str text = STR_INIT;

	if (signo == SIGKILL || signo == SIGSTOP)
		return true;
	runtime__cgroup_read_text(dir, "status", &text);
	if (!is_first_of_namespace(str_text(&text)))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *at = strstr(str_text(&text), keys[i]);
		unsigned long long mask = 0;
		if (at && sscanf(at + strlen(keys[i]), "%llx", &mask) == 1 &&
		    mask >> (signo - 1) & 1)
			return true;
	}
	/* While it waits for signals (tini, our own init), the kernel shows what it waits for as
	 * not blocked. */
	str_clear(&text);
	runtime__cgroup_read_text(dir, "syscall", &text);
	cleanup_free char *waiting = xasprintf("%d ", SYS_rt_sigtimedwait);
	return str_starts(str_text(&text), waiting);
}

int runtime_open_root(pid_t pid, uint64_t start_time, int *ret_fd, struct err *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/root", pid);
	/* The magic link is followed by the kernel to that process's root, wherever ours is. */
	cleanup_fd int fd = fs_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, err);
	int r;

	if (fd < 0)
		return fd;
	if ((r = check_alive(pid, start_time, err)) < 0)
		return r;
	*ret_fd = fd_take(fd);
	return 0;
}

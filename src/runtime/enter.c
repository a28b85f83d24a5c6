/* The intermediate: a process that lives for some hundred microseconds between the caller and the
 * container. It joins the cgroup while it still has the host's rights, enters the namespaces that
 * exist already, and clones the child into those that do not.
 *
 * It shares the caller's descriptor table, so that the child's pidfd lands there, and leaves its
 * results in a page of shared memory. The child is not to be its own, because it ends at once:
 *
 *	the caller's child      clone3 with CLONE_PARENT
 *	the caller's parent's   orphaned when the intermediate ends, it goes to the nearest
 *	                        subreaper: the keeper. (With CLONE_PARENT twice the keeper would
 *	                        have to reap intermediates that it knows nothing of.)
 */
#include "runtime/cgroup.h"
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* The child's whole set-up runs on a copy of this; untouched pages cost nothing. */
enum { STACK_SIZE = 512 << 10 };

/* What the intermediate leaves behind, in shared memory. */
struct entered {
	pid_t pid;
	int pidfd;
	int no;		  /* errno of what failed */
	const char *what; /* valid in the caller: a string constant of the same image */
	int detail;
};

static int entered_fail(struct entered *out, int no, const char *what, int detail)
{
	out->no = no;
	out->what = what;
	out->detail = detail;
	return -no;
}

/* Hard limits are raised while there are the rights for it. Everything else is set by the child,
 * before it runs the command: a limit of 20 open files or of so much memory is for that, not for
 * what makes the container. */
static int set_limits(const struct enter *e, struct entered *out)
{
	for (size_t i = 0; i < e->rlimits.n; i++) {
		const struct spec_rlimit *r = &e->rlimits.v[i];
		struct rlimit value;
		if (getrlimit((unsigned)r->resource, &value) < 0 || value.rlim_max >= r->hard)
			continue;
		value.rlim_max = r->hard;
		if (setrlimit((unsigned)r->resource, &value) < 0)
			return entered_fail(out, errno, "set a resource limit (ulimit)",
					    r->resource);
	}
	if (e->has_oom_score_adj) {
		struct err err = ERR_INIT;
		char text[16];
		snprintf(text, sizeof(text), "%d", e->oom_score_adj);
		int r = fs_poke(AT_FDCWD, "/proc/self/oom_score_adj", text, &err);
		err_done(&err);
		if (r < 0)
			return entered_fail(out, -r, "set oom_score_adj", e->oom_score_adj);
	}
	return 0;
}

static int enter_namespaces(const struct enter *e, struct entered *out)
{
	int r;

	for (size_t i = 0; i < e->ns_count; i++) {
		if (setns(e->ns[i].fd, e->ns[i].type) < 0)
			return entered_fail(out, errno, "enter a namespace", e->ns[i].type);
		if (!(e->ns[i].type & CLONE_NEWUSER))
			continue;
		if ((r = sys_setgroups(0, NULL)) < 0 || (r = sys_setresgid(0)) < 0 ||
		    (r = sys_setresuid(0)) < 0)
			return entered_fail(out, -r, "become root of the user namespace", 0);
	}
	return 0;
}

static void intermediate(const struct enter *e, struct entered *out)
{
	struct clone_args args = {
		.flags = e->clone_flags | CLONE_PIDFD | (e->clone_parent ? 0 : CLONE_PARENT),
		.pidfd = (uintptr_t)&out->pidfd,
		.exit_signal = e->clone_parent ? SIGCHLD : 0, /* CLONE_PARENT: as the caller's */
	};
	int r;

	/* Nothing inside the namespaces may trace or read us (CVE-2016-9962 class). */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (e->cgroup && (r = runtime__cgroup_join(e->cgroup)) < 0) {
		entered_fail(out, -r, "join the cgroup", 0);
		return;
	}
	if (set_limits(e, out) < 0 || enter_namespaces(e, out) < 0)
		return;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* becoming root may have set it again */
	r = sys_clone3(&args);
	if (r == 0) {
		e->child(e->data);
		_exit(125);
	}
	if (r < 0)
		entered_fail(out, -r, "clone the container's first process", 0);
	else
		out->pid = r;
}

static int word(const struct entered *out, struct err *err)
{
	if (!out->no)
		return err_new(err, ERR_SYSTEM, ECHILD,
			       "the process that enters the container was killed");
	if (out->no == EPERM && strstr(out->what, "ulimit"))
		return err_new(err, ERR_PERMISSION, EPERM,
			       "cannot raise a resource limit (RLIMIT number %d): this needs "
			       "CAP_SYS_RESOURCE, which stave does not have here; lower 'ulimits'",
			       out->detail);
	if (out->no == EACCES && strstr(out->what, "oom_score_adj"))
		return err_new(err, ERR_PERMISSION, EACCES,
			       "cannot lower oom_score_adj to %d: this needs CAP_SYS_RESOURCE, "
			       "which stave does not have here",
			       out->detail);
	return err_sys(err, out->no, "%s", out->what);
}

struct job {
	const struct enter *e;
	struct entered *out;
};

static int run_intermediate(void *data)
{
	const struct job *job = data;

	intermediate(job->e, job->out);
	_exit(0);
}

/* The sanitizer follows stacks, and loses its way when two processes share the memory they are in.
 */
#if defined(__SANITIZE_ADDRESS__)
enum { MAY_BORROW = false };
#else
enum { MAY_BORROW = true };
#endif

/* On v2 it is born in the cgroup: moving there later would wait for a grace period. */
static pid_t clone_copying(struct job *job, int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_FILES | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.exit_signal = SIGCHLD,
		.cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
	};
	pid_t pid = sys_clone3(&args);

	if (pid == 0)
		run_intermediate(job);
	return pid;
}

/* Else it borrows our memory while we wait for it, which saves copying the page tables twice. The
 * child gets a copy: it is cloned without CLONE_VM. */
static pid_t clone_borrowing(struct job *job)
{
	cleanup_free char *stack = xmalloc(STACK_SIZE);
	int pid = clone(run_intermediate, stack + STACK_SIZE,
			CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, job);

	return pid < 0 ? -errno : pid;
}

int runtime__enter(const struct enter *e, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	struct entered *out =
		mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job job = { e, out };
	int cgroup = e->cgroup ? runtime__cgroup_fd(e->cgroup) : FD_NONE;
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	sigset_t all, before;
	int r = 0;
	pid_t pid;

	if (out == MAP_FAILED)
		return err_sys(err, errno, "map shared memory");
	out->pidfd = FD_NONE;
	/* A handler or a signalfd of the caller's must not see what is meant for the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	/* SIGCHLD is for the child's sake: with CLONE_PARENT it inherits the signal, and without
	 * one a plain waitpid() would not see it. */
	pid = cgroup >= 0 || !MAY_BORROW ? clone_copying(&job, cgroup) : clone_borrowing(&job);
	if (pid > 0)
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	if (dumpable == 1)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* what the borrower has changed */
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		r = err_sys(err, -pid, "clone the process that enters the container");
	else if (!out->pid)
		r = word(out, err);
	else {
		*ret_pid = out->pid;
		*ret_pidfd = out->pidfd;
	}
	munmap(out, sizeof(*out));
	return r;
}

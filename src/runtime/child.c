/* The container's first process, from its birth to the exec (and exec's process, which skips what
 * is made already). It works through a table of stages; the first that fails is reported over the
 * status pipe, and the caller words it. A successful exec closes the pipe. */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"
#include "base/late.h"

#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const stage_texts[] = {
#define X(name, text) [STAGE_##name] = (text),
	STAGES(X)
#undef X
};

const char *runtime__stage_text(enum stage stage)
{
	return (unsigned)stage < STAGE_MAX_ ? stage_texts[stage] : "start";
}

static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &action, NULL); /* SIGKILL and SIGSTOP refuse */
}

static int enter(struct launch *l, struct err *err)
{
	int status = fcntl(l->status, F_DUPFD_CLOEXEC, 3);

	if (status < 0)
		return err_sys(err, errno, "keep the status pipe");
	l->status = status;
	late_forbid(); /* soon '/' is the container's: a library opened from there would be too */
	reset_signals();
	umask(0);
	(void)setsid(); /* fails only when it is a session leader already */
	/* A session keyring of its own; kernels without keyrings have none to share. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	return 0;
}

static int set_hostname(struct launch *l, struct err *err)
{
	const struct spec *s = l->spec;

	if (l->exec || !l->new_uts)
		return 0;
	if (s->hostname && sethostname(s->hostname, strlen(s->hostname)) < 0)
		return err_sys(err, errno, "'%s'", s->hostname);
	if (s->domainname && setdomainname(s->domainname, strlen(s->domainname)) < 0)
		return err_sys(err, errno, "domain '%s'", s->domainname);
	return 0;
}

/* Before the masks make /proc/sys read-only, in the namespaces that the values are for. */
static int set_sysctls(struct launch *l, struct err *err)
{
	vec_each(s, &l->spec->sysctls) {
		cleanup_free char *path = xasprintf("proc/sys/%s", s->name);
		for (char *p = path + strlen("proc/sys/"); *p; p++)
			if (*p == '.')
				*p = '/';
		cleanup_fd int fd = fs_open_beneath(l->root, path, O_WRONLY, 0, err);
		if (fd < 0)
			return err_wrap(err, "'%s'", s->name);
		int r = fs_write_all(fd, s->value, strlen(s->value));
		if (r < 0)
			return err_sys(err, -r, "'%s' to '%s'", s->name, s->value);
	}
	return 0;
}

/* Docker's: made when missing, entered as the container's root. A working directory outside the
 * root (an inherited descriptor, CVE-2024-21626) has no name. */
static int set_cwd(struct launch *l, struct err *err)
{
	const char *cwd = str_empty(l->process->cwd) ? "/" : l->process->cwd;
	char now[4096];

	if (chdir(cwd) < 0 && errno == ENOENT && !l->exec) {
		cleanup_fd int root = fs_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, err);
		if (root < 0)
			return root;
		cleanup_fd int made = runtime__target_open(root, cwd, true, true, err);
		if (made < 0)
			return made;
		if (fchdir(made) < 0)
			return err_sys(err, errno, "'%s'", cwd);
	} else if (chdir(cwd) < 0) {
		return err_sys(err, errno, "'%s'", cwd);
	}
	if (syscall(SYS_getcwd, now, sizeof(now)) < 0 || now[0] != '/')
		return err_new(err, ERR_CONTAINER, EPERM, "'%s' is outside the container", cwd);
	return 0;
}

static int set_env(struct launch *l)
{
	strv_copy(&l->env, &l->process->env);
	if (!env_get(&l->env, "PATH"))
		env_set(&l->env, "PATH", PATH_DEFAULT);
	if (l->process->tty && !env_get(&l->env, "TERM"))
		env_set(&l->env, "TERM", "xterm");
	return 0;
}

static int find_user(struct launch *l, struct err *err)
{
	set_env(l);
	int r = runtime__user_find(l, err);
	if (r < 0)
		return r;
	/* Pipes were given to the container's root by the privileged side. */
	for (int i = 0; l->uid && i < 3; i++)
		runtime__stdio_give(i, l->uid, (gid_t)-1);
	if (l->uid && l->console >= 0 && fchown(0, l->uid, (gid_t)-1) < 0)
		return err_sys(err, errno, "give the terminal to user %u", l->uid);
	return 0;
}

static int exec_failed(const char *path, int no, struct err *err)
{
	if (no == ENOENT && access(path, F_OK) == 0)
		return err_new(err, ERR_CONTAINER, ENOENT,
			       "'%s' is there, but its interpreter (the '#!' line, or the dynamic "
			       "loader of another C library) is not",
			       path);
	if (no == ENOENT || no == ENOTDIR)
		return err_new(err, ERR_CONTAINER, ENOENT, "'%s' not found in the image", path);
	return err_new(err, ERR_CONTAINER, EACCES, "'%s': %s", path,
		       no == ENOEXEC ? "not a program of this machine, nor a script with '#!'"
				     : strerror(no));
}

/* execvp with the container's PATH, telling "not found" from "found, but not executable". */
static int execute(struct launch *l, struct err *err)
{
	const struct strv *args = &l->process->args;
	const char *path = env_get(&l->env, "PATH");
	char candidate[4096];
	int denied = 0;

	umask(022);
	if (strchr(args->v[0], '/')) {
		execve(args->v[0], args->v, l->env.v);
		return exec_failed(args->v[0], errno, err);
	}
	for (const char *p = path; p; p = *p == ':' ? p + 1 : NULL) {
		size_t len = strcspn(p, ":");
		int n = snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)len, len ? p : ".",
				 args->v[0]);
		p += len;
		if (n < 0 || (size_t)n >= sizeof(candidate))
			continue;
		execve(candidate, args->v, l->env.v);
		if (errno == EACCES || access(candidate, F_OK) == 0) {
			denied = errno == EACCES ? EACCES : errno;
			break;
		}
	}
	if (denied)
		return exec_failed(candidate, denied, err);
	return err_new(err, ERR_CONTAINER, ENOENT, "'%s' not found in PATH (%s)", args->v[0], path);
}

static const struct {
	bool for_exec;
	int (*run)(struct launch *l, struct err *err);
} stages[] = {
	[STAGE_ENTER] = { true, enter },
	[STAGE_CONSOLE] = { true, runtime__console_make },
	[STAGE_ROOT] = { false, runtime__rootfs_mount },
	[STAGE_KERNELFS] = { false, runtime__kernelfs_make },
	[STAGE_MOUNTS] = { false, runtime__mounts_make },
	[STAGE_DEVICES] = { false, runtime__devices_attach },
	[STAGE_SYSCTLS] = { false, set_sysctls },
	[STAGE_MASKS] = { false, runtime__masks_make },
	[STAGE_PIVOT] = { false, runtime__rootfs_pivot },
	[STAGE_HOSTNAME] = { false, set_hostname },
	[STAGE_INIT] = { false, runtime__init_start },
	[STAGE_STDIO] = { true, runtime__stdio_set },
	[STAGE_USER] = { true, find_user },
	[STAGE_CWD] = { true, set_cwd },
	[STAGE_SECURITY] = { true, runtime__security_set },
	[STAGE_EXEC] = { true, execute },
};
_Static_assert(ARRAY_SIZE(stages) == STAGE_MAX_, "one row per stage");

static _Noreturn void report(const struct launch *l, enum stage stage, const struct err *err)
{
	struct report report = { .stage = (int32_t)stage, .kind = err->kind, .no = err->no };

	snprintf(report.text, sizeof(report.text), "%s", err->msg ? err->msg : "");
	(void)fs_write_all(l->status, &report, sizeof(report));
	if (stage != STAGE_EXEC)
		_exit(125);
	_exit(err->no == ENOENT ? 127 : 126);
}

_Noreturn void runtime__child(void *launch)
{
	struct launch *l = launch;
	struct err err = ERR_INIT;

	for (enum stage stage = 0; stage < STAGE_MAX_; stage++) {
		if (l->exec && !stages[stage].for_exec)
			continue;
		/* What is pending or sent from now on meets the defaults, as for any program. */
		if (stage == STAGE_EXEC) {
			sigset_t none;
			sigemptyset(&none);
			sigprocmask(SIG_SETMASK, &none, NULL);
			sys_close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
		}
		if (stages[stage].run(l, &err) < 0)
			report(l, stage, &err);
	}
	_exit(125);
}

/* Starting a keeper, from any command. */
#include "engine/keeper.h"

#include "base/fs.h"
#include "engine/keeper-protocol.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_DFL); /* SIGKILL and the like stay as they are */
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The keeper's process: nothing of the terminal, the directory or the descriptors of who happened
 * to start it. */
static void keeper_child(int run_dir, int ready, const char *project, char *const env[])
{
	int high = fcntl(ready, F_DUPFD_CLOEXEC, 64);
	int errors = openat(run_dir, "errors", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)dup2(null, 0);
	(void)dup2(errors >= 0 ? errors : null, 1);
	(void)dup2(errors >= 0 ? errors : null, 2);
	(void)close(KEEPER_FD_SOCKET);
	if (dup2(high, KEEPER_FD_READY) < 0)
		_exit(127);
	(void)close_range(KEEPER_FD_READY + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	(void)umask(022);
	if (chdir("/") < 0)
		_exit(127);
	reset_signals();
	char *argv[] = { (char *)"stave", (char *)"keeper", (char *)project, NULL };
	cleanup_err struct err ignored = ERR_INIT;
	environ = (char **)env;
	(void)runtime_protect(argv, &ignored); /* what is wrong, the keeper will say */
	execve("/proc/self/exe", argv, env);
	_exit(127);
}

static void keeper_environment(const struct engine_paths *paths, struct strv *env)
{
	static const char *const kept[] = { "PATH", "STAVE_DEBUG", "STAVE_CDI_DIRS", "TZ",
					    "ASAN_OPTIONS" };
	char binary[4096] = "";
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (getenv(kept[i]))
			strv_addf(env, "%s=%s", kept[i], getenv(kept[i]));
	strv_addf(env, "STAVE_ROOT=%s", paths->root);
	strv_addf(env, "STAVE_RUN=%s", paths->run);
	/* Where a newer binary would be, for an upgrade. */
	const char *inherited = getenv("STAVE_BINARY");
	ssize_t n = readlink("/proc/self/exe", binary, sizeof(binary) - 1);
	if (inherited)
		strv_addf(env, "STAVE_BINARY=%s", inherited);
	else if (n > 0 && binary[0] == '/' && !str_starts(binary, "/memfd:"))
		strv_addf(env, "STAVE_BINARY=%s", binary);
}

int keeper_start(const struct engine_paths *paths, const char *project, int ready, struct err *err)
{
	cleanup_strv struct strv env = { 0 };
	cleanup_free char *path = xasprintf("%s/projects/%s", paths->run, project);
	cleanup_fd int dir = fs_opendirs(AT_FDCWD, path, 0700, err);
	if (dir < 0)
		return dir;
	keeper_environment(paths, &env);
	pid_t pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "fork");
	if (pid == 0) {
		/* Twice, so that it is init's child and not that of a command that comes and goes.
		 */
		(void)setsid();
		if (fork() == 0)
			keeper_child(dir, ready, project, env.v);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* init: true. The container's first process stays as PID 1: it starts the program as its child,
 * passes signals on to it, reaps what the container orphans, and ends with the program's status.
 * It is the same process image (a sealed memfd), so nothing of the host is needed inside. */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/proc.h"

#include <signal.h>
#include <sys/wait.h>

/* Reaps what has ended; true, with the status to exit with, when the program itself has. */
static bool reap(pid_t program, int *ret_status)
{
	bool over = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != program)
			continue;
		over = true;
		*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return over;
}

static void handled(int signo)
{
	(void)signo; /* never runs: all signals stay blocked and are waited for */
}

/* While a process sleeps in sigwaitinfo the kernel shows what it waits for as not blocked: who asks
 * in /proc whether we take a signal (runtime_signal_works) would be told no. A handler says yes. */
static void show_handlers(void)
{
	struct sigaction action = { .sa_handler = handled };
	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &action, NULL); /* not for SIGKILL and SIGSTOP */
}

static _Noreturn void run(pid_t program, const sigset_t *signals)
{
	siginfo_t info;
	int status = 0;

	show_handlers();

	/* Ends here only when the program does: PID 1 takes everything else with it. */
	while (!reap(program, &status)) {
		int signo = sigwaitinfo(signals, &info);
		if (signo > 0 && signo != SIGCHLD)
			(void)kill(program, signo);
	}
	_exit(status);
}

int runtime__init_start(struct launch *l, struct err *err)
{
	sigset_t all;
	pid_t pid;

	if (!l->spec->init || l->exec || l->spec->pid != SPEC_NS_PRIVATE)
		return 0;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "start the program's process");
	if (pid == 0) {
		(void)setsid(); /* so that the program can have the terminal */
		return 0;
	}
	proc_title("init %s", l->spec->name ? l->spec->name : l->spec->id);
	/* The program's pipes and terminal are to end when the program closes them. */
	sys_close_range(0, ~0u, 0);
	run(pid, &all);
}

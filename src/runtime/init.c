/* init: true. The container's first process stays as PID 1: it starts the program as its child,
 * passes signals on to it, reaps what the container orphans, and ends with the program's status.
 * It is the same process image (a sealed memfd), so nothing of the host is needed inside. */
#include "runtime/launch.h"
#include "runtime/sys.h"

#include "base/fs.h"
#include "base/proc.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

enum { MAPS_MAX = 1 << 20, STACK_ROOM = 64 << 10 };

#define PAGE 65536ul /* the largest page of any machine */

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

/* Gives back the heap, a copy of the supervisor's: what it holds is nobody's business here, and the
 * pages would be this process's own as soon as the supervisor writes to its. Nothing allocates any
 * more. */
static void shed_heap(void)
{
	cleanup_err struct err ignored = ERR_INIT;
	struct str maps = STR_INIT;
	unsigned long start = 0, end = 0;

	if (fs_read(AT_FDCWD, "/proc/self/maps", MAPS_MAX, &maps, &ignored) == 0) {
		const char *heap = strstr(str_text(&maps), "[heap]");
		while (heap && heap > maps.data && heap[-1] != '\n')
			heap--;
		if (heap && sscanf(heap, "%lx-%lx", &start, &end) != 2)
			start = end = 0;
	}
	str_done(&maps);
	/* Our own stack may lie there (enter.c): it stays, with room to grow. */
	unsigned long here = (unsigned long)__builtin_frame_address(0) - STACK_ROOM;
	if (here > start && here < end)
		end = here & ~(PAGE - 1);
	if (end > start) {
		void *heap = (void *)start; // NOLINT(performance-no-int-to-ptr): it comes as text
		(void)madvise(heap, end - start, MADV_DONTNEED);
	}
}

/* Through a signalfd, not sigwaitinfo: the kernel drops signals that PID 1 neither blocks nor
 * handles, and while sigwaitinfo waits they do not count as blocked. */
static _Noreturn void run(const struct launch *l, pid_t program, const sigset_t *signals)
{
	struct signalfd_siginfo info;
	int status = 0, fd = signalfd(-1, signals, SFD_CLOEXEC);

	/* What could not be limited is not to run at all. */
	cleanup_err struct err told = ERR_INIT;
	if (runtime__security_set_init(l, &told) < 0)
		_exit(125);
	shed_heap();
	/* Ends here only when the program does: PID 1 takes everything else with it. */
	while (!reap(program, &status)) {
		if (fd < 0 || read(fd, &info, sizeof(info)) != sizeof(info))
			_exit(125);
		if (info.ssi_signo != SIGCHLD)
			(void)kill(program, (int)info.ssi_signo);
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
	/* It began as a copy of the supervisor. The title may need the room. */
	proc_forget_environment();
	proc_title("init %s", l->spec->name ? l->spec->name : l->spec->id);
	/* As the program's own: /proc/1/limits is where people look. What fails here fails there,
	 * and is told. */
	cleanup_err struct err told = ERR_INIT;
	(void)runtime__limits_set(l, &told);
	/* The program's pipes and terminal are to end when the program closes them. */
	sys_close_range(0, ~0u, 0);
	run(l, pid, &all);
}

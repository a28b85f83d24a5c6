#include "runtime/launch.h"
#include "runtime/sys.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct outcome {
	int result;
	struct report report;
};

int runtime__helper(uint64_t clone_flags, int (*fn)(void *data, struct err *err), void *data,
		    struct err *err)
{
	struct clone_args args = { .flags = clone_flags | CLONE_FILES };
	struct outcome *out =
		mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigset_t all, before;
	int r;

	if (out == MAP_FAILED)
		return err_sys(err, errno, "map shared memory");
	out->result = -ECHILD;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = sys_clone3(&args);
	if (pid == 0) {
		struct err why = ERR_INIT;
		out->result = fn(data, &why);
		out->report.kind = why.kind;
		out->report.no = why.no;
		snprintf(out->report.text, sizeof(out->report.text), "%s", why.msg ? why.msg : "");
		_exit(0);
	}
	if (pid > 0)
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	sigprocmask(SIG_SETMASK, &before, NULL);
	r = pid < 0 ? pid : out->result;
	if (pid < 0)
		err_sys(err, -pid, "start a helper process");
	else if (r < 0)
		err_new(err, out->report.no ? (enum err_kind)out->report.kind : ERR_SYSTEM, -r,
			"%s", out->report.no ? out->report.text : "a helper process was killed");
	munmap(out, sizeof(*out));
	return r;
}
